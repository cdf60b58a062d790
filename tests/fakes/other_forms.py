"""Messages whose bytes mean what ours mean and are others: the fields the other way round."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgpack
import msgspec

from protocols.codec import VERSION, canonical
from protocols.messages import Wire


def in_another_form(sender: str, message: Wire, sign: Callable[[bytes], bytes]) -> bytes:
    """Return what travels; `sign` signs the SHA-256 of these very bytes."""
    fields: dict[str, Any] = msgpack.unpackb(canonical(message))
    body = msgpack.packb(dict(reversed(fields.items())), use_bin_type=True)
    assert body != canonical(message)
    assert msgspec.msgpack.decode(body, type=type(message)) == message
    signature = sign(hashlib.sha256(body).digest())
    envelope = {"v": VERSION, "sender": sender, "signature": signature, "body": body}
    sealed: bytes = msgpack.packb(envelope, use_bin_type=True)
    return sealed
