"""What a trainer computed for one round and contributes to a later one: buffered rounds.

FedBuff (Nguyen et al., AISTATS 2022): a round ends when enough contributions have come, and who
still computes goes on. Its result then belongs to an older model state than that of the round it
is contributed to, and counts the less the older it is.

A result may be in sums over one model state only, and over that state it is always the same, of
the same age. So two sums that a trainer is in differ in its part exactly where the guard of sums
over one state is about them, and say no more of it than without a buffer (ADR 13).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse
from protocols.round_config import RoundConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Which result is contributed: that of the state `base`, so many rounds old."""

    base: bytes
    staleness: int


class Course(Enum):
    """What else a trainer does about a round."""

    GO_ON = "go on"  # with what it computes already
    COMPUTE = "compute"  # anew, on the state of this round
    SIT_OUT = "sit out"  # nothing that it could give now may be in this sum


class Carrying:
    """What one trainer has at hand for one job. Restore it with the last contribution."""

    def __init__(self, last: Given | None = None, over: RoundConfig | None = None) -> None:
        self._last, self._over = last, over  # the last contribution, and to which round
        self._under_way: RoundConfig | None = None
        self._fetched = False
        self._ready: RoundConfig | None = None

    def course(self, config: RoundConfig) -> Given | Course:
        """Return what to do about a round that is new here."""
        if self._last and self._over and self._over.state == config.state:
            return self._again(config, self._last)
        if self._is_used(config):
            return Course.SIT_OUT
        if self._ready is not None and (given := self._fitting(self._ready, config)):
            return given
        work = self._under_way
        if work is None or (work.state != config.state and not self._fetched):
            # A state that is not here yet may be gone: whoever moved on keeps only the newest.
            return Course.GO_ON if self._computes(config) else Course.COMPUTE
        return Course.GO_ON if self._fitting(work, config) else Course.COMPUTE

    def _again(self, config: RoundConfig, last: Given) -> Given | Course:
        """Contribute over one state what was contributed over it before, or nothing."""
        kept = last.base != config.state  # what can't be computed again is on the disk
        if kept or (self._ready is not None and self._ready.state == last.base):
            return last
        return Course.GO_ON if self._computes(config) else Course.COMPUTE

    def _computes(self, config: RoundConfig) -> bool:
        return self._under_way is not None and self._under_way.state == config.state

    def _fitting(self, made: RoundConfig, config: RoundConfig) -> Given | None:
        """Return as what a result of the round `made` may be contributed; None if it may not."""
        staleness = 0 if made.state == config.state else config.number - made.number
        if self._is_used(made) or not 0 <= staleness <= config.max_staleness:
            return None
        return Given(base=made.state, staleness=staleness)

    def _is_used(self, made: RoundConfig) -> bool:
        return self._last is not None and self._last.base == made.state

    def begin(self, config: RoundConfig) -> None:
        """Take note that the state of this round is fetched, and then computed on."""
        self._under_way, self._fetched, self._ready = config, False, None

    def is_under_way(self, config: RoundConfig) -> bool:
        """Return whether this is still what is to be computed."""
        return self._under_way == config

    def is_in_vain(self, config: RoundConfig) -> bool:
        """Return whether what was computed until now is too old for this round."""
        work = self._under_way if self._fetched else None
        return work is not None and not self._is_used(work) and work.state != config.state

    def fetched(self, config: RoundConfig) -> None:
        """Take note that the state is here: computing goes on though it is no longer the newest."""
        self._require_under_way(config)
        self._fetched = True

    def computed(self, config: RoundConfig) -> None:
        """Take note that the result for the state of this round is at hand."""
        self._require_under_way(config)
        self._under_way, self._ready = None, config

    def failed(self, config: RoundConfig) -> None:
        """Take note that there is no result for this state."""
        if self._under_way == config:
            self._under_way = None

    def discard(self) -> None:
        """Drop the result at hand: it can't be contributed."""
        self._ready = None

    def given(self, given: Given, over: RoundConfig) -> None:
        """Take note that a result is contributed to a round; its record is written now."""
        self._last, self._over = given, over

    def is_done_with(self, number: int) -> bool:
        """Return whether what is kept on the disk is not needed after a sum in this round."""
        kept = self._last is not None and self._last.staleness > 0
        return kept and self._over is not None and number >= self._over.number

    def _require_under_way(self, config: RoundConfig) -> None:
        if self._under_way != config:
            raise Misuse(f"round {config.number} is not what is being computed")


def discount(staleness: int) -> float:
    """Return by how much a contribution counts that is so many rounds old: 1 / √(1 + s)."""
    return 1.0 / sqrt(1.0 + staleness)


def aged(config: RoundConfig, vector: NDArray[np.float64], staleness: int) -> NDArray[np.float64]:
    """Return a fresh vector (d,) as it is contributed when it is so many rounds old.

    Its first `discounted` values shrink; of the last `max_staleness` + 1 the one is set that
    counts this age, so that the sum tells how many are how old, and of nobody how old it is.
    """
    if vector.shape != (config.dimension,) or not 0 <= staleness <= config.max_staleness:
        raise Misuse(f"a vector of shape {vector.shape}, {staleness} rounds old")
    result = vector.copy()
    result[: config.discounted] *= discount(staleness)
    ages = result[config.dimension - config.max_staleness - 1 :]
    ages[:] = 0.0
    ages[staleness] = 1.0
    return result
