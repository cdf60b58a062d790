"""A story tells what struck and the rounds around it, and leaves out what nobody needs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from infra.simulation.checks import Checks
from infra.simulation.faults import Aim, Fault, Kind, Plan, Point, Rates, Size
from infra.simulation.ghost import Rule
from infra.simulation.job import roster_of
from infra.simulation.runner import run
from infra.simulation.story import printed, story
from infra.simulation.swarm import plan_of
from infra.simulation.witness import Moment, What, Witness
from infra.simulation.wording import meaning, planned, wording
from protocols.reports import Step

SIZE = Size(holders=3, trainers=3, threshold=2, minimum=3, training_s=0.5)
ROSTER = roster_of(SIZE)


def told(plan: Plan, seed: int = 1, host: str = "") -> list[str]:
    witness = Witness()
    run(plan, seed, witness=witness)
    witness.finish()
    return list(printed(story(witness.moments, roster_of(plan.size), host)))


@pytest.mark.parametrize("seed", [3, 10])
def test_a_witness_changes_nothing(seed: int) -> None:
    assert run(plan_of(seed), seed, witness=Witness()).digest == run(plan_of(seed), seed).digest


WATCHED = ("sending", "acked", "committed", "told", "logged", "drew")


def test_a_witness_keeps_nothing_from_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Counter[str] = Counter()
    for name in WATCHED:
        watched = getattr(Checks, name)

        def look(self: Checks, *args: object, _name: str = name, _on: Any = watched) -> Any:
            seen[_name] += 1
            return _on(self, *args)

        monkeypatch.setattr(Checks, name, look)

    run(plan_of(3), 3)
    alone = seen.copy()
    seen.clear()
    run(plan_of(3), 3, witness=Witness())

    assert set(alone) == set(WATCHED)
    assert seen == alone


def test_what_is_found_when_all_is_over_is_told() -> None:
    # Nobody is left who could do anything in the time that is needed.
    plan = Plan(size=SIZE, faulty_s=1.0, healed_s=0.5, healed_rounds=50)

    lines = told(plan, host="coordinator")

    assert f"X coordinator: {Rule.ALIVE.value}" in lines[-1]
    assert "rounds are missing after 0.5 s" in lines[-1]


def test_a_round_is_told_with_its_steps_in_order() -> None:
    crash = Fault(
        kind=Kind.CRASH_AT_COMMIT,
        at_s=0.0,
        target="h2",
        duration_s=0.1,
        aim=Aim(point=Point.AFTER_COMMIT, what="vote"),
    )

    lines = told(Plan(size=SIZE, faults=(crash,), faulty_s=3.0))

    steps = (
        "r1 opening     = coordinator: round 1 began",
        "r1 collecting    coordinator > t01 t02 t03: announces round 1",
        "r1 collecting    t01 t02 t03 > coordinator: takes part",
        "r1 voting        coordinator > h1 h2 h3: proposes t01 t02 t03",
        "r1 voting        h2: writes proposed, vote",
        "r1 voting      ! h2: crash at commit for 0.1 s, having just written vote",
        "r1 voting      * h2: crashes",
        "* h2: starts life 2",
    )
    places = [next(n for n, line in enumerate(lines) if step in line) for step in steps]
    assert places == sorted(places)
    assert any("= coordinator: round 1 complete (the sum of t01 t02 t03" in line for line in lines)


def test_what_the_coordinator_says_once_more_is_no_step_back() -> None:
    witness = Witness()
    run(Plan(size=SIZE, rates=Rates(lost=0.3), faulty_s=8.0), 1, witness=witness)

    for number in range(1, witness.moments[-1].number + 1):
        steps = [m.step for m in witness.moments if m.number == number and m.step != "over"]
        order = [step.value for step in Step]
        assert steps == sorted(steps, key=order.index)


def test_rounds_in_which_nothing_struck_are_one_line() -> None:
    late = Fault(kind=Kind.CRASH, at_s=20.0, target="t01", duration_s=0.5)

    first, *others = told(Plan(size=SIZE, faults=(late,), faulty_s=22.0))

    assert "= coordinator: rounds 1 to " in first
    assert " without faults: " in first
    assert first.endswith(" complete, 0 abandoned")
    assert not any(" r1 " in line for line in others)


def test_a_fault_of_all_is_nobodys() -> None:
    restart = Fault(kind=Kind.BROKER_RESTART, at_s=1.0, duration_s=0.5)

    lines = told(Plan(size=SIZE, faults=(restart,), faulty_s=3.0))

    assert any("! broker or all: broker restart for 0.5 s" in line for line in lines)


def moment(at_s: float, what: What, who: str, text: str, to: str = "") -> Moment:
    return Moment(at_s=at_s, what=what, who=who, text=text, to=to, number=1, step="voting")


def test_what_many_say_alike_is_one_line_and_what_the_guilty_says_is_its_own() -> None:
    said = [moment(1.0, What.SAID, name, "votes for set 1", "coordinator") for name in ("h3", "h1")]
    guilty = moment(1.5, What.SAID, "h2", "votes for set 1", "coordinator")
    broken = moment(2.0, What.BROKEN, "h2", Rule.DURABLE.value)
    after = moment(2.5, What.SAID, "h1", "answers for set 1", "coordinator")

    lines = list(printed(story([*said, said[0], guilty, broken, after], ROSTER, "h2")))

    assert lines == [
        "    1.000  r1 voting        h1 h3 > coordinator: votes for set 1 x3",
        "    1.500  r1 voting        h2 > coordinator: votes for set 1",
        "    2.000  r1 voting      X h2: durable before announced",
    ]


def test_what_is_noticed_late_is_told_where_it_was() -> None:
    early = moment(1.0, What.SAID, "h1", "votes for set 1", "coordinator")
    between = moment(3.0, What.SAID, "h1", "answers for set 1", "coordinator")
    broken = moment(2.0, What.BROKEN, "h1", Rule.ALIVE.value)

    lines = story([early, between, broken], ROSTER, "h1")

    assert [line.at_s for line in lines] == [1.0, 2.0]


def test_every_rule_and_every_fault_has_words() -> None:
    assert all(meaning(rule).endswith(".") for rule in Rule)
    for kind in Kind:
        assert planned(Fault(kind=kind, at_s=1.0, amount=2.0)).startswith(kind.value)


def test_words_of_a_failure_are_the_same_in_other_histories() -> None:
    assert wording("accuses t05: round 12") == wording("accuses t11: round 3")
    assert wording("streams are left: 0f3a99bc77/answer/h1") == (
        wording("streams are left: 99aa00112233/answer/h2")
    )
    assert wording("has voted") == "has voted"
