"""The odds of a round and of a job, in closed form: who may be missing, and how often too many are.

Trainers and holders are missing independently of each other and from round to round, and whoever
is missing is so from the beginning of the round, which is the worst moment. A round completes if
at least `minimum` trainers and as many holders as it can't do without are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import comb, exp, expm1, fsum, inf, lgamma, log, log1p

from infra.config import Job
from protocols.round_config import (
    MINIMUM_FLOOR,
    checks_faults,
    holders_needed,
    majority,
    norm_faults,
    norm_holders,
    threshold_faults,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a job file sets: n, t, the vote, the minimum, N owners, patience in seconds.

    `checks` and `norms` say whether owners' shares are checked, and norms are bound.
    """

    holders: int
    threshold: int
    vote: bool
    minimum: int
    owners: int
    patience_s: float
    faults: int = 0
    checks: bool = False
    norms: bool = False

    @property
    def quorum(self) -> int:
        """The votes of a certificate."""
        return majority(self.holders, self.faults)

    @property
    def needed(self) -> int:
        """How many holders a round can't do without."""
        needed = holders_needed(
            threshold=self.threshold, faults=self.faults, quorum=self.quorum, vote=self.vote
        )
        if self.norms:
            return max(needed, norm_holders(self.threshold, self.faults))
        return max(needed, self.threshold + 1) if self.checks else needed

    def allowed(self) -> bool:
        """Whether a job may have this setting."""
        wrong = threshold_faults(
            holders=self.holders,
            faults=self.faults,
            threshold=self.threshold,
            quorum=self.quorum,
            vote=self.vote,
        )
        if self.checks:
            wrong += checks_faults(
                holders=self.holders, faults=self.faults, threshold=self.threshold, vote=self.vote
            )
        if self.norms:
            wrong += norm_faults(holders=self.holders, faults=self.faults, threshold=self.threshold)
        return not wrong and MINIMUM_FLOOR <= self.minimum <= self.owners


@dataclass(frozen=True, slots=True, kw_only=True)
class Dangers:
    """How often a party is missing in a round, each with a probability of its own.

    Attributes:
        drop: that a trainer's contribution never comes.
        holder_loss: that a holder is away.
        slow_share: that a trainer is silent for a while, exponentially distributed.
        slow_by_s: the mean of that while, in seconds; not used where `slow_share` is 0.
    """

    drop: float
    holder_loss: float
    slow_share: float = 0.0
    slow_by_s: float = 1.0

    def trainer_missing(self, patience_s: float) -> float:
        """Return the probability that a trainer is not in the set, dropped or out of patience."""
        too_slow = self.slow_share * exp(-patience_s / self.slow_by_s)
        return self.drop + (1.0 - self.drop) * too_slow


@dataclass(frozen=True, slots=True)
class Odds:
    """That a round completes, and that it is lost; they sum to 1, and each is precise if small."""

    completes: float
    lost: float

    def at_most_lost(self, rounds: int, lost: int, *, in_a_row: int) -> float:
        """Return how likely a job completes `rounds` rounds and loses `lost` at most on the way.

        `in_a_row` lost one after the other end the job before it has completed its rounds.
        Exact, and fast for a `lost` of some dozens.
        """
        if not self.completes:
            return 0.0
        all_complete = rounds * log1p(-self.lost)
        ways = (_ways(rounds, some, in_a_row) for some in range(lost + 1 if self.lost else 1))
        terms = (
            exp(all_complete + log(way) + (some * log(self.lost) if some else 0.0))
            for some, way in enumerate(ways)
            if way
        )
        return min(fsum(terms), 1.0)

    def attempts(self, rounds: int) -> float:
        """Return how many rounds are begun on average to complete `rounds`."""
        return rounds / self.completes if self.completes else inf

    def given_up(self, rounds: int, in_a_row: int) -> float:
        """Return how likely `in_a_row` rounds are lost one after the other on the way."""
        too_many = self.lost**in_a_row
        return 1.0 if too_many >= 1.0 else -expm1(rounds * log1p(-too_many))


def _ways(rounds: int, lost: int, in_a_row: int) -> int:
    """Count the ways to lose `lost` before `rounds` completed ones, fewer than `in_a_row` each."""
    return sum(
        (-1) ** full * comb(rounds, full) * comb(lost - full * in_a_row + rounds - 1, rounds - 1)
        for full in range(min(rounds, lost // in_a_row) + 1)
    )


def setting_of(job: Job, owners: int | None = None) -> Setting:
    """Return what of a job file decides whether a round completes, perhaps for other `owners`.

    Where rounds ask a sample, the owners are those of the smallest batch.
    """
    federation = job.federation
    count = len(job.owners) if owners is None else owners
    batches, _ = job.batches_of(count)
    return Setting(
        holders=federation.holders,
        threshold=federation.threshold,
        faults=federation.faults,
        vote=federation.vote,
        minimum=federation.minimum,
        owners=count // batches if batches else count,
        patience_s=job.limits.patience_s,
        checks=job.secure_sum.checks,
        norms=job.secure_sum.norm_bound is not None,
    )


def round_odds(setting: Setting, dangers: Dangers) -> Odds:
    """Return the odds of one round."""
    missing = dangers.trainer_missing(setting.patience_s)
    too_few, enough = tails(setting.owners, 1.0 - missing, setting.minimum)
    without, with_holders = tails(setting.holders, 1.0 - dangers.holder_loss, setting.needed)
    return Odds(enough * with_holders, too_few + enough * without)


def tails(trials: int, chance: float, least: int) -> tuple[float, float]:
    """Return how likely fewer than `least` of `trials` succeed, and at least so many.

    The smaller of both is summed term by term, so that it keeps its digits.
    """
    if least <= 0 or chance >= 1.0:
        return (0.0, 1.0) if least <= trials else (1.0, 0.0)
    if least > trials or chance <= 0.0:
        return 1.0, 0.0
    if least > trials * chance:
        reached = _one_side(trials, chance, least)
        return 1.0 - reached, reached
    # The other way round: at least so many fail.
    below = _one_side(trials, 1.0 - chance, trials - least + 1)
    return below, 1.0 - below


def _one_side(trials: int, chance: float, least: int) -> float:
    """Sum the terms from `least` on, which lies above the mean: each is smaller than the last."""
    rest = trials - least
    choices = lgamma(trials + 1) - lgamma(least + 1) - lgamma(rest + 1)
    term = exp(choices + least * log(chance) + rest * log1p(-chance))
    total, odds = 0.0, chance / (1.0 - chance)
    for successes in range(least, trials + 1):
        total += term
        if term < total * 1e-18:
            break
        term *= (trials - successes) / (successes + 1) * odds
    return min(total, 1.0)


def neighbours(setting: Setting, *, with_patience: bool) -> Iterator[tuple[str, Setting]]:
    """Yield the setting and those that a job may have instead, one step away, each with a name."""
    yield "as it is", setting
    changes: list[tuple[str, Setting]] = [
        ("holders - 1", replace(setting, holders=setting.holders - 1)),
        ("holders + 1", replace(setting, holders=setting.holders + 1)),
        ("threshold - 1", replace(setting, threshold=setting.threshold - 1)),
        ("threshold + 1", replace(setting, threshold=setting.threshold + 1)),
        ("minimum - 1", replace(setting, minimum=setting.minimum - 1)),
        ("minimum + 1", replace(setting, minimum=setting.minimum + 1)),
    ]
    if with_patience:
        changes += [
            ("patience / 2", replace(setting, patience_s=setting.patience_s / 2)),
            ("patience * 2", replace(setting, patience_s=setting.patience_s * 2)),
        ]
    yield from ((name, changed) for name, changed in changes if changed.allowed())
