"""What a trainer has computed for one round and contributes to a later one."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.round_parts import config_of
from msgspec.structs import replace

from protocols.errors import Misuse
from protocols.round_config import RoundConfig
from protocols.secagg.carrying import Carrying, Course, Given, aged


def over(state: int, number: int) -> RoundConfig:
    """Return a buffered round over the state of this number."""
    return config_of(
        number=number, state=bytes([state] * 32), buffered=3, max_staleness=2, discounted=190
    )


def base(state: int) -> bytes:
    return bytes([state] * 32)


def computing(config: RoundConfig) -> Carrying:
    carrying = Carrying()
    carrying.begin(config)
    carrying.fetched(config)
    return carrying


def holding(config: RoundConfig) -> Carrying:
    carrying = computing(config)
    carrying.computed(config)
    return carrying


def test_a_trainer_with_nothing_computes_on_the_newest_state() -> None:
    assert Carrying().course(over(1, number=1)) is Course.COMPUTE


def test_who_computes_goes_on_until_its_state_is_too_old() -> None:
    carrying = computing(over(1, number=1))

    courses = [carrying.course(over(n, number=n)) for n in (2, 3, 4)]

    assert courses == [Course.GO_ON, Course.GO_ON, Course.COMPUTE]


def test_a_state_that_is_not_here_when_it_is_no_longer_the_newest_is_given_up() -> None:
    carrying = Carrying()
    carrying.begin(over(1, number=1))

    assert carrying.course(over(1, number=2)) is Course.GO_ON
    assert carrying.course(over(2, number=3)) is Course.COMPUTE


def test_a_result_is_as_old_as_the_rounds_since_its_state() -> None:
    carrying = holding(over(1, number=1))

    assert carrying.course(over(1, number=1)) == Given(base=base(1), staleness=0)
    assert carrying.course(over(2, number=2)) == Given(base=base(1), staleness=1)
    assert carrying.course(over(3, number=3)) == Given(base=base(1), staleness=2)
    assert carrying.course(over(4, number=4)) is Course.COMPUTE


def test_abandoned_rounds_over_the_same_state_make_nothing_older() -> None:
    carrying = holding(over(1, number=1))

    assert carrying.course(over(1, number=9)) == Given(base=base(1), staleness=0)


def test_a_result_is_never_contributed_over_a_second_state() -> None:
    carrying = holding(over(1, number=1))
    carrying.given(Given(base=base(1), staleness=1), over(2, number=2))

    assert carrying.course(over(3, number=3)) is Course.COMPUTE


def test_what_is_computed_again_on_a_state_that_was_contributed_stays_with_that_state() -> None:
    # The round over state 1 was abandoned after this contribution, and the result lost.
    carrying = Carrying(Given(base=base(1), staleness=0), over(1, number=1))
    assert carrying.course(over(1, number=2)) is Course.COMPUTE
    carrying.begin(over(1, number=2))
    carrying.fetched(over(1, number=2))

    assert carrying.course(over(1, number=3)) is Course.GO_ON
    assert carrying.course(over(2, number=4)) is Course.COMPUTE
    carrying.computed(over(1, number=2))
    assert carrying.course(over(2, number=4)) is Course.COMPUTE


def test_over_one_state_a_trainer_gives_the_same_result_again_as_old_as_before() -> None:
    given = Given(base=base(1), staleness=1)
    carrying = holding(over(1, number=1))
    carrying.given(given, over(2, number=2))

    again = carrying.course(over(2, number=3))

    assert again == given


def test_after_a_restart_too_as_the_result_is_on_the_disk() -> None:
    given = Given(base=base(1), staleness=2)

    assert Carrying(given, over(3, number=3)).course(over(3, number=4)) == given


def test_over_the_state_of_a_result_that_was_carried_away_nothing_is_contributed() -> None:
    carrying = Carrying(Given(base=base(1), staleness=1), over(2, number=2))

    assert carrying.course(over(1, number=3)) is Course.SIT_OUT


def test_a_result_that_failed_or_can_not_be_contributed_is_computed_anew() -> None:
    failed, refused = computing(over(1, number=1)), holding(over(1, number=1))
    failed.failed(over(1, number=1))
    refused.discard()

    assert failed.course(over(1, number=2)) is Course.COMPUTE
    assert refused.course(over(1, number=2)) is Course.COMPUTE


def test_what_is_on_the_disk_is_needed_until_its_round_had_a_sum() -> None:
    stale = Carrying(Given(base=base(1), staleness=1), over(2, number=2))
    fresh = Carrying(Given(base=base(2), staleness=0), over(2, number=2))

    assert [stale.is_done_with(number) for number in (1, 2, 3)] == [False, True, True]
    assert not fresh.is_done_with(2)


def test_what_was_never_begun_can_not_be_computed() -> None:
    with pytest.raises(Misuse, match="not what is being computed"):
        Carrying().computed(over(1, number=1))


@pytest.mark.parametrize("staleness", [0, 1, 2])
def test_the_first_values_shrink_with_age_and_the_last_count_it(staleness: int) -> None:
    config = over(1, number=1)
    vector = np.full(200, 4.0)

    contributed = aged(config, vector, staleness)

    np.testing.assert_array_equal(contributed[:190], np.full(190, 4.0 / np.sqrt(1 + staleness)))
    np.testing.assert_array_equal(contributed[190:197], np.full(7, 4.0))
    np.testing.assert_array_equal(contributed[197:], np.eye(3)[staleness])
    np.testing.assert_array_equal(vector, np.full(200, 4.0))


def test_nothing_is_older_than_a_round_allows() -> None:
    with pytest.raises(Misuse, match="3 rounds old"):
        aged(over(1, number=1), np.zeros(200), 3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"buffered": 2}, "below the minimum of 3"),
        ({"buffered": 6}, "above the 5 trainers"),
        ({"max_staleness": 0}, "max_staleness must be 1 or more"),
        ({"discounted": 198}, "no room for the ages"),
        ({"buffered": 0}, "only contributions to buffered rounds have an age"),
    ],
)
def test_a_round_whose_buffer_makes_no_sense_is_refused(
    changes: dict[str, int], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(over(1, number=1), **changes)
