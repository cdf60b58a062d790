"""A drill: its cells, its ledger, what it sees, and how it judges; on a stage made of notes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from fakes.actor_rig import in_virtual_time
from fakes.round_parts import (
    COORDINATOR,
    HOLDERS,
    ROSTER,
    TRAINERS,
    answer_of,
    chunks_of,
    config_of,
    opened,
    opening,
    set_of,
)

from infra.chaos.cells import Cell, Fault, Moment, Party, all_cells, chosen_cells
from infra.chaos.drill import Drill, Patience, Result
from infra.chaos.ledger import Ending, Fate, Ledger
from infra.chaos.sightings import Sighting, Watch
from protocols import messages as m
from protocols.reports import JobEnded, RoundAbandoned, RoundBegan, RoundComplete, StateUpdated
from protocols.round_config import Roster

PATIENCE = Patience(pause_s=30, down_s=1, sign_s=10, ending_s=60, healing_s=60)


def began(number: int) -> RoundBegan:
    return RoundBegan(job="sum", number=number, dimension=200)


def complete(number: int, survivors: tuple[str, ...] = TRAINERS) -> RoundComplete:
    return RoundComplete(
        job="sum", number=number, survivors=survivors, answered=HOLDERS[:3], seconds=1.0
    )


def updated(number: int, completed: int) -> StateUpdated:
    return StateUpdated(job="sum", number=number, completed=completed, metrics={})


def abandoned(number: int) -> RoundAbandoned:
    return RoundAbandoned(job="sum", number=number, reason="too few")


# --- cells ----------------------------------------------------------------------------


def test_matrix_has_every_party_step_and_fault_once() -> None:
    cells = all_cells()

    assert len(set(cells)) == len(cells) == 4 * 8 * 3


def test_patterns_choose_cells() -> None:
    assert chosen_cells(()) == all_cells()
    assert [str(c) for c in chosen_cells(("holder/vote/*", "holder/vote/kill"))] == [
        "holder/vote/kill",
        "holder/vote/cut",
        "holder/vote/pause",
    ]


@pytest.mark.parametrize("pattern", ["", "holder", "holder/vote", "judge/vote/kill", "a/b/c/d"])
def test_pattern_that_matches_nothing_is_explained(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"matches no cell.*trainer, holder.*announce.*kill"):
        chosen_cells((pattern,))


# --- sightings ------------------------------------------------------------------------

CONFIG = config_of(number=4)
CID = CONFIG.cid()
OPENING = Sighting(COORDINATOR, "holder-1", opening(CONFIG))


def watch() -> Watch:
    seen = Watch(ROSTER, threshold=3)
    assert seen.number_of(OPENING) == 4
    return seen


def sign(party: Party, moment: Moment) -> Cell:
    return Cell(party, moment, Fault.KILL)


def test_messages_are_told_by_their_round() -> None:
    seen = watch()

    assert seen.number_of(Sighting("ann", COORDINATOR, m.Accepted(cid=CID))) == 4
    assert seen.number_of(Sighting("ann", COORDINATOR, m.Accepted(cid=bytes(32)))) is None
    assert seen.number_of(Sighting("ann", "holder-1", chunks_of(CONFIG, "ann", "holder-1")[0])) == 4


@pytest.mark.parametrize(
    ("moment", "sender", "recipient", "message"),
    [
        (Moment.ANNOUNCE, COORDINATOR, "ann", m.Announce(config=CONFIG, opened=opened(*HOLDERS))),
        (Moment.COMPUTE, "ann", COORDINATOR, m.Accepted(cid=CID)),
        (Moment.UPLOAD, "ann", "holder-2", chunks_of(CONFIG, "ann", "holder-2")[0]),
        (Moment.RECEIPT, "holder-2", "ann", m.Have(cid=CID, contributions=set_of(CONFIG, "ann"))),
    ],
)
def test_step_begins_at_the_one_who_takes_part_in_it(
    moment: Moment, sender: str, recipient: str, message: m.Wire
) -> None:
    seen, sighting = watch(), Sighting(sender, recipient, message)

    assert seen.shows(sign(Party.TRAINER, moment), "ann", sighting)
    assert not seen.shows(sign(Party.TRAINER, moment), "bob", sighting)
    assert seen.shows(sign(Party.BROKER, moment), None, sighting)
    for other in set(Moment) - {moment}:
        assert not seen.shows(sign(Party.TRAINER, other), "ann", sighting)


def test_step_without_a_part_for_the_victim_begins_with_anybody() -> None:
    vote = Sighting("holder-2", COORDINATOR, m.Vote(cid=CID, set_digest=bytes(32)))

    assert watch().shows(sign(Party.TRAINER, Moment.VOTE), "ann", vote)
    assert watch().shows(sign(Party.HOLDER, Moment.VOTE), "holder-2", vote)
    assert not watch().shows(sign(Party.HOLDER, Moment.VOTE), "holder-3", vote)


def test_checkpoint_begins_with_the_answer_that_makes_enough() -> None:
    seen, cell = watch(), sign(Party.COORDINATOR, Moment.CHECKPOINT)
    found = []
    for holder in HOLDERS[:3]:
        for chunk in answer_of(CONFIG, TRAINERS[:3], holder):
            sighting = Sighting(holder, COORDINATOR, chunk)
            seen.number_of(sighting)
            found.append((holder, seen.shows(cell, COORDINATOR, sighting)))

    assert {holder for holder, shown in found if shown} == {"holder-3"}


def test_second_version_of_a_round_is_counted() -> None:
    seen = watch()
    seen.number_of(OPENING)
    assert seen.rivals[4] == 1

    seen.number_of(Sighting(COORDINATOR, "holder-1", opening(config_of(number=4, state=b"x" * 32))))

    assert seen.rivals[4] == 2


# --- ledger ---------------------------------------------------------------------------


def test_ledger_fills_in_what_a_kill_swallowed() -> None:
    ledger = Ledger()
    for event in (complete(1), updated(1, 1), updated(4, 3), abandoned(5), updated(6, 4)):
        ledger.emit(event)

    assert not ledger.violations
    assert ledger.endings[2] == Ending(Fate.COMPLETE, told=False)
    assert ledger.endings[3] == Ending(Fate.ABANDONED, told=False)


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ((complete(1), abandoned(1)), "was complete, then abandoned"),
        ((complete(1), complete(1, TRAINERS[:3])), "opened over two sets"),
        ((began(2), began(1)), "began after round 2"),
        ((updated(1, 1), complete(2), complete(3), updated(4, 3)), "1 sums were taken in"),
        ((updated(1, 1), updated(2, 3)), "1 sums were taken in"),
        (
            (JobEnded(job="sum", outcome="failed", reason="the sum is wrong", completed=1),),
            "the sum is wrong",
        ),
    ],
)
def test_ledger_notices_what_must_not_be(events: tuple[object, ...], found: str) -> None:
    ledger = Ledger()
    for event in events:
        ledger.emit(event)

    assert [text for text in ledger.violations if found in text]


# --- drill ----------------------------------------------------------------------------


class NotedStage:
    """Notes what is done to it; `react` says what the federation makes of it."""

    def __init__(self, ledger: Ledger, react: Callable[[NotedStage], None]) -> None:
        self.roster: Roster = ROSTER
        self.ledger = ledger
        self.did: list[tuple[str, str | None]] = []
        self._react = react

    def _note(self, what: str, name: str | None) -> None:
        self.did.append((what, name))
        self._react(self)

    async def kill(self, name: str | None) -> None:
        self._note("kill", name)

    async def start(self, name: str | None) -> None:
        self._note("start", name)

    def pause(self, name: str | None) -> None:
        self._note("pause", name)

    def resume(self, name: str | None) -> None:
        self._note("resume", name)

    async def cut(self, name: str | None) -> None:
        self._note("cut", name)


def drill_of(cell: Cell, react: Callable[[NotedStage], None]) -> tuple[Result, NotedStage]:
    async def run() -> tuple[Result, NotedStage]:
        ledger = Ledger()
        stage = NotedStage(ledger, react)
        drill = Drill(stage, ledger, threshold=3, patience=PATIENCE)
        ledger.emit(complete(3))
        running = asyncio.create_task(drill.run((cell,), lambda result: None))
        await asyncio.sleep(1)
        drill.see(OPENING)
        drill.see(Sighting("ann", COORDINATOR, m.Accepted(cid=CID)))
        drill.see(Sighting("ann", COORDINATOR, m.Accepted(cid=CID)))
        (result,) = await running
        return result, stage

    return in_virtual_time(run())


def test_fault_strikes_once_at_its_step_and_the_round_is_judged() -> None:
    def react(stage: NotedStage) -> None:
        if stage.did[-1][0] == "start":
            stage.ledger.emit(complete(4, TRAINERS[1:]))
            stage.ledger.emit(complete(5))

    result, stage = drill_of(Cell(Party.TRAINER, Moment.COMPUTE, Fault.KILL), react)

    assert stage.did == [("kill", "ann"), ("start", "ann")]
    assert (result.outcome, result.number, result.survivors) == ("complete", 4, TRAINERS[1:])
    assert result.passed


@pytest.mark.parametrize("fault", Fault)
def test_round_without_an_end_is_stuck(fault: Fault) -> None:
    result, _ = drill_of(Cell(Party.BROKER, Moment.COMPUTE, fault), lambda stage: None)

    assert (result.outcome, result.passed) == ("stuck", False)


def test_step_that_is_never_seen_is_no_pass() -> None:
    result, stage = drill_of(Cell(Party.BROKER, Moment.VOTE, Fault.KILL), lambda stage: None)

    assert (result.outcome, result.passed, stage.did) == ("no sign", False, [])


def test_federation_that_does_not_heal_is_no_pass() -> None:
    def react(stage: NotedStage) -> None:
        stage.ledger.emit(complete(4, TRAINERS[1:]))

    result, _ = drill_of(Cell(Party.TRAINER, Moment.COMPUTE, Fault.CUT), react)

    assert (result.outcome, result.passed) == ("unhealed", False)


def test_violation_wins_over_a_good_end() -> None:
    def react(stage: NotedStage) -> None:
        stage.ledger.emit(complete(4))
        stage.ledger.emit(complete(4, TRAINERS[:3]))
        stage.ledger.emit(complete(5))

    result, _ = drill_of(Cell(Party.TRAINER, Moment.COMPUTE, Fault.CUT), react)

    assert (result.outcome, result.passed) == ("violation", False)
    assert "two sets" in result.note
