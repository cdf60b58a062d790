from __future__ import annotations

import numpy as np
import pytest
from fakes.dealt import plus, uniform, unseen
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import Misuse
from protocols.secagg.coin import PIECE, Coin
from protocols.secagg.field import FIELDS, P31
from protocols.secagg.judging import Committee, Status, judge, most_correctable
from protocols.secagg.shamir import split
from protocols.secagg.vouching import (
    _CHUNK,
    Vouching,
    answers_coin,
    check_answers,
    open_fitting,
)

SEED = bytes(range(32))
each_field = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)


def shared(field, *, t: int, n: int, d: int = 50):
    """Return the secret sum and the honest answers to it, by place."""
    draw = np.random.default_rng(t * n + d)
    secrets = uniform(field, draw, d)
    shares = split(field, secrets, uniform(field, draw, t - 1, d), n)
    return secrets, dict(enumerate(shares))


def spoil(field, answer, coordinate: int = 0, error: int = 1) -> None:
    answer[coordinate] = plus(field, answer[coordinate], error)


def crafted(field, rows, answer) -> None:
    """Change some coordinates so that these rows of coefficients do not show it."""
    for coordinate, error in enumerate(unseen(field, rows)):
        spoil(field, answer, coordinate, error)


@each_field
def test_three_liars_of_ten_with_one_wrong_coordinate_each_are_named(field):
    secrets, answers = shared(field, t=4, n=10, d=1_000_000)
    for place, coordinate in ((1, 0), (4, 523_111), (9, 999_999)):
        spoil(field, answers[place], coordinate, field.modulus - 1)
    committee = Committee(field=field, threshold=4, faults=3)

    judgement = check_answers(committee, answers, SEED)

    assert judgement.status is Status.CORRECTED
    assert judgement.wrong == (1, 4, 9)
    assert judgement.fitting == (0, 2, 3, 5, 6, 7, 8)
    assert (open_fitting(committee, answers, judgement) == secrets).all()


@st.composite
def lies(draw):
    t = draw(st.integers(2, 5))
    answered = draw(st.lists(st.integers(0, 11), min_size=t, max_size=12, unique=True))
    faults = draw(st.integers(0, 4))
    liars = draw(st.lists(st.sampled_from(answered), max_size=faults, unique=True))
    return draw(st.sampled_from(list(FIELDS.values()))), t, sorted(answered), faults, sorted(liars)


@settings(max_examples=300, deadline=None)
@given(lies())
def test_up_to_f_liars_are_named_from_t_plus_2f_answers_and_noticed_from_t_plus_f(case):
    field, t, answered, faults, liars = case
    secrets, everybody = shared(field, t=t, n=12)
    answers = {place: everybody[place] for place in answered}
    for place in liars:
        spoil(field, answers[place], place, 1 + place)
    committee = Committee(field=field, threshold=t, faults=faults)

    judgement = check_answers(committee, answers, SEED)

    spare = len(answered) - t
    assert set(judgement.wrong) <= set(liars)
    if spare >= max(2 * faults, 1):
        assert judgement.status is (Status.CORRECTED if liars else Status.VERIFIED)
        assert judgement.wrong == tuple(liars)
        assert judgement.fitting == tuple(place for place in answered if place not in liars)
    elif spare >= max(faults, 1):
        assert (judgement.status is Status.VERIFIED) == (not liars)
        assert judgement.status is not Status.UNVERIFIED
    else:
        assert judgement.status in (Status.UNVERIFIED, Status.DETECTED)
    if judgement.status in (Status.VERIFIED, Status.CORRECTED):
        assert (open_fitting(committee, answers, judgement) == secrets).all()


@each_field
def test_every_position_that_does_not_fit_in_any_repetition_is_wrong(field):
    # Whoever is lucky in one repetition is seen in another.
    t, n, p = 3, 9, field.modulus
    repetitions = 4 if field is P31 else 2
    words = {place: [place + 1] * repetitions for place in range(n)}
    for k, place in enumerate((2, 5) * (repetitions // 2)):
        words[place][k] = (words[place][k] + 1) % p
    committee = Committee(field=field, threshold=t, faults=3)

    judgement = judge(committee, {place: tuple(values) for place, values in words.items()})

    assert judgement.wrong == (2, 5)
    assert judgement.at_zero == (0,) * repetitions


def test_more_wrong_places_in_all_than_may_lie_are_detected_and_nobody_is_named():
    words = {place: [place + 1] * 4 for place in range(7)}
    for k in range(4):  # each repetition alone could be corrected
        words[k][k] += 1
    committee = Committee(field=P31, threshold=3, faults=2)

    judgement = judge(committee, {place: tuple(values) for place, values in words.items()})

    assert (judgement.status, judgement.fitting) == (Status.DETECTED, ())


@each_field
def test_who_knows_one_repetition_is_seen_in_the_others(field):
    _, answers = shared(field, t=3, n=7)
    committee = Committee(field=field, threshold=3, faults=2)
    coin = Coin(field=field, seed=SEED, context=b"answers at hand")
    crafted(field, coin.rows("rho", 0, 50)[:1], answers[6])

    words = dict(zip(answers, coin.combine(0, list(answers.values())), strict=True))

    # Not seen where it was known, so that the test would notice equal repetitions.
    code = committee.code(tuple(words))
    assert code.decode([values[0] for values in words.values()], faults=2).wrong == ()
    assert check_answers(committee, answers, SEED).wrong == (6,)


@each_field
def test_who_knows_the_coefficients_of_another_seed_or_of_other_answers_is_seen(field):
    _, answers = shared(field, t=3, n=7)
    digests = {place: bytes([place]) * 32 for place in answers}
    known = answers_coin(field, SEED, digests, b"set")
    crafted(field, known.rows("rho", 0, 50), answers[6])
    committee = Committee(field=field, threshold=3, faults=2)

    def wrong(coin):
        words = dict(zip(answers, coin.combine(0, list(answers.values())), strict=True))
        return judge(committee, words).wrong

    assert wrong(known) == ()
    assert wrong(answers_coin(field, SEED, {**digests, 6: bytes(32)}, b"set")) == (6,)
    assert wrong(answers_coin(field, SEED, digests, b"another set")) == (6,)
    assert wrong(answers_coin(field, bytes(32), digests, b"set")) == (6,)


@each_field
@pytest.mark.parametrize("apart", [PIECE, _CHUNK])
def test_errors_that_cancel_between_pieces_or_chunks_are_seen(field, apart):
    _, answers = shared(field, t=3, n=7, d=2 * _CHUNK)
    committee = Committee(field=field, threshold=3, faults=2)
    spoil(field, answers[2], 0, 1)
    spoil(field, answers[2], apart, -1)

    assert check_answers(committee, answers, SEED).wrong == (2,)


@each_field
def test_chunks_in_any_order_make_the_judgement_of_the_whole(field):
    secrets, answers = shared(field, t=3, n=5, d=100)
    spoil(field, answers[3], 77)
    committee = Committee(field=field, threshold=3, faults=1)
    coin = answers_coin(field, SEED, {place: bytes(32) for place in answers}, b"set")
    vouching = Vouching(coin, list(answers), 4)

    for chunk in (2, 0, 3, 1):
        for place in (4, 0, 2, 1, 3):
            piece = answers[place][25 * chunk : 25 * chunk + 25]
            vouching.receive(place, chunk, *coin.combine(chunk, [piece]))
    judgement = vouching.judgement(committee)

    assert (judgement.status, judgement.wrong) == (Status.CORRECTED, (3,))
    opened = [
        open_fitting(
            committee,
            {place: answer[start : start + 25] for place, answer in answers.items()},
            judgement,
        )
        for start in range(0, 100, 25)
    ]
    assert (np.concatenate(opened) == secrets).all()


@each_field
def test_the_opened_sum_has_the_combination_that_the_judgement_found(field):
    _, answers = shared(field, t=3, n=5)
    spoil(field, answers[0])
    committee = Committee(field=field, threshold=3, faults=1)
    judgement = check_answers(committee, answers, SEED)

    opened = open_fitting(committee, answers, judgement)

    coin = Coin(field=field, seed=SEED, context=b"answers at hand")
    assert coin.combine(0, [opened]) == (judgement.at_zero,)


def test_a_chunk_counts_once_and_none_may_be_missing():
    coin = answers_coin(P31, SEED, {0: bytes(32), 1: bytes(32)}, b"set")
    vouching = Vouching(coin, [0, 1], 2)
    vouching.receive(0, 1, (1, 2, 3, 4))

    for place, chunk in ((0, 1), (0, 2), (2, 0), (0, -1)):
        with pytest.raises(Misuse, match="not waited for"):
            vouching.receive(place, chunk, (1, 2, 3, 4))
    with pytest.raises(Misuse, match=r"places \[0, 1\] are missing"):
        vouching.judgement(Committee(field=P31, threshold=2, faults=0))


def test_exactly_the_threshold_of_answers_is_unverified_even_if_one_lies():
    for field in FIELDS.values():
        _, answers = shared(field, t=3, n=3)
        spoil(field, answers[0])
        committee = Committee(field=field, threshold=3, faults=0)

        judgement = check_answers(committee, answers, SEED)

        assert judgement.status is Status.UNVERIFIED
        assert judgement.fitting == (0, 1, 2)


def test_what_makes_no_sense_is_refused():
    _, answers = shared(P31, t=3, n=5)
    committee = Committee(field=P31, threshold=3, faults=0)
    spoil(P31, answers[0])
    detected = check_answers(committee, answers, SEED)
    honest = {place: answers[place] for place in (1, 2, 3, 4)}

    assert detected.status is Status.DETECTED
    with pytest.raises(Misuse, match="open nothing"):
        open_fitting(committee, answers, detected)
    with pytest.raises(Misuse, match="are not there"):
        open_fitting(committee, {1: answers[1]}, check_answers(committee, honest, SEED))
    with pytest.raises(Misuse, match="threshold"):
        check_answers(committee, {0: answers[0], 1: answers[1]}, SEED)
    for bad in ({}, {**answers, 1: answers[1][:-1]}):
        with pytest.raises(Misuse, match="different lengths"):
            check_answers(committee, bad, SEED)
    with pytest.raises(Misuse, match="4 values"):
        judge(committee, dict.fromkeys(range(5), (1, 2)))
    for threshold, faults in ((0, 1), (2, -1)):
        with pytest.raises(Misuse, match="faults"):
            Committee(field=P31, threshold=threshold, faults=faults)
    for places, chunks in (([1, 1], 1), ([1], 0)):
        with pytest.raises(Misuse, match="places"):
            Vouching(answers_coin(P31, SEED, {}, b""), places, chunks)


def test_the_most_correctable_is_half_of_what_is_spare():
    assert [most_correctable(n, 4) for n in range(3, 11)] == [0, 0, 0, 1, 1, 2, 2, 3]
