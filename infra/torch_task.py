"""An owner's PyTorch model and data, inside the owner's child process.

The owner's task file imports nothing of ours:

    def model(): ...                        # a torch.nn.Module
    def data(owner): ...                    # (x, y) of owner.name, from owner.data
    def validation(owner): ...              # optional; the same, to be measured on only
    def train(model, data, settings): ...   # optional; trains the model in place
    def evaluate(model, data): ...          # optional; a dict of means over the data
"""

from __future__ import annotations

import hashlib
import importlib.util
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from actors.ports import WorkFailed
from protocols.learning.algorithms import build
from protocols.learning.federated.federated import Federated
from protocols.learning.federated.trainable import LocalResult, Order
from protocols.learning.state import Array, State

from .kept_at_home import KeptAtHome
from .torch_arrays import arrays_of, changes, initial_model, load, load_file
from .torch_rows import Settings, divided, pair, rows_of
from .torch_steps import Steps
from .worker_frames import WorkSpec

_MODULE = "_quorate_task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose data `data(owner)` shall return."""

    name: str
    data: str


class TorchTask:
    """Trains and measures the model of one task file; a `Trainable`."""

    def __init__(self, spec: WorkSpec) -> None:
        try:
            algorithm = build(spec.kind, spec.options)
        except ValueError as error:
            raise WorkFailed("bad options", str(error)) from None
        if not isinstance(algorithm, Federated):
            raise WorkFailed("bad options", f"{spec.kind} does not train a torch model")
        torch.set_num_threads(spec.threads)
        self._algorithm = algorithm
        self._spec = spec
        self._module = _load(spec.task)

    @property
    def name(self) -> str:
        return self._spec.owner

    def describe(self) -> tuple[str, ...]:
        _, measured = self._rows
        if rows_of(measured):
            return ()
        return ("this owner holds no row out, so it trains and is not measured",)

    def initial(self) -> State:
        model = self._model()
        if self._spec.start:
            load_file(model, Path(self._spec.start), at_home=self._algorithm.is_personal)
        return self._algorithm.start(initial_model(model))

    def compute(self, state: State) -> NDArray[np.float64]:
        return self._algorithm.local(state, self)

    def evaluate(self, state: State) -> dict[str, float]:
        return self._measured(self._model(self._algorithm.model(state)), self._data)

    def fit(self, epochs: int) -> State:
        model = self._model()
        arrays = arrays_of(model)
        rate = self._algorithm.learning_rate
        self._trained(model, Order(arrays=arrays, number=0, learning_rate=rate), epochs)
        return self._algorithm.start(initial_model(model))

    def train(self, order: Order) -> LocalResult:
        """Measure the incoming model, then train it: the same order gives the same result."""
        training, held_out = self._rows
        model = self._model({**order.arrays, **order.own})
        # In the model's own types: what the state holds more exactly is not the owner's change.
        before = arrays_of(model)
        measured = rows_of(held_out)
        names = self._algorithm.metric_names
        metrics = self._measured(model, held_out) if measured else dict.fromkeys(names, 0.0)
        gradients = self._trained(model, order, self._algorithm.local_epochs)
        after = arrays_of(model)
        change = changes(before, after)
        self._warn_of_clipping(model, change)
        own = {name: array for name, array in after.items() if self._algorithm.is_personal(name)}
        return LocalResult(
            change={name: array for name, array in change.items() if name not in own},
            weight=rows_of(training),
            metrics=metrics,
            measured=measured,
            own=own,
            gradients=gradients,
        )

    def recall(self, mark: str) -> State | None:
        found = self._home.recall(mark)
        if found is None:
            sys.stderr.write(f"what this trainer kept in {self._spec.home} is not there any more\n")
        return found

    def keep(self, mark: str, state: State, *, beside: str) -> None:
        self._home.keep(mark, state, beside=beside)

    @property
    def _home(self) -> KeptAtHome:
        if not self._spec.home:
            raise WorkFailed("bad options", f"{self._spec.kind} needs a home, and there is none")
        return KeptAtHome(Path(self._spec.home))

    @cached_property
    def _data(self) -> Any:
        return self._opened("data")

    @cached_property
    def _rows(self) -> tuple[Any, Any]:
        """The rows to train on, and those to measure on."""
        part = self._algorithm.held_out
        if hasattr(self._module, "validation"):
            if part:
                text = f"{self._spec.task} has validation(), so held_out must be left out"
                raise WorkFailed("bad options", text)
            return self._data, self._opened("validation")
        if not part:
            return self._data, self._data
        # The same rows in every round: a round's number has no place in this seed.
        return divided(self._data, part, _seed(self._spec.seed, -1, self._spec.owner))

    def _opened(self, function: str) -> Any:
        owner = Owner(name=self._spec.owner, data=self._spec.data)
        data = getattr(self._module, function)(owner)
        if rows_of(data) == 0:
            raise WorkFailed("empty", f"{function}(owner) of {self._spec.task} returned no rows")
        return data

    def _model(self, arrays: Mapping[str, Array] | None = None) -> torch.nn.Module:
        _seed_everything(self._spec.seed)
        model = self._module.model()
        if not isinstance(model, torch.nn.Module):
            raise WorkFailed("code failed", f"model() of {self._spec.task} gives no torch module")
        if arrays is not None:
            load(model, arrays, at_home=self._algorithm.is_personal)
        return model

    def _trained(
        self, model: torch.nn.Module, order: Order, epochs: int
    ) -> dict[str, NDArray[np.float64]]:
        """Train in place; return the mean gradients where they are wanted."""
        settings = Settings(
            epochs=epochs,
            batch_size=self._algorithm.batch_size,
            learning_rate=order.learning_rate,
            seed=_seed(self._spec.seed, order.number, self._spec.owner),
            round=order.number,
            dtype=_dtype(model),
        )
        steps = Steps(model, order)
        _seed_everything(settings.seed)
        model.train()
        if hasattr(self._module, "train"):
            with steps.watched():
                self._module.train(model, self._rows[0], settings)
        else:
            default_train(model, self._rows[0], settings, steps)
        return steps.gradients(self._spec.task)

    def _warn_of_clipping(
        self, model: torch.nn.Module, change: Mapping[str, NDArray[np.float64]]
    ) -> None:
        moved = [change[name] for name, _ in model.named_parameters() if name in change]
        clipped = sum(int(np.sum(np.abs(array) > self._algorithm.clip)) for array in moved)
        if clipped:
            text = f"{clipped} coordinates of the update are clipped to {self._algorithm.clip:g}"
            sys.stderr.write(f"{text}; a lower learning_rate or a higher clip avoids it\n")

    def _measured(self, model: torch.nn.Module, data: Any) -> dict[str, float]:
        _seed_everything(self._spec.seed)
        model.eval()
        with torch.no_grad():
            metrics = getattr(self._module, "evaluate", default_evaluate)(model, data)
        try:
            return {str(name): float(value) for name, value in metrics.items()}
        except (AttributeError, TypeError, ValueError):
            text = f"evaluate() of {self._spec.task} must give a dict of numbers"
            raise WorkFailed("bad result", text) from None


def default_train(model: torch.nn.Module, data: Any, settings: Settings, steps: Steps) -> None:
    """Minimise cross-entropy by plain SGD over shuffled batches."""
    rows = pair(data, settings.dtype)
    for x, y in settings.batches(rows):
        model.zero_grad()
        functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        steps.correct(model.parameters())
        _descend(model, settings.learning_rate)


@torch.no_grad()
def _descend(model: torch.nn.Module, learning_rate: float) -> None:
    # torch.optim would cost every child a second at its first step, for imports alone.
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.add_(parameter.grad, alpha=-learning_rate)


def default_evaluate(model: torch.nn.Module, data: Any) -> dict[str, float]:
    """Return mean cross-entropy and accuracy."""
    x, y = pair(data, _dtype(model))
    loss, right = 0.0, 0
    for rows in torch.split(torch.arange(len(y)), 1024):
        scores = model(x[rows])
        loss += float(functional.cross_entropy(scores, y[rows], reduction="sum"))
        right += int((scores.argmax(dim=1) == y[rows]).sum())
    return {"loss": loss / len(y), "accuracy": right / len(y)}


def _dtype(model: torch.nn.Module) -> torch.dtype:
    floating = (p.dtype for p in model.parameters() if p.is_floating_point())
    return next(floating, torch.float32)


def _load(task: str) -> ModuleType:
    path = Path(task).resolve()
    if not path.is_file():
        raise WorkFailed("missing file", f"there is no task file {path}")
    # So that the task can import its neighbours.
    sys.path.insert(0, str(path.parent))
    found = importlib.util.spec_from_file_location(_MODULE, path)
    if found is None or found.loader is None:
        raise WorkFailed("code failed", f"{path} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(found)
    sys.modules[_MODULE] = module
    found.loader.exec_module(module)
    for name in ("model", "data"):
        if not callable(getattr(module, name, None)):
            raise WorkFailed("code failed", f"{path} has no function {name}()")
    return module


def _seed(job: int, number: int, owner: str) -> int:
    digest = hashlib.sha256(f"{job}/{number}/{owner}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _seed_everything(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
