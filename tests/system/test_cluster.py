"""A federation on a cluster of three nodes goes on without any one of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from brokers import broker_root
from system.commands import quorate

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_rounds_go_on_while_a_node_of_the_cluster_is_away(tmp_path: Path) -> None:
    root = broker_root()
    where = () if root is None else ("--broker-root", root)

    ended = quorate("chaos", "--real", "--cluster", "--json", "--home", tmp_path / "home", *where)

    assert ended.code == 0, ended.out + ended.err
    acts = [line for line in ended.lines if line["kind"] == "act"]
    assert acts == [{"kind": "act", **act} for act in ended.summary["acts"]]
    upload, restart, leader = acts
    assert upload["what"] == "killed in mid-upload"
    assert restart["what"] == "restarted in good order"
    assert leader["what"] == "leader of coordinator.control killed"
    for act in acts:
        assert act["confirm_s"] >= 0
        assert 0 < act["round_s"] <= act["whole_s"]
    # Not because the node came back.
    assert upload["outlived"]
    assert leader["outlived"]
    assert ended.summary["problems"] == []
