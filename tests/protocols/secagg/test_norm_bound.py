from __future__ import annotations

import math
import random

import numpy as np
import pytest
from fakes.dealt import uniform
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import Misuse, Unfit
from protocols.secagg.coin import PIECE
from protocols.secagg.degree_check import Weights, public_coin
from protocols.secagg.field import P31, P61
from protocols.secagg.inquiry import Findings, Inquiry
from protocols.secagg.judging import Committee, Status, judge
from protocols.secagg.norm_bound import (
    NormBound,
    check_values,
    signs,
    signs_seed,
    vanishing,
    witness,
)
from protocols.secagg.shamir import split

P = P61.modulus
T, N, F = 3, 7, 2  # n = 2t - 1 + f: a lying holder is noticed
SQUARES = Committee(field=P61, threshold=2 * T - 1, faults=F)
COIN = public_coin(P61, bytes(32), {0: b"o" * 32})
LARGEST = NormBound(squared=2**54 // 76)


def seed_of(salt: int = 0) -> bytes:
    return signs_seed(bytes(32), "ann", salt.to_bytes(32, "big"), [bytes(32)] * N)


def words(bound, vector, dealt, *, coin=COIN, seed=None, trainer="ann"):
    """What honest holders say about these residues, masked."""
    draw = np.random.default_rng(sum(trainer.encode()))
    vector = np.array([int(value) % P for value in vector], dtype=np.uint64)
    shares = split(P61, vector, uniform(P61, draw, T - 1, vector.size), N)
    bits = split(P61, dealt, uniform(P61, draw, T - 1, dealt.size), N)
    masks = [vanishing(P61, uniform(P61, draw, 2 * T - 2), N).tolist() for _ in range(2)]
    said = {}
    for place in range(N):
        pair = (shares[place], bits[place])
        bare = check_values(bound, coin, seed or seed_of(), pair)
        said[place] = coin.plus(bare, tuple(mask[place] for mask in masks))
    return said


def accepted(bound, vector, dealt, **changes) -> bool:
    judgement = judge(SQUARES, words(bound, vector, dealt, **changes))
    return judgement.status is Status.VERIFIED and not any(judgement.at_zero)


def forged(bound, vector, seed=None):
    """The best witness for residues modulo p, and how many tests it can't meet."""
    squared = sum(int(value) ** 2 for value in vector) % P
    drawn = signs(bound, seed or seed_of(), 0, len(vector)).tolist()
    bits = [squared >> k & 1 for k in range(bound.norm_bits)]
    bits += [(bound.squared - squared) >> k & 1 for k in range(bound.norm_bits)]
    missed = 0
    for row in drawn:
        total = sum(a * int(x) for a, x in zip(row, vector, strict=True)) + bound.offset
        value = total % P
        if value >= 2 * bound.offset:
            missed, value = missed + 1, 0
        bits += [value >> k & 1 for k in range(bound.test_bits)]
    return np.array(bits, dtype=np.uint64), missed


@st.composite
def short_vectors(draw):
    vector = draw(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=30))
    slack = draw(st.sampled_from([0, 1, 1000]))
    squared = max(1, sum(value * value for value in vector) + slack)
    return NormBound(squared=squared, tests=5), np.array(vector, dtype=np.int64)


@settings(max_examples=40, deadline=None)
@given(short_vectors())
def test_every_vector_up_to_the_bound_is_accepted(case):
    bound, vector = case

    dealt = witness(bound, vector, seed_of())

    assert dealt.shape == (bound.witness_length,)
    assert accepted(bound, vector, dealt)


def test_a_vector_of_several_pieces_is_accepted():
    bound = NormBound(squared=2**30, tests=3)
    draw = np.random.default_rng(1)
    vector = draw.integers(-50, 51, size=PIECE + 7)

    assert accepted(bound, vector, witness(bound, vector, seed_of()))


def test_a_vector_above_the_bound_is_the_owners_own_fault():
    bound = NormBound(squared=25)

    witness(bound, np.array([3, -4]), seed_of())
    with pytest.raises(Unfit, match="clip"):
        witness(bound, np.array([3, -4, 1]), seed_of())


@pytest.mark.parametrize("change", [1, 2, P - 1])
def test_every_single_false_bit_is_refused(change):
    bound, vector = NormBound(squared=30, tests=2), np.array([3, -4, 1])
    dealt = witness(bound, vector, seed_of())

    for position in range(dealt.size):
        spoilt = dealt.copy()
        spoilt[position] = (int(spoilt[position]) + change) % P
        assert not accepted(bound, vector, spoilt), position


@pytest.mark.parametrize("longer", [31, 32, 63, 64, 2**40])
def test_a_vector_above_the_bound_is_refused_whatever_its_bits(longer):
    bound = NormBound(squared=30, tests=2)
    root, rest = math.isqrt(longer), []
    left = longer - root * root
    while left:
        rest.append(math.isqrt(left))
        left -= rest[-1] ** 2
    vector = [root, *rest]
    dealt, _ = forged(bound, vector)
    # The squared norm in one limb that is no bit: recomposed, it would fit.
    limb = dealt.copy()
    limb[: bound.norm_bits] = 0
    limb[0] = longer
    limb[bound.norm_bits : 2 * bound.norm_bits] = 0
    limb[bound.norm_bits] = (bound.squared - longer) % P

    assert sum(value * value for value in vector) == longer
    assert not accepted(bound, vector, dealt)
    assert not accepted(bound, vector, limb)


def wrapping(kind: str) -> list[int]:
    """Vectors whose squares sum to a small number modulo p, and to p or more without."""
    if kind == "root of two":
        return [2**31]  # its square is 2^62, which is two modulo p
    if kind == "greedy":
        left, vector = P + 5, []
        while left:
            vector.append(math.isqrt(left))
            left -= vector[-1] ** 2
        return vector
    draw = random.Random(7)
    vector = [draw.choice((-1, 1)) * math.isqrt(P // 600) for _ in range(600)]
    left = P + 5 - sum(value * value for value in vector)
    while left:
        vector.append(math.isqrt(left))
        left -= vector[-1] ** 2
    return vector


@pytest.mark.parametrize("kind", ["root of two", "greedy", "spread"])
def test_a_vector_that_wraps_around_passes_the_squares_and_fails_half_of_the_tests(kind):
    vector = wrapping(kind)
    assert sum(value * value for value in vector) % P <= 5

    many = NormBound(squared=LARGEST.squared, tests=1000)
    _, missed = forged(many, vector)
    dealt, _ = forged(LARGEST, vector)

    # 1000 tests, each missed with probability 1/2 or more: 450 are three deviations below.
    assert missed >= 450
    assert not accepted(LARGEST, vector, dealt)


def test_only_the_wraparound_tests_see_the_root_of_two():
    # Where by luck all tests are met, everything else is: they are what the bound rests on.
    bound, vector = NormBound(squared=30, tests=3), [2**31, 0, 0]
    seeds = [seed_of(salt) for salt in range(200)]
    lucky = [seed for seed in seeds if forged(bound, vector, seed)[1] == 0]

    assert 10 <= len(lucky) <= 45  # one in eight
    assert accepted(bound, vector, forged(bound, vector, lucky[0])[0], seed=lucky[0])


def test_a_mask_that_is_no_zero_can_not_make_good_for_a_false_bit():
    bound, vector = NormBound(squared=30, tests=2), np.array([3, -4, 1])
    dealt = witness(bound, vector, seed_of())
    dealt[0] ^= 1
    said = words(bound, vector, dealt)
    # The mask that fits one coin, dealt before it was tossed, fits no other.
    at_zero = judge(SQUARES, said).at_zero

    for opening in (b"p" * 32, b"q" * 32):
        coin = public_coin(P61, bytes(32), {0: opening})
        other = words(bound, vector, dealt, coin=coin)
        moved = {
            place: tuple((a - z) % P for a, z in zip(values, at_zero, strict=True))
            for place, values in other.items()
        }
        assert any(judge(SQUARES, moved).at_zero)


def test_a_lying_holder_can_not_wave_a_bad_vector_through_where_one_answer_is_to_spare():
    bound, vector = NormBound(squared=30, tests=2), [9, 0, 0]
    said = words(bound, vector, forged(bound, vector)[0])
    zero = dict.fromkeys(range(N), (0, 0))

    for liars in ((0,), (2, 6)):
        mixed = {place: zero[place] if place in liars else said[place] for place in range(N)}
        assert judge(SQUARES, mixed).status is Status.DETECTED


def test_the_trainer_whose_vector_is_too_long_is_named():
    bound = NormBound(squared=30, tests=2)
    names = [f"t{number}" for number in range(6)]
    vectors = {name: [3, -4, 1] for name in names} | {"t4": [6, 0, 0]}
    said = {
        name: words(bound, vector, forged(bound, vector)[0], trainer=name)
        for name, vector in vectors.items()
    }
    weights = Weights(COIN, names)

    def say(place, trainers):
        return weights.summed({name: said[name][place] for name in names}, trainers)

    committee = Committee(field=P61, threshold=2 * T - 1, faults=1)  # 2t - 1 + 2f answers
    inquiry = Inquiry(
        committee, names, {place: say(place, names) for place in range(N)}, vanishing=True
    )
    while questions := inquiry.questions:
        inquiry.receive({place: [say(place, q) for q in questions] for place in range(N)})

    assert inquiry.findings == Findings(inconsistent=("t4",), disputes=())


def test_honest_values_are_uniform_but_for_their_zero():
    # Two holders' masked values, over many masks: each bit of each is set half of the time.
    bound, vector = NormBound(squared=30, tests=1), np.array([3, -4, 1])
    dealt = witness(bound, vector, seed_of())
    seen = []
    for number in range(300):
        said = words(bound, vector, dealt, trainer=f"t{number}" + "x" * number)
        seen += [said[0][0], said[3][1]]

    for bit in range(61):
        ones = sum(value >> bit & 1 for value in seen)
        assert abs(ones - 300) < 5 * math.sqrt(150)


def test_a_shared_zero_is_zero_at_zero_and_of_the_doubled_degree():
    mask = vanishing(P61, np.array([5, 0, 7, P - 1], dtype=np.uint64), 7)

    judgement = judge(SQUARES, {place: (int(value),) * 2 for place, value in enumerate(mask)})

    assert (judgement.status, judgement.at_zero) == (Status.VERIFIED, (0, 0))
    expected = [(5 * x + 7 * x**3 - x**4) % P for x in range(1, 8)]
    assert mask.tolist() == expected


def test_signs_are_minus_one_zero_and_one_and_differ_from_piece_to_piece():
    bound = NormBound(squared=30, tests=50)
    drawn = signs(bound, seed_of(), 0, 4000)

    counts = [int((drawn == value).sum()) for value in (-1, 0, 1)]
    assert sum(counts) == 200_000
    for count, expected in zip(counts, (50_000, 100_000, 50_000), strict=True):
        assert abs(count - expected) < 1200  # five deviations and more
    for other in (signs(bound, seed_of(), 1, 4000), signs(bound, seed_of(1), 0, 4000)):
        assert (drawn != other).mean() > 0.6


def test_the_tests_depend_on_the_round_the_trainer_the_salt_and_every_share():
    usual = signs_seed(b"c", "ann", bytes(32), [b"1", b"2"])

    others = {
        signs_seed(b"d", "ann", bytes(32), [b"1", b"2"]),
        signs_seed(b"c", "bob", bytes(32), [b"1", b"2"]),
        signs_seed(b"c", "ann", b"s" * 32, [b"1", b"2"]),
        signs_seed(b"c", "ann", bytes(32), [b"1", b"3"]),
        signs_seed(b"c", "ann", bytes(32), [b"2", b"1"]),
    }

    assert len({usual} | others) == 6


@pytest.mark.parametrize("squared", [1, 2, 75, 2**40, P // 25_000, LARGEST.squared])
def test_the_numbers_of_a_bound_are_those_of_the_argument(squared):
    bound = NormBound(squared=squared)

    assert bound.offset**2 >= 76 * squared
    assert (bound.offset // 2) ** 2 < 76 * squared or bound.offset == 1
    assert 81 * bound.offset**2 <= P
    assert 2**bound.norm_bits > squared
    assert 2**bound.test_bits == 2 * bound.offset


def test_what_makes_no_sense_is_refused():
    bound = NormBound(squared=30, tests=2)
    zeros = np.zeros(3, dtype=np.uint64)
    dealt = np.zeros(bound.witness_length, dtype=np.uint64)

    for squared, tests in ((0, 1), (1, 0), (1, 1001)):
        with pytest.raises(Misuse, match="a bound of"):
            NormBound(squared=squared, tests=tests)
    with pytest.raises(Misuse, match="too large for the field"):
        NormBound(squared=LARGEST.squared + 1)
    with pytest.raises(Misuse, match="a witness"):
        check_values(bound, COIN, seed_of(), (zeros, dealt[1:]))
    other = public_coin(P31, bytes(32), {0: bytes(32)})
    with pytest.raises(Misuse, match="a witness"):
        check_values(bound, other, seed_of(), (zeros, dealt))
