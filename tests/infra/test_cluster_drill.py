"""How a drill of a cluster is judged, and what replication means for the topology."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fakes.round_parts import ROSTER

from infra.chaos.cluster_drill import Act, problems
from infra.config import load_job
from infra.homes.access import topology_of
from infra.rabbitmq.topology import Topology

KILLED = Act("killed in mid-upload", "rabbit1", 0.2, 3.0, 6.0, 9.0)
RESTARTED = Act("restarted in good order", "rabbit2", 0.2, 3.0, 6.0, 5.0)
LED = Act("leader of coordinator.control killed", "rabbit3", 0.2, 3.0, 6.0, 9.0)


def test_drill_without_a_fault_has_no_problem() -> None:
    assert problems((KILLED, RESTARTED, LED), replicated=True) == []


@pytest.mark.parametrize(
    ("acts", "replicated", "found"),
    [
        ((), True, "before any node was hurt"),
        ((KILLED, replace(RESTARTED, whole_s=None)), True, "good order: not everybody was back"),
        ((replace(KILLED, whole_s=9.5), RESTARTED, LED), True, "until rabbit1 was back"),
        ((KILLED, RESTARTED, replace(LED, whole_s=9.5)), True, "until rabbit3 was back"),
        ((replace(KILLED, confirm_s=None), RESTARTED, LED), False, "nothing was confirmed"),
    ],
)
def test_what_must_not_be_is_said(acts: tuple[Act, ...], replicated: bool, found: str) -> None:
    (text,) = problems(acts, replicated=replicated)

    assert found in text


def test_rounds_may_wait_for_a_node_where_queues_have_no_copies() -> None:
    waited = replace(KILLED, whole_s=9.5)

    assert problems((waited, RESTARTED, LED), replicated=False) == []


def test_replicated_queues_are_all_on_more_than_one_node_and_no_larger() -> None:
    one, three = Topology(ROSTER), Topology(ROSTER, replicated=True)

    assert {queue.kind for queue in three.queues()} == {"quorum", "stream"}
    assert "classic" in {queue.kind for queue in one.queues()}
    for alone, copied in zip(one.queues(), three.queues(), strict=True):
        assert (alone.name, alone.source) == (copied.name, copied.source)
        extra = {"x-queue-type", "x-queue-leader-locator", "x-delivery-limit"}
        extra |= {"x-dead-letter-exchange", "x-dead-letter-strategy"}
        assert alone.arguments.items() - copied.arguments.items() == set()
        assert copied.arguments.keys() - alone.arguments.keys() <= extra
    assert one.accounts() == three.accounts()


@pytest.mark.parametrize("replicated", [True, False])
def test_job_says_whether_its_queues_are_replicated(tmp_path: Path, replicated: bool) -> None:
    file = tmp_path / "job.toml"
    owners = "".join(f'[[owner]]\nname = "{name}"\n' for name in ("a", "b", "c"))
    file.write_text(
        '[job]\nname = "j"\nalgorithm = "probe"\nmax_rounds = 1\n[federation]\n'
        f'broker = "amqps://far/v"\nreplicated = {str(replicated).lower()}\n'
        f"holders = 3\nthreshold = 2\nminimum = 3\n{owners}"
    )

    assert topology_of(load_job(file)).replicated is replicated
