"""`python -m mutants`: plants each bug in a copy of the code and shows who catches it."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import report
from .mutant import FOLDER, ROOT, BadMutant, Mutant, read_all
from .trial import NotClean, Verdict, copied, require_clean, try_out

_SEEDS = 20
ALL_CAUGHT, NOT_ALL_CAUGHT, USAGE = 0, 1, 2


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mutants", description=__doc__)
    parser.add_argument("--only", metavar="NAME", action="append", help="this one; may be repeated")
    parser.add_argument(
        "--seeds", type=_positive, default=_SEEDS, help="histories a mutant, at most"
    )
    parser.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, help="at a time")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the bugs lie")
    return parser.parse_args(words)


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise ValueError(word)
    return number


def _chosen(folder: Path, only: Sequence[str] | None) -> list[Mutant]:
    mutants = read_all(folder)
    known = {mutant.name for mutant in mutants}
    if missing := [name for name in only or () if name not in known]:
        raise BadMutant(folder / f"{missing[0]}.toml", "there is no such file")
    mutants = [mutant for mutant in mutants if not only or mutant.name in only]
    if not mutants:
        raise BadMutant(folder, "there is no planted bug here")
    for mutant in mutants:
        mutant.mutated(ROOT)
    return mutants


def run(options: argparse.Namespace) -> int:
    """Try all that are chosen; return the exit code."""

    def tell(text: str) -> None:
        if not options.json:
            print(text, flush=True)

    mutants = _chosen(options.folder, options.only)
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    with tempfile.TemporaryDirectory(prefix="quorate-mutants-") as folder:
        clean = copied(Path(folder) / "clean")
        tell(f"without a bug: {options.seeds} seeds and {len(tests)} tests ...")
        cpu_s = require_clean(clean, options.seeds, tests)
        tell(f"nothing fails; {cpu_s:.0f} CPU s\n\n{report.head()}")
        verdicts = _verdicts(mutants, clean, options)
    total = report.Total.of(verdicts)
    print(total.as_json() if options.json else total.words())
    return ALL_CAUGHT if all(verdict.outcome.good for verdict in verdicts) else NOT_ALL_CAUGHT


def _verdicts(mutants: Sequence[Mutant], clean: Path, options: argparse.Namespace) -> list[Verdict]:
    verdicts = []
    pool = ThreadPoolExecutor(options.jobs)
    try:
        for verdict in pool.map(lambda m: try_out(m, clean, options.seeds), mutants):
            verdicts.append(verdict)
            print(report.as_json(verdict) if options.json else report.line(verdict), flush=True)
    finally:
        # Whoever interrupts this does not want the others to be tried first.
        pool.shutdown(cancel_futures=True)
    return verdicts


if __name__ == "__main__":
    try:
        sys.exit(run(_arguments(sys.argv[1:])))
    except (BadMutant, NotClean) as problem:
        print(problem, file=sys.stderr)
        sys.exit(USAGE)
