"""Failures that were found, shrunk and mended: none of them comes back.

A file in `reproductions/` is what `quorate chaos --seeds` kept, under a name that says what went
wrong. It belongs to the same change that mends the bug.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.planted_bugs import (
    KEPT,
    everybody_is_named_as_voter,
    trainer_forgets_its_contribution,
    vote_leaves_before_it_is_written,
)

from infra.chaos.reproduction import BadReproduction, Failure, Reproduction
from infra.chaos.retelling import replayed, told
from infra.chaos.shrinker import Budget, shrink
from infra.simulation.faults import Kind, Plan
from infra.simulation.ghost import Rule, Violation
from infra.simulation.runner import run
from infra.simulation.swarm import plan_of

FOLDER = Path(__file__).parent / "reproductions"
FILES = sorted(FOLDER.glob("*.json"))
BUDGET = Budget(runs=60, cpu_s=60.0)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_rule_is_broken_any_more(path: Path) -> None:
    kept = Reproduction.read(path)

    history = run(kept.plan, kept.seed)

    assert [str(violation) for violation in history.violations] == []


@pytest.mark.parametrize("name", KEPT)
def test_the_bug_that_led_to_a_file_would_be_found_by_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    KEPT[name](monkeypatch)

    replay = replayed(Reproduction.read(FOLDER / f"{name}.json"))

    assert replay.outcome == "fails"


def test_a_coordinator_that_names_who_did_not_vote_is_noticed_where_another_voted_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everybody_is_named_as_voter(monkeypatch)
    kept = Reproduction.read(FOLDER / "vote-after-an-old-backup.json")

    violations = run(kept.plan, kept.seed).violations

    twice_s = float(kept.said.split()[0])
    assert Rule.CERTIFICATE in {one.rule for one in violations if abs(one.at_s - twice_s) < 0.5}


# --- from a failing seed to a story ---------------------------------------------------


def first_failure() -> tuple[int, Plan, Violation]:
    for seed in range(20):
        plan = plan_of(seed)
        violations = run(plan, seed).violations
        if violations:
            return seed, plan, violations[0]
    raise AssertionError("no seed failed")


def test_a_planted_bug_is_shrunk_to_the_one_fault_that_shows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer_forgets_its_contribution(monkeypatch)
    seed, plan, violation = first_failure()
    failure = Failure.of(violation, plan)

    shrunk = shrink(plan, seed, failure, BUDGET)

    assert shrunk is not None
    assert len(plan.faults) > 20
    assert len(shrunk.plan.faults) == 1
    assert (shrunk.plan.size.holders, shrunk.plan.size.trainers) == (3, 3)
    assert shrunk.violation.rule is Rule.ONE_CONTRIBUTION
    assert shrunk.runs <= BUDGET.runs
    assert not shrunk.spent

    kept = Reproduction(
        software="", seed=seed, failure=failure, said=str(shrunk.violation), plan=shrunk.plan
    )
    text = "\n".join(told(replayed(kept)))
    who = shrunk.violation.host
    assert f"! {who}: {shrunk.plan.faults[0].kind.value}" in text
    assert f"* {who}: starts life 2" in text
    assert f"X {who}: {Rule.ONE_CONTRIBUTION.value} (sent a second contribution)" in text
    assert f"BROKEN: {Rule.ONE_CONTRIBUTION.value}." in text


def test_a_bug_that_needs_no_fault_is_told_without_any(monkeypatch: pytest.MonkeyPatch) -> None:
    vote_leaves_before_it_is_written(monkeypatch)
    seed, plan, violation = first_failure()
    failure = Failure.of(violation, plan)
    assert failure == Failure(rule="durable", role="holder", wording="voted")

    shrunk = shrink(plan, seed, failure, BUDGET)

    assert shrunk is not None
    assert shrunk.plan.faults == ()
    kept = Reproduction(software="", seed=seed, failure=failure, said="", plan=shrunk.plan)
    replay = replayed(kept)
    assert not any("vote" in kind for kind in replay.disk)
    story = told(replay)
    (broken,) = [place for place, line in enumerate(story) if " X h" in line]
    assert "votes for set" in story[broken - 1]
    assert not any("writes vote" in line for line in story)


def test_another_failure_of_the_same_plan_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vote_leaves_before_it_is_written(monkeypatch)
    other = Failure(rule="durable", role="holder", wording="answered")

    assert shrink(plan_of(0), 0, other, BUDGET) is None


def test_a_spent_budget_leaves_a_plan_that_still_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer_forgets_its_contribution(monkeypatch)
    seed, plan, violation = first_failure()
    failure = Failure.of(violation, plan)

    for runs in (1, 4):
        shrunk = shrink(plan, seed, failure, Budget(runs=runs))

        assert shrunk is not None
        assert (shrunk.runs, shrunk.spent) == (runs, True)
        again = run(shrunk.plan, seed).violations
        assert failure in [Failure.of(one, shrunk.plan) for one in again]


def test_numbers_and_names_make_no_other_failure() -> None:
    plan = plan_of(0)

    def failure(host: str, text: str) -> Failure:
        return Failure.of(Violation(Rule.DURABLE, 1.0, host, text), plan)

    assert failure("h1", "has a contribution of t03") == failure("h2", "has a contribution of t11")
    assert failure("h1", "closed round 3") == failure("h1", "closed round 14")
    assert failure("h1", "voted") != failure("h1", "answered")
    assert failure("h1", "voted") != failure("t01", "voted")


# --- files ----------------------------------------------------------------------------

KEPT_ONE = Reproduction(
    software="quorate 1",
    note="why",
    seed=7,
    failure=Failure(rule="durable", role="holder", wording="voted"),
    said="it",
    plan=plan_of(7),
)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    KEPT_ONE.write(tmp_path / "new" / "it.json")

    assert Reproduction.read(tmp_path / "new" / "it.json") == KEPT_ONE


def edited(path: Path, place: str, value: Any) -> Path:
    KEPT_ONE.write(path)
    whole = json.loads(path.read_bytes())
    inner = whole
    *outer, last = place.split(".")
    for name in outer:
        inner = inner[name]
    inner[last] = value
    path.write_text(json.dumps(whole))
    return path


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("format", 2, "format 2"),
        ("seed", "seven", "seed"),
        ("failure.rule", "nicety", "nicety"),
        ("plan.size.holders", 0, "0 holders"),
        ("plan.size.trainers", 10**9, "trainers"),
        ("plan.size.threshold", 99, "threshold 99"),
        ("plan.size.minimum", 99, "minimum 99"),
        ("plan.size.drawn", 2, "2 of 0 batches"),
        ("plan.size.batches", 3, "0 of 3 batches"),
        ("plan.size.packing", 9, "packing 9 with threshold"),
        ("plan.core", ["h99"], "h99"),
        ("plan.faults", [{"kind": "crash", "at_s": 1.0, "target": "eve"}], "eve"),
        (
            "plan.faults",
            [{"kind": "crash", "at_s": 1.0, "aim": {"point": "before send", "by": "eve"}}],
            "eve",
        ),
        ("plan.faults", [{"kind": "rain", "at_s": 1.0}], "rain"),
        ("plan.faults", [{"kind": "crash", "at_s": -1.0}], "below 0"),
        ("plan.faulty_s", 1e9, "above 86400 s"),
    ],
)
def test_a_file_that_can_not_be_run_is_refused_with_its_reason(
    place: str, value: Any, says: str, tmp_path: Path
) -> None:
    path = edited(tmp_path / "it.json", place, value)

    with pytest.raises(BadReproduction, match=says) as caught:
        Reproduction.read(path)

    assert str(path) in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b" " * (2 << 20)])
def test_what_is_no_reproduction_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    path.write_bytes(data)

    with pytest.raises(BadReproduction):
        Reproduction.read(path)
    with pytest.raises(BadReproduction):
        Reproduction.read(tmp_path / "missing.json")


def test_every_planned_kind_of_fault_survives_a_file(tmp_path: Path) -> None:
    faults = tuple(
        replace(fault, kind=kind)
        for fault, kind in zip(plan_of(7).faults * len(Kind), Kind, strict=False)
    )
    kept = replace(KEPT_ONE, plan=replace(KEPT_ONE.plan, faults=faults))

    kept.write(tmp_path / "it.json")

    assert Reproduction.read(tmp_path / "it.json") == kept
    assert len(told(replayed(kept))) > len(Kind)
