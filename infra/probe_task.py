"""An owner of known vectors, inside the owner's child process: no data and no code to fail."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from actors.ports import WorkFailed
from protocols.learning.algorithms import build
from protocols.learning.probe import Probe
from protocols.learning.state import State

from .worker_frames import WorkSpec


class ProbeTask:
    """Takes its time, as training does, and returns what `Probe` expects of this owner."""

    def __init__(self, spec: WorkSpec) -> None:
        try:
            algorithm = build(spec.kind, spec.options)
        except ValueError as error:
            raise WorkFailed("bad options", str(error)) from None
        if not isinstance(algorithm, Probe):
            raise WorkFailed("bad options", f"{spec.kind} is no probe")
        self._algorithm = algorithm
        self._owner = spec.owner

    def describe(self) -> tuple[str, ...]:
        return ()

    def initial(self) -> State:
        return self._algorithm.start()

    def compute(self, state: State) -> NDArray[np.float64]:
        time.sleep(self._algorithm.delay_s)
        return self._algorithm.local(state, self._owner)

    def evaluate(self, state: State) -> dict[str, float]:
        return self._algorithm.metrics(state)

    def fit(self, epochs: int) -> State:  # nothing is learned
        return self._algorithm.start()
