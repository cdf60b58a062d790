"""The demonstration with a process for each actor, killed as processes are."""

from __future__ import annotations

import json
import subprocess

import pytest
from brokers import Vhost
from system.commands import QUORATE

# A hundred seconds' work of ten processes, which a busy machine stretches.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_the_demo_on_a_broker_loses_the_same_actors_and_learns_as_much(vhost: Vhost) -> None:
    done = subprocess.run(
        [QUORATE, "demo", "--broker", vhost.url, "--json"],
        capture_output=True,
        text=True,
        timeout=850,
        check=True,
    )

    summary = json.loads(done.stdout.splitlines()[-1])
    (trainer,), (holder,) = summary["dropped_trainers"], summary["lost_holders"]
    assert summary["rounds"] == 40
    # A kill that comes when all of the upload is out costs the next round only.
    assert (trainer["name"], trainer["left"] in (3, 4)) == ("site-3", True)
    assert trainer["returned"] >= 8  # a process takes a moment to start
    assert (holder["name"], holder["left"], holder["returned"]) == ("holder-4", 5, None)
    assert summary["accuracy"]["federated"] >= 0.96
    assert summary["cleartext_vectors_seen"] is None
    assert summary["restarts"] == {}
