"""Write a file for each owner from one CSV table. `python -m examples.your_table.divide --help`."""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from examples.side_by_side import console, write_table

Row = dict[str, str]


def main(words: Sequence[str] | None = None) -> None:
    """Divide a table, keep some rows from everybody, and say how many rows each owner has."""
    parser = argparse.ArgumentParser(prog="divide", description=__doc__)
    parser.add_argument("table", type=Path, help="a CSV file with a header")
    parser.add_argument("folder", type=Path, help="where the owners' files go")
    division = parser.add_mutually_exclusive_group(required=True)
    division.add_argument("--by", metavar="COLUMN", help="the column that names the owner")
    division.add_argument("--parts", type=int, metavar="N", help="so many owners, row by row")
    parser.add_argument("--drop", default="", metavar="A,B", help="columns to leave out")
    parser.add_argument("--binary", metavar="COLUMN", help="make 1 of all that is above 0 in it")
    parser.add_argument("--hold-out", type=int, default=5, metavar="K", help="each K-th row (5)")
    asked = parser.parse_args(words)
    with asked.table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    left_out = {*asked.drop.split(","), asked.by}
    header = [name for name in rows[0] if name not in left_out]
    owners, held_out = divided(rows, asked.by, asked.parts, asked.hold_out)
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name, own in {**owners, "held_out": held_out}.items():
        cells = ([_cell(row[column], column == asked.binary) for column in header] for row in own)
        write_table(asked.folder / f"{name}.csv", header, cells)
        console.print(f"{asked.folder / name}.csv  {len(own)} rows")


def divided(
    rows: Sequence[Row], by: str | None, parts: int | None, every: int
) -> tuple[dict[str, list[Row]], list[Row]]:
    """Return each owner's rows, and of each owner every so many that nobody fits on."""
    owners: dict[str, list[Row]] = defaultdict(list)
    for place, row in enumerate(rows):
        owners[row[by].lower() if by else f"part-{place % (parts or 1) + 1}"].append(row)
    held_out = [row for own in owners.values() for row in own[every - 1 :: every]]
    kept = {
        name: [row for place, row in enumerate(own, start=1) if place % every]
        for name, own in owners.items()
    }
    return kept, held_out


def _cell(text: str, binary: bool) -> str:
    return str(int(float(text) > 0)) if binary and text else text


if __name__ == "__main__":
    main()
