"""Digits at ten owners, of whom each round asks a batch: real actors, in virtual time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from fakes.buffered_benchmark import buffered_benchmark

from infra.simulation.pacing import PacedOwner, pace
from infra.simulation.runner import warm_up
from infra.worker_frames import Option, WorkSpec
from protocols.batches import split
from protocols.learning.algorithms import build
from protocols.learning.federated.attending import survivors_by_round
from protocols.learning.state import State

pytest.importorskip("torch")
pytest.importorskip("sklearn")

MOST, ENOUGH = 24, 0.95  # rounds; accuracy on rows that nobody trains on
OPTIONS: dict[str, Option] = {
    "max_rounds": MOST,
    "local_epochs": 5,
    "batch_size": 32,
    "learning_rate": 0.4,
}


@pytest.mark.parametrize("algorithm", ["fedavg", "scaffold"])
def test_a_model_is_learnt_from_batches_in_turn(algorithm: str, tmp_path: Path) -> None:
    from infra.torch_task import TorchTask  # noqa: PLC0415  # needs torch

    course = buffered_benchmark()
    specs = {
        name: WorkSpec(
            kind=algorithm,
            options=OPTIONS,
            owner=name,
            task=str(course.TASK),
            home=str(tmp_path / name),
        )
        for name in (*course.OWNERS, "held-out")
    }
    tasks = {name: TorchTask(spec) for name, spec in specs.items()}
    states: list[State] = []
    accuracy: list[float] = []

    def enough(_now_s: float, data: bytes) -> bool:
        states.append(State.from_bytes(data))
        accuracy.append(tasks["held-out"].evaluate(states[-1])["accuracy"])
        return accuracy[-1] >= ENOUGH or len(states) >= MOST

    owners = {name: PacedOwner(tasks[name].compute, 1.0) for name in course.OWNERS}
    plan = dataclasses.replace(course._plan(0), batches=3, drawn=1)
    assignment = course.Assignment(
        plan=plan,
        algorithm=build(algorithm, OPTIONS),
        initial=tasks[course.OWNERS[0]].initial(),
    )
    warm_up()
    pace(assignment, course.ROSTER, owners, enough, limit_s=3600.0)

    assert accuracy[-1] >= ENOUGH
    batches = split(course.ROSTER, 3)
    turns = [batches[number % 3] for number in range(1, len(states) + 1)]
    assert [set(names) for names in survivors_by_round(states[-1])] == turns
