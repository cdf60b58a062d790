"""One seed is one history: the same trace, byte for byte, whatever the process is like."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from infra.simulation.runner import run
from infra.simulation.swarm import plan_of

ROOT = Path(__file__).parents[2]
SEEDS = (3, 10, 15)

# Each process is another one: other hashes of strings, another heap, other collections, and
# other histories before.
SCRIPT = """
import gc, sys
junk, collect, before = int(sys.argv[1]), sys.argv[2], sys.argv[3]
heap = [[object() for _ in range(997)] for _ in range(junk)]
del heap[::2]
from infra.simulation.runner import run
from infra.simulation.swarm import plan_of
if collect == "off":
    gc.disable()
elif collect == "often":
    gc.set_threshold(7)
for seed in filter(None, before.split(",")):
    run(plan_of(int(seed)), int(seed))
for seed in (3, 10, 15):
    print(run(plan_of(seed), seed).digest)
"""
PROCESSES = (
    ("0", "0", "on", ""),
    ("1", "11", "off", "7"),
    ("777", "23", "often", ""),
    ("random", "3", "on", "15,4"),
)


def test_other_processes_tell_the_same_histories() -> None:
    here = [run(plan_of(seed), seed).digest for seed in SEEDS]
    # Written by hand, so that the parent's own interpreter flags do not reach the child.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))

    told = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=True,
            timeout=250,
        ).stdout.split()
        for hashes, *arguments in PROCESSES
    ]

    assert told == [here] * len(PROCESSES)


def test_another_seed_is_another_history() -> None:
    plan = plan_of(3)

    assert run(plan, 3).digest != run(plan, 4).digest


def test_a_trace_that_is_kept_is_the_one_that_the_digest_is_of() -> None:
    plan = plan_of(10)

    kept = run(plan, 10, keep_trace=True)

    assert kept.digest == run(plan, 10).digest
    assert "coordinator>h1 OpenRound" in kept.trace
    assert kept.trace.count("\n") > 1000
