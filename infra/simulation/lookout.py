"""Looks for many secrets in every text: one look tells that none of them can be in it."""

from __future__ import annotations

from struct import Struct
from struct import unpack_from as _unpack_from
from typing import TypeVar

Key = TypeVar("Key", bytes, int)

_WORD = Struct("<Q")
_BYTES = _WORD.size
# Wherever it begins, what is so long covers one whole word of a text that is cut into words.
_COVERS = 2 * _BYTES - 1


class Lookout:
    """The secrets of one host, each counted as often as it was added.

    A text is cut into words of eight bytes. If it holds a secret, one of its words is one of the
    eight that the secret begins with, at one of eight places: these are kept in a table. Secrets
    too short for that are looked for themselves.
    """

    def __init__(self) -> None:
        self._words: dict[int, int] = {}
        self._short: dict[bytes, int] = {}

    def add(self, secret: bytes) -> None:
        """Look for these bytes from now on; they must not be empty."""
        if len(secret) < _COVERS:
            self._short[secret] = self._short.get(secret, 0) + 1
            return
        words = self._words
        for start in range(_BYTES):
            (word,) = _WORD.unpack_from(secret, start)
            words[word] = words.get(word, 0) + 1

    def remove(self, secret: bytes) -> None:
        """Look for these bytes no more, once for each time that they were added."""
        if len(secret) < _COVERS:
            _less(self._short, secret)
            return
        for start in range(_BYTES):
            (word,) = _WORD.unpack_from(secret, start)
            _less(self._words, word)

    def may_hold(self, text: bytes) -> bool:
        """Return False only where no secret is in a text. Time O(text), whatever there is."""
        words = _unpack_from(f"<{len(text) // _BYTES}Q", text)
        if not self._words.keys().isdisjoint(words):
            return True
        return any(text.find(secret) >= 0 for secret in self._short) if self._short else False


def _less(counts: dict[Key, int], key: Key) -> None:
    """Count one less, down to none."""
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]
