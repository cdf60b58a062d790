"""Trainers that pull model states over HTTP, with every other message over a real RabbitMQ."""

from __future__ import annotations

import socket
from hashlib import sha256
from pathlib import Path
from typing import Any

from brokers import Vhost
from fakes.http_rig import TOKEN, gives, odd
from system.actor_processes import Homes, linked, provisioned
from system.commands import quorate
from system.jobs import logistic, tables

from infra.rabbitmq.ports import free_port
from infra.telemetry.snapshot import Models, read_home


def job(folder: Path) -> Path:
    """Write a job of three owners and three rounds."""
    file = logistic(folder, tables(3))
    file.write_text(file.read_text().replace("max_rounds = 20", "max_rounds = 3"))
    return file


def state_bytes(summary: dict[str, Any]) -> bytes:
    return Path(summary["checkpoint"]).read_bytes()


def over_http(homes: Homes, trainers: list[str], *, stream: bool, cache: str = "") -> None:
    """Let the coordinator serve, and these trainers pull."""
    port = free_port()
    urls = [*([cache] if cache else []), f"http://127.0.0.1:{port}"]
    ways = dict.fromkeys(trainers, f"urls = {urls}")
    ways["coordinator"] = f'serve = "127.0.0.1:{port}"\nstream = {str(stream).lower()}'
    for name, way in ways.items():
        home = homes.of(name)
        (home / "model.token").write_text(f"{TOKEN}\n")
        with (home / "actor.toml").open("a") as settings:
            settings.write(f'\n[model]\n{way}\ntoken_file = "model.token"\n')


def models_of(homes: Homes, name: str) -> Models:
    state = read_home(homes.of(name)).snapshot
    assert state is not None
    assert state.models is not None
    return state.models


async def test_a_job_whose_trainers_pull_ends_as_in_one_process(
    tmp_path: Path, vhost: Vhost
) -> None:
    whole = quorate("run", job(tmp_path), "--home", tmp_path / "whole", "--json").summary
    homes = await provisioned(job(tmp_path), vhost.url, tmp_path / "homes")
    trainers = ["o1", "o2", "o3"]

    with odd(gives(b"not a model")) as cache:
        over_http(homes, trainers, stream=False, cache=cache.url)
        with homes.everybody_but() as others:
            for other in others.values():
                other.until(linked)
            ended = quorate(*homes.words("coordinator"), "--json")

    assert ended.code == 0, ended.err
    state = state_bytes(ended.summary)
    assert state == state_bytes(whole)
    # All of them asked the lying cache first, in every round.
    assert len({path for path, _ in cache.asked}) >= ended.summary["rounds"]
    # Only the newest state is served, and nothing went over the stream.
    (served,) = (homes.of("coordinator") / "blobs" / "served").iterdir()
    assert served.name == sha256(state).hexdigest()
    for name in trainers:
        blobs = homes.of(name) / "blobs"
        assert [path.name for path in blobs.iterdir()] == ["pulled"]
    # And each process says so: what was given, what came, and who lied.
    rounds = ended.summary["rounds"]
    assert models_of(homes, "coordinator").served >= len(trainers) * rounds
    assert all(models_of(homes, name).pulled >= rounds for name in trainers)
    assert all("false bytes" in models_of(homes, name).failures for name in trainers)


async def test_some_pull_and_some_read_the_stream(tmp_path: Path, vhost: Vhost) -> None:
    homes = await provisioned(job(tmp_path), vhost.url, tmp_path / "homes")
    over_http(homes, ["o1", "o2"], stream=True)

    with homes.everybody_but() as others:
        for other in others.values():
            other.until(linked)
        ended = quorate(*homes.words("coordinator"), "--json")

    assert ended.code == 0, ended.err
    assert list((homes.of("o1") / "blobs" / "pulled").glob("*.blob"))
    assert list((homes.of("o3") / "blobs").glob("*.blob"))


async def test_a_port_that_is_taken_stops_the_start(tmp_path: Path, vhost: Vhost) -> None:
    homes = await provisioned(job(tmp_path), vhost.url, tmp_path / "homes")
    over_http(homes, [], stream=False)
    settings = homes.of("coordinator") / "actor.toml"
    place = settings.read_text().partition('serve = "')[2].partition('"')[0]

    with socket.create_server(("127.0.0.1", int(place.rpartition(":")[2]))):
        ended = quorate(*homes.words("coordinator"))

    assert ended.code == 2
    assert f"{settings}: model.serve: {place} can't be listened on" in ended.err
    assert "Traceback" not in ended.err
