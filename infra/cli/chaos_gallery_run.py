"""`quorate chaos gallery`: list the scenarios that come along, or play all of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from infra.chaos import gallery
from infra.chaos.survival.gallery_page import Played, Programme, Unplayable, gallery_page
from infra.chaos.survival.layout import seconds
from infra.chaos.survival.report import report_of
from infra.chaos.survival.theatre import Theatre, play_all
from infra.config import ConfigError

from .chaos_report import findings
from .chaos_scenario import writable
from .chaos_stage import say
from .chaos_theatre import Theatres, in_theatre
from .display import print_json
from .session import DONE, FAILED, USAGE
from .terminal import console, show_config_error


@dataclass(frozen=True, slots=True)
class GalleryRequest:
    """Which seeds of each scenario, in which theatre, which page."""

    seeds: range
    theatres: Theatres
    html: Path | None


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


def run_gallery(request: GalleryRequest, output: str) -> int:
    """Play all scenarios; return the exit code."""
    try:
        if request.html is not None:
            writable(request.html)
    except ConfigError as error:
        show_config_error(error, output)
        return USAGE
    return in_theatre(request.theatres, output, lambda theatre: _run(theatre, request, output))


def _run(theatre: Theatre, request: GalleryRequest, output: str) -> int:
    played, unplayable = [], []
    for name in gallery.names():
        script = gallery.scenario(name)
        obstacles = theatre.obstacles(script)
        if obstacles:
            unplayable.append(
                Unplayable(scenario=script.name, title=script.title, reasons=obstacles)
            )
            _tell_unplayable(unplayable[-1], output)
            continue
        began_s, fitted = time.monotonic(), theatre.fitted(script)
        stories = play_all(theatre, fitted, request.seeds, lambda _: None)
        took_s = round(time.monotonic() - began_s, 3)
        report = report_of(fitted, stories, theatre.venue)
        played.append(Played(report=report, stories=stories, took_s=took_s))
        _tell(played[-1], output)
    programme = Programme(venue=theatre.venue, played=tuple(played), unplayable=tuple(unplayable))
    if request.html is not None:
        request.html.write_text(gallery_page(programme), encoding="utf-8")
    _sum_up(programme, output)
    return FAILED if programme.failed else DONE


def _tell(played: Played, output: str) -> None:
    report = played.report
    if output == "json":
        print_json({"kind": "scenario", **report.plain(), "took_s": played.took_s})
        return
    verdict = "as expected" if report.passed else "FAILED"
    say(
        f"{report.scenario:28} {verdict:12} {report.completed:4} complete "
        f"{report.abandoned:4} abandoned {sum(report.strikes.values()):5} faults, "
        f"a sum after {seconds(report.sums.max_s)}; took {played.took_s:.0f} s"
    )
    findings(report)


def _tell_unplayable(each: Unplayable, output: str) -> None:
    if output == "json":
        print_json({"kind": "scenario", **each.plain()})
    else:
        say(f"{each.scenario:28} not playable for real: {'; '.join(each.reasons)}")


def _sum_up(programme: Programme, output: str) -> None:
    count = len(programme.played) + len(programme.unplayable)
    unplayable = [each.scenario for each in programme.unplayable]
    if output == "json":
        outcome = "failed" if programme.failed else "as expected"
        line = {"outcome": outcome, "scenarios": count, "failed": list(programme.failed)}
        print_json({"kind": "summary", **line, "not_playable": unplayable})
    else:
        left = f", {len(unplayable)} not playable for real" if unplayable else ""
        say(f"{count} scenarios, {len(programme.failed)} failed{left}")
