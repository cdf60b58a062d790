"""A trainer that garbles every sum, or some: rounds go on without its group."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from fakes.simulated_scene import round_record

from infra.simulation.faults import Fault, Kind, Plan, Size
from infra.simulation.ghost import Ghost, Rule
from infra.simulation.job import roster_of
from infra.simulation.loop import SimLoop
from infra.simulation.runner import History, run
from infra.simulation.search_checks import SearchChecks
from protocols.messages import Contribution
from protocols.records import RoundRecord
from protocols.reports import Event, RoundAbandoned, RoundComplete, TrainersSuspected
from protocols.secagg.suspects import Invited, Search

SIZE = Size(holders=3, trainers=9, threshold=2, minimum=3, training_s=1.0, masked=True)
LONG_S = 40.0

pytestmark = pytest.mark.attack


class Notes:
    """What the coordinator told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def told(self, _now_s: float, _host: str, event: Event) -> None:
        self.events.append(event)

    def struck(self, _now_s: float, _fault: Fault) -> None:
        """It is seen in the history."""

    def over(self, _now_s: float) -> None:
        """It is seen in the history."""

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def garbles(name: str = "t02", at_s: float = 0.0, amount: float = 1.0) -> Fault:
    return Fault(kind=Kind.FALSE_MASK, target=name, at_s=at_s, duration_s=2 * LONG_S, amount=amount)


def played(*faults: Fault, size: Size = SIZE, seed: int = 1) -> tuple[History, Notes]:
    notes = Notes()
    plan = Plan(size=size, faults=faults, faulty_s=LONG_S, healed_s=30.0)
    return run(plan, seed, onlooker=notes), notes


def test_rounds_complete_while_one_trainer_garbles_every_sum_that_it_is_in() -> None:
    calm, _ = played()
    history, notes = played(garbles())

    assert history.violations == ()
    assert history.completed >= 0.7 * calm.completed
    # Two at first, one with a half of its group, one each time that the last group is asked.
    assert 1 <= history.abandoned <= 5
    first = notes.of(TrainersSuspected)[0]
    assert first.groups == (tuple(sorted(n for group in first.groups for n in group)),)
    assert any("t02" in event.left_out for event in notes.of(TrainersSuspected))


def test_a_round_of_a_garbler_that_is_out_has_everybody_else_but_its_group() -> None:
    _, notes = played(garbles())

    out: tuple[str, ...] = ()
    for event in notes.events:
        if isinstance(event, TrainersSuspected):
            out = event.left_out
        if isinstance(event, RoundComplete) and "t02" in out:
            assert len(event.survivors) >= SIZE.trainers - (2 * SIZE.minimum - 1)


@pytest.mark.parametrize("seed", [1, 2])
def test_who_garbles_now_and_then_stops_no_job_while_the_coordinator_crashes(seed: int) -> None:
    crashes = [
        Fault(kind=Kind.CRASH, target="coordinator", at_s=at_s, duration_s=0.5)
        for at_s in (4.0, 7.5, 11.0, 19.0)
    ]
    lost = Fault(kind=Kind.CRASH, target="t05", at_s=9.0, duration_s=12.0)

    history, _ = played(garbles(amount=0.5), *crashes, lost, seed=seed)

    assert history.violations == ()
    assert history.completed >= 8


def test_two_garblers_and_buffered_rounds_are_no_other() -> None:
    buffered = replace(SIZE, trainers=12, buffered=8)

    history, notes = played(garbles("t02"), garbles("t09", at_s=15.0), size=buffered)

    assert history.violations == ()
    assert history.completed >= 8
    assert notes.of(TrainersSuspected)


def test_a_coordinator_that_sums_whoever_is_there_in_a_search_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # All, and the first half, were garbled; one of the other half is lost as it is asked.
    roster = roster_of(SIZE)
    search, everybody = Search(roster, SIZE.minimum), roster.trainers
    garbled = search.garbled(None, everybody, 0)
    first = sorted(search.invited(garbled, 0).names)
    other = sorted(set(everybody) - set(first))
    lost = Fault(kind=Kind.CRASH, target=other[0], at_s=0.0, round=3, duration_s=20.0)

    history, notes = played(garbles(first[0]), lost)

    assert history.violations == ()
    assert [event.number for event in notes.of(RoundAbandoned)][:2] == [1, 2]

    monkeypatch.setattr(Invited, "settled", lambda self, names: names & self.names)
    history, _ = played(garbles(first[0]), lost)

    assert Rule.APART in {violation.rule for violation in history.violations}


def summed(letters: str) -> RoundRecord:
    """Return the record of a round over t01 as a, t02 as b and so on; all are over one state."""
    names = [f"t{ord(letter) - ord('a') + 1:02}" for letter in letters]
    chosen = tuple(Contribution(trainer=name, digest=bytes(32)) for name in names)
    return msgspec.structs.replace(round_record(), chosen=chosen)


@pytest.mark.parametrize(
    ("garbled", "last", "rules"),
    [
        (("abcdef", "ghijkl"), "abcjkl", set()),
        (("abcdef", "abcghi"), "abghij", {Rule.APART}),
        (("abcdef", "abcdef"), "abghij", set()),  # the same set again tells nothing new
    ],
)
def test_what_three_sums_tell_together_is_looked_at(
    garbled: tuple[str, ...], last: str, rules: set[Rule]
) -> None:
    ghost = Ghost(roster_of(replace(SIZE, trainers=12)), {}, SimLoop())
    checks = SearchChecks(ghost)

    for letters in garbled:
        checks.on_abandoned("it opens to noise that nobody has", summed(letters))
    checks.on_complete(summed(last))

    assert {violation.rule for violation in ghost.violations} == rules
