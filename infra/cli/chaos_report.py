"""A survivability report in the terminal or as lines of JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from infra.chaos.scenario import Script
from infra.chaos.survival.figures import COLUMNS, Spread, Square
from infra.chaos.survival.layout import seconds
from infra.chaos.survival.report import Report
from infra.chaos.survival.story import Story

from .chaos_stage import say
from .display import print_json
from .terminal import console

_FINDINGS = 20


def tell(script: Script, story: Story, output: str) -> None:
    """Tell of one history."""
    if output == "json":
        print_json({"kind": "history", "scenario": script.name, **asdict(story)})
    elif output == "live":
        say(
            f"seed {story.seed}: {len(story.complete)} rounds complete, {len(story.abandoned)} "
            f"abandoned, {len(story.strikes)} faults, {story.end_s:.0f} s"
        )


def show(report: Report, output: str) -> None:
    """Show the figures of a scenario."""
    if output == "json":
        print_json({"kind": "summary", **report.plain()})
        return
    if output == "live":
        _details(report)
    say(
        f"{report.scenario}: {report.completed} rounds complete, {report.abandoned} abandoned, "
        f"{sum(report.strikes.values())} faults in {report.seeds} histories {report.venue.text}"
    )
    say(f"until a sum: {_spread(report.sums)}")
    say(f"until everybody: {_spread(report.everybody)}")
    findings(report)
    say("as expected, and no rule was broken" if report.passed else "not as expected")


def _details(report: Report) -> None:
    if report.matrix:
        _matrix(report.matrix)
    if report.lost:
        table = Table("left out", "rounds", "why", box=None, padding=(0, 1, 0, 0))
        for lost in report.lost:
            why = "; ".join(f"{reason} ({count})" for reason, count in lost.reasons.items())
            table.add_row(lost.name, str(lost.rounds), why)
        console.print(table)
    for reason, count in report.reasons.items():
        say(f"abandoned {count} times: {reason}")


def _matrix(squares: Sequence[Square]) -> None:
    steps = [step for step in COLUMNS if any(square.step == step for square in squares)]
    table = Table("party", "fault", *steps, box=None, padding=(0, 1, 0, 0))
    by_place = {(square.party, square.action, square.step): square for square in squares}
    for party, action in dict.fromkeys((square.party, square.action) for square in squares):
        cells = [_cell(by_place.get((party, action, step))) for step in steps]
        table.add_row(party, action, *cells)
    console.print(table)
    say("sum: the round that was struck opened an exact sum; none: it was abandoned without one")


def _cell(square: Square | None) -> str:
    if square is None:
        return ""
    counts = (("sum", square.complete), ("none", square.abandoned), ("open", square.open))
    return ", ".join(f"{count} {name}" for name, count in counts if count)


def _spread(spread: Spread) -> str:
    return (
        f"median {seconds(spread.median_s)}, p99 {seconds(spread.p99_s)}, longest "
        f"{seconds(spread.max_s)}, {spread.open} not before the end"
    )


def findings(report: Report) -> None:
    """Show what is not as expected."""
    found = [*report.violations, *report.unmet]
    for each in found[:_FINDINGS]:
        say(f"! seed {each.seed}: {each.text}")
    if len(found) > _FINDINGS:
        say(f"! and {len(found) - _FINDINGS} more, all with --json")
