"""The `Worker` of a simulated owner: known vectors, after a while, or what broken code returns."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from actors.ports import WorkFailed
from protocols.learning.probe import Probe
from protocols.learning.state import State

from .draws import exponential
from .stage import Stage

Vector = NDArray[np.float64]
_HANG_S = 40.0  # until the child of an owner whose code takes too long is killed


class Training(Enum):
    """How an owner's code behaves."""

    GOOD = "good"
    FAILS = "fails"
    HANGS = "hangs"
    GARBAGE = "garbage"


class Owner:
    """An owner's code and data; `pace` makes it slower. `computed` is told every good vector,
    with the digest of the state it is for.
    """

    def __init__(
        self,
        name: str,
        probe: Probe,
        stage: Stage,
        mean_s: float,
        computed: Callable[[str, bytes, Vector], None],
    ) -> None:
        self.name = name
        self.training = Training.GOOD
        self.false_masks = 0.0  # the share of rounds whose mask has another secret
        self.pace = 1.0
        self.probe = probe
        self.stage = stage
        self.mean_s = mean_s
        self.computed = computed
        self.calls = 0


class SimWorker:
    """Runs the owner's code; its time is the host's."""

    def __init__(self, owner: Owner, states: States) -> None:
        self._owner = owner
        self._states = states

    async def compute(self, state: bytes, number: int) -> Vector:
        """Return the vector that `Probe` expects of this owner."""
        owner = self._owner
        owner.calls += 1
        bits = owner.stage.draw(f"training {owner.name}", owner.calls)
        behaviour = owner.training
        took_s = owner.pace * owner.mean_s * (0.25 + 0.75 * min(2.0, exponential(bits, 0)))
        hangs = behaviour is Training.HANGS or took_s > _HANG_S
        await asyncio.sleep(_HANG_S if hangs else took_s)
        if hangs:
            raise WorkFailed("timeout", "the training code hangs")
        if behaviour is Training.FAILS:
            raise WorkFailed("crashed", "the training code failed")
        vector = owner.probe.local(self._states.read(state), owner.name)
        if behaviour is Training.GARBAGE:
            return _garbage(vector, bits)
        owner.computed(owner.name, self._states.digest, vector)
        return vector

    async def close(self) -> None:
        """End; nothing is left behind."""


class States:
    """Reads each state once for all owners that ask for it; `digest` is that of the last."""

    def __init__(self) -> None:
        self._data = b""
        self._state = State()
        self.digest = b""

    def read(self, data: bytes) -> State:
        """Return the state of these bytes."""
        if data != self._data:
            self._data, self._state = data, State.from_bytes(data)
            self.digest = hashlib.sha256(data).digest()
        return self._state


def _garbage(vector: Vector, bits: int) -> Vector:
    """Return what can't be summed: the wrong shape, no numbers, or too large ones."""
    match bits % 3:
        case 0:
            return np.zeros(vector.size + 1)
        case 1:
            return np.full(vector.size, np.nan)
        case _:
            return np.full(vector.size, 1e300)
