"""A broker is brought to what a job needs, as often as one likes, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from brokers import broker_root
from fakes.provisioned import Federation

from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.declare import DeclareError, connected, declare, purge, remove
from infra.rabbitmq.management import path
from infra.rabbitmq.private_node import PrivateNode
from infra.rabbitmq.provisioning import State
from infra.rabbitmq.topology import EXCHANGE, MODEL_STREAM, Sizes, exchange_of


@pytest.fixture
def federation(
    broker: PrivateNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Federation]:
    monkeypatch.setenv("QUORATE_BROKER_ADMIN", "guest:guest")
    made = Federation.on(broker, tmp_path)
    yield made
    made.remove()


def summary(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines = capsys.readouterr().out.splitlines()
    return dict(json.loads(lines[-1]))


async def publish(address: BrokerAddress, key: str, body: bytes = b"x") -> None:
    async with connected(address) as connection, connection.channel(on_return_raises=True) as ch:
        exchange = await ch.get_exchange(exchange_of(key), ensure=False)
        await exchange.publish(aio_pika.Message(body, delivery_mode=2), key, mandatory=True)


async def messages(address: BrokerAddress, queue: str) -> int:
    async with connected(address) as connection, connection.channel() as channel:
        there = await channel.declare_queue(queue, passive=True)
        return there.declaration_result.message_count or 0


def queue_names(federation: Federation) -> set[str]:
    return {queue["name"] for queue in federation.api.queues(federation.name)}


# --- making it --------------------------------------------------------------------------


def test_applying_makes_everything_and_applying_again_changes_nothing(
    federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert federation.plan() == 1

    assert federation.apply() == 0
    first = {file: file.read_bytes() for file in federation.credentials.iterdir()}
    hashes = {u["name"]: u["password_hash"] for u in federation.api.users()}
    capsys.readouterr()

    assert federation.apply() == 0
    assert summary(capsys)["passwords_written"] == 0
    assert federation.plan() == 0
    assert {file: file.read_bytes() for file in federation.credentials.iterdir()} == first
    assert {u["name"]: u["password_hash"] for u in federation.api.users()} == hashes


def test_each_actor_logs_in_with_the_password_in_its_file_which_nobody_else_may_read(
    federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    federation.apply(json=False)

    said = capsys.readouterr()
    for name in ("coordinator", "holder-3", "a-10"):
        file = federation.credentials / f"{name}.password"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert len(file.read_text().strip()) == 43
        assert file.read_text().strip() not in said.out + said.err
        asyncio.run(publish(federation.address(name), f"{name}.coordinator.control"))
    assert stat.S_IMODE(federation.credentials.stat().st_mode) == 0o700


def test_new_passwords_shut_the_old_ones_out(federation: Federation) -> None:
    federation.apply()
    old = federation.address("north")

    assert federation.apply(rotate=True) == 0

    with pytest.raises(DeclareError, match="user or password is refused"):
        asyncio.run(messages(old, "north.control"))
    assert asyncio.run(messages(federation.address("north"), "north.control")) == 0


def test_an_interrupted_apply_goes_on_with_the_passwords_it_had_written(
    federation: Federation,
) -> None:
    federation.apply()
    written = federation.address("north").password
    federation.remove()

    federation.apply()

    assert federation.address("north").password == written
    assert asyncio.run(messages(federation.address("north"), "north.control")) == 0


def test_rights_that_were_widened_are_put_right_and_the_password_stays(
    federation: Federation,
) -> None:
    federation.apply()
    user = f"{federation.name}.north"
    wide = {"configure": ".*", "write": ".*", "read": ".*"}
    federation.api.put(path("permissions", federation.name, user), wide)
    federation.api.delete(path("topic-permissions", federation.name, user, EXCHANGE))
    (account,) = [u for u in federation.api.users() if u["name"] == user]
    federation.api.put(path("users", user), {**account, "tags": "management"})
    found = {d.name for d in federation.provisioning().differences()}

    assert federation.apply() == 0

    assert found == {
        f"rights of {user}",
        f"routing keys of {user} on {EXCHANGE}",
        f"account {user}",
    }
    assert federation.plan() == 0
    assert asyncio.run(messages(federation.address("north"), "north.control")) == 0


# --- what has no place any more ---------------------------------------------------------


def test_orphans_are_named_and_stay_until_they_are_asked_to_go(
    federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    federation.apply()
    federation.api.put(path("queues", federation.name, "stray"), {"durable": True})
    federation.api.put(
        path("permissions", federation.name, f"{federation.name}.a-1"),
        {"configure": "", "write": "", "read": ""},
    )
    federation.owners = ("north", "south", "a-10")
    federation.holders = 2
    capsys.readouterr()

    assert federation.apply() == 0

    orphans = summary(capsys)["orphans"]
    gone = {f"account {federation.name}.a-1", "queue a-1.control", "queue holder-3.bulk"}
    assert gone | {"queue stray", f"rights of {federation.name}.holder-3"} <= set(orphans)
    assert {"a-1.control", "stray", "holder-3.control"} <= queue_names(federation)

    assert federation.apply(prune=True) == 0

    assert queue_names(federation) == {q.name for q in federation.topology().queues()}
    users = {user["name"] for user in federation.api.users()}
    assert f"{federation.name}.a-1" not in users
    assert f"{federation.name}.a-10" in users
    assert federation.plan() == 0


def test_pruning_leaves_other_virtual_hosts_and_accounts_alone(
    federation: Federation, broker: PrivateNode, tmp_path: Path
) -> None:
    neighbour = Federation(broker, tmp_path / "neighbour", f"{federation.name}-2")
    neighbour.folder.mkdir()
    neighbour.apply()
    federation.apply()
    shared = f"{federation.name}.both"
    federation.api.put(path("users", shared), {"password": "x", "tags": ""})
    everything = {"configure": "", "write": "", "read": ".*"}
    federation.api.put(path("permissions", neighbour.name, shared), everything)

    # The account has the federation's prefix but is used elsewhere: that is not ours to end.
    assert federation.apply(prune=True) == 1

    assert shared in {user["name"] for user in federation.api.users()}
    federation.api.delete(path("permissions", neighbour.name, shared))
    assert federation.apply(prune=True) == 0
    assert shared not in {user["name"] for user in federation.api.users()}
    assert [d.name for d in neighbour.provisioning().differences()] == []
    neighbour.remove()


@pytest.mark.parametrize("queue", ["a-1.control", "holder-3.control", "holder-3.bulk"])
def test_a_queue_with_messages_is_pruned_by_force_only(
    federation: Federation, capsys: pytest.CaptureFixture[str], queue: str
) -> None:
    federation.apply()
    asyncio.run(publish(federation.address(), f"x.{queue}"))
    federation.owners = ("north", "south", "a-10")
    federation.holders = 2
    capsys.readouterr()

    assert federation.apply(prune=True) == 1

    (problem,) = summary(capsys)["problems"]
    assert queue in problem
    assert "holds 1 messages" in problem
    assert queue_names(federation) - {q.name for q in federation.topology().queues()} == {queue}

    assert federation.apply(prune=True, force=True) == 0
    assert queue not in queue_names(federation)


def test_nothing_is_pruned_in_the_default_virtual_host(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("infra.cli.broker_place.JobPlace.vhost", lambda _: "/")

    assert federation.apply(prune=True) == 2

    assert "may belong to others" in summary(capsys)["reason"]


# --- other arguments --------------------------------------------------------------------


def test_a_queue_with_other_arguments_is_named_with_both_values_and_made_anew_if_empty(
    federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    federation.api.put(path("vhosts", federation.name), {})
    asyncio.run(declare(federation.address(), federation.topology(Sizes(bulk=4096))))
    asyncio.run(publish(federation.address(), "x.holder-2.bulk"))

    assert federation.apply() == 1

    drifted = {f"queue {name}.bulk" for name in ("coordinator", "holder-1", "holder-2", "holder-3")}
    problems = summary(capsys)["problems"]
    assert {problem.partition(":")[0] for problem in problems} == drifted
    assert all(f"is 4096, should be {2**30}" in problem for problem in problems)

    assert federation.apply(prune=True) == 1
    (problem,) = summary(capsys)["problems"]
    assert "queue holder-2.bulk: it holds 1 messages" in problem
    # It stays in use: what is sent arrives.
    asyncio.run(publish(federation.address("north"), "north.holder-2.bulk"))

    asyncio.run(purge(federation.address(), federation.topology()))
    assert federation.apply(prune=True) == 0
    assert federation.plan() == 0


def test_declaring_over_amqp_names_each_queue_that_differs_and_makes_the_others(
    federation: Federation,
) -> None:
    federation.api.put(path("vhosts", federation.name), {})
    address = federation.address()
    small = federation.topology(Sizes(bulk=4096, coordinator_control=5000))
    asyncio.run(declare(address, small))
    federation.owners = (*federation.owners, "late")

    with pytest.raises(DeclareError) as raised:
        asyncio.run(declare(address, federation.topology(Sizes(bulk=8192))))

    assert len(raised.value.problems) == 5
    first = "queue coordinator.bulk: x-max-length-bytes is 4096 on the broker and should be 8192"
    assert any(problem.startswith(first) for problem in raised.value.problems)
    assert "late.control" in queue_names(federation)
    asyncio.run(declare(address, federation.topology(Sizes(bulk=4096, coordinator_control=5000))))
    asyncio.run(remove(address, federation.topology()))
    asyncio.run(remove(address, federation.topology()))
    assert queue_names(federation) == set()


def test_an_account_without_rights_is_told_that_it_can_not_declare(federation: Federation) -> None:
    federation.apply()

    with pytest.raises(DeclareError, match=rf"{federation.name}\.north lacks a right") as raised:
        asyncio.run(declare(federation.address("north"), federation.topology()))

    assert federation.address("north").password not in str(raised.value)


def test_a_missing_virtual_host_is_told_from_a_wrong_password(federation: Federation) -> None:
    with pytest.raises(DeclareError, match="refuses the virtual host"):
        asyncio.run(declare(federation.address(), federation.topology()))


# --- the definitions file ---------------------------------------------------------------


async def test_a_broker_that_starts_with_the_definitions_file_needs_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORATE_BROKER_ADMIN", "guest:guest")
    root, folder = broker_root(), tmp_path / "node"
    folder.mkdir()
    seen = Path("/mnt") if root else folder
    node = PrivateNode(
        folder,
        root=root,
        management=True,
        config={"load_definitions": str(seen / "definitions.json")},
    )
    federation = Federation(node, tmp_path, "booted")
    file = folder / "definitions.json"
    await asyncio.to_thread(write_definitions, federation, file)
    text = file.read_text()
    file.chmod(0o644)

    async with node:
        async with asyncio.timeout(60):
            # RabbitMQ 4 lets clients in before it has loaded everything.
            while differences := await asyncio.to_thread(federation.provisioning().differences):
                assert all(difference.state is State.MISSING for difference in differences)
        await publish(federation.address("north"), "north.holder-1.bulk")

    assert federation.address("north").password not in text


def write_definitions(federation: Federation, file: Path) -> None:
    """As `quorate broker plan --definitions` does, with an administrator for the test to log in."""
    from infra.cli.broker_commands import PlanOptions  # noqa: PLC0415
    from infra.cli.broker_plan import show_plan  # noqa: PLC0415
    from infra.rabbitmq.definitions import user  # noqa: PLC0415

    options = PlanOptions(
        federation.job, definitions=file, credentials=federation.credentials, json=True
    )
    assert show_plan(options) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    definitions = json.loads(file.read_text())
    definitions["users"].append({**user("guest", "guest"), "tags": ["administrator"]})
    definitions["vhosts"].append({"name": "/"})
    for vhost in ("/", federation.name):
        rights = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions["permissions"].append({"user": "guest", "vhost": vhost, **rights})
    file.write_text(json.dumps(definitions))


# --- the model stream -------------------------------------------------------------------


def test_a_stream_that_holds_a_model_is_not_made_anew_without_force(
    federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    federation.api.put(path("vhosts", federation.name), {})
    small = federation.topology(Sizes(model_bytes=2**20))
    asyncio.run(declare(federation.address(), small))
    asyncio.run(publish(federation.address(), "coordinator.model.stream"))

    assert federation.apply(prune=True) == 1

    (problem,) = summary(capsys)["problems"]
    assert f"queue {MODEL_STREAM}: a stream may hold a model" in problem
    assert federation.apply(prune=True, force=True) == 0
    assert federation.plan() == 0
