"""`quorate doctor` on what a broker grants and how it does: each planted fault is named."""

from __future__ import annotations

import asyncio

import pytest
from examining import ACTORS, found, inspection, node_says, only_problem, problems
from tls_broker import Federation

from infra.doctor.cluster import node_limits, replicated
from infra.doctor.finding import Level

# --- rights and queues ------------------------------------------------------------------


async def test_a_missing_queue_is_named(fed: Federation) -> None:
    await fed.broker.node.api("DELETE", f"/queues/{fed.name}/holder-2.bulk")

    finding = await only_problem(fed.home("holder-2"))

    assert (finding.check, finding.what) == ("broker.queues", "not there: holder-2.bulk")


async def test_a_missing_right_to_read_is_named(fed: Federation) -> None:
    await fed.rights("north", read=r"^north\.control$")

    finding = await only_problem(fed.home("north"))

    assert "may not read model.stream, model.index" in finding.what


async def test_a_missing_right_to_send_is_named(fed: Federation) -> None:
    await fed.rights("coordinator", write="^$")

    finding = await only_problem(fed.home("coordinator"))

    assert "may not send through quorate.messages" in finding.what


@pytest.mark.parametrize(
    ("rights", "what"),
    [
        ({"read": ".*"}, "may read"),
        ({"write": ".*"}, "straight to queues"),
        ({"configure": ".*"}, "may make queues"),
    ],
)
@pytest.mark.parametrize("actor", ACTORS)
async def test_too_many_rights_are_a_problem(
    fed: Federation, actor: str, rights: dict[str, str], what: str
) -> None:
    await fed.rights(actor, **rights)

    finding = await only_problem(fed.home(actor))

    assert finding.check == "broker.rights"
    assert what in finding.what


@pytest.mark.parametrize("actor", ACTORS)
async def test_sending_as_another_is_a_problem(fed: Federation, actor: str) -> None:
    user = fed.topology.user(actor)
    await fed.broker.node.api("DELETE", f"/topic-permissions/{fed.name}/{user}")

    whats = [finding.what for finding in await problems(fed.home(actor))]

    assert any("in the name of others" in what for what in whats)


# --- the cluster ------------------------------------------------------------------------


async def test_the_default_disk_limit_is_a_warning(fed: Federation) -> None:
    await node_says(fed.broker, "disk_free_limit")

    findings = await found(fed.home("north"), inspection(fed.broker))

    limits = [finding for finding in findings if finding.check == "broker.limits"]
    assert [finding.level for finding in limits] == [Level.WARNING]
    assert "disk_free_limit.absolute" in limits[0].fix


_ROOMY = {
    "name": "rabbit@one",
    "disk_free_limit": 2 * 2**30,
    "disk_free": 50 * 2**30,
    "mem_used": 200 * 2**20,
    "mem_limit": 2**30,
}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, None),
        ({"disk_free": 2 * 2**30 + 100 * 2**20}, "when 100 MiB more of its disk"),
        ({"disk_free": 2**30}, "when 0 MiB more of its disk"),
        ({"mem_used": 900 * 2**20}, "uses 900 of the 1024 MiB of memory"),
    ],
)
def test_a_node_that_is_near_an_alarm_is_a_warning(
    changed: dict[str, int], told: str | None
) -> None:
    findings = list(node_limits({**_ROOMY, **changed}))

    warnings = [finding.what for finding in findings if finding.level is Level.WARNING]
    assert len(findings) == 2
    assert len(warnings) == (told is not None)
    assert told is None or told in warnings[0]


async def test_an_alarm_is_a_problem_and_holds_nothing_up(
    fed: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.doctor.reach._STEP_S", 2.0)
    await node_says(fed.broker, "disk_free_limit")
    await fed.broker.node.fill("memory")
    try:
        await node_says(fed.broker, "mem_alarm", True)
        async with asyncio.timeout(30):
            findings = await problems(fed.home("north"), inspection(fed.broker))
    finally:
        await fed.broker.node.relieve("memory")
        await node_says(fed.broker, "mem_alarm", False)

    assert [finding.check for finding in findings] == ["broker.alarms", "broker.alarms"]
    assert "stopped answering" in findings[0].what
    assert "memory alarm" in findings[1].what


async def test_a_job_file_is_examined_without_an_account(fed: Federation) -> None:
    ca = fed.broker.tls / "ca.pem"

    findings = await found(fed.job.path, inspection(fed.broker), ca=ca)

    assert [finding for finding in findings if finding.level is Level.ERROR] == []
    assert {"broker.tls", "broker.plan"} <= {f.check for f in findings if f.level is Level.OK}


async def test_a_queue_of_the_wrong_kind_is_named(fed: Federation) -> None:
    place = f"/queues/{fed.name}/holder-2.control"
    await fed.broker.node.api("DELETE", place)
    await fed.broker.node.api("PUT", place, {"durable": True, "arguments": {}})

    whats = [f.what for f in await problems(fed.home("holder-2"), inspection(fed.broker))]

    assert len(whats) == 1
    assert "holder-2.control" in whats[0]
    assert "x-queue-type" in whats[0]


def test_too_few_members_in_a_cluster_of_three_are_a_problem() -> None:
    queue = {"name": "coordinator.control", "type": "quorum", "members": ["a"], "online": ["a"]}
    whole = queue | {"members": ["a", "b", "c"]}
    nodes = [{"name": name, "running": True} for name in "abc"]

    assert replicated([queue], nodes).level is Level.ERROR
    assert replicated([whole], nodes).level is Level.WARNING
    assert replicated([whole | {"online": ["a", "b", "c"]}], nodes).level is Level.OK
