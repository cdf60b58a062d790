"""Shares that travel as seeds: shorter uploads, the same sums, and who gets them rotates."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from protocols.errors import Misuse
from protocols.secagg.chunks import share_fault, share_size, written_out
from protocols.secagg.field import FIELDS
from protocols.secagg.prg import SEED_BYTES
from protocols.secagg.seeds import expanded, is_seed, seeded_places
from protocols.secagg.suites import SUITES

SHAPES = {
    "shamir": {"suite": "shamir", "holders": 7, "threshold": 4},
    "packed": {"suite": "packed", "packing": 3, "holders": 7, "threshold": 5},
}
each_suite = pytest.mark.parametrize("suite", SHAPES)
each_field = pytest.mark.parametrize("name", FIELDS)


def seeded(round_of, suite, name, **changes):
    return round_of(**{"field": name, "seeds": True, **SHAPES[suite], **changes})


def seed_of(trainer: int) -> bytes:
    return trainer.to_bytes(32, "big")


def pieces_of(config, values, trainer):
    """What each holder gets, chunk by chunk."""
    suite = SUITES[config.suite]
    return [
        suite.protect(config, values[suite.covers(config, chunk)], seed_of(trainer), chunk)
        for chunk in range(suite.chunks(config))
    ]


@each_suite
@each_field
@pytest.mark.parametrize("dimension", [1, 24, 100, 1000, 2000])
def test_the_sum_of_pieces_in_both_forms_is_the_plain_sum(round_of, suite, name, dimension):
    config, chosen = seeded(round_of, suite, name, dimension=dimension), SUITES[suite]
    rng = np.random.default_rng(dimension)
    vectors = [rng.integers(-(2**28), 2**28, size=dimension) for _ in range(3)]
    given = [pieces_of(config, values, trainer) for trainer, values in enumerate(vectors)]

    opened = []
    for chunk in range(chosen.chunks(config)):
        sums = [None] * config.holders
        for pieces in given:
            words = [written_out(config, chunk, piece) for piece in pieces[chunk]]
            sums = [chosen.add(config, s, w) for s, w in zip(sums, words, strict=True)]
        answers = {place: chosen.answer(config, total) for place, total in enumerate(sums)}
        answering = rng.permutation(config.holders)[: config.threshold].tolist()
        opened += chosen.open(config, {place: answers[place] for place in answering}).tolist()

    assert opened[:dimension] == sum(vectors).tolist()


@each_suite
@each_field
def test_as_many_holders_as_learn_nothing_get_a_seed_in_every_chunk(round_of, suite, name):
    config = seeded(round_of, suite, name, dimension=2000)
    chosen = SUITES[suite]

    pieces = pieces_of(config, np.arange(2000), 1)

    places = seeded_places(config, seed_of(1))
    assert len(pieces) > 1
    assert len(places) == config.privacy()
    for chunk, row in enumerate(pieces):
        lengths = [
            SEED_BYTES if p in places else chosen.payload_bytes(config, chunk) for p in range(7)
        ]
        assert [len(piece) for piece in row] == lengths
        assert len(set(row)) == len(row)
    sent = sum(len(piece) for row in pieces for piece in row)
    others = config.holders - config.privacy()
    words = chosen.share_bytes(config)
    assert sent == others * words + config.privacy() * SEED_BYTES * len(pieces)


@each_suite
def test_all_seeds_of_a_contribution_and_of_two_are_different(round_of, suite):
    config = seeded(round_of, suite, "p31", dimension=2000)
    other = seeded(round_of, suite, "p31", dimension=2000, number=2)

    seeds = [
        piece
        for config_, trainer in ((config, 1), (config, 2), (other, 1))
        for row in pieces_of(config_, np.zeros(2000, np.int64), trainer)
        for piece in row
        if len(piece) == SEED_BYTES
    ]

    assert len(set(seeds)) == len(seeds) >= 3 * config.privacy() * 2


@each_suite
def test_a_retry_sends_the_same_pieces(round_of, suite):
    config = seeded(round_of, suite, "p61", dimension=500)

    assert pieces_of(config, np.arange(500), 1) == pieces_of(config, np.arange(500), 1)


@each_suite
def test_who_gets_seeds_rotates_evenly_with_trainers_and_rounds(round_of, suite):
    config = seeded(round_of, suite, "p31")
    groups = Counter(seeded_places(config, seed_of(trainer)) for trainer in range(7000))
    single = Counter(place for group, times in groups.items() for place in group * times)

    expected = 7000 * config.privacy() / config.holders
    assert stats.chisquare([single[place] for place in range(7)], [expected] * 7).pvalue > 1e-4
    other = seeded(round_of, suite, "p31", number=2)
    moved = [
        seeded_places(config, seed_of(t)) != seeded_places(other, seed_of(t)) for t in range(50)
    ]
    assert sum(moved) > 25


@each_suite
@each_field
def test_a_chunk_no_longer_than_a_seed_travels_as_words(round_of, suite, name):
    packing = SHAPES[suite].get("packing", 1)
    words = SEED_BYTES // FIELDS[name].word_bytes
    short = seeded(round_of, suite, name, dimension=words * packing)
    longer = seeded(round_of, suite, name, dimension=words * packing + 1)

    (row,) = pieces_of(short, np.arange(words * packing), 1)
    (other,) = pieces_of(longer, np.arange(words * packing + 1), 1)

    assert {len(piece) for piece in row} == {SEED_BYTES}
    assert [written_out(short, 0, piece) for piece in row] == list(row)
    assert sorted({len(piece) for piece in other}) == [
        SEED_BYTES,
        SEED_BYTES + FIELDS[name].word_bytes,
    ]


@each_suite
@each_field
def test_a_seed_of_any_bytes_stands_for_words_of_its_chunk_and_round_only(round_of, suite, name):
    config = seeded(round_of, suite, name, dimension=2000)
    other = seeded(round_of, suite, name, dimension=2000, number=2)
    size = SUITES[suite].payload_bytes(config, 0)

    words = {
        written_out(config, 0, b"\xff" * 32),
        written_out(config, 0, bytes(32)),
        written_out(config, 1, bytes(32))[:size],
        written_out(other, 0, bytes(32)),
    }

    assert len(words) == 4
    assert len(written_out(config, 0, bytes(32))) == size
    SUITES[suite].add(config, None, written_out(config, 0, b"\xff" * 32))


@each_suite
def test_rounds_without_seeds_know_none(round_of, suite):
    config = seeded(round_of, suite, "p31", dimension=1000, seeds=False)

    assert {len(p) for row in pieces_of(config, np.arange(1000), 1) for p in row[:7]}.isdisjoint(
        {SEED_BYTES}
    )
    assert not is_seed(config, bytes(32), 1024)
    assert written_out(config, 0, bytes(32)) == bytes(32)
    fault = share_fault(config, share_size(config), 0, bytes(32))
    assert fault == "chunk 0 is 32 bytes long"


@each_suite
def test_a_holder_takes_both_forms_of_a_chunk_and_no_third(round_of, suite):
    config = seeded(round_of, suite, "p31", dimension=1000, checks=True)
    chosen, total = (
        SUITES[suite],
        share_size(seeded(round_of, suite, "p31", dimension=1000, checks=True)),
    )
    size, masks = chosen.payload_bytes(config, 0), chosen.chunks(config)

    assert share_fault(config, total, 0, bytes(32)) is None
    assert share_fault(config, total, 0, bytes(size)) is None
    for length in (0, 31, 33, size - 4, size + 4):
        assert share_fault(config, total, 0, bytes(length)) == f"chunk 0 is {length} bytes long"
    assert share_fault(config, total, masks, bytes(chosen.mask_bytes(config))) is None
    assert share_fault(config, total, masks, bytes(32)) is not None
    assert share_fault(config, total, masks + 1, bytes(32)) is not None
    assert share_fault(config, total - 4, 0, bytes(32)) is not None


def test_seeds_of_another_length_and_chunks_that_are_not_there_are_refused(round_of):
    config = seeded(round_of, "shamir", "p31", dimension=1000)

    with pytest.raises(Misuse, match="32 bytes"):
        expanded(config, bytes(31), 0, 10)
    with pytest.raises(Misuse, match="32 bytes"):
        seeded_places(config, bytes(33))
    with pytest.raises(Misuse, match="chunk"):
        written_out(config, 99, bytes(32))
