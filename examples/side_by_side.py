"""What the examples share: each owner alone, the federation, and a table of both."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from infra.casting import assignment_of, resolved, work_spec
from infra.cli.run_command import RunRequest, run
from infra.config import Job, load_job
from infra.fit_files import load_fit
from infra.table_task import TableTask
from protocols.errors import Unfit
from protocols.learning.fits import Fit
from protocols.learning.job import JobFailed
from protocols.learning.state import State
from protocols.learning.tabular import Tabular

console = Console(highlight=False, width=100)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file, and its folder where there is none."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_table(path: Path) -> dict[str, np.ndarray]:
    """Return the columns (n,) of a CSV file of numbers."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return dict(zip(header, np.array(rows, dtype=float).T, strict=True))


def stacked(tables: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the rows of all tables in one: what nobody in a federation has."""
    parts = list(tables)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def federated_state(job: Path, *, plot: Path | None = None) -> State:
    """Do what `quorate run JOB --plot FILE` does, and return the state at the end."""
    code = run(RunRequest(path=job, plot=plot), output="live")
    if code != 0:
        sys.exit(code)
    checkpoints = job.parent / ".quorate" / load_job(job).name / "coordinator" / "checkpoints"
    return State.from_bytes(sorted(checkpoints.glob("state-*"))[-1].read_bytes())


def federated(job: Path, *, plot: Path | None = None) -> Fit:
    """Run a job over tables, and return what it has found."""
    federated_state(job, plot=plot)
    return load_fit(job)


def alone(job: Path) -> dict[str, Fit | str]:
    """Fit the same model over each owner's rows only; where that is impossible, say why."""
    whole = resolved(load_job(job))
    found: dict[str, Fit | str] = {}
    for owner in whole.owners:
        try:
            state = TableTask(work_spec(whole, owner)).fit(0)
        except (JobFailed, Unfit) as failure:
            found[owner.name] = str(failure).partition(": ")[2].partition(";")[0] or str(failure)
            continue
        fit = _algorithm(whole).fit(state)
        found[owner.name] = "no end" if fit is None else fit
    return found


def show(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; rows that begin with `federated` stand out."""
    table = Table()
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row, style="bold" if row[0].startswith("federated") else None)
    console.print(f"\n{title}", style="italic")
    console.print(table)


def _algorithm(job: Job) -> Tabular:
    algorithm = assignment_of(job, State()).algorithm
    if not isinstance(algorithm, Tabular):
        raise TypeError(f"{job.algorithm} is not over tables")
    return algorithm
