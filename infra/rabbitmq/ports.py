"""Ports of loopback for private nodes and links, each one given once, to one process."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_LOWEST_PORT = 10_000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_BLOCK = 50  # a claim costs an open socket for as long as the process lives
_LOOPBACK = "127.0.0.1"

_claimed: list[int] = []  # what this process may give away


class NoFreePort(RuntimeError):
    """Other processes have claimed all ports of loopback."""

    def __init__(self, lowest: int, above: int) -> None:
        super().__init__(f"no free port between {lowest} and {above} on loopback")


def free_port() -> int:
    """Return a port of loopback that nothing listens on, another one at each call.

    Nor will another process be given it while this one lives, so it may be used much later and
    again and again. It lies below the range that outgoing connections use: a client that tries
    to reach a dead server there may connect to itself, and keep the server from coming back.

    Raises:
        NoFreePort: other processes have claimed all of them.
    """
    while True:
        if not _claimed:
            _claimed.extend(_claim())
        port = _claimed.pop()
        with socket.socket() as probe:
            if probe.connect_ex((_LOOPBACK, port)) != 0:
                return port


def _claim() -> range:
    """Claim a block of ports: whoever has bound its first one for datagrams has all of it."""
    lowest, above = _bounds()
    firsts = range(lowest, above - _BLOCK + 1, _BLOCK)
    for first in random.SystemRandom().sample(firsts, len(firsts)):
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((_LOOPBACK, first))
        except OSError:
            claim.close()
            continue
        claim.detach()  # the system closes it, when this process ends in whatever way
        return range(first, first + _BLOCK)
    raise NoFreePort(lowest, above)


def _bounds() -> tuple[int, int]:
    above = 32_768
    if _EPHEMERAL_RANGE.exists():
        above = max(int(_EPHEMERAL_RANGE.read_text().split()[0]), _LOWEST_PORT + 1000)
    return _LOWEST_PORT, above
