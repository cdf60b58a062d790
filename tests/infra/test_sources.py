"""Parquet files and databases: the same tables as from CSV, and the same words about faults."""

from __future__ import annotations

import datetime
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.ports import WorkFailed
from infra.sources.source import PIECE_ROWS
from infra.tables import Agreement, load_table, read_header
from protocols.learning.table import Column, numbers

SEX = Column(name="sex", kind="class", levels=("f", "m"))
COLUMNS = (*numbers(("age", "bmi")), SEX)
ROWS = [("age", "bmi", "sex", "note"), (50, 22.5, "f", "x"), (61, 30.0, "m", None)]
FORMS = ("csv", "parquet", "query", "table")


def written(folder: Path, form: str, rows: list[tuple[Any, ...]]) -> str:
    """Write a header and rows in one of the forms; return what an owner would name."""
    names, *cells = rows
    if form == "csv":
        lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
        (folder / "data.csv").write_text("\n".join(lines) + "\n")
        return str(folder / "data.csv")
    if form == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        columns = {name: [row[n] for row in cells] for n, name in enumerate(names)}
        parquet.write_table(pyarrow.table(columns), folder / "data.parquet")
        return str(folder / "data.parquet")
    pytest.importorskip("sqlalchemy")
    with sqlite3.connect(folder / "data.db") as database:
        database.execute(f"create table patients ({', '.join(names)})")
        marks = ", ".join("?" * len(names))
        database.executemany(f"insert into patients values ({marks})", cells)  # noqa: S608
    database.close()
    what = 'table = "patients"' if form == "table" else 'query = "select * from patients"'
    return asking(folder, f'url = "sqlite:///data.db"\n{what}')


def asking(folder: Path, keys: str) -> str:
    (folder / "ask.toml").write_text(f"[sql]\n{keys}\n")
    return str(folder / "ask.toml")


def failure(path: str, *columns: Column) -> WorkFailed:
    with pytest.raises(WorkFailed) as caught:
        load_table(path, columns or COLUMNS)
    return caught.value


@pytest.mark.parametrize("form", FORMS)
def test_a_table_is_the_same_in_every_form(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, form, ROWS)

    table = load_table(path, COLUMNS)

    assert read_header(path) == ("age", "bmi", "sex", "note")
    np.testing.assert_array_equal(table.matrix(("age", "bmi")), [[50, 22.5], [61, 30.0]])
    assert table.column("sex").tolist() == [0.0, 1.0]


@pytest.mark.parametrize("form", FORMS)
def test_rows_beyond_one_piece_keep_their_order_and_count(tmp_path: Path, form: str) -> None:
    count = 2 * PIECE_ROWS + 3
    rows = [ROWS[0], *((n, 25.0, "fm"[n % 2], "x") for n in range(count))]

    path = written(tmp_path, form, rows)
    table = load_table(path, COLUMNS)

    assert table.column("age").tolist() == list(range(count))
    assert table.column("sex").tolist() == [float(n % 2) for n in range(count)]
    late = Column(name="age", most=PIECE_ROWS + 1.0)
    row = f"line {PIECE_ROWS + 4}" if form == "csv" else f"row {PIECE_ROWS + 3}"
    assert f"{row}, column 'age'" in str(failure(path, late))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("cell", "place", "kind", "text"),
    [
        (None, 1, "missing value", "'bmi': no value"),
        ("secretword", 1, "not a number", "'bmi': not a finite number"),
        ("d", 2, "bad value", "'sex': it must be one of f, m"),
    ],
)
def test_a_fault_is_named_by_row_and_column_and_never_by_value(
    tmp_path: Path, form: str, cell: str | None, place: int, kind: str, text: str
) -> None:
    bad: list[Any] = [70, "31.5", "m", "x"]
    bad[place] = cell
    as_texts = [(row[0], str(row[1]), *row[2:]) for row in ROWS[1:]]

    error = failure(written(tmp_path, form, [ROWS[0], *as_texts, tuple(bad)]))

    row = "line 4" if form == "csv" else "row 3"
    assert error.kind == kind
    assert f"{row}, column {text}" in str(error)
    assert "secretword" not in str(error)


@pytest.mark.parametrize("form", FORMS)
def test_a_column_that_is_not_there_is_named(tmp_path: Path, form: str) -> None:
    error = failure(written(tmp_path, form, ROWS), Column(name="weight"))

    assert error.kind == "different columns"
    assert "lacks 'weight'; the job does not know its 'age', 'bmi', 'sex', 'note'" in str(error)


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_table_is_said_to_be_empty(tmp_path: Path, form: str) -> None:
    columns = (Column(name="age"),)

    assert failure(written(tmp_path, form, ROWS[:1]), *columns).kind == "empty"


@pytest.mark.parametrize("form", FORMS)
def test_rows_that_lack_a_value_are_left_out_where_all_agreed_on_it(
    tmp_path: Path, form: str
) -> None:
    rows = [*ROWS, (None, 20.0, "f", "x"), (44, None, "f", "x"), (45, 21.0, "m", None)]
    path = written(tmp_path, form, rows)

    table = load_table(path, COLUMNS, Agreement(missing="leave out"))

    assert table.column("age").tolist() == [50.0, 61.0, 45.0]
    assert table.column("sex").tolist() == [0.0, 1.0, 1.0]
    assert table.warnings == (f"{path}: 2 rows are left out, as they lack a value",)


def test_a_table_without_a_whole_row_is_empty(tmp_path: Path) -> None:
    path = written(tmp_path, "csv", [ROWS[0], (None, 1.0, "f", "x")])

    with pytest.raises(WorkFailed, match="no row without a missing value"):
        load_table(path, COLUMNS, Agreement(missing="leave out"))


def test_numbers_of_any_type_are_numbers(tmp_path: Path) -> None:
    names = ("small", "exact", "truth", "code", "gap")
    rows = [names, (1, Decimal("2.5"), True, 1, 1.5), (2, Decimal("3.5"), False, 2, 2.5)]
    code = Column(name="code", kind="class", levels=("2", "1"))

    table = load_table(written(tmp_path, "parquet", rows), (*numbers(names[:3]), code))

    np.testing.assert_array_equal(table.matrix(names[:3]), [[1, 2.5, 1], [2, 3.5, 0]])
    assert table.column("code").tolist() == [1.0, 0.0]


@pytest.mark.parametrize("cell", [datetime.date(2024, 1, 1), b"12", [1.0]])
def test_what_is_no_number_in_parquet_is_none_here(tmp_path: Path, cell: object) -> None:
    path = written(tmp_path, "parquet", [("age",), (cell,)])

    assert failure(path, Column(name="age")).kind == "not a number"


def test_not_a_number_in_parquet_is_a_missing_value(tmp_path: Path) -> None:
    path = written(tmp_path, "parquet", [("age",), (1.0,), (float("nan"),)])

    assert failure(path, Column(name="age")).kind == "missing value"


def test_infinity_in_parquet_is_no_number(tmp_path: Path) -> None:
    path = written(tmp_path, "parquet", [("age",), (float("inf"),)])

    assert failure(path, Column(name="age")).kind == "not a number"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"age\n1\n", None])
def test_what_is_no_parquet_file_is_said_so(tmp_path: Path, content: bytes | None) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "data.parquet"
    if content is not None:
        path.write_bytes(content)

    error = failure(str(path))

    assert error.kind == ("missing file" if content is None else "malformed parquet")
    assert str(path) in str(error)


def test_a_cut_off_parquet_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = Path(written(tmp_path, "parquet", ROWS))
    path.write_bytes(path.read_bytes()[:-20])

    assert failure(str(path)).kind == "malformed parquet"


@pytest.mark.parametrize(
    ("keys", "kind", "text"),
    [
        ('url = "sqlite:///gone.db"\ntable = "t"', "missing file", "gone.db is not there"),
        ('url = "sqlite:///data.db"', "malformed source", "either query or table"),
        ('url = "sqlite:///data.db"\ntabel = "t"', "malformed source", "unknown field `tabel`"),
        ('url = "sqlite:///data.db"\ntable = "t"', "database failed", "NoSuchTableError: t"),
        (
            'url = "sqlite:///data.db"\nquery = "select weight from patients"',
            "database failed",
            "OperationalError: no such column: weight",
        ),
        ('url = "no address"\ntable = "t"', "malformed source", "is no address"),
        ('url = "oddbase://h/d"\ntable = "t"', "database failed", "NoSuchModuleError"),
        ('url = "postgresql+pg8000://h/d"\ntable = "t"', "missing library", "pg8000"),
        ('url = "sqlite:///data.db"\ntable = "t"\npassword_file = "p"', "missing file", "/p can't"),
        ("url = ", "malformed source", "no TOML"),
    ],
)
def test_a_question_that_can_t_be_asked_says_why(
    tmp_path: Path, keys: str, kind: str, text: str
) -> None:
    written(tmp_path, "table", ROWS)

    error = failure(asking(tmp_path, keys))

    assert error.kind == kind
    assert text in str(error)


def test_a_password_never_stands_in_an_error(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    (tmp_path / "secret").write_text("hunter2\n")
    keys = 'url = "sqlite:///gone.db"\ntable = "t"\npassword_file = "secret"'

    inline = failure(asking(tmp_path, 'url = "oddbase://me:hunter2@h/d"\ntable = "t"'))

    assert "hunter2" not in str(failure(asking(tmp_path, keys)))
    assert "hunter2" not in str(inline)
    broken = 'url = "postgresql//me:hunter2@h/d"\ntable = "t"'
    assert "hunter2" not in str(failure(asking(tmp_path, broken)))


def test_a_query_may_hold_colons(tmp_path: Path) -> None:
    written(tmp_path, "table", [("age",), (1,), (2,)])
    keys = "url = 'sqlite:///data.db'\nquery = \"select age, '12:30' as at from patients\""

    table = load_table(asking(tmp_path, keys), (Column(name="age"),))

    assert table.rows == 2
