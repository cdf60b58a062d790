"""One unambiguous form for bytes that are signed, hashed or bound to a sealed box.

| bytes | what |
|---|---|
| 1 | length of the domain tag |
| as many | domain tag, ASCII: what the bytes are for, and nothing else |
| 4 | version of what the tag names, big-endian |
| 1 | number of fields |
| 4, as many | for each field its length, big-endian, and its bytes |

Every length stands before what it measures, so no two lists of fields have the same bytes, and
the tag comes first, so bytes of one purpose are never those of another.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from protocols.errors import Misuse

_LENGTH = struct.Struct(">I")
_LONG = 256  # from here on a length is not written down beforehand
_SHORT = tuple(_LENGTH.pack(length) for length in range(_LONG))


def framed(domain: str, version: int, *fields: bytes) -> bytes:
    """Return the bytes of a domain tag, its version, and fields of any length, in this order.

    Raises:
        Misuse: a tag that is empty, long or not ASCII, or more than 255 fields.
    """
    parts = [_head(domain, version, len(fields))]
    for field in fields:
        length = len(field)
        parts += (_SHORT[length] if length < _LONG else _LENGTH.pack(length), field)
    return b"".join(parts)


@lru_cache(maxsize=64)  # there are a handful, and messages are signed by the thousand
def _head(domain: str, version: int, fields: int) -> bytes:
    if not domain.isascii() or not 1 <= len(domain) <= 255 or fields > 255:
        raise Misuse("bytes to be signed need a short ASCII tag and at most 255 fields")
    return bytes([len(domain)]) + domain.encode() + struct.pack(">IB", version, fields)
