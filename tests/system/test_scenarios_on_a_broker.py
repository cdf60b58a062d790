"""`quorate chaos SCENARIO --real`: a scenario file on real processes and a private RabbitMQ."""

from __future__ import annotations

from pathlib import Path

import pytest
from brokers import broker_root
from system.commands import quorate

pytestmark = [pytest.mark.broker, pytest.mark.slow]

SCENARIO = """
[scenario]
title = "A vote and a partition"
shows = "A holder dies in the vote, then a trainer is cut off."

[cast]
trainers = 4
holders = 3
threshold = 2
minimum = 3
training_s = 1

[run]
rounds = 6
limit_s = 400

[[fault]]
do = "kill"
who = "holder-2"
round = 2
step = "vote"
for_s = 8

[[fault]]
do = "partition"
who = "trainer-1"
round = 4
for_s = 24

[expect]
completed_at_least = 6
abandoned_at_most = 0
survivors_at_least = 3
recovered_within_s = 60
"""


def test_a_scenario_is_played_by_real_processes_and_reported(tmp_path: Path) -> None:
    scenario, page = tmp_path / "it.toml", tmp_path / "report.html"
    scenario.write_text(SCENARIO, encoding="utf-8")
    root = broker_root()
    where = () if root is None else ("--broker-root", root)

    ended = quorate(
        "chaos", scenario, "--real", "--json", "--html", page, "--home", tmp_path / "home", *where
    )

    assert ended.code == 0, ended.out + ended.err
    history, summary = ended.lines
    assert (history["kind"], summary["kind"]) == ("history", "summary")
    kill, partition = history["strikes"]
    assert (kill["action"], kill["target"], kill["step"]) == ("kill", "holder-2", "vote")
    assert (partition["action"], partition["target"]) == ("partition", "trainer-1")
    assert (kill["round"], kill["fate"]) == (2, "complete")
    assert partition["round"] == 4
    left_out = [
        absence["name"]
        for each in history["rounds"]
        if each["number"] in (4, 5)
        for absence in each["left_out"]
    ]
    assert "trainer-1" in left_out, "who is cut off for longer than the patience is in no sum"
    assert history["violations"] == []
    assert summary["outcome"] == "as expected"
    assert summary["venue"]["text"].startswith("by real processes on RabbitMQ ")
    assert summary["digest"] == ""
    assert "by real processes on RabbitMQ" in page.read_text(encoding="utf-8")
    assert (tmp_path / "home" / "it.toml-0" / "homes" / "holder-2" / "actor.log").exists()
