"""`python -m models`: both searches over every case, as a table; `--write` renews the Promela."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from .cases import Case, sound, useful, weakened
from .promela import GENERATED, search, source
from .search import explore
from .table import FOLDER, holder

_LINE = "{:42} {:>2} {:>2} {:>2} {:>2}  {:>8} {:>8} {:>6}  {}"


def write() -> None:
    """Make the Promela of both tables anew."""
    for vote, name in GENERATED.items():
        text = source(holder(vote=vote), name.replace(".pml", ".txt"))
        (FOLDER / name).write_text(text, encoding="utf-8")


def run() -> int:
    """Search every case with Spin and in Python; return the exit code."""
    head = ("rule", "n", "t", "f", "q", "Spin", "Python", "s", "")
    parts = (("must hold", sound()), ("must open a sum", useful()), ("must fail", weakened()))
    failed = 0
    for title, cases in parts:
        print(f"\n{title}\n{_LINE.format(*head)}")
        failed += _run(cases)
    print(f"\n{failed} of these are not as they must be" if failed else "\nall as it must be")
    return 1 if failed else 0


def _run(cases: Iterable[Case]) -> int:
    failed = 0
    with tempfile.TemporaryDirectory(prefix="quorate-model-") as folder:
        for case in cases:
            began_s = time.monotonic()
            never = (case.reached,) if case.reached else case.never
            spin = search(case.rule, Path(folder), never=never)
            found = explore(case.rule, until=case.reached or None)
            fault = case.fault(found, spin_holds=spin.holds, spin_states=spin.states)
            rule, took_s = case.rule, time.monotonic() - began_s
            sizes = (rule.holders, rule.threshold, rule.liars, rule.asked or "-")
            counts = (spin.states, found.states, f"{took_s:.1f}")
            words = f"WRONG: {fault}" if fault else case.reached or "holds"
            print(_LINE.format(case.name, *sizes, *counts, words), flush=True)
            failed += bool(fault)
    return failed


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        sys.exit(run())
