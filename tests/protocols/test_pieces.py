"""Bytes in several places behave as the same bytes in one."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from protocols.pieces import Pieces

PARTS = st.lists(st.binary(max_size=9), max_size=6)


@given(PARTS)
def test_they_are_as_long_as_their_parts_and_hash_like_them(parts: list[bytes]) -> None:
    pieces, whole = Pieces.of(*parts), b"".join(parts)

    assert (len(pieces), bytes(pieces)) == (len(whole), whole)
    assert pieces.sha256() == hashlib.sha256(whole).digest()


@given(PARTS, st.integers(0, 60), st.integers(0, 60))
def test_a_stretch_is_the_same_wherever_the_parts_begin(
    parts: list[bytes], start: int, stop: int
) -> None:
    assert Pieces.of(*parts).between(start, stop) == b"".join(parts)[start:stop]
