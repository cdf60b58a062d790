"""Where an owner's rows lie: a CSV file, a Parquet file, or a database."""

from __future__ import annotations

from pathlib import Path

from .csv_file import CsvFile
from .parquet_file import ParquetFile
from .source import Piece, Source
from .sql_query import SqlQuery

__all__ = ["Piece", "Source", "source_at"]


def source_at(path: str) -> Source:
    """Return the reader for a path, by its suffix; every other file is read as CSV."""
    match Path(path).suffix.lower():
        case ".parquet" | ".pq":
            return ParquetFile(path)
        case ".toml":
            return SqlQuery(path)
    return CsvFile(path)
