"""What happened, line by line: its digest is the proof that two runs were the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable


class Trace:
    """Takes lines as they happen; `keep` keeps their text too; `heard` is told of each."""

    def __init__(self, *, keep: bool = False) -> None:
        self.lines: list[str] | None = [] if keep else None
        self.heard: Callable[[float, str], None] | None = None
        self.count = 0
        self._digest = hashlib.sha256()
        self._waiting: list[str] = []
        self._then_s, self._stamp = 0.0, f"{0.0:.9f} "

    def add(self, now_s: float, text: str) -> None:
        """Take one line; `now_s` is a time of the world."""
        if self.heard is not None:
            self.heard(now_s, text)
        if now_s != self._then_s:  # more than one thing happens in an instant
            self._then_s, self._stamp = now_s, f"{now_s:.9f} "
        self._waiting.append(f"{self._stamp}{text}\n")
        if len(self._waiting) >= 256:
            self._flush()

    def digest(self) -> str:
        """Return the SHA-256 of all lines so far, in hexadecimal."""
        self._flush()
        return self._digest.hexdigest()

    def text(self) -> str:
        """Return all lines. Empty unless they were kept."""
        self._flush()
        return "".join(self.lines or ())

    def _flush(self) -> None:
        self._digest.update("".join(self._waiting).encode())
        self.count += len(self._waiting)
        if self.lines is not None:
            self.lines += self._waiting
        self._waiting = []
