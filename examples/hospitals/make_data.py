"""Write a file for each hospital from lifelines' bundled lung cancer data.

The North Central Cancer Treatment Group's patients with advanced lung cancer, with the institution
that treated them (Loprinzi and others, Journal of Clinical Oncology 12, 1994). Two patients without
an institution or a performance score are left out: 226 at 18 institutions remain.
"""

from __future__ import annotations

from pathlib import Path

from lifelines.datasets import load_lung

from examples.side_by_side import write_table

HEADER = ("days", "died", "age", "woman", "ecog", "sex")


def write(folder: Path) -> None:
    """Write `hospital-NN.csv`, one for each institution."""
    patients = load_lung().dropna(subset=["inst", "ph.ecog"])
    for number, part in patients.groupby("inst"):
        woman = part["sex"] == 2
        numbers = (part["time"], part["status"], part["age"], woman, part["ph.ecog"])
        names = woman.map({False: "man", True: "woman"})
        rows = zip(*(column.astype(int) for column in numbers), names, strict=True)
        write_table(folder / f"hospital-{int(number):02}.csv", HEADER, rows)
