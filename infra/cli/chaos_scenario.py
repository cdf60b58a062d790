"""`quorate chaos SCENARIO`: play a scenario, and show its survivability."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.chaos import gallery
from infra.chaos.scenario import Script, load_scenario
from infra.chaos.survival.page import page_of
from infra.chaos.survival.report import report_of
from infra.chaos.survival.theatre import Theatre, play_all
from infra.config import ConfigError
from infra.config.problems import suggestion

from .chaos_report import show, tell
from .chaos_theatre import Theatres, in_theatre
from .session import DONE, FAILED, USAGE
from .terminal import show_config_error


@dataclass(frozen=True, slots=True)
class ScenarioRequest:
    """Which scenario, which seeds, in which theatre, which page."""

    scenario: str
    seeds: range
    theatres: Theatres
    html: Path | None


def run(request: ScenarioRequest, output: str) -> int:
    """Play a scenario and return the exit code."""
    try:
        script = _script(request.scenario)
        if request.html is not None:
            writable(request.html)
    except ConfigError as error:
        show_config_error(error, output)
        return USAGE

    def work(theatre: Theatre) -> int:
        return _play(theatre, script, request, output)

    return in_theatre(request.theatres, output, work)


def _play(theatre: Theatre, script: Script, request: ScenarioRequest, output: str) -> int:
    obstacles = theatre.obstacles(script)
    if obstacles:
        raise ConfigError([_refused(text) for text in obstacles])
    fitted = theatre.fitted(script)
    stories = play_all(theatre, fitted, request.seeds, lambda story: tell(fitted, story, output))
    report = report_of(fitted, stories, theatre.venue)
    show(report, output)
    if request.html is not None:
        request.html.write_text(page_of(report, stories), encoding="utf-8")
    return DONE if report.passed else FAILED


def _refused(obstacle: str) -> str:
    place, _, reason = obstacle.partition(": ")
    return f"{place}: not possible with --real: {reason}; take it out, or leave --real out"


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


def writable(path: Path) -> None:
    """Raise `ConfigError` where a page can't be written."""
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise ConfigError(
            [f"--html: {path} can't be written ({error.strerror}); name another file"]
        ) from None
