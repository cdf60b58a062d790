"""`quorate chaos SCENARIO`: play a scenario in virtual time, and show its survivability."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from infra.chaos import gallery
from infra.chaos.scenario import Script, load_scenario
from infra.chaos.survival.figures import COLUMNS, Spread, Square
from infra.chaos.survival.page import page_of, seconds
from infra.chaos.survival.report import Report, report_of
from infra.chaos.survival.story import Story
from infra.chaos.survival.theatre import play_all
from infra.config import ConfigError
from infra.config.problems import suggestion

from .chaos_stage import say
from .display import print_json
from .session import DONE, FAILED, USAGE
from .signals import STOPPED
from .terminal import console, show_config_error, show_interrupted

_FEW = 16  # seeds that are done before more processes have started
_FINDINGS = 20


@dataclass(frozen=True, slots=True)
class ScenarioRequest:
    """Which scenario, which seeds, on how many processes (None: as it is best), which page."""

    scenario: str
    first: int
    seeds: int
    jobs: int | None
    html: Path | None


def run(request: ScenarioRequest, output: str) -> int:
    """Play a scenario and return the exit code."""
    seeds = range(request.first, request.first + request.seeds)
    jobs = request.jobs or (1 if len(seeds) <= _FEW else os.cpu_count() or 1)
    try:
        script = _script(request.scenario)
        if request.html is not None:
            _writable(request.html)
    except ConfigError as error:
        show_config_error(error, output)
        return USAGE
    try:
        stories = play_all(script, seeds, jobs, lambda story: _tell(script, story, output))
    except KeyboardInterrupt:
        show_interrupted(output)
        return STOPPED
    report = report_of(script, stories)
    _show(report, output)
    if request.html is not None:
        request.html.write_text(page_of(report, stories), encoding="utf-8")
    return DONE if report.passed else FAILED


def list_gallery(output: str) -> int:
    """List all scenarios; return the exit code."""
    scripts = [gallery.scenario(name) for name in gallery.names()]
    if output == "json":
        for script in scripts:
            line = {"scenario": script.name, "title": script.title, "shows": script.shows}
            print_json({"kind": "scenario", **line})
        print_json({"kind": "summary", "scenarios": len(scripts)})
        return DONE
    table = Table("scenario", "what it shows", box=None, padding=(0, 1, 0, 0))
    for script in scripts:
        table.add_row(script.name, script.shows)
    console.print(table)
    return DONE


def run_gallery(seeds: range, jobs: int, output: str) -> int:
    """Play all scenarios; return the exit code."""
    failed = []
    for name in gallery.names():
        script = gallery.scenario(name)
        try:
            stories = play_all(script, seeds, jobs, lambda _: None)
        except KeyboardInterrupt:
            show_interrupted(output)
            return STOPPED
        report = report_of(script, stories)
        if not report.passed:
            failed.append(name)
        if output == "json":
            print_json({"kind": "scenario", **report.plain()})
            continue
        verdict = "as expected" if report.passed else "FAILED"
        say(
            f"{name:28} {verdict:12} {report.completed:4} complete {report.abandoned:4} abandoned "
            f"{sum(report.strikes.values()):5} faults, a sum after {seconds(report.sums.max_s)}"
        )
        _findings(report)
    count = len(gallery.names())
    if output == "json":
        outcome = "failed" if failed else "as expected"
        print_json({"kind": "summary", "outcome": outcome, "scenarios": count, "failed": failed})
    else:
        say(f"{count} scenarios, {len(failed)} failed")
    return FAILED if failed else DONE


def _script(name: str) -> Script:
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
        return load_scenario(path)
    try:
        return gallery.scenario(name)
    except LookupError:
        advice = suggestion(name, gallery.names())
        raise ConfigError(
            [f"SCENARIO: {name!r} is neither a .toml file nor in the gallery; {advice}"]
        ) from None


def _writable(path: Path) -> None:
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise ConfigError(
            [f"--html: {path} can't be written ({error.strerror}); name another file"]
        ) from None


# --- showing --------------------------------------------------------------------------


def _tell(script: Script, story: Story, output: str) -> None:
    if output == "json":
        print_json({"kind": "history", "scenario": script.name, **asdict(story)})
    elif output == "live":
        say(
            f"seed {story.seed}: {len(story.complete)} rounds complete, {len(story.abandoned)} "
            f"abandoned, {len(story.strikes)} faults, {story.end_s:.0f} s"
        )


def _show(report: Report, output: str) -> None:
    if output == "json":
        print_json({"kind": "summary", **report.plain()})
        return
    if output == "live":
        _details(report)
    say(
        f"{report.scenario}: {report.completed} rounds complete, {report.abandoned} abandoned, "
        f"{sum(report.strikes.values())} faults in {report.seeds} histories"
    )
    say(f"until a sum: {_spread(report.sums)}")
    say(f"until everybody: {_spread(report.everybody)}")
    _findings(report)
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


def _findings(report: Report) -> None:
    found = [*report.violations, *report.unmet]
    for each in found[:_FINDINGS]:
        say(f"! seed {each.seed}: {each.text}")
    if len(found) > _FINDINGS:
        say(f"! and {len(found) - _FINDINGS} more, all with --json")
