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

from protocols.errors import Misuse


def framed(domain: str, version: int, *fields: bytes) -> bytes:
    """Return the bytes of a domain tag, its version, and fields of any length, in this order.

    Raises:
        Misuse: a tag that is empty, long or not ASCII, or more than 255 fields.
    """
    if not domain.isascii() or not 1 <= len(domain) <= 255 or len(fields) > 255:
        raise Misuse("bytes to be signed need a short ASCII tag and at most 255 fields")
    parts = [struct.pack(">B", len(domain)), domain.encode(), struct.pack(">I", version)]
    parts.append(struct.pack(">B", len(fields)))
    for field in fields:
        parts += [struct.pack(">I", len(field)), field]
    return b"".join(parts)
