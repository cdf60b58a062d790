"""The odds are those of the real machines: counted over every way in which parties are missing."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import inf, isclose
from typing import Any

import pytest
from fakes.round_parts import TIMING, config_of
from fakes.whole_round import Fate, completes
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from infra.chaos.odds import Dangers, Odds, Setting, neighbours, round_odds, tails

CHANCES = st.fractions(0, 1, max_denominator=50)


def setting(**changes: Any) -> Setting:
    usual: dict[str, Any] = {
        "holders": 5,
        "threshold": 3,
        "vote": True,
        "minimum": 3,
        "owners": 10,
        "patience_s": 30.0,
    }
    return Setting(**(usual | changes))


def test_checks_and_norm_bounds_need_holders_of_their_own_and_forbid_what_they_cannot_have() -> (
    None
):
    assert setting(holders=4, threshold=3).needed == 3
    assert setting(holders=4, threshold=3, checks=True).needed == 4
    assert setting(holders=6, checks=True, norms=True).needed == 6
    assert setting(holders=7, faults=1, checks=True, norms=True).needed == 6
    assert not setting(holders=4, threshold=4, checks=True).allowed()
    assert not setting(checks=True, norms=True).allowed()
    assert setting(holders=6, checks=True, norms=True).allowed()


# --- one round ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("holders", "threshold", "vote", "minimum"),
    [
        (3, 2, True, 3),
        (3, 3, True, 4),
        (3, 2, False, 3),
        (4, 2, True, 3),
        (4, 4, True, 3),
        (4, 3, False, 4),
        (5, 2, True, 4),
        (5, 4, True, 3),
        (5, 3, False, 3),
    ],
)
def test_a_round_completes_as_often_as_with_the_real_coordinator(
    holders: int, threshold: int, vote: bool, minimum: int
) -> None:
    drop, loss = Fraction(3, 10), Fraction(1, 7)
    one = setting(holders=holders, threshold=threshold, vote=vote, minimum=minimum, owners=4)
    assert one.allowed()
    counted = Fraction(0)

    for trainers in product((True, False), repeat=one.owners):
        for away in product((False, True), repeat=holders):
            fates = [Fate.FROM_THE_START if gone else Fate.NEVER for gone in away]
            if completes(one, trainers, fates):
                present = sum(trainers)
                counted += (
                    (1 - drop) ** present
                    * drop ** (one.owners - present)
                    * loss ** sum(away)
                    * (1 - loss) ** (holders - sum(away))
                )
    odds = round_odds(one, Dangers(drop=float(drop), holder_loss=float(loss)))

    assert odds.completes == pytest.approx(float(counted), rel=1e-12)
    assert odds.lost == pytest.approx(float(1 - counted), rel=1e-12)


@pytest.mark.parametrize(("threshold", "helps"), [(2, True), (4, False)])
def test_a_holder_that_is_lost_later_does_no_more_harm(threshold: int, helps: bool) -> None:
    one = setting(holders=4, threshold=threshold, owners=3)
    everybody = (True,) * one.owners
    late_enough = 0

    for fates in product(Fate, repeat=one.holders):
        whole = fates.count(Fate.NEVER)
        voting = whole + fates.count(Fate.BEFORE_ITS_ANSWER)
        sharing = voting + fates.count(Fate.BEFORE_ITS_VOTE)
        done = completes(one, everybody, fates)

        enough = sharing >= one.needed and voting >= one.quorum and whole >= one.threshold
        assert done is enough
        # The odds take those that are there to the end, and want `needed` of them.
        assert done or whole < one.needed
        late_enough += done and whole < one.needed

    # They are a lower bound where fewer have to answer than to vote.
    assert (late_enough > 0) is helps


@pytest.mark.parametrize(("late_s", "counts"), [(0.9, True), (1.1, False)])
def test_a_silent_trainer_counts_if_its_patience_lasts(late_s: float, counts: bool) -> None:
    one = setting(owners=3, patience_s=TIMING.patience_s)

    done = completes(one, (True,) * 3, [Fate.NEVER] * 5, last_after_s=late_s * TIMING.patience_s)

    assert done is counts


def test_slow_trainers_are_missing_as_often_as_they_outlast_the_patience() -> None:
    dangers = Dangers(drop=0.1, holder_loss=0.0, slow_share=0.5, slow_by_s=30.0)

    # After as many seconds as the mean, one of e is still silent.
    assert dangers.trainer_missing(30.0) == pytest.approx(0.1 + 0.9 * 0.5 / 2.718281828459045)
    assert dangers.trainer_missing(1e6) == pytest.approx(0.1)


def test_a_job_has_the_quorum_and_the_need_of_its_rounds() -> None:
    for n, t, vote in ((5, 3, True), (6, 3, True), (5, 4, True), (5, 3, False)):
        one = setting(holders=n, threshold=t, vote=vote)
        config = config_of(holders=n, threshold=t, vote=vote, quorum=one.quorum)
        assert (one.quorum, one.allowed()) == (config.quorum, True)


# --- tails ----------------------------------------------------------------------------


@given(trials=st.integers(0, 12), chance=CHANCES, least=st.integers(-1, 14))
def test_tails_are_sums_over_every_outcome(trials: int, chance: Fraction, least: int) -> None:
    reached = Fraction(0)
    for outcome in product((0, 1), repeat=trials):
        if sum(outcome) >= least:
            reached += chance ** sum(outcome) * (1 - chance) ** (trials - sum(outcome))

    below, at_least = tails(trials, float(chance), least)

    assert isclose(at_least, reached, rel_tol=1e-9, abs_tol=1e-14)
    assert isclose(below, 1 - reached, rel_tol=1e-9, abs_tol=1e-14)


@pytest.mark.parametrize(
    ("trials", "chance", "least"),
    [(100_000, 0.7, 69_500), (100_000, 0.7, 71_000), (100_000, 1e-4, 40), (60, 0.99, 31)],
)
def test_tails_of_many_trials_agree_with_scipy(trials: int, chance: float, least: int) -> None:
    below, reached = tails(trials, chance, least)

    assert below == pytest.approx(binom.cdf(least - 1, trials, chance), rel=1e-7)
    assert reached == pytest.approx(binom.sf(least - 1, trials, chance), rel=1e-7)


# --- a job ----------------------------------------------------------------------------


def counted(lost: Fraction, rounds: int, most: int, in_a_row: int) -> Fraction:
    """Walk through every history of a job: the odds that it ends well within `most` lost."""

    def go_on(left: int, may: int, row: int) -> Fraction:
        if left == 0:
            return Fraction(1)
        well = (1 - lost) * go_on(left - 1, may, 0)
        if may == 0 or row + 1 == in_a_row:
            return well
        return well + lost * go_on(left, may - 1, row + 1)

    return go_on(rounds, most, 0)


@given(
    lost=CHANCES,
    rounds=st.integers(1, 4),
    most=st.integers(0, 6),
    in_a_row=st.integers(1, 4),
)
def test_a_job_ends_well_as_often_as_its_histories_do(
    lost: Fraction, rounds: int, most: int, in_a_row: int
) -> None:
    odds = Odds(float(1 - lost), float(lost))

    found = odds.at_most_lost(rounds, most, in_a_row=in_a_row)

    assert isclose(found, counted(lost, rounds, most, in_a_row), rel_tol=1e-9, abs_tol=1e-14)


@given(lost=CHANCES, rounds=st.integers(1, 4), in_a_row=st.integers(1, 3))
def test_a_job_is_given_up_where_too_many_are_lost_in_a_row(
    lost: Fraction, rounds: int, in_a_row: int
) -> None:
    odds = Odds(float(1 - lost), float(lost))
    # Every loss that is not given up on comes before one of the rounds.
    well = counted(lost, rounds, rounds * in_a_row, in_a_row)

    assert isclose(odds.given_up(rounds, in_a_row), 1 - well, rel_tol=1e-9, abs_tol=1e-14)


def test_attempts_are_a_mean_and_a_round_that_never_completes_has_none() -> None:
    assert Odds(0.8, 0.2).attempts(40) == pytest.approx(50)
    assert Odds(0.0, 1.0).attempts(40) == inf
    assert Odds(0.0, 1.0).given_up(40, 3) == 1.0
    assert Odds(0.0, 1.0).at_most_lost(40, 2, in_a_row=3) == 0.0


def test_a_loss_that_hardly_ever_comes_keeps_its_digits() -> None:
    odds = round_odds(setting(owners=3), Dangers(drop=1e-15, holder_loss=1e-7))

    assert odds.lost == pytest.approx(3e-15 + 10e-21, rel=0.2)
    assert odds.given_up(1, 1) == pytest.approx(odds.lost, rel=1e-9)


def test_neighbours_are_what_a_job_may_have() -> None:
    near = dict(neighbours(setting(owners=3, vote=False), with_patience=True))

    assert list(near) == [
        "as it is",
        "holders - 1",
        "threshold + 1",
        "patience / 2",
        "patience * 2",
    ]
    assert near["patience / 2"].patience_s == 15.0
