"""Whole rounds of pure machines: any order, duplicates, crashes, drop-outs."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.round_rig import Rig, Shape
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.messages import Announce, AnswerChunk, ShareChunk
from protocols.reports import HolderLeft, JobEnded, RoundAbandoned, RoundComplete, TrainerLeft
from protocols.secagg.contributing import Contributing
from protocols.secagg.coordinating import _beat_ms


def completed(rig: Rig) -> list[RoundComplete]:
    return [event for event in rig.events if isinstance(event, RoundComplete)]


def abandoned(rig: Rig) -> list[str]:
    return [event.reason for event in rig.events if isinstance(event, RoundAbandoned)]


def test_all_contribute_and_the_sum_over_all_is_opened() -> None:
    rig = Rig(Shape(rounds=3))
    rig.start()

    rig.run()

    rig.check()
    assert sorted(rig.opened) == [1, 2, 3]
    assert all(len(names) == 5 for names, _ in rig.opened.values())
    assert rig.coordinator.ended == JobEnded(
        job="sum", outcome="max rounds", reason="", completed=3
    )
    assert not rig.violations


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_round_opens_exactly_the_sum_of_its_survivors_or_nothing(data: st.DataObject) -> None:
    holders = data.draw(st.integers(2, 7), "holders")
    vote = data.draw(st.booleans(), "vote")
    least = 2 if vote else holders // 2 + 1
    trainers = data.draw(st.integers(3, 8), "trainers")
    shape = Shape(
        holders=holders,
        threshold=data.draw(st.integers(max(2, least), holders), "threshold"),
        trainers=trainers,
        minimum=data.draw(st.integers(3, trainers), "minimum"),
        dimension=data.draw(st.sampled_from([1, 3, 300, 700]), "dimension"),
        vote=vote,
        field=data.draw(st.sampled_from(["p31", "p61"]), "field"),
        limit=data.draw(st.sampled_from([0, 1, 2**27]), "limit"),
        credit_chunks=data.draw(st.sampled_from([1, 2, 8]), "credit"),
        pool_chunks=data.draw(st.sampled_from([1, 6, 256]), "pool"),
        rounds=2,
        abandoned_rounds=2,
    )
    rig = Rig(shape, seed=data.draw(st.integers(0, 2**32), "seed"))
    faults = data.draw(
        st.fixed_dictionaries(
            {k: st.sampled_from([0, 0.02, 0.2]) for k in ("double", "crash", "lose", "kill")}
        ),
        "faults",
    )
    rig.start()

    run_with_faults(rig, faults)

    rig.check()


def run_with_faults(rig: Rig, faults: dict[str, float]) -> None:
    """Any message may be doubled or lost, any actor may crash; some never come back.

    The number of crashes is bounded, as every restart of a trainer offers its shares again.
    """
    names = list(rig.nodes)
    crashes = 20
    for _ in range(20_000):
        if rig.coordinator.ended is not None:
            return
        places = rig.deliverable()
        if places:
            move_one(rig, rig.random.choice(places), faults)
        else:
            assert rig.let_time_pass(), "nothing in flight, no deadline, and no end"
        if crashes and rig.random.random() < faults["crash"] / 10:
            crashes -= 1
            name = rig.random.choice(names)
            if rig.nodes[name].alive:
                rig.crash(name)
        if rig.random.random() < faults["kill"] / 20:
            rig.kill(rig.random.choice(names[1:]))
    raise AssertionError("the job neither ended nor gave up")


def move_one(rig: Rig, place: int, faults: dict[str, float]) -> None:
    if rig.random.random() < faults["double"]:
        rig.flying.append(rig.flying[place])
    if rig.random.random() < faults["lose"]:
        del rig.flying[place]
    else:
        rig.deliver(place)


def test_the_dead_are_left_out_and_named_and_not_waited_for_twice() -> None:
    rig = Rig(Shape(rounds=3))
    rig.start()
    rig.kill("trainer-04")
    rig.kill("holder-2")

    rig.run()

    rig.check()
    assert all(
        event.survivors == ("trainer-01", "trainer-02", "trainer-03", "trainer-05")
        for event in completed(rig)
    )
    assert [e.trainer for e in rig.events if isinstance(e, TrainerLeft)] == ["trainer-04"]
    assert [e.holder for e in rig.events if isinstance(e, HolderLeft)] == ["holder-2"]
    first, second, third = (event.seconds for event in completed(rig))
    assert first >= 30
    assert second == third == 0


def test_fewer_survivors_than_the_minimum_are_never_opened() -> None:
    rig = Rig(Shape(trainers=5, minimum=4, abandoned_rounds=2))
    rig.start()
    rig.kill("trainer-01")
    rig.kill("trainer-05")

    rig.run()

    assert rig.opened == {}
    assert abandoned(rig) == ["3 survivors are below the minimum of 4"] * 2
    assert not [m for _, _, m in rig.sent if isinstance(m, AnswerChunk)]
    assert rig.coordinator.ended is not None
    assert rig.coordinator.ended.outcome == "failed"


def test_fewer_holders_than_needed_never_open_anything() -> None:
    rig = Rig(Shape(abandoned_rounds=1))
    rig.start()
    for name in ("holder-1", "holder-3", "holder-5"):
        rig.kill(name)

    rig.run()

    assert rig.opened == {}
    assert abandoned(rig) == ["2 of 5 holders opened the round, 3 are needed"]


def test_holders_lost_after_the_vote_leave_the_round_unopened() -> None:
    rig = Rig(Shape(abandoned_rounds=1))
    rig.start()
    while not rig.answered:
        rig.deliver(rig.random.choice(rig.deliverable()))
    (answering, _), *_ = rig.answered
    for name in rig.roster.holders:
        if name != answering:
            rig.kill(name)

    rig.run()

    assert rig.opened == {}
    assert abandoned(rig) == ["1 of 3 answers came in"]


def test_a_trainer_that_dies_in_the_middle_of_its_upload_is_left_out() -> None:
    rig = Rig(Shape(dimension=1000))
    rig.start()
    uploads = 0
    while uploads < 12:
        place = rig.random.choice(rig.deliverable())
        rig.deliver(place)
        uploads = sum(isinstance(m, ShareChunk) and s == "trainer-03" for s, _, m in rig.sent)
    rig.kill("trainer-03")
    kept = [i for i, (_, body) in enumerate(rig.flying) if b"trainer-03" not in body]
    rig.flying = [rig.flying[i] for i in kept]

    rig.run()

    rig.check()
    ((names, _total),) = rig.opened.values()
    assert names == ("trainer-01", "trainer-02", "trainer-04", "trainer-05")


def test_a_trainer_that_comes_back_sends_the_same_bytes_and_joins_the_next_round() -> None:
    rig = Rig(Shape(rounds=2))
    rig.start()
    while ("trainer-02", "x") not in {
        (s, "x") for s, _, m in rig.sent if isinstance(m, ShareChunk)
    }:
        rig.deliver(rig.random.choice(rig.deliverable()))
    rig.crash("trainer-02")

    rig.run()

    rig.check()
    sent: dict[tuple[bytes, str, int], set[bytes]] = {}
    for sender, to, message in rig.sent:
        if sender == "trainer-02" and isinstance(message, ShareChunk):
            key = (message.header.cid, to, message.index)
            sent.setdefault(key, set()).add(message.payload)
    assert all(len(payloads) == 1 for payloads in sent.values())
    assert len(rig.opened[2][0]) == 5


def test_a_restarted_coordinator_goes_on_with_the_same_round() -> None:
    for seed in range(40):
        rig = Rig(Shape(rounds=1), seed)
        rig.start()
        for _ in range(5 + 4 * seed):
            if places := rig.deliverable():
                rig.deliver(rig.random.choice(places))
        rig.crash("coordinator")

        rig.run()

        rig.check()
        assert list(rig.opened) == [1]
        assert {m.config.number for _, _, m in rig.sent if isinstance(m, Announce)} == {1}


def test_shares_are_gone_from_every_actor_once_the_round_is_closed() -> None:
    rig = Rig(Shape(rounds=2))
    rig.start()

    rig.run()

    for name, node in rig.nodes.items():
        assert node.spool == {}, name
        assert not [key for key in node.journal if key.startswith("round")], name


def test_a_returning_trainer_skips_the_rounds_it_missed() -> None:
    rig = Rig(Shape(rounds=4))
    rig.start()
    rig.kill("trainer-05")
    while len(rig.opened) < 3:
        places = rig.deliverable()
        if places:
            rig.deliver(rig.random.choice(places))
        else:
            rig.let_time_pass()

    rig.boot("trainer-05")
    rig.run()

    rig.check()
    computed = [cid for name, cid in rig.values if name == "trainer-05"]
    assert len(computed) <= 1


def test_a_trainer_that_learned_it_was_refused_everywhere_forgets_the_round() -> None:
    rig = Rig(Shape())
    rig.start()
    rig.run()

    for name in rig.roster.trainers:
        machine = rig.nodes[name].machine
        assert isinstance(machine, Contributing)
        assert machine.live_rounds() == ()


@pytest.mark.parametrize("field", ["p31", "p61"])
def test_extreme_values_survive_the_whole_round(field: str) -> None:
    half = (2**31 - 2) // 2 if field == "p31" else (2**61 - 2) // 2
    rig = Rig(Shape(field=field, limit=half // 5))
    rig.start()

    rig.run()

    rig.check()
    ((_, total),) = rig.opened.values()
    assert np.abs(total).max() > 0


def test_a_coordinator_that_died_before_it_told_the_end_of_the_last_round_tells_it_again() -> None:
    rig = Rig(Shape(rounds=1))
    rig.start()
    while rig.coordinator.ended is None:
        rig.deliver(rig.random.choice(rig.deliverable()))
    rig.flying.clear()
    assert any(node.spool for node in rig.nodes.values())

    rig.crash("coordinator")
    rig.run()

    assert list(rig.opened) == [1]
    assert all(node.spool == {} for node in rig.nodes.values())


def test_healthy_trainers_are_not_blamed_for_an_abandoned_round() -> None:
    rig = Rig(Shape(trainers=5, minimum=4, abandoned_rounds=1))
    rig.start()
    rig.kill("trainer-01")
    rig.kill("trainer-05")

    rig.run()

    left = [event.trainer for event in rig.events if isinstance(event, TrainerLeft)]
    assert left == ["trainer-01", "trainer-05"]


def test_missing_holders_are_named_when_a_round_can_not_open() -> None:
    rig = Rig(Shape(abandoned_rounds=1))
    rig.start()
    for name in ("holder-1", "holder-3", "holder-5"):
        rig.kill(name)

    rig.run()

    assert [e.holder for e in rig.events if isinstance(e, HolderLeft)] == [
        "holder-1",
        "holder-3",
        "holder-5",
    ]
    assert not [event for event in rig.events if isinstance(event, TrainerLeft)]


@pytest.mark.parametrize(
    ("patience_s", "beat_ms"), [(0.001, 10), (60.0, 15_000), (2.6e6, 3_600_000)]
)
def test_the_beat_follows_the_patience_within_its_bounds(patience_s: float, beat_ms: int) -> None:
    assert _beat_ms(patience_s) == beat_ms


def test_a_stop_that_comes_after_the_end_does_not_change_how_the_job_ended() -> None:
    rig = Rig(Shape(rounds=1))
    rig.start()
    rig.run()

    effects = rig.coordinator.stop()

    assert effects == []
    assert rig.coordinator.ended is not None
    assert rig.coordinator.ended.outcome == "max rounds"
