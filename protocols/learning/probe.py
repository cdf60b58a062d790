"""Known vectors instead of data, so that every opened sum can be checked from outside.

Each owner adds a one in its own bucket and a pattern that follows from its name and the round.
The sum of a round is right only if every survivor's bucket holds exactly one, every other bucket
zero, and the pattern is the survivors' patterns added up: a contribution that is lost, counted
twice, or from another round can't go unnoticed. For drills and chaos tests.

Where rounds are buffered, patterns of several rounds shrink and meet in one sum: then only the
buckets, and the number of those whose age is counted, are known.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .job import Algorithm, JobFailed, Opened, Verdict, finite, require
from .layout import Layout
from .staleness import ages, fresh, mean_age, noted
from .state import State

Vector = NDArray[np.float64]

LARGEST = 2.0**15
"""No value of an owner is larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe(Algorithm[str]):
    """Sums known vectors for `max_rounds` rounds and fails at the first sum that is wrong.

    `owners` are all owners of the job, in the order of their buckets; each takes `delay_s` over
    its vector, as training would. The state remembers of every round who survived it.
    """

    owners: tuple[str, ...]
    values: int = 1000
    delay_s: float = 0.0
    max_rounds: int = 10
    max_staleness: int = 0

    def __post_init__(self) -> None:
        require(len(self.owners) > 0, "owners must name one or more")
        require(len(set(self.owners)) == len(self.owners), "an owner named twice")
        require(self.values >= 0, "values must be 0 or more")
        require(self.delay_s >= 0, "delay_s must be 0 or more")
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")
        require(self.max_staleness >= 0, "max_staleness must be 0 (off) or more")

    def start(self) -> State:
        """Return the state before the first round."""
        return State(facts={"round": 0, "survivors": []})

    def layout(self, state: State) -> Layout:
        bucket, pattern = {"bucket": (len(self.owners),)}, {"pattern": (self.values,)}
        if not self.max_staleness:
            return Layout({**bucket, **pattern})
        return Layout({**pattern, **bucket, **ages(self.max_staleness)})

    def discounted(self, state: State) -> int:
        return self.values if self.max_staleness else 0

    def local(self, state: State, data: str) -> Vector:
        """Return the vector of the owner whose name is `data`."""
        return self._expected(state, (data,))

    def update(self, state: State, opened: Opened) -> State:
        survivors = sorted(opened.survivors)
        wrong = self._wrong(state, finite(opened), tuple(survivors))
        number = state.count("round")
        if wrong.size:
            first = self.name_of(state, int(wrong[0]))
            raise JobFailed(
                f"the sum of round {number} is not that of {', '.join(survivors)}: {wrong.size} of "
                f"{opened.total.size} values differ, the first is {first}"
            )
        after = state.evolved(
            {"total": opened.total},
            round=number + 1,
            survivors=[*state.items("survivors"), survivors],
        )
        return noted(state, after, self.layout(state).unpack(opened.total))

    def _wrong(self, state: State, total: Vector, survivors: tuple[str, ...]) -> NDArray[np.intp]:
        """Return the places of what is not as it must be."""
        expected = self._expected(state, survivors)
        if self.max_staleness:
            known, first = total.copy(), total.size - self.max_staleness - 1
            known[: self.values] = expected[: self.values]
            known[first] = total[first:].sum()  # all ages together
            known[first + 1 :] = 0.0
            total = known
        return np.flatnonzero(total != expected)

    def verdict(self, state: State) -> Verdict:
        over = state.count("round") >= self.max_rounds
        return Verdict(over=over, reason="max rounds" if over else "")

    def metrics(self, state: State) -> dict[str, float]:
        rounds = state.items("survivors")
        if not rounds:
            return {}
        latest = rounds[-1]
        named = {"survivors": float(len(latest)) if isinstance(latest, list) else 0.0}
        return {**named, **mean_age(state)}

    def result(self, state: State) -> dict[str, object]:
        return {"survivors_by_round": state.items("survivors")}

    def _expected(self, state: State, survivors: tuple[str, ...]) -> Vector:
        bucket = np.array([float(survivors.count(owner)) for owner in self.owners])
        pattern = np.zeros(self.values)
        for owner in survivors:
            pattern += _pattern(owner, state.count("round"), self.values)
        counts = {name: len(survivors) * one for name, one in fresh(self.max_staleness).items()}
        return self.layout(state).pack({"bucket": bucket, "pattern": pattern, **counts})


def _pattern(owner: str, number: int, values: int) -> Vector:
    """Return whole numbers (values,) from -2^15 to 2^15, the same on every machine."""
    noise = hashlib.shake_256(f"{owner}/{number}".encode()).digest(2 * values)
    return np.frombuffer(noise, dtype="<i2").astype(np.float64)
