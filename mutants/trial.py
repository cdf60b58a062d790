"""One planted bug in a copy of its own: the simulator tries first, then the tests it names."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from .child import Ended, python
from .mutant import ROOT, Mutant

_FOLDERS = (
    *("actors", "infra", "protocols", "quorate_pytest", "mutants", "models", "tests"),
    *("tools", "examples", "deploy", "docs"),
)
_LONGEST_S = 600.0  # that a simulation or the tests of one mutant may take
_SIMULATED = ("actors/", "protocols/")  # of infra, the simulator has its own
_UNUSED = ("protocols/secagg/masked/",)  # by most seeds, and known answers tell at once


class Outcome(Enum):
    """What became of a planted bug."""

    SIMULATION = "simulation"
    TESTS = "test"
    EQUIVALENT = "equivalent"
    SURVIVED = "SURVIVED"
    BREAKDOWN = "DOES NOT RUN"
    NOT_EQUIVALENT = "NOT EQUIVALENT"

    @property
    def good(self) -> bool:
        """Whether it is as it must be."""
        return self in (Outcome.SIMULATION, Outcome.TESTS, Outcome.EQUIVALENT)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one.

    `by` is the broken rule, the failed test, or what else there is to say; `seeds` is how many
    histories were run, the last of which broke the rule if one did; `cpu_s` is all that was spent.
    """

    mutant: Mutant
    outcome: Outcome
    by: str
    seeds: int
    cpu_s: float


class NotClean(Exception):
    """The code fails without any planted bug, so no failure would mean anything."""


def copied(to: Path) -> Path:
    """Copy what the tests and the simulator need into a new folder; compiled code comes along."""
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, to / name, symlinks=True)
    shutil.copy2(ROOT / "pyproject.toml", to)
    return to


def require_clean(copy: Path, seeds: int, tests: Sequence[str]) -> float:
    """Run in a copy without a bug all that is held against those with one; return CPU seconds.

    Raises:
        NotClean: something fails.
    """
    told, simulated = _told(copy, ["-m", "mutants.histories", str(seeds)])
    if told["caught"] or told["breakdown"]:
        raise NotClean(f"seed {told['seeds'] - 1} fails in good code: {told['text']}")
    if not tests:
        return simulated.cpu_s
    told, tested = _told(copy, ["-m", "mutants.failing", *tests])
    if told["caught"] or told["breakdown"]:
        raise NotClean(f"{told['caught'] or told['breakdown']} fails in good code: {told['text']}")
    return simulated.cpu_s + tested.cpu_s


def try_out(mutant: Mutant, clean: Path, seeds: int) -> Verdict:
    """Plant a bug in a copy of the clean copy and see who notices."""
    spent_s, run = 0.0, 0
    with _copy_of(clean) as copy:
        mutant.plant(copy)
        if mutant.file.startswith(_SIMULATED) and not mutant.file.startswith(_UNUSED):
            told, ended = _told(copy, ["-m", "mutants.histories", str(seeds)])
            spent_s, run = ended.cpu_s, told["seeds"]
            if told["caught"] or told["breakdown"]:
                return _verdict(mutant, told, Outcome.SIMULATION, run, spent_s)
        if mutant.tests:
            told, ended = _told(copy, ["-m", "mutants.failing", *mutant.tests])
            spent_s += ended.cpu_s
            if told["caught"] or told["breakdown"]:
                return _verdict(mutant, told, Outcome.TESTS, run, spent_s)
    if mutant.equivalent:
        return Verdict(mutant, Outcome.EQUIVALENT, mutant.equivalent, run, spent_s)
    return Verdict(mutant, Outcome.SURVIVED, mutant.why, run, spent_s)


def _verdict(
    mutant: Mutant, told: dict[str, Any], outcome: Outcome, seeds: int, cpu_s: float
) -> Verdict:
    if told["breakdown"]:
        return Verdict(mutant, Outcome.BREAKDOWN, told["breakdown"], seeds, cpu_s)
    if mutant.equivalent:
        return Verdict(mutant, Outcome.NOT_EQUIVALENT, told["caught"], seeds, cpu_s)
    return Verdict(mutant, outcome, told["caught"], seeds, cpu_s)


def _told(copy: Path, arguments: Sequence[str]) -> tuple[dict[str, Any], Ended]:
    ended = python(copy, arguments, within_s=_LONGEST_S)
    if ended.code == 0:
        return json.loads(ended.last_line), ended
    return {"seeds": 0, "caught": None, "text": str(ended), "breakdown": str(ended)}, ended


@contextmanager
def _copy_of(clean: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mutant-", dir=clean.parent) as folder:
        copy = Path(folder) / "code"
        shutil.copytree(clean, copy, symlinks=True)
        yield copy
