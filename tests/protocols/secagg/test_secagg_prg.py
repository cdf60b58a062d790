from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from vectors import make_shamir

from protocols.errors import Misuse
from protocols.secagg.field import FIELDS, P31
from protocols.secagg.prg import _collect, _reject, residues, stream_info

SEED = bytes(range(32))
FIRST_P31 = [1829440707, 1458212978, 2047683641]
FIRST_P61 = [1651291034514820291, 983180011807517753, 1551786299142076631]

each_field = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)


@each_field
@pytest.mark.parametrize("count", [0, 1, 3, 1000])
def test_the_stream_is_aes_256_in_counter_mode_under_an_hkdf_key(field, count):
    expected = make_shamir.random_residues(field.name, SEED, b"some info", count)

    assert residues(field, SEED, b"some info", count).tolist() == expected


def test_the_first_words_never_change():
    info = stream_info(suite="shamir", cid=bytes(32), purpose="coefficients", index=1)

    assert residues(P31, SEED, info, 3).tolist() == FIRST_P31
    assert residues(FIELDS["p61"], SEED, info, 3).tolist() == FIRST_P61


@each_field
def test_a_longer_draw_continues_a_shorter_one(field):
    longer = residues(field, SEED, b"info", 40_000)  # more than one piece of the stream

    assert residues(field, SEED, b"info", 17).tolist() == longer[:17].tolist()
    tail = make_shamir.random_residues(field.name, SEED, b"info", 40_000)[-20:]
    assert longer[-20:].tolist() == tail


@each_field
def test_words_that_equal_the_modulus_are_dropped_and_high_bits_masked(field):
    p, word = field.modulus, field.dtype.type
    top = (1 << (8 * field.word_bytes)) - 1  # all bits: masks to p
    words = np.array([0, p, top, p - 1, p + 1, p + 6, 5], dtype=word)

    assert _reject(words, p).tolist() == [0, p - 1, 0, 5, 5]


@each_field
def test_dropped_words_are_made_up_from_the_rest_of_the_stream(field):
    p = field.modulus
    stream = itertools.chain([1, p, 2, p, p], [p, 3, p], [p, p], itertools.count(4))

    def draw(count):
        return np.array(list(itertools.islice(stream, count)), dtype=field.dtype)

    assert _collect(draw, p, 5).tolist() == [1, 2, 3, 4, 5]


@each_field
def test_residues_are_uniform_over_the_whole_field(field):
    values = residues(field, SEED, b"uniform", 200_000)

    bins = (values.astype(object) * 64 // field.modulus).astype(np.int64)

    assert values.max() < field.modulus
    assert stats.chisquare(np.bincount(bins, minlength=64)).pvalue > 1e-4


def test_streams_with_different_names_are_different():
    names = {"suite": ("a", "ab"), "cid": (b"b", b""), "purpose": ("c", "bc"), "index": (0, 1)}
    infos = [
        stream_info(**dict(zip(names, choice, strict=True)))
        for choice in itertools.product(*names.values())
    ]

    first = {int(residues(FIELDS["p61"], SEED, info, 1)[0]) for info in infos}

    assert len(set(infos)) == len(first) == 16


@pytest.mark.parametrize("length", [0, 4, 31, 33])
def test_a_seed_that_is_not_of_32_bytes_is_refused(length):
    with pytest.raises(Misuse, match="32 bytes"):
        residues(P31, bytes(length), b"info", 1)


def test_a_negative_count_is_refused():
    with pytest.raises(Misuse, match="negative"):
        residues(P31, SEED, b"info", -1)
