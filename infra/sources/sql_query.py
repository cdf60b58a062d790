"""SQL, by SQLAlchemy: a small TOML file beside the owner says where to ask, and for what.

[sql]
url = "postgresql+psycopg://reader@db.example.org/hospital"
password_file = "db.password"     # or none; nothing of this file leaves the owner's machine
query = "select age, sex, died from admissions where year = 2024"     # or: table = "..."
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from actors.ports import WorkFailed

from .source import PIECE_ROWS, Piece, distinct, missing_library, require_columns

_KIND = "malformed source"
_FAILED = "database failed"
_MAX_BYTES = 2**16
_SHOWN = 200


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section `[sql]`: a database, and a query or a table of it."""

    url: str
    query: str | None = None
    table: str | None = None
    password_file: str | None = None


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sql: Question


class SqlQuery:
    """The rows that a database answers with, counted from 1; they are fetched piece by piece."""

    row = "row"

    def __init__(self, path: str) -> None:
        self._path = path

    def header(self) -> tuple[str, ...]:
        question = self._question()
        with self._connected(question) as connection:
            return self._names(question, connection)

    def pieces(self, names: Sequence[str]) -> Iterator[Piece]:
        question, first = self._question(), 1
        with self._connected(question) as connection:
            if question.table is not None:
                require_columns(self._path, self._names(question, connection), names)
            streamed = connection.execution_options(stream_results=True, max_row_buffer=PIECE_ROWS)
            result = streamed.execute(_statement(question, names))
            header = distinct(tuple(result.keys()), self._path, _KIND)
            require_columns(self._path, header, names)
            places = [header.index(name) for name in names]
            for rows in result.partitions(PIECE_ROWS):
                cells = [[row[place] for row in rows] for place in places]
                yield Piece(cells, range(first, first + len(rows)))
                first += len(rows)

    def _names(self, question: Question, connection: Any) -> tuple[str, ...]:
        import sqlalchemy  # noqa: PLC0415

        if question.query is not None:
            names = tuple(connection.execute(_statement(question, ())).keys())
        else:
            schema, _, table = (question.table or "").rpartition(".")
            columns = sqlalchemy.inspect(connection).get_columns(table, schema or None)
            names = tuple(column["name"] for column in columns)
        return distinct(names, self._path, _KIND)

    def _question(self) -> Question:
        path = self._path
        try:
            with Path(path).open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
            document = tomllib.loads(content[:_MAX_BYTES].decode())
            question = msgspec.convert(document, _Document).sql
        except OSError as error:
            raise WorkFailed("missing file", f"{path} can't be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            # Of a document that is none, only the place: it may hold a password.
            what = str(error) if isinstance(error, msgspec.ValidationError) else "no TOML"
            raise WorkFailed(_KIND, f"{path}: {what}; it needs [sql] with url and query") from None
        if (question.query is None) == (question.table is None):
            raise WorkFailed(_KIND, f"{path}: [sql] needs either query or table")
        return question

    @contextmanager
    def _connected(self, question: Question) -> Iterator[Any]:
        try:
            import sqlalchemy  # noqa: PLC0415  # an extra
            from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415
        except ModuleNotFoundError as error:
            if error.name != "sqlalchemy":
                raise
            raise missing_library(self._path, "SQLAlchemy", "sql") from None
        try:
            url = self._url(question)
            engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
            with engine.connect() as connection:
                yield connection
        except ModuleNotFoundError as error:
            text = f"{self._path}: this database needs the library {error.name}; install it there"
            raise WorkFailed("missing library", text) from None
        except SQLAlchemyError as error:
            raise WorkFailed(_FAILED, f"{self._path}: {_reason(error)}") from None

    def _url(self, question: Question) -> Any:
        import sqlalchemy  # noqa: PLC0415

        folder = Path(self._path).absolute().parent
        try:
            url = sqlalchemy.make_url(question.url)
        except sqlalchemy.exc.ArgumentError:  # its text may hold the password
            raise WorkFailed(_KIND, f"{self._path}: sql.url is no address") from None
        if question.password_file is not None:
            file = folder / question.password_file
            try:
                url = url.set(password=file.read_text(encoding="utf-8").rstrip("\r\n"))
            except (OSError, UnicodeDecodeError):
                raise WorkFailed("missing file", f"{file} can't be read") from None
        if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
            return url
        file = folder / url.database
        # SQLite would make an empty database of it.
        if not file.is_file():
            raise WorkFailed("missing file", f"{file} is not there")
        return url.set(database=str(file))


def _statement(question: Question, names: Sequence[str]) -> Any:
    import sqlalchemy  # noqa: PLC0415

    if question.query is not None:
        # A colon is the database's own, not a parameter.
        return sqlalchemy.text(question.query.replace(":", r"\:"))
    # The library quotes names where they need it.
    schema, _, table = (question.table or "").rpartition(".")
    columns = [sqlalchemy.column(name) for name in names]
    return sqlalchemy.select(*columns).select_from(sqlalchemy.table(table, schema=schema or None))


def _reason(error: Exception) -> str:
    """Return what the database or the library says, without the statement and its values."""
    said = str(getattr(error, "orig", None) or error).strip().splitlines()
    return f"{type(error).__name__}: {said[0][:_SHOWN] if said else 'no reason given'}"
