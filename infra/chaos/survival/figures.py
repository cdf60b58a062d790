"""What the figures of a survivability report are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from infra.chaos.cells import Moment
from infra.chaos.percentiles import percentile

ANY_TIME = "any time"
COLUMNS = (*(moment.value for moment in Moment), ANY_TIME)
BUCKETS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How long something took. `open` is how often it had not come before the end.

    `buckets` counts what took up to each of `BUCKETS_S`, and the last one what took longer.
    """

    count: int
    open: int
    median_s: float | None
    p99_s: float | None
    max_s: float | None
    buckets: tuple[int, ...]

    @staticmethod
    def of(times_s: Sequence[float | None]) -> Spread:
        """Return the spread of some times; None stands for one that was not seen."""
        known = sorted(round(each, 3) for each in times_s if each is not None)
        buckets = [0] * (len(BUCKETS_S) + 1)
        for each in known:
            buckets[sum(each > bound for bound in BUCKETS_S)] += 1
        return Spread(
            count=len(known),
            open=len(times_s) - len(known),
            median_s=round(median(known), 3) if known else None,
            p99_s=percentile(known, 0.99),
            max_s=known[-1] if known else None,
            buckets=tuple(buckets),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """A square of the matrix: how the rounds ended in which this struck. `open` had not ended."""

    party: str
    step: str
    action: str
    struck: int
    complete: int
    abandoned: int
    open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Somebody who was left out: of how many rounds, of which at most twenty, and why."""

    name: str
    rounds: int
    which: tuple[str, ...]
    reasons: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """What a history should have come to and did not."""

    seed: int
    expectation: str
    text: str
