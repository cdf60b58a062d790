"""Notifications to the service manager, over real sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.telemetry.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@quorate-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(name.replace("@", "\0", 1))
        receiver.settimeout(10)
        yield receiver, name


def test_what_is_told_arrives(manager: tuple[socket.socket, str]) -> None:
    receiver, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})

    notifier.ready()
    notifier.status("round 3\ncollecting")
    notifier.alive()
    notifier.stopping()
    notifier.close()

    told = [receiver.recv(1000).decode() for _ in range(4)]
    assert told == ["READY=1", "STATUS=round 3 collecting", "WATCHDOG=1", "STOPPING=1"]


def test_the_same_status_is_told_once(manager: tuple[socket.socket, str]) -> None:
    receiver, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})

    for text in ("a", "a", "b"):
        notifier.status(text)
    notifier.close()

    assert [receiver.recv(100) for _ in range(2)] == [b"STATUS=a", b"STATUS=b"]
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(100)


def test_without_a_manager_nothing_happens() -> None:
    notifier = Notifier({})

    notifier.ready()
    notifier.close()
    notifier.alive()

    assert notifier.watchdog_s is None


def test_a_manager_that_has_gone_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")})

    for _ in range(3):
        notifier.alive()
    notifier.close()

    assert len(caplog.records) == 1


def test_the_watchdog_is_told_twice_in_its_time() -> None:
    assert Notifier({"WATCHDOG_USEC": "60000000"}).watchdog_s == 30.0


@pytest.mark.parametrize(
    "environ",
    [
        {"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
    ],
)
def test_another_processs_watchdog_is_not_ours(environ: dict[str, str]) -> None:
    assert Notifier(environ).watchdog_s is None
