"""A history on real processes: its books, and how it ends; on a stage made of notes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes.actor_rig import in_virtual_time
from fakes.noted_stage import ROSTER, Scene

from infra.chaos.real.crew import Performance
from infra.chaos.real.director import Director
from infra.chaos.real.history import Books, History, acts_of
from infra.chaos.real.theatre import RealBroker
from infra.chaos.scenario import Script, load_scenario
from infra.chaos.sightings import Watch
from infra.chaos.survival.chronicle import Chronicle
from infra.simulation.faults import Fault, Kind
from protocols.reports import ActorRestarted, Event, RoundBegan, RoundComplete

SCENARIO = """
[scenario]
title = "A test"
shows = "What a test shows."

[cast]
trainers = 3
holders = 3
threshold = 2
minimum = 3

[run]
rounds = 2
limit_s = 200
"""


def began(number: int) -> RoundBegan:
    return RoundBegan(job="drill", number=number, dimension=4)


def complete(number: int) -> RoundComplete:
    return RoundComplete(
        job="drill", number=number, survivors=ROSTER.trainers, answered=(), seconds=1.0
    )


def rounds(*numbers: int) -> list[Event]:
    return [event for number in numbers for event in (began(number), complete(number))]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    path = tmp_path / "it.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    return RealBroker(tmp_path).fitted(load_scenario(path))


def played(scene: Scene, script: Script, events: Sequence[Event]) -> tuple[Books, History]:
    """Tell one event a second, five seconds after the start, until the history is over."""

    async def history() -> tuple[Books, History]:
        books = Books(Chronicle(script.people))
        told = History(script, scene.crew, books)
        performance = Performance(acts_of(scene.crew))
        watch = Watch(ROSTER, threshold=2)
        director = Director(script.people, (), watch, performance.strike)
        running = asyncio.create_task(told.rounds(director, performance))
        performance.strike(
            Fault(kind=Kind.PAUSE, at_s=0.0, target=ROSTER.holders[0], duration_s=9999.0)
        )
        await asyncio.sleep(5)
        for event in events:
            books.emit(event)
            await asyncio.sleep(1)
        await running
        return books, told

    return in_virtual_time(history())


def test_after_its_rounds_all_is_healed_and_three_more_sums_must_come(
    tmp_path: Path, script: Script
) -> None:
    scene = Scene(tmp_path)

    books, told = played(scene, script, rounds(1, 2, 3, 4, 5))

    assert told.wrong == []
    assert scene.did == ["pause holder-1", "resume holder-1"]
    assert books.chronicle.end_s == 3.0, "from the first round on, to the end of the second"
    assert len(books.chronicle.rounds()) == 2, "what comes later is no part of the story"


def test_a_federation_that_does_not_go_on_when_all_is_healed_is_a_failure(
    tmp_path: Path, script: Script
) -> None:
    _, told = played(Scene(tmp_path), script, rounds(1, 2, 3, 4))

    assert told.wrong == ["not 3 more sums, though all was healed"]


def test_a_run_ends_after_its_time_whatever_rounds_there_were(
    tmp_path: Path, script: Script
) -> None:
    books, told = played(Scene(tmp_path), script, [began(1)])

    assert books.chronicle.end_s == 50.0
    assert told.wrong


def test_the_dead_come_back_only_where_no_sum_can_do_without_them(
    tmp_path: Path, script: Script
) -> None:
    holder, trainer = Scene(tmp_path / "a"), Scene(tmp_path / "b")
    holder.crew.dead.add("holder-3")
    trainer.crew.dead.add("south")

    played(holder, script, rounds(1, 2, 3, 4, 5))
    played(trainer, script, rounds(1, 2, 3, 4, 5))

    assert not [what for what in holder.did if what.startswith("start")]
    assert [what for what in trainer.did if what.startswith("start")] == ["start south"]
    assert (holder.crew.dead, trainer.crew.dead) == ({"holder-3"}, set())


def test_a_process_that_ended_by_itself_is_wrong_unless_its_disk_was_hurt(
    tmp_path: Path, script: Script
) -> None:
    books, _ = played(
        Scene(tmp_path),
        script,
        [
            *rounds(1, 2, 3, 4, 5),
            ActorRestarted(actor="holder-1", reason="its journal"),
            ActorRestarted(actor="north", reason="no reason"),
        ],
    )

    assert books.wrong({"holder-1"}) == ("ended by itself: north: no reason",)
