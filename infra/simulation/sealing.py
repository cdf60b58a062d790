"""The `Sealing` of a simulated host: ideal boxes, the same in every run and on every machine."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

from protocols.trust.errors import Untrusted
from protocols.trust.framing import framed
from protocols.trust.sealing import OVERHEAD_BYTES, BoxKey, SealingKey, SuiteName

_TAG_BYTES = 32
_OPENED = 512  # boxes whose content is known; each is opened by the rules and by its recipient


class SimSealing:
    """Boxes as long as real ones: a nonce, what is hidden, and a tag of it, key and info.

    They are ideal because everybody in the world keeps to the port: whoever has no `BoxKey` has
    no other way to open one. Those who look on from outside have `look_into`.
    """

    def __init__(self, host: str, seed: int) -> None:
        self._host = host.encode()
        self._seed = seed.to_bytes(8, "big")
        self._sealed = 0

    def seal(self, key: SealingKey, info: bytes, content: bytes) -> bytes:
        """Return a box that only the owner of `key` can open, and only with the same `info`."""
        key.public()
        self._sealed += 1
        count = self._sealed.to_bytes(8, "big")
        length = OVERHEAD_BYTES[key.suite] - _TAG_BYTES
        nonce = hashlib.shake_256(framed("sim/nonce", 1, self._seed, self._host, count))
        return _boxed(key, info, nonce.digest(length), content)

    def open(self, key: BoxKey, info: bytes, box: bytes) -> bytes:
        """Return what is in a box, or raise `Untrusted`."""
        return look_into(key.sealing_key, info, box)


def look_into(key: SealingKey, info: bytes, box: bytes) -> bytes:
    """Return what is in a simulated box, from outside the world; raise `Untrusted` as `open`."""
    return _content(key.suite, key.key, info, box)


@lru_cache(maxsize=_OPENED)
def _content(suite: SuiteName, public: bytes, info: bytes, box: bytes) -> bytes:
    key = SealingKey(suite=suite, key=public)
    length = OVERHEAD_BYTES[key.suite] - _TAG_BYTES
    end = max(length, len(box) - _TAG_BYTES)
    nonce, hidden, tag = box[:length], box[length:end], box[end:]
    content = _hidden(key, info, nonce, hidden)
    if not hmac.compare_digest(_tag(key, info, nonce, content), tag):
        raise Untrusted("sealed", "a sealed box does not open: damaged, or not for us")
    return content


def _boxed(key: SealingKey, info: bytes, nonce: bytes, content: bytes) -> bytes:
    return nonce + _hidden(key, info, nonce, content) + _tag(key, info, nonce, content)


def _tag(key: SealingKey, info: bytes, nonce: bytes, content: bytes) -> bytes:
    return hashlib.sha256(framed("sim/tag", 1, key.key, info, nonce, content)).digest()


def _hidden(key: SealingKey, info: bytes, nonce: bytes, content: bytes) -> bytes:
    """Add what only these three give; once more, and it is taken away again."""
    stream = hashlib.shake_256(framed("sim/stream", 1, key.key, info, nonce)).digest(len(content))
    mixed = int.from_bytes(content, "big") ^ int.from_bytes(stream, "big")
    return mixed.to_bytes(len(content), "big")
