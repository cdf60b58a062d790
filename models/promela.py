"""The holder's tables as Promela, and Spin's verdict on the rule written in `release.pml`."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .search import FACTS, Rule
from .table import FOLDER, OTHER, Table

GENERATED = {True: "two_phases.pml", False: "one_phase.pml"}
_COMPILER = ("gcc", "-O1", "-w", "-DSAFETY", "-DMEMLIM=2048", "-o", "pan", "pan.c")
_RUN = ("./pan", "-m2000000", "-E")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many states Spin visited, and whether what must never be true never was."""

    states: int
    holds: bool


class SpinFailed(Exception):
    """Spin or the compiler did not do what was asked, so there is no verdict."""


def source(table: Table, name: str) -> str:
    """Return a table as the include file of `release.pml`."""
    return "\n".join(_lines(table, name)) + "\n"


def _lines(table: Table, name: str) -> Iterator[str]:
    yield f"/* Made from {name} by python -m models --write. */"
    # What is about another set than the holder's own comes last: nobody chooses it.
    asked = sorted(table.inputs, key=lambda given: given.endswith(OTHER))
    yield f"#define INPUTS {sum(not given.endswith(OTHER) for given in asked)}"
    for prefix, words in (
        ("s", table.states),
        ("i", asked),
        ("say", ("none", "vote", "answer")),
    ):
        for number, word in enumerate(words):
            yield f"#define {_word(prefix, word)} {number}"
    owners = [_word("s", state) for state in table.states if table.owns(state)]
    yield f"#define OWNS(it) ({' || '.join(f'(it) == {word}' for word in owners)})"
    yield "inline decide(now, input) {"
    yield "  possible = 1; says = say_none; next = now;"
    yield "  if"
    for state in table.states:
        yield f"  :: now == {_word('s', state)} ->"
        yield "     if"
        for given, cell in table.rows[state].items():
            binds = cell.says if cell.says in ("vote", "answer") else "none"
            follows, says = _word("s", cell.next), _word("say", binds)
            yield f"     :: input == {_word('i', given)} -> next = {follows}; says = {says}"
        yield "     :: else -> possible = 0"
        yield "     fi"
    yield "  fi"
    yield "}"


def _word(prefix: str, word: str) -> str:
    return f"{prefix}_{word.replace('-', '_')}"


def search(rule: Rule, folder: Path, *, never: Sequence[str]) -> Verdict:
    """Let Spin visit every state of a rule, or stop where one of `never` is true.

    Builds in `folder`, which may be used again.

    Raises:
        SpinFailed: with what the tool said; also if the search was cut short.
    """
    shutil.copy(FOLDER / "release.pml", folder)
    (folder / GENERATED[rule.vote]).write_text(source(rule.table, "a table"), encoding="utf-8")
    defines = [f"-D{name}={value}" for name, value in _parameters(rule, never).items()]
    defines += [] if rule.vote else ["-DONE_PHASE"]
    _call(("spin", *defines, "-a", "release.pml"), folder)
    _call(_COMPILER, folder)
    return _read(_call(_RUN, folder))


def _parameters(rule: Rule, never: Sequence[str]) -> Mapping[str, int]:
    return {
        "HONEST": rule.honest,
        "LIARS": rule.liars,
        "THRESHOLD": rule.threshold,
        "QUORUM": rule.quorum,
        "ASKED": rule.asked,
        "INVENTED": int(rule.invented),
        "HASTY": int(rule.hasty),
        "WATCHED": sum(1 << FACTS.index(fact) for fact in never),
    }


def _call(command: tuple[str, ...], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode != 0:
        raise SpinFailed(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def _read(report: str) -> Verdict:
    states = re.search(r"(\d+) states, stored", report)
    errors = re.search(r"errors: (\d+)", report)
    violated = "assertion violated" in report
    if states is None or errors is None or "search depth too small" in report:
        raise SpinFailed(f"the search did not reach its end: {report}")
    if (int(errors[1]) > 0) is not violated:
        raise SpinFailed(f"an error that is no violation of the rule: {report}")
    return Verdict(int(states[1]), holds=not violated)
