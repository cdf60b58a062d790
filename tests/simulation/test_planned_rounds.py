"""Faults that are planned for a round, or for a step of somebody else; and who looks on."""

from __future__ import annotations

from infra.simulation.faults import ANYBODY, Aim, Fault, Kind, Plan, Point, Size
from infra.simulation.runner import run
from protocols.reports import Event, RoundBegan, RoundComplete

SMALL = Size(holders=4, trainers=5, threshold=3, minimum=3, training_s=0.5)


class Notes:
    """Takes note of rounds and strikes."""

    def __init__(self) -> None:
        self.began: dict[int, float] = {}
        self.complete: dict[int, float] = {}
        self.strikes: list[tuple[float, Fault]] = []
        self.over_s: list[float] = []

    def told(self, now_s: float, _host: str, event: Event) -> None:
        if isinstance(event, RoundBegan):
            self.began.setdefault(event.number, now_s)
        if isinstance(event, RoundComplete):
            self.complete.setdefault(event.number, now_s)

    def struck(self, now_s: float, fault: Fault) -> None:
        self.strikes.append((now_s, fault))

    def over(self, now_s: float) -> None:
        self.over_s.append(now_s)


def noted(*faults: Fault, rounds: int = 6) -> Notes:
    notes = Notes()
    plan = Plan(size=SMALL, faults=faults, faulty_s=200.0, healed_s=60.0, rounds=rounds)
    history = run(plan, 1, onlooker=notes)
    assert [str(violation) for violation in history.violations] == []
    return notes


def test_a_fault_of_a_round_strikes_in_that_round_so_long_after_it_began() -> None:
    notes = noted(Fault(kind=Kind.CRASH, at_s=0.25, target="h1", duration_s=1.0, round=4))

    ((at_s, _),) = notes.strikes
    assert at_s == notes.began[4] + 0.25
    assert at_s < notes.complete[4]


def test_a_fault_aimed_at_a_step_of_a_round_waits_for_it_in_that_round() -> None:
    aim = Aim(point=Point.BEFORE_SEND, what="Vote")
    notes = noted(Fault(kind=Kind.CRASH, at_s=0.0, target="h1", duration_s=1.0, aim=aim, round=3))

    ((at_s, _),) = notes.strikes
    assert notes.began[3] + 0.1 < at_s <= notes.complete[3]


def test_an_aim_that_was_not_met_in_its_round_is_given_up() -> None:
    never = Aim(point=Point.BEFORE_SEND, what="Vote", nth=2)
    once = Aim(point=Point.BEFORE_SEND, what="Vote", nth=1)

    late = noted(Fault(kind=Kind.CRASH, at_s=0.0, target="h1", aim=never, round=3))
    met = noted(Fault(kind=Kind.CRASH, at_s=0.0, target="h1", aim=once, round=3))

    assert (len(late.strikes), len(met.strikes)) == (0, 1)


def test_a_fault_of_the_broker_may_wait_for_what_anybody_says() -> None:
    aim = Aim(point=Point.BEFORE_SEND, what="Vote", by=ANYBODY)
    notes = noted(Fault(kind=Kind.BROKER_RESTART, at_s=0.0, duration_s=1.0, aim=aim, round=2))

    ((at_s, _),) = notes.strikes
    assert notes.began[2] < at_s < notes.complete[2]


def test_one_host_may_be_hurt_by_what_another_one_writes() -> None:
    aim = Aim(point=Point.AFTER_COMMIT, what="run", by="coordinator")
    notes = noted(Fault(kind=Kind.CRASH, at_s=0.0, target="t01", duration_s=1.0, aim=aim, round=2))

    ((at_s, fault),) = notes.strikes
    assert fault.target == "t01"
    # The state of a round is durable with the number of the next one.
    assert at_s <= notes.began[3]
    assert at_s > notes.began[2] + 0.1


def test_the_time_of_faults_ends_after_so_many_rounds() -> None:
    notes = noted(Fault(kind=Kind.CRASH, at_s=150.0, target="h1"), rounds=5)

    (over_s,) = notes.over_s
    assert notes.complete[5] <= over_s <= notes.complete[6]
    assert notes.strikes == []


def test_who_was_away_for_a_hundred_rounds_is_not_accused_of_answering_late() -> None:
    away = Fault(kind=Kind.PARTITION, at_s=3.0, target="h1", duration_s=10_000.0)
    notes = noted(away, rounds=100)

    assert len(notes.complete) >= 100
