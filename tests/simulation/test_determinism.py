"""One seed is one history: the same trace, byte for byte, whatever the process is like."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import pytest

from infra.simulation.runner import run, run_until_broken
from infra.simulation.swarm import plan_of

ROOT = Path(__file__).parents[2]
SEED = 15

# What a process does beforehand, then a history after each of these steps, each to its own file.
SCRIPT = """
import sys
exec(sys.argv[1])
from infra.simulation.runner import run
from infra.simulation.swarm import plan_of
seed, folder = int(sys.argv[2]), sys.argv[3]
for place, step in enumerate(sys.argv[4:]):
    exec(step)
    with open(f"{folder}/{place}", "w", encoding="utf-8") as file:
        file.write(run(plan_of(seed), seed, keep_trace=True).trace)
"""
NOTHING = "pass"


@dataclass(frozen=True)
class Process:
    """A process that tells the history, once after each step; its folder is another one, too."""

    variables: dict[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    before: str = NOTHING
    steps: dict[str, str] = field(default_factory=lambda: {"": NOTHING})
    command: tuple[str, ...] = ()


# Addresses in memory and the order of sets follow from the heap.
HEAP = """
heap = [[object() for _ in range(997)] for _ in range(211)]
del heap[::2]
names = {object() for _ in range(1000)}
"""
NOT_INSTALLED = """
import importlib.metadata
def version(name):
    raise importlib.metadata.PackageNotFoundError(name)
importlib.metadata.version = version
"""
STEPS = {
    "a first time": NOTHING,
    "a second time": NOTHING,
    "after other seeds": "[run(plan_of(other), other) for other in (7, 4, 10)]",
    "without gc": "import gc; gc.disable()",
    "with gc all the time": "import gc; gc.enable(); gc.set_threshold(1)",
    "with another heap": HEAP,
    "from another folder": "import os; os.chdir('/')",
    "in another zone": "import time; os.environ['TZ'] = 'Asia/Kathmandu'; time.tzset()",
    "on one core": "import os; hasattr(os, 'sched_setaffinity')"
    " and os.sched_setaffinity(0, list(os.sched_getaffinity(0))[-1:])",
    "with a profiler": "sys.setprofile(lambda *_: None)",
}
# As a campaign with several jobs has them run.
IN_A_POOL = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
    both = [pool.submit(run, plan_of(one), one, keep_trace=True) for one in (10, seed)]
    told = both[1].result()
run = lambda *_, **__: told
"""
CHAOS = ["chaos", "--jobs", "1", "--quiet", "--seed", "{seed}", "--trace", "{folder}/0"]
PROCESSES = {
    "hashes 0": Process({"PYTHONHASHSEED": "0"}),
    "hashes 1": Process({"PYTHONHASHSEED": "1"}),
    "hashes 42": Process({"PYTHONHASHSEED": "42"}),
    "hashes random": Process({"PYTHONHASHSEED": "random"}),
    "another heap": Process(before=HEAP),
    "malloc": Process({"PYTHONMALLOC": "malloc"}),
    "malloc, debugged": Process({"PYTHONMALLOC": "debug"}),
    "development mode": Process(flags=("-X", "dev")),
    "optimised": Process(flags=("-O",)),
    "all warnings, another path": Process(
        {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "docs"), str(ROOT / "tests")])},
        ("-W", "always"),
    ),
    "another zone and locale": Process(
        {"TZ": "Pacific/Chatham", "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "PYTHONUTF8": "0"}
    ),
    "not installed": Process(before=NOT_INSTALLED),
    "two jobs": Process(steps={"": IN_A_POOL}),
    "command line": Process(command=("-m", "infra.cli.main", *CHAOS)),
    "one process": Process(steps=STEPS),
}
ENVIRONMENTS = [(name, step) for name, process in PROCESSES.items() for step in process.steps]


def told(process: Process, folder: Path, seed: int) -> list[str]:
    """Return the traces that a process writes, one for each step."""
    # Written by hand, so that the parent's own interpreter flags do not reach the child.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    words = ["-c", SCRIPT, process.before, str(seed), str(folder), *process.steps.values()]
    command = [word.format(seed=seed, folder=folder) for word in process.command] or words
    subprocess.run(
        [sys.executable, *process.flags, *command],
        env={**os.environ, "PYTHONPATH": path, **process.variables},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [(folder / str(place)).read_text("utf-8") for place in range(len(process.steps))]


def first_difference(one: str, other: str) -> str:
    lines = zip_longest(one.splitlines(), other.splitlines(), fillvalue="the end")
    different = (pair for pair in enumerate(lines, 1) if len(set(pair[1])) > 1)
    return next((f"line {number}: {' | '.join(two)}" for number, two in different), "")


@pytest.fixture(scope="module")
def here() -> str:
    return run(plan_of(SEED), SEED, keep_trace=True).trace


@pytest.fixture(scope="module")
def traces() -> dict[str, list[str]]:
    """What each process has told so far: one that tells of several steps is run once."""
    return {}


@pytest.mark.parametrize(("name", "step"), ENVIRONMENTS, ids=lambda word: word or "as it is")
def test_a_seed_is_the_same_history_in_every_environment(
    name: str, step: str, here: str, traces: dict[str, list[str]], tmp_path: Path
) -> None:
    process = PROCESSES[name]

    if name not in traces:
        traces[name] = told(process, tmp_path, SEED)
    trace = traces[name][list(process.steps).index(step)]

    assert first_difference(here, trace) == ""
    assert len(here) == len(trace) > 10_000


def test_another_seed_is_another_history() -> None:
    plan = plan_of(3)

    assert run(plan, 3).digest != run(plan, 4).digest


def test_a_trace_that_is_kept_is_the_one_that_the_digest_is_of() -> None:
    plan = plan_of(10)

    kept = run(plan, 10, keep_trace=True)

    assert kept.digest == run(plan, 10).digest == run_until_broken(plan, 10).digest
    assert "coordinator>h1 OpenRound" in kept.trace
    assert kept.trace.count("\n") > 1000
