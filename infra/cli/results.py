"""What a job has found, for people: once it has ended, wherever its actors ran."""

from __future__ import annotations

from rich.table import Table

from protocols.learning.fits import Fit
from protocols.learning.tabular import Tabular

from .display import Display
from .session import DONE, Result, metrics, notes_of
from .terminal import console

_APART = ("resume", "notes", "log", "model")  # shown in their own way
_SHOWN = 6  # of a list's values


def fit_of(result: Result) -> Fit | None:
    """Return what a finished job over tables has found; None for any other."""
    algorithm = result.algorithm
    if result.exit_code != DONE or not isinstance(algorithm, Tabular):
        return None
    return algorithm.fit(result.state)


def show_result(result: Result, display: Display, extra: dict[str, object]) -> None:
    """Print how a job ended and what it has found.

    `extra` holds the log's path as `log`, how to go on as `resume` (None where it is over), and
    of a job that is done what it has found.
    """
    ended = result.ended
    reason = f": {ended.reason}" if ended.reason else ""
    console.print()
    console.print(f"{ended.job}: {ended.outcome}{reason}", markup=False, soft_wrap=True)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    fit = fit_of(result)
    # The summary says what was found, better than bare numbers.
    shown = extra if fit is None else {name: extra[name] for name in _APART if name in extra}
    for name, fact in _rows(result, display, shown):
        table.add_row(name, fact)
    console.print(table, markup=False)
    # In one piece, to be copied.
    if "model" in extra:
        console.print(f"model       {extra['model']}", markup=False, soft_wrap=True)
    if result.checkpoint is not None:
        console.print(f"checkpoint  {result.checkpoint}", markup=False, soft_wrap=True)
    console.print(f"log         {extra['log']}", markup=False, soft_wrap=True)
    if extra["resume"] is not None:
        console.print(f"to go on    {extra['resume']}", markup=False, soft_wrap=True)
    if fit is not None:
        console.print()
        console.print(fit.summary(), markup=False, highlight=False, soft_wrap=True)


def _rows(result: Result, display: Display, extra: dict[str, object]) -> list[tuple[str, str]]:
    log = display.log
    abandoned = f", {len(log.abandoned)} more abandoned" if log.abandoned else ""
    rows = [("rounds", f"{result.rounds}{abandoned}")]
    found = {**metrics(result), **extra}
    rows += [(name, _brief(found[name])) for name in found if name not in _APART]
    for absence in [*log.trainers, *log.holders]:
        back = "" if absence.returned is None else f", back in round {absence.returned}"
        rows.append(
            ("missing", f"{absence.name} from round {absence.left}{back}: {absence.reason}")
        )
    rows += [("note", note) for note in notes_of(result.state)]
    if result.witness is not None:
        seen = sum(result.witness.cleartext_by_recipient.values())
        rows.append(("private vectors on the bus", f"{seen} of {result.witness.vectors_watched}"))
        seen = sum(result.witness.shares_by_recipient.values())
        rows.append(("shares in clear on the bus", f"{seen} of {result.witness.shares_watched}"))
    rows.append(("seconds", f"{result.seconds:.1f}"))
    return rows


def _brief(value: object) -> str:
    if isinstance(value, list):
        more = f", … ({len(value)} values)" if len(value) > _SHOWN else ""
        return ", ".join(_brief(item) for item in value[:_SHOWN]) + more
    return f"{value:.8g}" if isinstance(value, float) else str(value)
