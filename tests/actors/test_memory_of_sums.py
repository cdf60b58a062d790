"""What a coordinator has in memory when it opens a sum: its models, and chunks."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any
from weakref import ref

import numpy as np
import pytest
from fakes.actor_rig import MemoryCheckpoints, Stage, Sums, in_virtual_time
from fakes.ports import FakeSpool, InlineOffload
from fakes.round_parts import config_of

from actors.opening import Opening
from actors.supervision import GaveUp
from protocols.effects import OpenSum
from protocols.learning.job import Opened
from protocols.learning.state import State
from protocols.messages import Contribution
from protocols.pieces import Pieces
from protocols.secagg.chunks import answer_stream, chunk_count
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.suites import SUITES

HOLDERS = ("holder-1", "holder-2", "holder-3")


async def answered(values: np.ndarray) -> tuple[OpenSum, FakeSpool]:
    """Return what opens these values, and where the answers are."""
    config = config_of(dimension=values.size, chunk_bytes=4096, holders=3)
    suite, cid, spool = SUITES[config.suite], config.cid(), FakeSpool()
    for chunk in range(chunk_count(config)):
        shares = suite.protect(config, values[suite.covers(config, chunk)], bytes(32), chunk)
        for holder, share in zip(HOLDERS, shares, strict=True):
            await spool.put(answer_stream(cid, holder), chunk, share)
    chosen = tuple(Contribution(trainer=name, digest=bytes(32)) for name in ("ann", "bob", "cat"))
    return OpenSum(config, HOLDERS, chosen), spool


async def test_a_sum_is_opened_into_the_memory_of_one() -> None:
    values = np.arange(400_000, dtype=np.int64) - 200_000
    effect, spool = await answered(values)
    opening = Opening(HOLDERS, spool, InlineOffload())
    await opening.integers(effect)  # loads the kernels

    tracemalloc.start()
    opened = await opening.integers(effect)
    reals = FixedPoint.of(effect.config).decode_in_place(opened.take())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1.5 * values.nbytes
    assert np.array_equal(reals, np.ldexp(values, -effect.config.fraction_bits))


class Watching(Sums):
    """Sums, and what of a sum and of the state before is still alive."""

    def __init__(self, rounds: int) -> None:
        super().__init__(rounds)
        self.gone: list[Any] = []

    def update(self, state: State, opened: Opened) -> State:
        arrays = (opened.total, opened.total.base, *state.arrays.values())
        self.gone = [ref(array) for array in arrays]
        return State(
            arrays={"total": opened.total + 0.0},
            facts={"completed": state.count("completed") + 1},
        )


class Looking(MemoryCheckpoints):
    """Checkpoints that look what is still in memory when a state is saved."""

    def __init__(self, algorithm: Watching) -> None:
        super().__init__()
        self._algorithm = algorithm
        self.alive: list[int] = []

    async def save(self, completed: int, state: Pieces) -> bytes:
        self.alive.append(sum(one() is not None for one in self._algorithm.gone))
        return await super().save(completed, state)


def test_the_sum_and_the_state_before_are_gone_when_the_next_state_is_made_durable() -> None:
    stage, algorithm = Stage(rounds=3), Watching(3)
    object.__setattr__(stage.assignment, "algorithm", algorithm)
    stage.checkpoints = looking = Looking(algorithm)

    in_virtual_time(stage.run())

    assert len(algorithm.gone) == 3  # of the last round: the sum, its memory, the state before
    assert looking.alive == [0, 0, 0, 0]


class Keeping(Sums):
    """Sums, and an algorithm that goes on writing to what it has returned."""

    def update(self, state: State, opened: Opened) -> State:
        made = super().update(state, opened)
        self.kept = made.arrays["total"]
        return made


class Written(MemoryCheckpoints):
    """Checkpoints during which the algorithm writes to the state."""

    def __init__(self, algorithm: Keeping) -> None:
        super().__init__()
        self._algorithm = algorithm

    async def save(self, completed: int, state: Pieces) -> bytes:
        digest = await super().save(completed, state)
        if completed:
            self._algorithm.kept += 1
        return digest


def test_a_state_that_is_written_to_on_its_way_out_ends_the_job() -> None:
    stage, algorithm = Stage(rounds=3), Keeping(3)
    object.__setattr__(stage.assignment, "algorithm", algorithm)
    stage.checkpoints = Written(algorithm)

    with pytest.raises(GaveUp, match="wrote to a state that it had returned"):
        in_virtual_time(stage.run())


class Counting(InlineOffload):
    """Notes what is taken away from the event loop."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def run(self, work: Any, *args: Any, **kwargs: Any) -> Any:
        self.names.append(getattr(work, "__name__", ""))
        await asyncio.sleep(0)
        return work(*args, **kwargs)


def test_what_is_as_long_as_the_model_is_done_away_from_the_event_loop(monkeypatch: Any) -> None:
    offload = Counting()
    monkeypatch.setattr("fakes.actor_rig.InlineOffload", lambda: offload)

    in_virtual_time(Stage(rounds=1).run())

    assert {"to_pieces", "decode_in_place", "update"} <= set(offload.names)
