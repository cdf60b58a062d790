"""Histories as part of somebody's own tests: played, judged, and what failed kept and told."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import tomli_w

from infra.config import ConfigError
from infra.config.document import parsed_toml
from infra.simulation.faults import Size
from infra.simulation.job import roster_of
from infra.simulation.runner import run_until_broken

from . import gallery
from .campaign import Case, Tally, all_of
from .mishap import Mishap, told_and_kept
from .scenario import Script, load_scenario, plan_of, read_scenario
from .survival.report import Report, report_of
from .survival.story import Story
from .survival.theatre import VirtualTime, play_all

Scenario = str | Path | Mapping[str, Any]

T = TypeVar("T")

_MOST_TOLD = 10
_NAME = "scenario"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for all histories of a test.

    Attributes:
        seeds: how many histories, where a test names no number.
        always: how many whatever a test names, if not None.
        jobs: on how many processes.
        folder: where a test's own files are looked for.
        keep: the folder for histories that failed; made when it is needed.
    """

    seeds: int
    always: int | None
    jobs: int
    folder: Path
    keep: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the histories of a scenario came to: the report, and each history by itself."""

    report: Report
    stories: tuple[Story, ...]

    @property
    def seeds(self) -> int:
        """How many histories."""
        return self.report.seeds

    @property
    def completed(self) -> int:
        """How many rounds had a sum, over all histories."""
        return self.report.completed

    @property
    def abandoned(self) -> int:
        """How many rounds had none."""
        return self.report.abandoned

    @property
    def digest(self) -> str:
        """The SHA-256 over the digests of all traces."""
        return self.report.digest


@dataclass(frozen=True, slots=True)
class _Piece:
    """A scenario, with the name that it can be played by again, or what would be its file."""

    script: Script
    where: str
    document: Mapping[str, Any] = field(default_factory=dict)


class Rehearsal:
    """Plays federations in virtual time; `fail` is called with a text where one fails."""

    def __init__(self, settings: Settings, fail: Callable[[str], NoReturn]) -> None:
        self._settings = settings
        self._fail = fail

    def play(self, scenario: Scenario, *, seeds: int | None = None, first: int = 0) -> Outcome:
        """Play a scenario once for each seed from `first` on, and fail unless all is as expected.

        `scenario` is a file, looked for beside the test; a name of the gallery; or what would
        stand in a file, as a text of several lines or as a dictionary.
        """
        self._outside_a_loop()
        piece = self._checked(lambda: self._piece(scenario))
        numbers = range(first, first + self._count(seeds))
        stories = play_all(VirtualTime(self._settings.jobs), piece.script, numbers, _no_note)
        report = report_of(piece.script, stories)
        if not report.passed:
            self._fail(self._told(piece, report))
        return Outcome(report, stories)

    def swarm(
        self, cast: Mapping[str, Any] | None = None, *, seeds: int | None = None, first: int = 0
    ) -> Tally:
        """Run a history under every fault for each seed from `first` on; fail if a rule is broken.

        `cast` is what would stand in the section [cast] of a scenario, `job = "job.toml"` for
        instance; a seed draws its own cast where it is left out.
        """
        self._outside_a_loop()
        size = None if cast is None else self._checked(lambda: self._size(cast))
        cases = [Case(first + k, size=size) for k in range(self._count(seeds))]
        tally = all_of(cases, self._settings.jobs, _no_note)
        if tally.failing:
            mishaps = [
                Mishap(each.case.name, each.case.plan(), each.seed, each.first)
                for each in tally.failing
            ]
            head = f"{len(mishaps)} of {tally.seeds} histories broke a rule"
            self._fail("\n".join([head, "", *told_and_kept(mishaps, self._settings.keep)]))
        return tally

    # --- what is asked for ------------------------------------------------------------

    def _count(self, seeds: int | None) -> int:
        count = self._settings.always or (self._settings.seeds if seeds is None else seeds)
        if count < 1:
            self._fail(f"seeds: {count} histories show nothing; ask for 1 or more")
        return count

    def _outside_a_loop(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        self._fail("a simulation has a loop of its own: write the test as def, not as async def")

    def _checked(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except ConfigError as error:
            self._fail("\n".join(["the scenario has mistakes", *map(str, error.problems)]))

    def _size(self, cast: Mapping[str, Any]) -> Size:
        document = {"scenario": {"title": "A swarm", "shows": "All faults."}, "cast": dict(cast)}
        return read_scenario({**document, "run": {"rounds": 1}}, self._settings.folder, _NAME).size

    def _piece(self, scenario: Scenario) -> _Piece:
        folder = self._settings.folder
        if isinstance(scenario, Mapping):
            document = dict(scenario)
        elif isinstance(scenario, str) and "\n" in scenario:
            document = parsed_toml(Path(_NAME), scenario.encode(), _NAME)
        elif isinstance(scenario, str) and scenario in gallery.names():
            return _Piece(gallery.scenario(scenario), scenario)
        else:
            path = folder / scenario
            return _Piece(load_scenario(path), str(path))
        return _Piece(read_scenario(document, folder, _NAME), "", document)

    # --- what failed ------------------------------------------------------------------

    def _written(self, document: Mapping[str, Any]) -> str:
        """Write a scenario that has no file into one, so that it can be played again."""
        cast = document["cast"]
        if "job" in cast:
            job = str((self._settings.folder / str(cast["job"])).absolute())
            document = {**document, "cast": {**cast, "job": job}}
        path = self._settings.keep / f"{_NAME}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tomli_w.dumps(document), encoding="utf-8")
        return str(path)

    def _told(self, piece: _Piece, report: Report) -> str:
        found = [*report.violations, *report.unmet]
        seeds = tuple(dict.fromkeys(each.seed for each in found))
        lines = [f"{len(seeds)} of {report.seeds} histories of {report.scenario} failed", ""]
        lines += [f"! seed {each.seed}: {each.text}" for each in found[:_MOST_TOLD]]
        if len(found) > _MOST_TOLD:
            lines.append(f"! and {len(found) - _MOST_TOLD} more")
        where = piece.where or self._written(piece.document)
        again = shlex.join(["quorate", "chaos", where, "--seed", str(seeds[0])])
        lines += ["", f"again: {again}", ""]
        broken = tuple(dict.fromkeys(each.seed for each in report.violations))
        mishaps = _mishaps(piece.script, broken)
        return "\n".join([*lines, *told_and_kept(mishaps, self._settings.keep)])


def _mishaps(script: Script, seeds: Sequence[int]) -> list[Mishap]:
    found = []
    for seed in seeds:
        plan, note = plan_of(script, seed), _who_is_who(script)
        name = f"{script.name} seed {seed}"
        first = run_until_broken(plan, seed).violations[:1]
        found += [Mishap(name, plan, seed, violation, note) for violation in first]
    return found


def _who_is_who(script: Script) -> str:
    """Say which owner of a job is which trainer of the story."""
    names = script.people.hosts.items()
    trainers = roster_of(script.size).trainers
    owners = [(host, name) for name, host in names if host in trainers]
    if any(name == "trainer-1" for _, name in owners):
        return ""
    return ", ".join(f"{host} is {name}" for host, name in owners)


def _no_note(_: object) -> None:
    """Take no note."""
