"""Bytes and residues, and back from residues to integers."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vectors import make_masked

from protocols.codec import Undecodable
from protocols.secagg.masked.crt import any_above, bits, garner
from protocols.secagg.masked.packing import pack, packed_bytes, unpack
from protocols.secagg.masked.parameters import A, B

P = A.primes[0]
residues = st.lists(st.integers(0, P - 1) | st.just(P - 1), min_size=1, max_size=100)
each_list = pytest.mark.parametrize("primes", [A.primes, B.primes, A.primes[:1]])


@settings(deadline=None)
@given(values=residues)
def test_residues_are_written_as_the_plain_implementation_does_and_read_again(values):
    data = pack(np.array(values, dtype=np.uint32))

    assert data == make_masked.packed(values)
    assert len(data) == packed_bytes(len(values))
    assert unpack(data, len(values), P).tolist() == values


def test_a_residue_takes_thirty_bits():
    assert packed_bytes(65_536) * 8 == 65_536 * 30


@pytest.mark.parametrize("extra", [-4, -1, 1, 4])
def test_another_number_of_bytes_is_undecodable(extra):
    data = pack(np.arange(40, dtype=np.uint32))
    changed = data[:extra] if extra < 0 else data + bytes(extra)

    with pytest.raises(Undecodable, match="are not 40 residues of 30 bits"):
        unpack(changed, 40, P)


@pytest.mark.parametrize("word", [P, 2**30 - 1])
def test_a_word_that_is_no_residue_is_undecodable(word):
    for place in (0, 3, 39):
        values = np.arange(40, dtype=np.uint32)
        values[place] = word
        with pytest.raises(Undecodable, match="not below the modulus"):
            unpack(pack(values), 40, P)


def test_what_fills_up_must_be_zero_so_that_there_is_one_form():
    data = pack(np.arange(48, dtype=np.uint32))

    with pytest.raises(Undecodable, match="fills up a block is not zero"):
        unpack(data, 40, P)


@each_list
@settings(deadline=None)
@given(data=st.data())
def test_the_integer_of_any_residues_is_found(primes, data):
    values = data.draw(st.lists(st.integers(0, prod(primes) - 1), min_size=1, max_size=8))
    rows = np.array([[value % p for value in values] for p in primes], dtype=np.uint64)

    limbs = garner(primes).limbs(rows)

    assert [
        sum(int(limb) << (30 * k) for k, limb in enumerate(column)) for column in limbs.T
    ] == values
    start = data.draw(st.integers(0, 30 * len(primes) - 1))
    width = data.draw(st.integers(1, 63))
    assert bits(limbs, start, width).tolist() == [(v >> start) % 2**width for v in values]
    assert any_above(limbs, start).tolist() == [v >> start > 0 for v in values]


@each_list
def test_the_largest_integer_is_found(primes):
    value = prod(primes) - 1
    limbs = garner(primes).limbs(np.array([[p - 1] for p in primes], dtype=np.uint64))

    assert sum(int(limb) << (30 * k) for k, limb in enumerate(limbs[:, 0])) == value
