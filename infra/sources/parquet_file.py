"""Parquet, by pyarrow: columns that are not asked for are not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from actors.ports import WorkFailed

from .source import PIECE_ROWS, Cells, Piece, distinct, missing_library, require_columns

_KIND = "malformed parquet"


class ParquetFile:
    """A Parquet file; rows are counted from 1."""

    row = "row"

    def __init__(self, path: str) -> None:
        self._path = path

    def header(self) -> tuple[str, ...]:
        with self._reading() as file:
            return distinct(tuple(file.schema_arrow.names), self._path, _KIND)

    def pieces(self, names: Sequence[str]) -> Iterator[Piece]:
        with self._reading() as file:
            header = distinct(tuple(file.schema_arrow.names), self._path, _KIND)
            require_columns(self._path, header, names)
            first = 1
            for batch in file.iter_batches(
                batch_size=PIECE_ROWS, columns=list(names), use_threads=False
            ):
                cells = [_cells(batch.column(name)) for name in names]
                yield Piece(cells, range(first, first + batch.num_rows))
                first += batch.num_rows

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        try:
            from pyarrow import (  # noqa: PLC0415  # an extra, and heavy
                ArrowException,
                set_memory_pool,
                system_memory_pool,
            )
            from pyarrow.parquet import ParquetFile as Reader  # noqa: PLC0415
        except ModuleNotFoundError as error:
            if error.name != "pyarrow":
                raise
            raise missing_library(self._path, "pyarrow", "parquet") from None
        # Its own pools reserve far more than they use, which the limit of a child counts.
        set_memory_pool(system_memory_pool())
        try:
            # Of a path, not a file, the library could think as of an address.
            with Path(self._path).open("rb") as content, Reader(content) as file:
                yield file
        except OSError as error:
            why = error.strerror or "it ends too soon, or is damaged"
            kind = "missing file" if error.strerror else _KIND
            raise WorkFailed(kind, f"{self._path} can't be read: {why}") from None
        except ArrowException:
            raise WorkFailed(_KIND, f"{self._path} is no Parquet file, or damaged") from None


def _cells(column: Any) -> Cells:
    from pyarrow import float64, types  # noqa: PLC0415

    kind = column.type
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        numbers = column.cast(float64(), safe=False).to_numpy(zero_copy_only=False)
        return np.asarray(numbers, dtype=np.float64)
    cells: list[object] = column.to_pylist()
    return cells
