"""Ways to spoil bytes that were valid: the mistakes of disks and lines, and the tricks of liars."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

MOST_BYTES = 1 << 16
# Heads of msgpack, big-endian numbers, JSON and TOML: places where a length or a depth is claimed.
CLAIMS = (
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\x7f\xff\xff\xff",
    b"\xdd\x00\x10\x00\x00" * 40,
    b"\xff" * 8,
    b"\x00" * 8,
    b"\x7f" + b"\xff" * 7,
    b"\x91" * 3000,
    b"[" * 3000,
    b'{"a":' * 3000,
    b"9" * 5000,
    b"1e999",
    b"\\ud800",
    b"\xed\xa0\x80",
    b"\xce",
)

Spoil = Callable[[st.DrawFn, bytes], bytes]


@st.composite
def spoiled(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """Draw a valid example that was changed in one to four places."""
    data = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, 4))):
        data = draw(st.sampled_from(_WAYS))(draw, data)
    return _spliced(draw, data, samples) if draw(st.integers(0, 4)) == 4 else data[:MOST_BYTES]


def _place(draw: st.DrawFn, data: bytes) -> int:
    return draw(st.integers(0, len(data)))


def _stretch(draw: st.DrawFn, data: bytes) -> tuple[int, int]:
    first, second = _place(draw, data), _place(draw, data)
    return min(first, second), max(first, second)


def _flipped(draw: st.DrawFn, data: bytes) -> bytes:
    if not data:
        return data
    place, bit = draw(st.integers(0, len(data) - 1)), draw(st.integers(0, 7))
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def _cut_short(draw: st.DrawFn, data: bytes) -> bytes:
    return data[: _place(draw, data)]


def _without(draw: st.DrawFn, data: bytes) -> bytes:
    first, last = _stretch(draw, data)
    return data[:first] + data[last:]


def _doubled(draw: st.DrawFn, data: bytes) -> bytes:
    first, last = _stretch(draw, data)
    return data[:last] + data[first:]


def _inserted(draw: st.DrawFn, data: bytes) -> bytes:
    place = _place(draw, data)
    return data[:place] + draw(st.binary(max_size=12)) + data[place:]


def _blown_up(draw: st.DrawFn, data: bytes) -> bytes:
    """Put a claim over what stands there, or before it."""
    place, claim = _place(draw, data), draw(st.sampled_from(CLAIMS))
    return data[:place] + claim + data[place + draw(st.sampled_from((0, len(claim)))) :]


def _spliced(draw: st.DrawFn, data: bytes, samples: Sequence[bytes]) -> bytes:
    other = draw(st.sampled_from(samples))
    return (data[: _place(draw, data)] + other[_place(draw, other) :])[:MOST_BYTES]


_WAYS: tuple[Spoil, ...] = (_flipped, _cut_short, _without, _doubled, _inserted, _blown_up)
