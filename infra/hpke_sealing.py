"""Sealed boxes by the HPKE of `cryptography`, which draws the entropy for each box itself."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag

from protocols.trust.errors import Untrusted
from protocols.trust.sealing import BoxKey, SealingKey, hpke


class HpkeSealing:
    """The port `Sealing`."""

    def seal(self, key: SealingKey, info: bytes, content: bytes) -> bytes:
        """Return a box that only the owner of `key` can open, and only with the same `info`."""
        public = key.public()
        return hpke(key.suite).encrypt(content, public, info=info)

    def open(self, key: BoxKey, info: bytes, box: bytes) -> bytes:
        """Return what is in a box, or raise `Untrusted`."""
        try:
            return hpke(key.sealing_key.suite).decrypt(box, key.private, info=info)
        except InvalidTag:
            raise Untrusted(
                "sealed", "a sealed box does not open: damaged, or not for us"
            ) from None
