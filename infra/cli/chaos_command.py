"""`quorate chaos`: hurt a federation in every step of a round and see that it survives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from infra.chaos.cells import chosen_cells
from infra.chaos.drill import Patience, Result
from infra.chaos.matrix import Report, Wanted, run_matrix
from infra.config import ConfigError

from .chaos_stage import Place, play, say
from .display import print_json
from .session import USAGE
from .terminal import console, show_config_error


@dataclass(frozen=True, slots=True)
class ChaosRequest:
    """What to hurt: patterns of cells; how long a pause is, and how long anything may take."""

    cells: Sequence[str]
    patience: Patience


def run(request: ChaosRequest, place: Place, output: str) -> int:
    """Run the drill and return the exit code."""
    try:
        cells = chosen_cells(tuple(request.cells))
    except ValueError as error:
        show_config_error(ConfigError([f"--cells: {error}"]), output)
        return USAGE

    async def drill(folder: Path) -> Report:
        wanted = Wanted(cells, folder, place.root, request.patience)
        return await run_matrix(wanted, _Teller(len(cells), output))

    return play(place, output, drill, lambda report: _show(report, output))


class _Teller:
    """Tells of each cell as it ends."""

    def __init__(self, count: int, output: str) -> None:
        self._count = count
        self._output = output
        self._told = 0

    def __call__(self, result: Result) -> None:
        self._told += 1
        if self._output == "json":
            print_json({"kind": "cell", **_plain(result)})
        elif self._output != "quiet" or not result.passed:
            survivors = f"{len(result.survivors)} survivors" if result.survivors else result.note
            say(
                f"{self._told:3}/{self._count} {result.cell!s:28} round {result.number:<5}"
                f"{result.outcome:10} {result.round_s:5.1f} s, all back after "
                f"{result.recovery_s:5.1f} s  {survivors}"
            )


def _plain(result: Result) -> dict[str, Any]:
    cell = result.cell
    return {
        **asdict(result),
        "cell": str(cell),
        "party": cell.party.value,
        "step": cell.moment.value,
        "fault": cell.fault.value,
        "survivors": list(result.survivors),
        "passed": result.passed,
    }


def _show(report: Report, output: str) -> bool:
    failed = [str(result.cell) for result in report.results if not result.passed]
    if output == "json":
        print_json(
            {
                "kind": "summary",
                "outcome": "survived" if report.passed else "failed",
                "broker": report.broker,
                "cells": len(report.results),
                "failed": failed,
                "skipped": report.skipped,
                "violations": list(report.violations),
                "rounds": report.rounds,
                "messages_left": report.remains.messages,
                "shares_left": report.remains.shares,
                "seconds": round(report.seconds, 1),
            }
        )
        return report.passed
    head, *rows = report.table()
    table = Table(*head, box=None, padding=(0, 1, 0, 0))
    for row in rows:
        table.add_row(*row)
    console.print(table)
    say("sum: the exact sum of the survivors was opened; none: no sum was, and never will be")
    rounds = report.rounds
    say(
        f"RabbitMQ {report.broker}: {len(report.results)} cells, {len(failed)} failed, "
        f"{report.skipped} not run; rounds: {rounds['complete']} complete, "
        f"{rounds['abandoned']} abandoned; {report.seconds:.0f} s"
    )
    for text in (*report.violations, *report.remains.problems()):
        say(f"! {text}")
    return report.passed
