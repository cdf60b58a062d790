from __future__ import annotations

import numpy as np
import pytest
from fakes.dealt import dealing, plus, unseen
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import Misuse
from protocols.secagg.coin import REPETITIONS
from protocols.secagg.degree_check import (
    Weights,
    check_degrees,
    commitment,
    masked,
    opens,
    public_coin,
)
from protocols.secagg.field import FIELDS, P31
from protocols.secagg.judging import Committee, Status
from protocols.secagg.shamir import reconstruct

FROZEN = bytes(range(32))
OPENINGS = {place: bytes([place]) * 32 for place in range(4)}
NAMES = ["ann", "bob", "cat", "dan", "eve"]
each_field = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)


def dealt(field, *, t: int, n: int, seed: int = 0):
    draw, repetitions = np.random.default_rng(seed), REPETITIONS[field.name]
    return {
        name: dealing(field, draw, t=t, n=n, size=20, repetitions=repetitions) for name in NAMES
    }


def words_of(coin, dealings, places):
    """What honest holders tell for all trainers together."""
    weights = Weights(coin, sorted(dealings))
    values = {name: dealing.values(coin) for name, dealing in dealings.items()}
    return {
        place: weights.summed({name: of[place] for name, of in values.items()}, sorted(dealings))
        for place in places
    }


@st.composite
def histories(draw):
    """Trainers that deal false shares, holders that lie and that are missing."""
    faults, t = draw(st.integers(0, 2)), draw(st.integers(2, 4))
    places = sorted(draw(st.lists(st.integers(0, 10), min_size=t + 1, max_size=11, unique=True)))
    liars = draw(st.lists(st.sampled_from(places), max_size=faults, unique=True))
    false = st.tuples(st.sampled_from(NAMES), st.sampled_from(places), st.integers(0, 19))
    return (
        draw(st.sampled_from(list(FIELDS.values()))),
        t,
        faults,
        places,
        liars,
        draw(st.lists(false, max_size=4, unique_by=lambda entry: entry[:2])),
    )


@settings(max_examples=300, deadline=None)
@given(histories())
def test_false_shares_are_noticed_and_lies_alone_are_corrected(history):
    field, t, faults, places, liars, false = history
    dealings = dealt(field, t=t, n=11)
    for name, place, coordinate in false:
        dealings[name].spoil(field, place, coordinate)
    coin = public_coin(field, FROZEN, OPENINGS)
    words = words_of(coin, dealings, places)
    for place in liars:
        words[place] = tuple(plus(field, value, 1 + place) for value in words[place])
    committee = Committee(field=field, threshold=t, faults=faults)

    judgement = check_degrees(committee, words)

    spoilt = {place for _, place, _ in false}
    off = spoilt | set(liars)
    if not off:
        enough = len(places) - t >= max(faults, 1)
        assert judgement.status is (Status.VERIFIED if enough else Status.UNVERIFIED)
    elif len(places) >= t + max(2 * faults, 1) and not spoilt:
        assert judgement.wrong == tuple(sorted(liars))
    elif len(places) - t >= len(off):
        # Few enough that a polynomial through all values would be a miracle.
        assert judgement.status in (Status.CORRECTED, Status.DETECTED)
        if len(places) - t >= max(faults, 1) + len(off):
            assert judgement.status is (Status.CORRECTED if len(off) <= faults else Status.DETECTED)


@each_field
@pytest.mark.parametrize("coordinate", [0, 10, 19])
def test_a_trainer_whose_shares_lie_on_a_polynomial_of_too_high_a_degree_is_noticed(
    field, coordinate
):
    dealings = dealt(field, t=3, n=7)
    for place in range(7):  # adds x^3 to polynomials that have three coefficients
        dealings["cat"].spoil(field, place, coordinate, (place + 1) ** 3)
    coin = public_coin(field, FROZEN, OPENINGS)

    judgement = check_degrees(
        Committee(field=field, threshold=3, faults=2), words_of(coin, dealings, range(7))
    )

    assert judgement.status is Status.DETECTED


@each_field
def test_two_trainers_whose_errors_cancel_are_noticed(field):
    dealings = dealt(field, t=3, n=7)
    for place in range(7):
        dealings["ann"].spoil(field, place, 3, (place + 1) ** 3)
        dealings["bob"].spoil(field, place, 3, -((place + 1) ** 3))
    coin = public_coin(field, FROZEN, OPENINGS)

    judgement = check_degrees(
        Committee(field=field, threshold=3, faults=0), words_of(coin, dealings, range(7))
    )

    assert judgement.status is Status.DETECTED


@each_field
def test_masks_that_lie_on_no_polynomial_are_noticed(field):
    dealings = dealt(field, t=3, n=7)
    dealings["dan"].masks[4, 1] = plus(field, dealings["dan"].masks[4, 1], 1)
    coin = public_coin(field, FROZEN, OPENINGS)

    judgement = check_degrees(
        Committee(field=field, threshold=3, faults=1), words_of(coin, dealings, range(7))
    )

    assert (judgement.status, judgement.wrong) == (Status.CORRECTED, (4,))


@each_field
def test_who_guessed_the_coin_is_not_seen_and_one_other_opening_undoes_the_guess(field):
    dealings = dealt(field, t=3, n=7)
    guessed = public_coin(field, FROZEN, OPENINGS)
    for coordinate, error in enumerate(unseen(field, guessed.rows("rho", 0, 20))):
        dealings["bob"].spoil(field, 5, coordinate, error)
    committee = Committee(field=field, threshold=3, faults=1)

    def wrong(coin):
        return check_degrees(committee, words_of(coin, dealings, range(7))).wrong

    assert wrong(guessed) == ()
    for place in OPENINGS:
        assert wrong(public_coin(field, FROZEN, {**OPENINGS, place: b"x" * 32})) == (5,)
    assert wrong(public_coin(field, FROZEN, {**OPENINGS, 9: bytes(32)})) == (5,)
    assert wrong(public_coin(field, bytes(32), OPENINGS)) == (5,)


@each_field
def test_the_values_of_one_trainer_lie_on_the_polynomial_of_its_masked_combination(field):
    dealt_by_ann = dealt(field, t=3, n=6)["ann"]
    coin = public_coin(field, FROZEN, OPENINGS)
    vector = reconstruct(field, [1, 2, 3], dealt_by_ann.shares[:3])
    masks = reconstruct(field, [4, 5, 6], dealt_by_ann.masks[3:])

    words = dealt_by_ann.values(coin)

    # By definition, in plain integers: <rho, x> + m.
    expected = tuple(
        (sum(a * b for a, b in zip(row, vector.tolist(), strict=True)) + mask) % field.modulus
        for row, mask in zip(coin.rows("rho", 0, 20).tolist(), masks.tolist(), strict=True)
    )
    judgement = check_degrees(Committee(field=field, threshold=3, faults=1), words)
    assert (judgement.status, judgement.at_zero) == (Status.VERIFIED, expected)


@each_field
def test_a_mask_makes_every_value_of_a_trainer_another(field):
    one = dealt(field, t=3, n=6)["ann"]
    coin = public_coin(field, FROZEN, OPENINGS)
    bare = coin.combine(0, list(one.shares))

    for place, values in one.values(coin).items():
        differences = [
            (value - naked) % field.modulus
            for value, naked in zip(values, bare[place], strict=True)
        ]
        assert differences == one.masks[place].tolist()


def test_a_commitment_opens_for_its_own_place_set_and_opening_only():
    committed = commitment(FROZEN, 3, b"o" * 32)

    assert opens(committed, FROZEN, 3, b"o" * 32)
    assert not opens(committed, FROZEN, 2, b"o" * 32)
    assert not opens(committed, bytes(32), 3, b"o" * 32)
    assert not opens(committed, FROZEN, 3, b"p" * 32)
    assert not opens(committed, FROZEN, 3, b"o" * 31)


def test_weights_are_those_of_the_frozen_set_and_no_other():
    coin = public_coin(P31, FROZEN, OPENINGS)
    values = dict.fromkeys(NAMES, (1, 1, 1, 1))
    weights = Weights(coin, NAMES)

    halves = [weights.summed(values, NAMES[:2]), weights.summed(values, NAMES[2:])]

    assert coin.plus(*halves) == weights.summed(values, NAMES)
    assert len({weights.summed(values, [name]) for name in NAMES}) == 5
    with pytest.raises(Misuse, match="no values of zoe"):
        weights.summed({**values, "zoe": (1, 1, 1, 1)}, ["zoe"])
    with pytest.raises(Misuse, match="no values of ann"):
        weights.summed({}, ["ann"])
    for names in (["bob", "ann"], ["ann", "ann"]):
        with pytest.raises(Misuse, match="not sorted"):
            Weights(coin, names)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(Misuse, match="openings"):
        public_coin(P31, FROZEN, {})
    with pytest.raises(Misuse, match="openings"):
        public_coin(P31, FROZEN, {0: b"short"})
    with pytest.raises(Misuse, match="32 bytes"):
        commitment(b"short", 0, bytes(32))
    with pytest.raises(Misuse, match="masks for 4 repetitions"):
        masked(public_coin(P31, FROZEN, OPENINGS), (1, 2, 3, 4), np.zeros(3, dtype=np.uint32))
