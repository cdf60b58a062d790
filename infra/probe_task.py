"""An owner of known vectors, inside the owner's child process; in drills with bad manners."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actors.ports import WorkFailed
from protocols.learning.algorithms import build
from protocols.learning.probe import Probe
from protocols.learning.state import State

from .probe_manners import SUFFIX, Manner, Manners
from .worker_frames import WorkSpec

_HANGING_S = 60.0


class ProbeTask:
    """Takes its time, as training does, and returns what `Probe` expects of this owner.

    Data that end in `.manners` are a file of `Manners`, which is read anew each time.
    """

    def __init__(self, spec: WorkSpec) -> None:
        try:
            algorithm = build(spec.kind, spec.options)
        except ValueError as error:
            raise WorkFailed("bad options", str(error)) from None
        if not isinstance(algorithm, Probe):
            raise WorkFailed("bad options", f"{spec.kind} is no probe")
        self._algorithm = algorithm
        self._owner = spec.owner
        self._file = Path(spec.data) if spec.data.endswith(SUFFIX) else None

    def describe(self) -> tuple[str, ...]:
        return ()

    def initial(self) -> State:
        return self._algorithm.start()

    def compute(self, state: State) -> NDArray[np.float64]:
        manners = self._manners()
        time.sleep(self._algorithm.delay_s * manners.times)
        while manners.manner is Manner.HANGS:
            time.sleep(_HANGING_S)
        if manners.manner is Manner.FAILS:
            raise WorkFailed("code failed", "the owner's code was told to fail")
        vector = self._algorithm.local(state, self._owner)
        return np.full_like(vector, np.nan) if manners.manner is Manner.GARBAGE else vector

    def evaluate(self, state: State) -> dict[str, float]:
        return self._algorithm.metrics(state)

    def fit(self, epochs: int) -> State:  # nothing is learned
        return self._algorithm.start()

    def _manners(self) -> Manners:
        if self._file is None:
            return Manners()
        try:
            return Manners.read(self._file)
        except (OSError, ValueError) as error:
            raise WorkFailed("bad data", f"{self._file}: {error}") from None
