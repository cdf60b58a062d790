"""How long a job takes whose slowest owner is ten times as slow as the fastest, in virtual time.

    python benchmarks/buffered.py

Real actors train digits at ten owners (`paced_digits.py`) on the simulator's loop; what a round of
training takes is given, 1 s to 10 s, and hops are as in one room. Each line tells after how many
seconds the accuracy on rows that nobody trains on was reached: where each round waits for all ten,
and where it ends with K. Exit code 1 says that no buffer was twice as fast.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from actors.coordinator import Assignment
from infra.simulation.pacing import PacedOwner, pace
from infra.simulation.runner import warm_up
from infra.torch_task import TorchTask
from infra.worker_frames import Option, WorkSpec
from protocols.learning.algorithms import build
from protocols.learning.staleness import FACT
from protocols.learning.state import State
from protocols.round_config import Roster, majority
from protocols.secagg.coordinating import Plan
from protocols.secagg.patience import Timing
from protocols.trust.sealing import CLASSICAL

TASK = Path(__file__).with_name("paced_digits.py")
OWNERS = tuple(f"t{place:02}" for place in range(1, 11))
ROSTER = Roster(
    federation="paced", coordinator="coordinator", holders=("h1", "h2", "h3"), trainers=OWNERS
)
# The slowest says that it is at work, so no round goes on without it.
TIMING = Timing(grace_s=2.0, patience_s=30.0, round_s=600.0, resend_s=2.0)
MAX_STALENESS = 20
LIMIT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """How a job went: until the accuracy was reached, or the limit came."""

    algorithm: str
    buffered: int
    seconds: float
    rounds: int
    accuracy: float
    mean_staleness: float
    real_seconds: float


class Race:
    """Trains with some algorithm; `slowest_s` is that of the last owner, the first takes 1 s."""

    def __init__(self, algorithm: str, goal: float, slowest_s: float = 10.0, **own: Option) -> None:
        self._algorithm, self._goal, self._own = algorithm, goal, own
        step_s = (slowest_s - 1.0) / (len(OWNERS) - 1)
        self._takes_s = {name: 1.0 + step_s * place for place, name in enumerate(OWNERS)}

    def run(self, buffered: int) -> Lap:
        """Return how it went with this buffer; 0 waits for everybody."""
        options: dict[str, Option] = {
            **{"max_rounds": 2000, "local_epochs": 2, "batch_size": 32, "learning_rate": 0.1},
            **self._own,
        }
        if buffered:
            options["max_staleness"] = MAX_STALENESS
        tasks = {name: _task(self._algorithm, options, name) for name in (*OWNERS, "held-out")}
        judge = tasks["held-out"]
        laps: list[tuple[float, float, State]] = []

        def reached(now_s: float, data: bytes) -> bool:
            state = State.from_bytes(data)
            laps.append((now_s, judge.evaluate(state)["accuracy"], state))
            return laps[-1][1] >= self._goal

        owners = {name: PacedOwner(tasks[name].compute, self._takes_s[name]) for name in OWNERS}
        initial = tasks[OWNERS[0]].initial()
        judge.evaluate(initial)  # what torch loads at its first step is loaded now
        warm_up()
        began_s = time.perf_counter()
        plan = _plan(buffered)
        assignment = Assignment(
            plan=plan, algorithm=build(self._algorithm, options), initial=initial
        )
        pace(assignment, ROSTER, owners, reached, limit_s=LIMIT_S)
        now_s, accuracy, state = laps[-1]
        return Lap(
            algorithm=self._algorithm,
            buffered=buffered,
            seconds=round(now_s, 1),
            rounds=len(laps),
            accuracy=round(accuracy, 4),
            mean_staleness=round(_mean_staleness(state), 2),
            real_seconds=round(time.perf_counter() - began_s, 1),
        )


def _task(algorithm: str, options: dict[str, Option], name: str) -> TorchTask:
    return TorchTask(WorkSpec(kind=algorithm, options=options, owner=name, task=str(TASK)))


def _plan(buffered: int) -> Plan:
    return Plan(
        job="digits",
        suite="shamir",
        field="p61",
        fraction_bits=24,
        threshold=2,
        vote=True,
        quorum=majority(len(ROSTER.holders)),
        minimum=3,
        chunk_bytes=2**18,
        sealing=CLASSICAL,
        abandoned_rounds=3,
        timing=TIMING,
        buffered=buffered,
        max_staleness=MAX_STALENESS if buffered else 0,
    )


def _mean_staleness(state: State) -> float:
    rounds = state.items(FACT) if FACT in state.facts else []
    histograms = [counts for counts in rounds if isinstance(counts, list)]
    ages = [(s, float(n)) for counts in histograms for s, n in enumerate(counts)]
    total = sum(n for _, n in ages)
    return sum(s * n for s, n in ages) / total if total else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accuracy", type=float, default=0.95)
    parser.add_argument("--buffers", type=int, nargs="+", default=[3, 4, 6])
    parser.add_argument("--slowest", type=float, default=10.0, metavar="SECONDS")
    words = parser.parse_args()
    best = 0.0
    for algorithm in ("fedavg", "fedadam"):
        race = Race(algorithm, words.accuracy, words.slowest)
        waiting = race.run(0)
        print(json.dumps({"kind": "lap", **_told(waiting), "times_faster": 1.0}))
        for buffered in words.buffers:
            lap = race.run(buffered)
            times = waiting.seconds / lap.seconds
            best = max(best, times if lap.accuracy >= words.accuracy else 0.0)
            print(json.dumps({"kind": "lap", **_told(lap), "times_faster": round(times, 2)}))
    return 0 if best >= 2.0 else 1


def _told(lap: Lap) -> dict[str, object]:
    return {name: getattr(lap, name) for name in Lap.__slots__}


if __name__ == "__main__":
    sys.exit(main())
