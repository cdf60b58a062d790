"""Owners with a torch task in this process, and rounds of theirs through the real secure sum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from fakes.secure_fits import secure_sum

from infra.torch_task import TorchTask
from infra.worker_frames import Option, WorkSpec
from protocols.learning.algorithms import build
from protocols.learning.federated.federated import Federated
from protocols.learning.job import Opened
from protocols.learning.state import State

Present = Callable[[int], Sequence[str]]


def algorithm_of(kind: str, options: Mapping[str, Option]) -> Federated:
    """Return an algorithm that trains a model."""
    algorithm = build(kind, options)
    assert isinstance(algorithm, Federated)
    return algorithm


class TorchOwners:
    """Owners of one task; each keeps what it has in a folder of `home`.

    `secure` is False where the sum itself is not what a test is about.
    """

    def __init__(self, spec: WorkSpec, home: Path, *, secure: bool = True) -> None:
        self.algorithm = algorithm_of(spec.kind, spec.options)
        self.spec = spec
        self.home = home
        self._secure = secure
        self._tasks: dict[str, TorchTask] = {}

    def task(self, name: str) -> TorchTask:
        """Return the task beside an owner's data, as its child process has it."""
        if name not in self._tasks:
            spec = {f: getattr(self.spec, f) for f in self.spec.__struct_fields__}
            home = str(self.home / name)
            self._tasks[name] = TorchTask(WorkSpec(**{**spec, "owner": name, "home": home}))
        return self._tasks[name]

    def restart(self) -> None:
        """Forget all that is not on the disk."""
        self._tasks.clear()

    def start(self) -> State:
        """Return the state before the first round."""
        return self.task("first").initial()

    def one_round(
        self, state: State, computing: Iterable[str], survivors: Iterable[str] | None = None
    ) -> State:
        """Return the state after a round: some compute, and of them some are in the sum."""
        vectors = {name: self.task(name).compute(state) for name in computing}
        names = tuple(vectors) if survivors is None else tuple(survivors)
        chosen = [vectors[name] for name in names]
        if self._secure:
            total = secure_sum(chosen, bits=24, number=state.count("round"))
        else:
            total = np.sum(chosen, axis=0)
        state = self.algorithm.update(state, Opened(total=total, survivors=names))
        return State.from_bytes(state.to_bytes())

    def run(self, present: Present, state: State | None = None) -> State:
        """Return the state at the end; `present` says who takes part in which round."""
        state = self.start() if state is None else state
        while not self.algorithm.verdict(state).over:
            state = self.one_round(state, present(state.count("round")))
        return state
