"""For how long nothing could be sent, told apart from one recipient that has no room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# A link whose broker answers nothing for longer is given up by its pulse (see `LinkPolicy`). One
# that is open after that works, and what still waits does so for room in its recipient's queue.
_BELIEVED_S = 60.0


class Stall:
    """Feed it sends and their ends; all times are seconds on one clock."""

    def __init__(self) -> None:
        self._sent_s: dict[object, float] = {}
        self._answered_s = float("-inf")
        self._closed_s: float | None = None

    @contextmanager
    def sending(self, now_s: float) -> Iterator[None]:
        """Hold a message as not yet taken by the broker."""
        sending = object()
        self._sent_s[sending] = now_s
        try:
            yield
        finally:
            del self._sent_s[sending]

    def answered(self, now_s: float) -> None:
        """Take note that the broker took a message, whichever."""
        self._answered_s = now_s

    def lasts_s(self, now_s: float, *, is_open: bool) -> float:
        """Return for how long nothing could be sent, as far as one can tell; 0.0 for not at all.

        `is_open` says whether there is a connection that takes messages, right now.
        """
        if not is_open:
            if self._closed_s is None:
                self._closed_s = now_s
            return max(now_s - self._closed_s, self._unanswered_s(now_s))
        self._closed_s = None
        unanswered_s = self._unanswered_s(now_s)
        return unanswered_s if unanswered_s <= _BELIEVED_S else 0.0

    def _unanswered_s(self, now_s: float) -> float:
        """Return the age of the first message that was sent after the last one to be taken."""
        after = (sent_s for sent_s in self._sent_s.values() if sent_s >= self._answered_s)
        return now_s - min(after, default=now_s)
