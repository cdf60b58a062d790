"""Every actor a process of its own, all messages over a real RabbitMQ."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from brokers import Vhost
from system.actor_processes import actors_of, kill, linked, lost, processes_below, provisioned
from system.commands import began, left_behind, quorate, running, updated
from system.jobs import BREAST_CANCER, Text, logistic, tables

from infra.casting import cast
from infra.cli.display import QuietDisplay
from infra.config import load_job
from infra.homes.access import on_broker
from infra.processes import ProcessFederation, Stage
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.private_node import PrivateNode
from protocols.reports import Event, RoundBegan, RoundComplete, TookPart


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summary of the example in one process."""
    home = tmp_path_factory.mktemp("whole") / "home"
    return quorate("run", BREAST_CANCER, "--home", home, "--json").summary


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summary of the small job in one process."""
    job = logistic(tmp_path_factory.mktemp("small"), tables())
    return quorate("run", job, "--json").summary


def state_bytes(summary: dict[str, Any]) -> bytes:
    return Path(summary["checkpoint"]).read_bytes()


def spooled(home: Path) -> list[Path]:
    return [path for path in home.glob("*/spool/**/*") if path.is_file()]


def probe(folder: Path, owners: list[str], *, rounds: int, delay_s: float = 0.0) -> Path:
    sections: dict[str, dict[str, object]] = {
        "probe": {"values": 300, "delay_s": delay_s},
        "limits": {"patience_s": 4.0},
    }
    head: dict[str, object] = {"max_rounds": rounds}
    return Text("probe", dict.fromkeys(owners), head, sections).written(folder)


# --- quorate run --broker -------------------------------------------------------------


def test_a_run_on_a_broker_ends_in_the_same_bytes_as_one_in_memory(
    tmp_path: Path, whole: dict[str, Any], vhost: Vhost
) -> None:
    ended = quorate(
        "run", BREAST_CANCER, "--broker", vhost.url, "--home", tmp_path / "home", "--json"
    )

    assert ended.code == 0
    assert state_bytes(ended.summary) == state_bytes(whole)
    assert ended.summary["coefficients"] == whole["coefficients"]
    assert ended.summary["cleartext_vectors_seen"] is None


def test_a_masked_run_on_a_broker_ends_in_the_same_numbers(
    tmp_path: Path, small: dict[str, Any], vhost: Vhost
) -> None:
    job = logistic(tmp_path, tables(), secure_sum={"suite": "masked"})

    ended = quorate("run", job, "--broker", vhost.url, "--json")

    assert ended.code == 0
    assert ended.summary["coefficients"] == small["coefficients"]
    assert state_bytes(ended.summary) == state_bytes(small)
    assert spooled(tmp_path / ".quorate" / "tiny") == []


async def test_a_finished_run_leaves_nothing_on_the_broker(tmp_path: Path, vhost: Vhost) -> None:
    job = logistic(tmp_path, tables())

    ended = quorate("run", job, "--broker", vhost.url, "--quiet")

    assert ended.code == 0
    assert await vhost.node.api("GET", f"/queues/{vhost.name}") == []
    # Nothing of the rounds is kept by those who held shares or made them.
    assert spooled(tmp_path / ".quorate" / "tiny") == []


def test_a_killed_coordinator_is_started_again_and_goes_on_with_the_same_round(
    tmp_path: Path, small: dict[str, Any], vhost: Vhost
) -> None:
    job = logistic(tmp_path, tables())

    with running("run", job, "--broker", vhost.url) as run:
        run.until(began(4))
        kill(actors_of(run)["coordinator"])
        again = run.until(lambda event: event["kind"] == "round_began")
        ended = run.ended()

    assert again["number"] in (4, 5)  # the fourth may have ended before anybody was told
    assert ended.code == 0
    assert ended.summary["restarts"] == {"coordinator": 1}
    assert "SIGKILL" in ended.out
    assert state_bytes(ended.summary) == state_bytes(small)


def test_a_killed_run_leaves_no_process_and_resumes_to_the_same_result(
    tmp_path: Path, small: dict[str, Any], vhost: Vhost
) -> None:
    job = logistic(tmp_path, tables())
    words = ("run", job, "--broker", vhost.url)

    with running(*words) as run:
        run.until(updated(3))
        family = processes_below(run.process.pid)
        actors = actors_of(run)
        # One that hangs can't end by itself.
        os.kill(actors["holder-2"], signal.SIGSTOP)
        run.signal(signal.SIGKILL)
        run.ended()

    assert len(actors) == 8
    assert len(family) == 8 + 4
    assert left_behind(set(family)) == set()

    again = quorate(*words, "--resume", "--json")

    assert again.code == 0
    numbers = [event["number"] for event in again.lines if event["kind"] == "state_updated"]
    assert numbers[0] in (4, 5)
    assert state_bytes(again.summary) == state_bytes(small)


def test_a_stopped_run_finishes_its_round_and_keeps_its_queues_for_a_resumption(
    tmp_path: Path, small: dict[str, Any], vhost: Vhost
) -> None:
    job = logistic(tmp_path, tables())
    words = ("run", job, "--broker", vhost.url)

    with running(*words) as run:
        run.until(began(3))
        family = processes_below(run.process.pid)
        run.signal(signal.SIGTERM)
        ended = run.ended()

    assert ended.code == 130
    assert ended.summary["outcome"] == "stopped"
    assert ended.summary["rounds"] >= 3
    assert "guest:guest" not in ended.summary["resume"]
    assert left_behind(set(family)) == set()

    again = quorate(*words, "--resume", "--json")

    assert again.code == 0
    assert state_bytes(again.summary) == state_bytes(small)


def test_a_run_that_was_begun_in_memory_goes_on_over_a_broker(
    tmp_path: Path, small: dict[str, Any], vhost: Vhost
) -> None:
    job = logistic(tmp_path, tables())
    with running("run", job) as run:
        run.until(began(5))
        run.signal(signal.SIGKILL)
        run.ended()

    ended = quorate("run", job, "--broker", vhost.url, "--resume", "--json")

    assert ended.code == 0
    assert state_bytes(ended.summary) == state_bytes(small)


async def test_a_virtual_host_in_which_a_run_is_at_work_is_refused(
    tmp_path: Path, vhost: Vhost
) -> None:
    job = probe(tmp_path, ["north", "middle", "south"], rounds=100_000)
    with running("run", job, "--broker", vhost.url) as run:
        run.until(began(1))

        other = quorate("run", job, "--broker", vhost.url, "--home", tmp_path / "other")

    assert other.code == 2
    assert "a coordinator is at work" in other.err
    assert "guest:guest" not in other.err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("amqp://guest:guest@127.0.0.1:1/x", "no connection to amqp://guest@127.0.0.1:1/x"),
        ("amqp://127.0.0.1:1/x", "QUORATE_BROKER_USER"),
        ("amqp://me:secret@far/x", "unencrypted"),
        ("http://me:secret@far/x", "must begin with amqps://"),
        ("secret", "must begin with amqps://"),
    ],
)
def test_a_broker_that_can_not_be_used_is_refused_before_anything_is_made(
    tmp_path: Path, url: str, hint: str
) -> None:
    ended = quorate("run", logistic(tmp_path, tables()), "--broker", url)

    assert ended.code == 2
    assert hint in ended.err
    assert "secret" not in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / ".quorate").exists()


# --- the face of ProcessFederation ----------------------------------------------------


class Script:
    """Does something when a round begins, and remembers who took part."""

    def __init__(self) -> None:
        self.at: dict[int, list[Any]] = {}
        self.survivors: dict[int, set[str]] = {}
        self.answered: dict[int, set[str]] = {}
        self.parts: list[TookPart] = []
        self._tasks: list[asyncio.Task[None]] = []

    def emit(self, event: Event) -> None:
        match event:
            case RoundBegan():
                for act in self.at.pop(event.number, []):
                    done = act()
                    if done is not None:
                        self._tasks.append(asyncio.create_task(done))
            case RoundComplete():
                self.survivors[event.number] = set(event.survivors)
                self.answered[event.number] = set(event.answered)
            case TookPart():
                self.parts.append(event)
            case _:
                pass


async def staged(job: Path, url: str) -> Stage:
    placed = on_broker(load_job(job), (url,))
    return Stage(placed, await cast(placed), BrokerAddress.parse(url))


async def test_a_trainer_that_is_killed_and_one_that_hangs_come_back(
    tmp_path: Path, vhost: Vhost
) -> None:
    owners = ["one", "two", "three", "four", "five"]
    job = probe(tmp_path, owners, rounds=14, delay_s=0.3)
    federation = ProcessFederation(await staged(job, vhost.url), tmp_path / "home", QuietDisplay())
    script = Script()
    script.at = {
        2: [lambda: federation.kill("two"), lambda: federation.pause("four")],
        4: [lambda: federation.start("two"), lambda: federation.resume("four")],
    }
    federation.listen(script)

    ended = await federation.run()

    # The probe fails at the first sum that is not exactly that of its survivors.
    assert (ended.outcome, ended.completed) == ("max rounds", 14)
    assert not {"two", "four"} & script.survivors[3]
    assert script.survivors[14] == set(owners)
    assert federation.state.facts["round"] == 14


async def test_a_holder_may_be_gone_for_good_and_another_may_hang(
    tmp_path: Path, vhost: Vhost
) -> None:
    job = probe(tmp_path, ["one", "two", "three"], rounds=6)
    federation = ProcessFederation(await staged(job, vhost.url), tmp_path / "home", QuietDisplay())
    script = Script()
    script.at = {
        2: [lambda: federation.kill("holder-3")],
        4: [lambda: federation.pause("holder-1"), lambda: federation.resume("holder-1")],
    }
    federation.listen(script)

    ended = await federation.run()

    assert ended.outcome == "max rounds"
    assert script.answered[6] == {"holder-1", "holder-2"}
    assert federation.pid("holder-1") is None


# --- one process after the other ------------------------------------------------------


async def test_every_actor_may_be_asked_for_one_round_only(tmp_path: Path, vhost: Vhost) -> None:
    homes = await provisioned(probe(tmp_path, ["a", "b", "c"], rounds=9), vhost.url, tmp_path / "h")

    with homes.everybody_but(more=("--once",)) as others:
        for other in others.values():
            other.until(linked)
        ended = quorate(*homes.words("coordinator", "--once"), "--json")
        ends = {name: other.ended() for name, other in others.items()}

    assert (ended.code, ended.summary["rounds"]) == (0, 1)
    assert {name: end.code for name, end in ends.items()} == dict.fromkeys(ends, 0)
    assert all(end.summary["outcome"] == "one round" for end in ends.values())
    parts = {
        name: [line["outcome"] for line in end.lines if line["kind"] == "took_part"]
        for name, end in ends.items()
    }
    assert all(len(outcomes) == 1 for outcomes in parts.values())


async def test_a_coordinator_that_is_stopped_ends_its_round_and_goes_on_when_started_again(
    tmp_path: Path, vhost: Vhost
) -> None:
    job = probe(tmp_path, ["a", "b", "c"], rounds=5, delay_s=0.5)
    homes = await provisioned(job, vhost.url, tmp_path / "h")

    with homes.everybody_but() as others:
        with running(*homes.words("coordinator")) as coordinator:
            coordinator.until(began(2))
            coordinator.signal(signal.SIGTERM)
            first = coordinator.ended()
        second = quorate(*homes.words("coordinator"), "--json")
        for other in others.values():
            other.signal(signal.SIGTERM)
        ends = {name: other.ended() for name, other in others.items()}

    assert (first.code, first.summary["outcome"], first.summary["rounds"]) == (130, "stopped", 2)
    begun = [line["number"] for line in second.lines if line["kind"] == "round_began"]
    assert (second.code, begun) == (0, [3, 4, 5])
    assert {name: end.code for name, end in ends.items()} == dict.fromkeys(ends, 130)
    assert all("Traceback" not in end.err for end in ends.values())


async def test_a_job_that_fails_ends_its_coordinator_with_1(tmp_path: Path, vhost: Vhost) -> None:
    job = probe(tmp_path, ["a", "b", "c"], rounds=5)
    job.write_text(
        job.read_text()
        .replace("patience_s = 4.0", "patience_s = 0.5")
        .replace("[limits]", "[limits]\nabandoned_rounds = 1")
    )
    homes = await provisioned(job, vhost.url, tmp_path / "h")

    ended = quorate(*homes.words("coordinator"), "--json")

    assert ended.code == 1
    assert ended.summary["outcome"] == "failed"
    assert "abandoned" in ended.summary["reason"]


async def test_a_home_in_use_is_refused(tmp_path: Path, vhost: Vhost) -> None:
    homes = await provisioned(probe(tmp_path, ["a", "b", "c"], rounds=5), vhost.url, tmp_path / "h")

    with running(*homes.words("holder-1")) as first:
        first.until(linked)
        second = quorate(*homes.words("holder-1"))
        trial = ("--trial-roster", homes.folder.with_suffix(".authority"))
        again = quorate(
            "provision", homes.job, "--out", homes.folder, "--broker", vhost.url, *trial
        )

    assert (second.code, again.code) == (2, 2)
    assert "another process is running in this folder" in second.err
    assert "holder-1: an actor has lived here" in again.err


async def test_a_second_signal_ends_a_process_at_once(tmp_path: Path, vhost: Vhost) -> None:
    job = probe(tmp_path, ["a", "b", "c"], rounds=5, delay_s=60.0)
    homes = await provisioned(job, vhost.url, tmp_path / "h")

    with homes.everybody_but(), running(*homes.words("coordinator")) as coordinator:
        coordinator.until(began(1))
        coordinator.signal(signal.SIGINT)
        assert coordinator.process.stderr is not None
        coordinator.process.stderr.readline()  # it has heard the first
        coordinator.signal(signal.SIGINT)
        ended = coordinator.ended()

    assert ended.code == 130
    assert "at once" in ended.summary["reason"]


async def test_actors_wait_for_a_broker_that_is_down_and_work_when_it_is_there(
    tmp_path: Path, own_broker: PrivateNode
) -> None:
    job = probe(tmp_path, ["a", "b", "c"], rounds=3)
    homes = await provisioned(job, own_broker.url, tmp_path / "h")
    await own_broker.stop()
    try:
        with homes.everybody_but() as others, running(*homes.words("coordinator")) as coordinator:
            for actor in (coordinator, *others.values()):
                assert actor.until(lost)["reason"]
            await own_broker.start()
            ended = coordinator.ended()
    finally:
        await own_broker.start()

    assert ended.code == 0
    assert ended.summary["rounds"] == 3


async def test_an_actor_without_a_broker_stops_when_asked(
    tmp_path: Path, own_broker: PrivateNode
) -> None:
    job = probe(tmp_path, ["a", "b", "c"], rounds=3)
    homes = await provisioned(job, own_broker.url, tmp_path / "h")
    await own_broker.stop()
    try:
        for name in ("holder-1", "a", "coordinator"):
            with running(*homes.words(name)) as actor:
                actor.until(lost)
                asked_s = time.monotonic()
                actor.signal(signal.SIGTERM)
                ended = actor.ended()
            assert (ended.code, ended.summary["outcome"]) == (130, "stopped")
            assert time.monotonic() - asked_s < 20.0  # nobody waits for what can't be sent
    finally:
        await own_broker.start()
