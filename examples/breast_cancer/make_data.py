"""Write one CSV file per owner from scikit-learn's bundled breast cancer data.

The rows keep their order: the first 100 are north's, the next 169 middle's, the last 300
south's. `benign` is scikit-learn's own target: 1 for benign, 0 for malignant.
"""

from __future__ import annotations

import csv
from pathlib import Path

from sklearn.datasets import load_breast_cancer

ROWS = {"north": 100, "middle": 169, "south": 300}


def main() -> None:
    """Write the files beside this script."""
    data = load_breast_cancer()
    header = [*(name.replace(" ", "_") for name in data.feature_names), "benign"]
    rows = [[*values, label] for values, label in zip(data.data, data.target, strict=True)]
    first = 0
    for owner, count in ROWS.items():
        _write(Path(__file__).with_name(f"{owner}.csv"), header, rows[first : first + count])
        first += count


def _write(path: Path, header: list[str], rows: list[list[float]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        # float and int print the shortest digits that read back as the same number.
        writer.writerows([*map(float, values), int(label)] for *values, label in rows)


if __name__ == "__main__":
    main()
