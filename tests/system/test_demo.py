"""The demonstration, as machines see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from system.commands import Ended, quorate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo() -> Ended:
    return quorate("demo", "--json")


@pytest.fixture
def summary(demo: Ended) -> dict[str, Any]:
    return demo.summary


def test_demo_runs_all_its_rounds_and_ends_well(
    demo: Ended, summary: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    record_property("seconds", summary["seconds"])  # reported, never judged

    assert demo.code == 0
    assert summary["rounds"] == 40
    assert summary["abandoned_rounds"] == []
    assert demo.err == ""


def test_demo_reaches_more_together_than_any_owner_alone(summary: dict[str, Any]) -> None:
    accuracy = summary["accuracy"]

    assert accuracy["federated"] >= 0.96
    assert accuracy["federated"] > max(accuracy["alone"].values())
    assert accuracy["pooled"] >= 0.96
    assert set(accuracy["alone"]) == {f"site-{n}" for n in range(1, 6)}


def test_demo_names_the_killed_trainer_and_its_return(summary: dict[str, Any]) -> None:
    (gone,) = summary["dropped_trainers"]

    assert (gone["name"], gone["left"]) == ("site-3", 3)
    assert gone["returned"] in (8, 9)


def test_demo_names_the_lost_holder(summary: dict[str, Any]) -> None:
    (gone,) = summary["lost_holders"]

    assert (gone["name"], gone["left"], gone["returned"]) == ("holder-4", 5, None)


def test_nobody_saw_a_private_vector_in_the_demo(summary: dict[str, Any]) -> None:
    assert summary["cleartext_vectors_seen"] == 0
    assert summary["vectors_watched"] >= 4 * 40
    assert summary["cleartext_shares_seen"] == 0
    assert summary["shares_watched"] > summary["vectors_watched"]


def test_demo_counts_the_bytes_of_each_role(summary: dict[str, Any]) -> None:
    sent = summary["bytes_by_role"]

    assert set(sent) == {"coordinator", "holder", "trainer"}
    assert all(count > 0 for count in sent.values())


def test_demo_names_no_file_that_is_gone(summary: dict[str, Any]) -> None:
    assert summary["checkpoint"] is None
