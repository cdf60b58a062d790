"""The file in which a process says how it does, written often and cheaply."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from actors.ports import Clock

from .snapshot import FILE, HEARTBEAT_S, LOCK

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_SOONEST_S = 0.1
_SHARE = 20  # of the time, one part in so many goes into writing at most


class StatusFile:
    """Replaces `status.json` in a home: at most once a second, and sooner for what matters.

    Nothing is synced: after a power cut no process lives, so what it last said is of no use.
    A file that can't be written is logged once, and the actor goes on.
    """

    def __init__(self, home: Path, clock: Clock, content: Callable[[], bytes]) -> None:
        self._home = home
        self._clock = clock
        self._content = content
        self._lock: int | None = None
        self._changed = True
        self._written_s = -HEARTBEAT_S
        self._took_s = 0.0
        self._complained = False

    def changed(self, *, important: bool) -> None:
        """Take note of news; what is important is written at once unless that was just done."""
        self._changed = True
        if important and self._past_s() >= max(_SOONEST_S, _SHARE * self._took_s):
            self.write()

    def tick(self) -> None:
        """Write what is due."""
        past_s = self._past_s()
        due_s = _EVERY_S if self._changed else HEARTBEAT_S
        if past_s >= max(due_s, _SHARE * self._took_s):
            self.write()

    def write(self) -> None:
        """Write now."""
        began_s = self._clock.now_s()
        self._changed = False
        try:
            self._hold_lock()
            self._replace(self._content())
        except OSError as error:
            if not self._complained:
                log.warning("%s can't be written: %s", self._home / FILE, error.strerror)
            self._complained = True
        self._written_s = self._clock.now_s()
        self._took_s = self._written_s - began_s

    def close(self) -> None:
        """Write for the last time and give the lock up; again is fine."""
        if self._lock is None:
            return
        self.write()
        os.close(self._lock)
        self._lock = None

    def _past_s(self) -> float:
        return self._clock.now_s() - self._written_s

    def _replace(self, content: bytes) -> None:
        target = self._home / FILE
        incoming = self._home / (FILE + ".incoming")
        # It may speak of an owner's data: for the eyes of its user only.
        descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        incoming.rename(target)

    def _hold_lock(self) -> None:
        if self._lock is None:
            self._lock = os.open(self._home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        # A reader may hold it just now; then it is ours from the next time on. Held again is fine.
        with suppress(BlockingIOError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
