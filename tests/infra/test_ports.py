"""Ports of loopback: one process has what it was given until it ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from infra.rabbitmq import ports
from infra.rabbitmq.ports import NoFreePort, free_port

LOWEST, ABOVE = 8000, 8200
TAKES_ALL = f"""
import sys
from infra.rabbitmq import ports
ports._bounds, ports._LOOPBACK = (lambda: ({LOWEST}, {ABOVE})), sys.argv[1]
taken = []
try:
    while len(taken) < 1000:
        taken.append(ports.free_port())
except ports.NoFreePort:
    pass
print(*taken, flush=True)
input()
"""
_tests = count()


@contextmanager
def other_process(address: str) -> Iterator[set[int]]:
    """Have another process take all ports that are left, and keep them until it is killed."""
    command = [sys.executable, "-c", TAKES_ALL, address]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield set(map(int, process.stdout.readline().split()))
        finally:
            process.kill()


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address of loopback that only this test has, with few ports, so that they can run out."""
    if sys.platform != "linux":
        pytest.skip("only Linux has more than one address of loopback")
    own = os.getpid() * 4 + next(_tests)  # a process id has 22 bits at most, an address here 24
    address = socket.inet_ntoa(bytes([127, *own.to_bytes(3, "big")]))
    monkeypatch.setattr(ports, "_LOOPBACK", address)
    monkeypatch.setattr(ports, "_bounds", lambda: (LOWEST, ABOVE))
    monkeypatch.setattr(ports, "_claimed", [])
    return address


def test_no_port_is_given_to_two_processes(address: str) -> None:
    mine = free_port()

    with other_process(address) as theirs, other_process(address) as left:
        assert mine not in theirs
        assert len(theirs) == ABOVE - LOWEST - ports._BLOCK
        assert left == set()


def test_the_ports_of_a_process_that_was_killed_are_free_again(address: str) -> None:
    with other_process(address), pytest.raises(NoFreePort, match="between 8000 and 8200"):
        free_port()

    assert LOWEST <= free_port() < ABOVE


def test_each_call_gives_another_port_and_none_that_is_listened_on(address: str) -> None:
    listened = range(LOWEST, ABOVE, 2)
    servers = [socket.create_server((address, port)) for port in listened]
    try:
        given = [free_port() for _ in listened]
    finally:
        for server in servers:
            server.close()

    assert set(given) == set(range(LOWEST + 1, ABOVE, 2))
    assert len(given) == len(set(given))
