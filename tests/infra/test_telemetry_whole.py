"""All of the telemetry of a process together: what probes, the manager and readers get."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from fakes.ports import FakeClock
from fakes.telemetry_parts import News, State, get, subject

from actors.ports import Lane, Transport
from infra.memory_bus import MemoryBus
from infra.telemetry import Listen, Notifier, Telemetry, TelemetryError
from infra.telemetry.snapshot import read_home
from protocols.reports import ActorRestarted, RoundBegan, RoundComplete

ANY = Listen("127.0.0.1", 0)


class Manager:
    """The service manager of a process: it reads as it comes, for a socket holds few."""

    def __init__(self, receiver: socket.socket) -> None:
        self._receiver = receiver
        self._told: list[str] = []
        receiver.setblocking(False)
        asyncio.get_running_loop().add_reader(receiver, self._read)

    def fetch(self) -> list[str]:
        """Return what was told since the last time."""
        self._read()
        told, self._told = self._told, []
        return told

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while True:
                self._told.append(self._receiver.recv(1000).decode())

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._receiver)


@contextmanager
def manager(folder: Path, *, watchdog_s: float = 60.0) -> Iterator[tuple[Notifier, Manager]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(folder / "notify"))
        told = Manager(receiver)
        usec = str(int(watchdog_s * 1e6))
        yield Notifier({"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": usec}), told
        told.close()


async def asked(telemetry: Telemetry, path: str) -> tuple[int, Any]:
    assert telemetry.url is not None
    status, body = await asyncio.to_thread(get, telemetry.url, path)
    return status, body.decode() if path == "/metrics" else json.loads(body)


async def running(telemetry: Telemetry) -> tuple[Transport, Transport]:
    """Return the transport of a running actor, metered, and another's that sends to it."""
    bus = MemoryBus()
    for name in ("coordinator", "holder-1"):
        bus.declare(name)
    own = telemetry.wrap(bus.connect("coordinator", prefetch=8))
    own.deliveries()
    telemetry.link_changed(News(State.OPEN))
    return own, bus.connect("holder-1", prefetch=8)


async def test_a_process_that_is_well_says_so_everywhere(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Telemetry(subject(), tmp_path, listen=ANY, clock=clock) as telemetry:
        await running(telemetry)
        telemetry.emit(RoundBegan(job="sum", number=3, dimension=2))
        await clock.advance(1.0)

        assert await asked(telemetry, "/healthz") == (200, {"healthy": True, "reasons": []})
        page = (await asked(telemetry, "/metrics"))[1]
        status = (await asked(telemetry, "/status"))[1]
        reading = read_home(tmp_path)

    assert "quorate_round_number 3.0" in page
    assert "quorate_event_loop_lag_seconds_count 2.0" in page
    assert status["life"] == "running"
    assert reading.running
    assert reading.snapshot is not None
    assert reading.snapshot.metrics_url == f"{status['metrics_url']}"


async def test_the_end_is_written_and_the_lock_given_up(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="gave up"):
        async with Telemetry(subject(), tmp_path, clock=FakeClock()):
            raise RuntimeError("gave up")

    reading = read_home(tmp_path)
    assert not reading.running
    assert reading.snapshot is not None
    assert reading.snapshot.life == "ended"
    assert reading.snapshot.life_reason == "RuntimeError: gave up"


async def test_why_an_actor_has_failed_is_written_for_whoever_looks_later(tmp_path: Path) -> None:
    async with Telemetry(subject(), tmp_path, clock=FakeClock()) as made:
        made.failed("holder-1 crashed 8 times in a row, the last time: no space left")

    absence = read_home(tmp_path).absence()

    assert absence.endswith("(holder-1 crashed 8 times in a row, the last time: no space left)")


async def test_a_link_that_is_away_for_long_is_an_illness(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Telemetry(subject(), tmp_path, listen=ANY, clock=clock) as telemetry:
        await running(telemetry)
        telemetry.link_changed(News(State.LOST, "connection refused"))
        await clock.advance(119.0)
        before = await asked(telemetry, "/healthz")
        await clock.advance(2.0)
        after = await asked(telemetry, "/healthz")

    assert before[0] == 200
    assert after[0] == 503
    assert after[1]["reasons"] == ["no link to the broker for 121 s: connection refused"]


async def test_a_full_broker_is_no_illness_of_ours(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Telemetry(subject(), tmp_path, listen=ANY, clock=clock) as telemetry:
        await running(telemetry)
        telemetry.link_changed(News(State.BLOCKED, "low on disk"))
        await clock.advance(1000.0)

        assert (await asked(telemetry, "/healthz"))[0] == 200


async def test_a_crashed_actor_is_an_illness_until_it_is_back(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Telemetry(subject(), tmp_path, listen=ANY, clock=clock) as telemetry:
        own, _ = await running(telemetry)
        await own.close()
        telemetry.emit(ActorRestarted(actor="coordinator", reason="OSError: disk full"))
        crashed = await asked(telemetry, "/healthz")
        await running(telemetry)
        back = await asked(telemetry, "/healthz")

    assert crashed[0] == 503
    assert "OSError: disk full" in crashed[1]["reasons"][0]
    assert back[0] == 200


async def test_an_event_loop_that_hangs_is_an_illness(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Telemetry(subject(), tmp_path, listen=ANY, clock=clock) as telemetry:
        await running(telemetry)
        clock._now_s += 11.0  # time passes and nobody is woken

        status, body = await asked(telemetry, "/healthz")

    assert status == 503
    assert body["reasons"] == ["the event loop has not answered for 11 s"]


async def test_the_manager_is_told_of_start_watchdog_and_end(tmp_path: Path) -> None:
    clock = FakeClock()
    with manager(tmp_path, watchdog_s=20.0) as (notifier, told):
        async with Telemetry(subject(), tmp_path, clock=clock, notifier=notifier) as telemetry:
            await running(telemetry)
            telemetry.emit(RoundBegan(job="sum", number=3, dimension=2))
            await clock.advance(100.0)
            during = told.fetch()
        after = told.fetch()

    assert during[0] == "READY=1"
    assert "STATUS=running, round 3" in during
    assert during.count("WATCHDOG=1") == 10  # twice in 20 s
    assert after == ["STOPPING=1"]


async def test_the_watchdog_barks_when_the_actor_makes_no_progress(tmp_path: Path) -> None:
    clock = FakeClock()
    with manager(tmp_path, watchdog_s=20.0) as (notifier, told):
        async with Telemetry(subject(), tmp_path, clock=clock, notifier=notifier) as telemetry:
            own, other = await running(telemetry)
            await other.send("coordinator", b"a message", lane=Lane.CONTROL)
            delivery = await anext(own.deliveries())
            await clock.advance(119.0)
            patient = told.fetch()
            await clock.advance(100.0)
            stuck = told.fetch()
            await delivery.ack()
            await clock.advance(1.0)
            again = told.fetch()

    assert patient.count("WATCHDOG=1") == 12  # half a second early each time
    assert "WATCHDOG=1" not in stuck
    assert "WATCHDOG=1" in again


async def test_a_broker_that_is_away_does_not_wake_the_watchdog(tmp_path: Path) -> None:
    clock = FakeClock()
    with manager(tmp_path, watchdog_s=20.0) as (notifier, told):
        async with Telemetry(subject(), tmp_path, clock=clock, notifier=notifier) as telemetry:
            telemetry.link_changed(News(State.CONNECTING))
            telemetry.link_changed(News(State.LOST, "refused"))
            await clock.advance(1000.0)

            assert told.fetch().count("WATCHDOG=1") == 105


async def test_a_port_in_use_leaves_nothing_running(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Listen("127.0.0.1", other.getsockname()[1])

        with pytest.raises(TelemetryError, match="can't be listened on"):
            async with Telemetry(subject(), tmp_path, listen=taken, clock=FakeClock()):
                pass

    assert not read_home(tmp_path).running


async def test_telemetry_that_fails_does_not_stop_the_actor(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Telemetry(subject(), tmp_path, clock=FakeClock()) as telemetry:
        broken: Any = object()

        telemetry.link_changed(broken)
        telemetry.emit(
            RoundComplete(job="sum", number=1, survivors=broken, answered=(), seconds=1.0)
        )

    assert sum("could not be taken in" in record.getMessage() for record in caplog.records) == 2
