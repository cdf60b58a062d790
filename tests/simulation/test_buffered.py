"""Buffered rounds under crashes at each step, and how much sooner slow owners are done."""

from __future__ import annotations

import pytest
from fakes.buffered_benchmark import buffered_benchmark

from infra.simulation import result_checks
from infra.simulation.faults import Aim, Fault, Kind, Plan, Point, Size
from infra.simulation.ghost import Rule
from infra.simulation.runner import History, run
from protocols.records import Contributed

SIZE = Size(holders=3, trainers=6, threshold=2, minimum=3, training_s=2.0, buffered=3)
ROUND = 5  # in which somebody contributes what is old
STEPS = [
    (Point.BEFORE_COMMIT, "job"),
    (Point.AFTER_COMMIT, "job"),
    (Point.BEFORE_SEND, "ShareChunk"),
    (Point.AFTER_SEND, "ShareChunk"),
    (Point.RECEIVED, "Announce"),
    (Point.RECEIVED, "CloseRound"),
]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Contributed]]:
    """Return what trainers will have contributed, each time that they record it."""
    found: list[tuple[str, Contributed]] = []
    honest = result_checks.ResultChecks.recorded

    def recorded(self: result_checks.ResultChecks, host: str, record: Contributed) -> None:
        found.append((host, record))
        honest(self, host, record)

    monkeypatch.setattr(result_checks.ResultChecks, "recorded", recorded)
    return found


def slow(target: str, times: float) -> Fault:
    return Fault(kind=Kind.SLOW, at_s=0.0, target=target, duration_s=1000.0, amount=times)


def history(*faults: Fault, seed: int = 1, rounds: int = 12) -> History:
    plan = Plan(size=SIZE, faults=faults, faulty_s=200.0, healed_s=200.0, rounds=rounds)
    found = run(plan, seed)
    assert [str(violation) for violation in found.violations] == []
    return found


def test_results_of_several_ages_are_in_exact_sums(given: list[tuple[str, Contributed]]) -> None:
    found = history(slow("t01", 4.0), slow("t02", 8.0))

    assert found.completed >= 12
    assert {record.staleness for _, record in given} >= {0, 1}


@pytest.mark.parametrize("victim", ["t01", "t02"])
@pytest.mark.parametrize(("point", "what"), STEPS)
def test_a_trainer_that_is_killed_at_any_step_counts_once_and_is_back(
    point: Point, what: str, victim: str
) -> None:
    crashes = (
        Fault(
            kind=Kind.CRASH,
            at_s=0.0,
            target=victim,
            duration_s=1.0,
            aim=Aim(point=point, what=what, nth=nth),
        )
        for nth in (1, 3)
    )

    found = history(slow("t01", 3.0), *crashes, rounds=8)

    assert found.fired["crash"] >= 1


def test_what_is_old_is_given_again_after_an_abandoned_round_and_a_crash(
    given: list[tuple[str, Contributed]],
) -> None:
    # No vote of this round ever leaves; then all trainers are killed, and have lost their memory.
    aim = Aim(point=Point.BEFORE_SEND, what="Vote")
    silent = [
        Fault(kind=Kind.CRASH, at_s=0.0, target=h, duration_s=40.0, aim=aim, round=ROUND)
        for h in ("h1", "h2", "h3")
    ]
    killed = [
        Fault(kind=Kind.CRASH, at_s=8.0, target=f"t0{place}", duration_s=2.0, round=ROUND)
        for place in range(1, SIZE.trainers + 1)
    ]

    found = history(slow("t01", 3.0), slow("t02", 3.0), *silent, *killed)

    assert found.abandoned >= 1
    rounds: dict[tuple[str, bytes], set[int]] = {}
    for host, record in given:
        if record.staleness:
            rounds.setdefault((host, record.config.state), set()).add(record.config.number)
    assert any(len(numbers) > 1 for numbers in rounds.values())


def test_a_result_that_counts_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from protocols.secagg.carrying import Carrying  # noqa: PLC0415  # beside what is broken

    monkeypatch.setattr(Carrying, "_is_used", lambda _self, _made: False)
    monkeypatch.setattr(Carrying, "begin", _keeps_the_old_result)

    plan = Plan(size=SIZE, faulty_s=100.0, rounds=12)
    rules = {violation.rule for violation in run(plan, 1).violations}

    assert Rule.ONE_RESULT in rules


def _keeps_the_old_result(self: object, config: object) -> None:
    self._under_way, self._fetched = config, False  # type: ignore[attr-defined]


def test_ages_are_checked_against_what_was_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.trainer.aged", lambda config, vector, _: vector)

    plan = Plan(size=SIZE, faults=(slow("t01", 4.0),), faulty_s=100.0, rounds=12)
    rules = {violation.rule for violation in run(plan, 1).violations}

    assert Rule.EXACT in rules


# --- how long it takes ----------------------------------------------------------------


def test_with_owners_of_speeds_from_one_to_ten_a_buffer_is_at_least_twice_as_fast() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    race = buffered_benchmark().Race("fedavg", goal=0.95, learning_rate=0.4, local_epochs=5)

    waiting, buffered = race.run(0), race.run(4)

    assert min(waiting.accuracy, buffered.accuracy) >= 0.95
    assert waiting.seconds >= 2 * buffered.seconds
