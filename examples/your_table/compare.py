"""Is a federation worth it? Each owner alone, federated and pooled, on rows that nobody fits on.

    python -m examples.your_table.compare job.toml held_out.csv

For every job over tables that predicts its target: regressions and boosted trees.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np
from sklearn.metrics import roc_auc_score

from examples.side_by_side import alone, console, federated, show
from infra.casting import algorithm_at, resolved, work_spec
from infra.config import Job, load_job
from infra.table_task import TableTask
from protocols.learning.disclosure import NO_RULES
from protocols.learning.fits import Fit

Columns = Mapping[str, np.ndarray]


@runtime_checkable
class Predicting(Protocol):
    """A fit that says what a target will be: a number, or the chance of 1."""

    def predict(self, columns: Columns) -> np.ndarray:
        """Return a number (n,) for each row."""
        ...


def main(job_file: Path, held_out_file: Path) -> None:
    """Fit in all three ways, and print how good each is."""
    job = resolved(load_job(job_file))
    columns = [column.name for column in algorithm_at(job, str(job.owners[0].data)).columns()]
    new = whole_rows(held_out_file, columns)
    target = new[str(getattr(job.learning, "target", ""))]
    fits: dict[str, Fit | str] = {f"{name} alone": fit for name, fit in alone(job_file).items()}
    fits |= {"federated": federated(job_file), "pooled": pooled(job)}
    predicted = {who: fit.predict(new) for who, fit in fits.items() if isinstance(fit, Predicting)}
    heads, scores = judged(target, predicted)
    reasons = {
        who: (why, *[""] * (len(heads) - 2)) for who, why in fits.items() if isinstance(why, str)
    }
    found = {who: scores.get(who) or reasons[who] for who in fits}
    show(f"On {len(target)} rows that nobody fitted on", heads, [(k, *v) for k, v in found.items()])
    apart = np.abs(predicted["federated"] - predicted["pooled"]).max()
    console.print(f"federated and pooled predictions differ by {apart:.0e} at most")


def judged(
    target: np.ndarray, predicted: Mapping[str, np.ndarray]
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Return the heads of a table, and its numbers for each who predicts."""
    if np.isin(target, (0, 1)).all():
        return ("who", "accuracy", "AUC"), {
            who: (
                f"{((chance > 0.5) == (target == 1)).mean():.4f}",
                f"{roc_auc_score(target, chance):.4f}",
            )
            for who, chance in predicted.items()
        }
    return ("who", "root mean square error"), {
        who: (f"{np.sqrt(((number - target) ** 2).mean()):.4f}",)
        for who, number in predicted.items()
    }


def pooled(job: Job) -> Fit:
    """Return the same fit over the rows of all owners in one file, without a federation."""
    spec = work_spec(job, job.owners[0])
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.csv"
        texts = [Path(str(owner.data)).read_text(encoding="utf-8") for owner in job.owners]
        header = texts[0].partition("\n")[0]
        whole.write_text("\n".join([header, *(t.partition("\n")[2].strip() for t in texts)]) + "\n")
        task = TableTask(msgspec.structs.replace(spec, data=str(whole), rules=NO_RULES))
        fit = algorithm_at(job, str(whole)).fit(task.fit(0))
    if fit is None:
        sys.exit("the pooled fit is not at its end; allow more max_rounds")
    return fit


def whole_rows(file: Path, columns: list[str]) -> dict[str, np.ndarray]:
    """Return columns (n,) of the rows that have a number in each of them."""
    with file.open(newline="", encoding="utf-8") as opened:
        rows = [[row[name] for name in columns] for row in csv.DictReader(opened)]
    numbers = np.array([row for row in rows if not {"", "?"} & set(row)], dtype=float)
    return dict(zip(columns, numbers.T, strict=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
