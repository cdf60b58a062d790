"""Tells the service manager how this process does: systemd's notification datagrams."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)

_STATUS_CHARS = 200


class Notifier:
    """Sends to the socket that `NOTIFY_SOCKET` names; says nothing where there is none.

    A datagram that can't be sent is lost, and logged once: it never stops the actor.

    Attributes:
        watchdog_s: how often `alive` must be told, half of what systemd allows; None without
            a watchdog, or with one that is another process's.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.watchdog_s = _watchdog_s(environ)
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        if self._address is not None:
            kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            self._socket = socket.socket(socket.AF_UNIX, kind)
        self._status = ""
        self._complained = False

    def ready(self) -> None:
        """Tell that the start is over; repeat it whenever you like."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Tell one line about what is going on, where it is news."""
        line = " ".join(text.split())[:_STATUS_CHARS]
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def alive(self) -> None:
        """Tell the watchdog that there is progress."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Tell that a clean end has begun."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Give the socket up; again is fine."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, text: str) -> None:
        if self._socket is None or self._address is None:
            return
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError as error:
            if not self._complained:
                log.warning("the service manager can't be told %s: %s", text, error.strerror)
            self._complained = True


def _address(name: str) -> str | None:
    if name.startswith("@"):
        return "\0" + name[1:]  # Linux's abstract names
    return name if name.startswith("/") else None


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    microseconds = environ.get("WATCHDOG_USEC", "")
    process = environ.get("WATCHDOG_PID", "") or str(os.getpid())
    if not microseconds.isdecimal() or int(microseconds) == 0 or process != str(os.getpid()):
        return None
    return int(microseconds) / 2e6
