"""CSV: UTF-8 text with one header line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from actors.ports import WorkFailed

from .source import PIECE_ROWS, Piece, distinct, require_columns

_KIND = "malformed csv"


class CsvFile:
    """A CSV file; a row is called by its line."""

    row = "line"

    def __init__(self, path: str) -> None:
        self._path = path

    def header(self) -> tuple[str, ...]:
        with self._reading() as file:
            return self._header(csv.reader(file, strict=True))

    def pieces(self, names: Sequence[str]) -> Iterator[Piece]:
        with self._reading() as file:
            lines = csv.reader(file, strict=True)
            header = self._header(lines)
            require_columns(self._path, header, names)
            chosen = [header.index(name) for name in names]
            columns: list[list[str]] = [[] for _ in names]
            places: list[int] = []
            for cells in lines:
                if not cells:  # an empty line
                    continue
                if len(cells) != len(header):
                    where = f"{self._path}, line {lines.line_num}"
                    text = f"{where}: {len(cells)} cells under {len(header)} columns"
                    raise WorkFailed(_KIND, text)
                for column, place in zip(columns, chosen, strict=True):
                    column.append(cells[place])
                places.append(lines.line_num)
                if len(places) == PIECE_ROWS:
                    yield Piece(columns, places)
                    columns, places = [[] for _ in names], []
            if places:
                yield Piece(columns, places)

    def _header(self, lines: Iterator[list[str]]) -> tuple[str, ...]:
        header = tuple(name.strip() for name in next(lines, []))
        if not header:
            raise WorkFailed("empty", f"{self._path} has no header line")
        return distinct(header, self._path, _KIND)

    @contextmanager
    def _reading(self) -> Iterator[TextIO]:
        path = self._path
        try:
            with Path(path).open(newline="", encoding="utf-8-sig") as file:
                yield file
        except OSError as error:
            raise WorkFailed("missing file", f"{path} can't be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise WorkFailed(_KIND, f"{path} is not UTF-8 text") from None
        except csv.Error as error:
            raise WorkFailed(_KIND, f"{path}: {error}") from None
