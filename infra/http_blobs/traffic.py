"""What was served and pulled, in numbers that any thread may add to."""

from __future__ import annotations

import threading
from collections import Counter
from enum import Enum


class Served(Enum):
    """How a request ended. ABSENT is no fault: who asks early comes again."""

    SENT = "sent"
    UNCHANGED = "unchanged"
    ABSENT = "absent"
    REFUSED = "refused"
    WRONG = "wrong"
    CUT_OFF = "cut off"
    CROWDED = "crowded"


class Pulled(Enum):
    """How an attempt to pull ended. ABSENT is no fault: the address has not got it yet."""

    WHOLE = "whole"
    ABSENT = "absent"
    FAILED = "failed"
    FALSE = "false bytes"


class BlobTraffic:
    """Counts bytes and endings of one server, or of one who pulls."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._bytes = {Served: 0, Pulled: 0}
        self._endings: Counter[Served | Pulled] = Counter()

    def ended(self, how: Served | Pulled, size_bytes: int = 0) -> None:
        """Take note of the end of a request or an attempt, and of the bytes that went over."""
        with self._guard:
            self._endings[how] += 1
            self._bytes[type(how)] += size_bytes

    @property
    def served_bytes(self) -> int:
        """How many bytes of blobs were sent."""
        return self._bytes[Served]

    @property
    def pulled_bytes(self) -> int:
        """How many bytes of blobs came, wrong ones included."""
        return self._bytes[Pulled]

    def count(self, how: Served | Pulled) -> int:
        """Return how many ended so."""
        return self._endings[how]
