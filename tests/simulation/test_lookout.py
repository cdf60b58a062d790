"""One look at a text tells that no secret is in it, wherever it would begin."""

from __future__ import annotations

from random import Random

import pytest

from infra.simulation.lookout import _STALE, Lookout

TEXT = bytes(range(1, 201))


@pytest.mark.parametrize("length", [1, 7, 8, 14, 15, 16, 33])
def test_what_is_in_a_text_is_never_missed(length: int) -> None:
    for start in range(len(TEXT) - length + 1):
        lookout = Lookout()
        lookout.add(TEXT[start : start + length])

        assert lookout.may_hold(TEXT), start


@pytest.mark.parametrize("length", [8, 14, 15, 16, 33])
def test_another_text_is_cleared(length: int) -> None:
    draw, lookout = Random(1), Lookout()
    for _ in range(200):
        lookout.add(draw.randbytes(length))

    assert not lookout.may_hold(TEXT)


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_a_text_too_short_for_a_secret_is_cleared(cut: int) -> None:
    lookout = Lookout()
    lookout.add(TEXT[:16])

    assert not lookout.may_hold(TEXT[:cut])


def test_a_secret_that_was_added_twice_is_looked_for_until_it_is_removed_twice() -> None:
    lookout = Lookout()
    lookout.add(TEXT[20:36])
    lookout.add(TEXT[20:36])
    lookout.remove(TEXT[20:36])
    _forget_the_stale(lookout)

    assert lookout.may_hold(TEXT)

    lookout.remove(TEXT[20:36])
    _forget_the_stale(lookout)

    assert not lookout.may_hold(TEXT)


def test_what_is_still_looked_for_outlives_the_forgetting_of_what_is_not() -> None:
    lookout = Lookout()
    for secret in (TEXT[3:19], TEXT[50:58]):
        lookout.add(secret)
    _forget_the_stale(lookout)

    assert lookout.may_hold(TEXT[:30])
    assert lookout.may_hold(TEXT[48:60])


def _forget_the_stale(lookout: Lookout) -> None:
    draw = Random(2)
    for _ in range(_STALE):
        passing = draw.randbytes(16)
        lookout.add(passing)
        lookout.remove(passing)
