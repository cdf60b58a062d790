"""`quorate chaos --real`: some cells of the matrix, a soak, and drills that must fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from brokers import broker_root
from system.commands import Ended, quorate

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def chaos(*words: object) -> Ended:
    root = broker_root()
    where = () if root is None else ("--broker-root", root)
    return quorate("chaos", "--real", "--json", *where, *words)


def cells(*patterns: str) -> list[str]:
    return [word for pattern in patterns for word in ("--cells", pattern)]


def test_cells_of_every_fault_are_survived(tmp_path: Path) -> None:
    wanted = (
        "trainer/upload/kill",
        "coordinator/release/kill",
        "holder/vote/cut",
        "holder/upload/pause",
    )

    ended = chaos(*cells(*wanted), "--pause", 3, "--home", tmp_path / "home")

    assert ended.code == 0, ended.out + ended.err
    told = [line for line in ended.lines if line["kind"] == "cell"]
    assert [line["cell"] for line in told] == list(wanted)
    assert all(line["outcome"] in ("complete", "abandoned") for line in told)
    assert all(0 < line["round_s"] <= line["recovery_s"] for line in told)
    summary = ended.summary
    assert (summary["outcome"], summary["cells"], summary["failed"]) == ("survived", 4, [])
    assert summary["rounds"]["complete"] >= 4
    assert (summary["messages_left"], summary["shares_left"]) == ({}, {})


def test_federation_that_is_not_back_in_time_fails_the_drill() -> None:
    """A trainer that was killed can't be back in no time: the drill can fail."""
    ended = chaos(*cells("trainer/upload/kill"), "--patience", 0)

    assert ended.code == 1, ended.out + ended.err
    (cell,) = [line for line in ended.lines if line["kind"] == "cell"]
    assert (cell["outcome"], cell["passed"]) == ("unhealed", False)
    assert (ended.summary["outcome"], ended.summary["failed"]) == ("failed", [cell["cell"]])


def test_soak_survives_and_says_what_it_saw(tmp_path: Path) -> None:
    ended = chaos("--minutes", 0.7, "--seed", 4, "--home", tmp_path / "home")

    summary = ended.summary
    # In so short a time the memory of processes proves nothing.
    assert [text for text in summary["problems"] if "MiB" not in text] == []
    assert ended.code == (1 if summary["problems"] else 0), ended.err
    assert sum(summary["strikes"].values()) >= summary["blows"] >= 1
    assert summary["rounds"]["complete"] >= 3
    assert 0 < summary["recovery_p50_s"] <= summary["recovery_p99_s"]
    before, after = summary["calm"]
    assert before["connections"] >= 20
    assert after["connections"] >= 20
    processes = {line["who"]: line for line in ended.lines if line["kind"] == "process"}
    everybody = {"coordinator", "holder-1", "holder-5", "north", "west", "broker"}
    assert everybody <= processes.keys()
    assert all(processes[name]["lives"] == 1 for name in summary["spared"])
    assert all(line["largest_mib"] > 20 for line in processes.values())
