from __future__ import annotations

import math
import random

import numpy as np
import pytest
from fakes.dealt import uniform
from fakes.long_vectors import limb_bits
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.simulation.liars.forged_bits import best_bits
from protocols.errors import Misuse, Unfit
from protocols.round_config import MAX_NORM_BOUND, squared_bound
from protocols.secagg.coin import PIECE
from protocols.secagg.degree_check import Weights, public_coin
from protocols.secagg.field import P31, P61
from protocols.secagg.inquiry import Findings, Inquiry
from protocols.secagg.judging import Committee, Status, judge
from protocols.secagg.kernels import squares61
from protocols.secagg.norm_bound import (
    NormBound,
    require_short,
    signs,
    signs_seed,
    squares_of,
    sums_of_tests,
    vanishing,
    witness,
)
from protocols.secagg.norm_word import NormWord, Relations
from protocols.secagg.shamir import split

P = P61.modulus
T, N, F = 3, 7, 2  # n = 2t - 1 + f: a lying holder is noticed
SQUARES = Committee(field=P61, threshold=2 * T - 1, faults=F)
COIN = public_coin(P61, bytes(32), {0: b"o" * 32})
CHUNK = PIECE + 3  # so that chunks have pieces of all kinds
LARGEST = NormBound(squared=MAX_NORM_BOUND)


def seed_of(salt: int = 0) -> bytes:
    return signs_seed(bytes(32), "ann", salt.to_bytes(32, "big"), [bytes(32)] * N)


def word_of(bound, seed, share, coin=COIN):
    word = NormWord(Relations(bound, coin), seed)
    for chunk, start in enumerate(range(0, share.size, CHUNK)):
        word.add(chunk, share[start : start + CHUNK])
    return word


def chunks_of(vector):
    vector = np.array([int(value) for value in vector], dtype=np.int64)
    return [vector[start : start + CHUNK] for start in range(0, vector.size, CHUNK)]


def honest(bound, vector, seed=None):
    """What an honest trainer deals."""
    pieces = chunks_of(vector)
    squared = sum(squares_of(bound, piece) for piece in pieces)
    require_short(bound, squared, 1.0)
    sums = [sums_of_tests(bound, seed or seed_of(), k, piece) for k, piece in enumerate(pieces)]
    return witness(bound, squared, tuple(map(sum, zip(*sums, strict=True))))


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
        bare = word_of(bound, seed or seed_of(), pair[0], coin).values(pair[1])
        said[place] = coin.plus(bare, tuple(mask[place] for mask in masks))
    return said


def accepted(bound, vector, dealt, **changes) -> bool:
    judgement = judge(SQUARES, words(bound, vector, dealt, **changes))
    return judgement.status is Status.VERIFIED and not any(judgement.at_zero)


def forged(bound, vector, seed=None):
    return best_bits(bound, chunks_of(vector), seed or seed_of())


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

    dealt = honest(bound, vector)

    assert dealt.shape == (bound.witness_length,)
    assert accepted(bound, vector, dealt)


def test_a_vector_of_several_pieces_is_accepted():
    bound = NormBound(squared=2**30, tests=3)
    draw = np.random.default_rng(1)
    vector = draw.integers(-50, 51, size=2 * PIECE + 7)

    assert accepted(bound, vector, honest(bound, vector))


def test_a_vector_above_the_bound_is_the_owners_own_fault():
    bound = NormBound(squared=25)

    honest(bound, [3, -4])
    with pytest.raises(Unfit, match="clip") as raised:
        honest(bound, [3, -4, 1])
    assert raised.value.kind == "longer than the bound"
    with pytest.raises(Misuse, match="no witness"):
        witness(bound, 26, (0,) * bound.tests)


@pytest.mark.parametrize("change", [1, 2, P - 1])
def test_every_single_false_bit_is_refused(change):
    bound, vector = NormBound(squared=30, tests=2), np.array([3, -4, 1])
    dealt = honest(bound, vector)

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
    limb = limb_bits(bound, longer, dealt)

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
    dealt = honest(bound, vector)
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
    dealt = honest(bound, vector)
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
        word_of(bound, seed_of(), zeros).values(dealt[1:])
    other = public_coin(P31, bytes(32), {0: bytes(32)})
    with pytest.raises(Misuse, match="p61, not in p31"):
        Relations(bound, other)


def test_what_a_test_adds_up_is_the_exact_sum_with_its_signs():
    bound = NormBound(squared=30, tests=7)
    draw = np.random.default_rng(5)
    for size in (1, 2, 3, 5, PIECE - 1, PIECE, PIECE + 5):
        values = draw.integers(0, P, size=size, dtype=np.uint64).view(np.int64)
        rows = [
            signs(bound, seed_of(), 3 * 2**32 + number, min(PIECE, size - start))
            for number, start in enumerate(range(0, size, PIECE))
        ]
        expected = np.concatenate(rows, axis=1).astype(object) @ values.astype(object)

        assert sums_of_tests(bound, seed_of(), 3, values) == tuple(expected)


def test_squares_are_exact_up_to_the_bound_and_above_it_beyond():
    half = math.isqrt(LARGEST.squared // 4)
    for values in ([0], [half] * 4, [-half, half, 1], [1] * (2 * PIECE + 1)):
        exact = sum(value * value for value in values)
        assert squares_of(LARGEST, np.array(values)) == exact
    for values in ([2**62], [-(2**63) + 1, 5], [2 * half + 2]):
        assert squares_of(LARGEST, np.array(values)) > LARGEST.squared
    many = np.full(3 * PIECE, 2 * half)  # their sum does not fit 64 bits
    assert squares_of(LARGEST, many) == 3 * PIECE * 4 * half * half


@pytest.mark.parametrize(
    ("norm", "bits", "squared"), [(2.5, 10, 6_553_600), (0.1, 4, 2), (1.0, 0, 1), (0.4, 1, 0)]
)
def test_a_bound_on_reals_is_rounded_down_to_one_on_integers(norm, bits, squared):
    assert squared_bound(norm, bits) == squared


def test_the_folded_relations_are_those_of_the_argument_term_by_term():
    bound, draw = NormBound(squared=30, tests=3), np.random.default_rng(6)
    share, dealt = uniform(P61, draw, 40), uniform(P61, draw, bound.witness_length)
    word, b, m = word_of(bound, seed_of(), share), bound.norm_bits, bound.test_bits
    bits, row = [int(bit) for bit in dealt], [int(value) for value in share]
    numbers = [bits[:b], bits[b : 2 * b]]
    numbers += [bits[2 * b + m * j : 2 * b + m * (j + 1)] for j in range(bound.tests)]
    norm, rest, *tests = (sum(bit << k for k, bit in enumerate(one)) for one in numbers)
    sums = (signs(bound, seed_of(), 0, 40).astype(object) @ np.array(row, dtype=object)).tolist()
    relations = [sum(x * x for x in row) - norm, norm + rest - 30]
    relations += [total + bound.offset - test for total, test in zip(sums, tests, strict=True)]
    relations += [bit * (bit - 1) for bit in bits]

    rho = COIN.rows("norm", 0, len(relations)).astype(object)

    assert word.values(dealt) == tuple(int(sum(rows * relations) % P) for rows in rho)


def test_squares_of_residues_are_exact():
    draw = np.random.default_rng(8)
    row = np.concatenate(
        [uniform(P61, draw, 500), np.array([0, 1, P - 1, P - 2, 2**32, 2**32 - 1])]
    )

    assert squares61(row.astype(np.uint64)).tolist() == [int(x) ** 2 % P for x in row]
