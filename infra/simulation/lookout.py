"""Looks for many secrets in every text: one look tells that none of them can be in it."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

_WORD = Struct("Q")
_BYTES = _WORD.size
# Wherever it begins, what is so long covers one whole word of a text that is cut into words.
_COVERS = 2 * _BYTES - 1
_STALE = 500  # secrets that are gone, until their words are forgotten


class Lookout:
    """The secrets of one host, each counted as often as it was added.

    A text is cut into words of eight bytes. If it holds a secret, one of its words is one of the
    eight that begin at the secret's first eight bytes: these are kept in a table. Secrets too
    short for that are looked for themselves.
    """

    def __init__(self) -> None:
        self._secrets: dict[bytes, int] = {}
        self._short: dict[bytes, None] = {}
        self._words: set[int] = set()
        self._stale = 0

    def add(self, secret: bytes) -> None:
        """Look for these bytes from now on; they must not be empty."""
        self._secrets[secret] = self._secrets.get(secret, 0) + 1
        self._note(secret)

    def remove(self, secret: bytes) -> None:
        """Look for these bytes no more, once for each time that they were added."""
        left = self._secrets[secret] - 1
        if left:
            self._secrets[secret] = left
            return
        del self._secrets[secret]
        self._stale += 1
        if self._stale >= _STALE:
            self._stale = 0
            self._words.clear()
            self._short.clear()
            for known in self._secrets:
                self._note(known)

    def may_hold(self, text: bytes) -> bool:
        """Return False only where no secret is in a text. Time O(text), whatever there is."""
        words = _words(len(text) // _BYTES)
        if not self._words.isdisjoint(words.unpack_from(text)):
            return True
        return any(text.find(secret) >= 0 for secret in self._short) if self._short else False

    def _note(self, secret: bytes) -> None:
        if len(secret) < _COVERS:
            self._short[secret] = None
        else:
            read = _WORD.unpack_from
            self._words.update([read(secret, start)[0] for start in range(_BYTES)])


@lru_cache(maxsize=4096)  # the library's own forgets all when it knows a hundred
def _words(count: int) -> Struct:
    return Struct(f"{count}Q")
