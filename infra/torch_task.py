"""An owner's PyTorch model and data, inside the owner's child process: the only file with torch.

The owner's task file imports nothing of ours:

    def model(): ...                        # a torch.nn.Module
    def data(owner): ...                    # (x, y) of owner.name, from owner.data
    def train(model, data, settings): ...   # optional; trains the model in place
    def evaluate(model, data): ...          # optional; a dict of means over the data
"""

from __future__ import annotations

import hashlib
import importlib.util
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from protocols.learning.fedavg import FedAvg, LocalResult
from protocols.learning.state import Array, State

from .worker_frames import WorkSpec

_MODULE = "_quorate_task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose data `data(owner)` shall return."""

    name: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How `train` shall train; `seed` differs between owners and rounds."""

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    round: int


class TorchTask:
    """Trains and measures the model of one task file; a `fedavg.Trainable`."""

    def __init__(self, spec: WorkSpec) -> None:
        try:
            algorithm = build(spec.kind, spec.options)
        except ValueError as error:
            raise WorkFailed("bad options", str(error)) from None
        if not isinstance(algorithm, FedAvg):
            raise WorkFailed("bad options", f"{spec.kind} does not train a torch model")
        torch.set_num_threads(spec.threads)
        self._algorithm = algorithm
        self._spec = spec
        self._module = _load(spec.task)

    def describe(self) -> tuple[str, ...]:
        _rows(self._data)
        return ()

    def initial(self) -> State:
        return self._algorithm.start(_arrays(self._model()))

    def compute(self, state: State) -> NDArray[np.float64]:
        return self._algorithm.local(state, self)

    def evaluate(self, state: State) -> dict[str, float]:
        return self._measured(self._model(state.arrays))

    def fit(self, epochs: int) -> State:
        model = self._model()
        self._trained(model, replace(self._settings(0), epochs=epochs))
        return self._algorithm.start(_arrays(model))

    def train(self, parameters: Mapping[str, Array], number: int) -> LocalResult:
        """Measure the incoming model, then train it: the same round gives the same result."""
        model = self._model(parameters)
        metrics = self._measured(model)
        self._trained(model, self._settings(number))
        trained = _arrays(model)
        self._warn_of_clipping(parameters, trained)
        return LocalResult(parameters=trained, weight=_rows(self._data), metrics=metrics)

    @cached_property
    def _data(self) -> Any:
        data = self._module.data(Owner(name=self._spec.owner, data=self._spec.data))
        if _rows(data) == 0:
            raise WorkFailed("empty", f"data(owner) of {self._spec.task} returned no rows")
        return data

    def _settings(self, number: int) -> Settings:
        return Settings(
            epochs=self._algorithm.local_epochs,
            batch_size=self._algorithm.batch_size,
            learning_rate=self._algorithm.learning_rate,
            seed=_seed(self._spec.seed, number, self._spec.owner),
            round=number,
        )

    def _model(self, parameters: Mapping[str, Array] | None = None) -> torch.nn.Module:
        _seed_everything(self._spec.seed)
        model = self._module.model()
        if not isinstance(model, torch.nn.Module):
            raise WorkFailed("code failed", f"model() of {self._spec.task} gives no torch module")
        if parameters is not None:
            tensors = {name: torch.tensor(array) for name, array in parameters.items()}
            try:
                model.load_state_dict(tensors)
            except RuntimeError as error:
                text = f"the model of {self._spec.task} is not the job's: {error}"
                raise WorkFailed("model does not load", text) from None
        return model

    def _trained(self, model: torch.nn.Module, settings: Settings) -> None:
        _seed_everything(settings.seed)
        model.train()
        getattr(self._module, "train", default_train)(model, self._data, settings)

    def _measured(self, model: torch.nn.Module) -> dict[str, float]:
        _seed_everything(self._spec.seed)
        model.eval()
        with torch.no_grad():
            metrics = getattr(self._module, "evaluate", default_evaluate)(model, self._data)
        try:
            return {str(name): float(value) for name, value in metrics.items()}
        except (AttributeError, TypeError, ValueError):
            text = f"evaluate() of {self._spec.task} must give a dict of numbers"
            raise WorkFailed("bad result", text) from None

    def _warn_of_clipping(self, before: Mapping[str, Array], after: Mapping[str, Array]) -> None:
        clipped = sum(
            int(np.sum(np.abs(after[name] - array) > self._algorithm.clip))
            for name, array in before.items()
            if array.dtype.kind == "f" and name in after and after[name].shape == array.shape
        )
        if clipped:
            text = f"{clipped} coordinates of the update are clipped to {self._algorithm.clip:g}"
            sys.stderr.write(f"{text}; a lower learning_rate or a higher clip avoids it\n")


def default_train(model: torch.nn.Module, data: Any, settings: Settings) -> None:
    """Minimise cross-entropy by plain SGD over shuffled batches."""
    x, y = _tensors(data)
    generator = torch.Generator().manual_seed(settings.seed)
    for _ in range(settings.epochs):
        order = torch.randperm(len(y), generator=generator)
        for batch in torch.split(order, settings.batch_size):
            model.zero_grad()
            functional.cross_entropy(model(x[batch]), y[batch]).backward()  # type: ignore[no-untyped-call]
            _descend(model, settings.learning_rate)


@torch.no_grad()
def _descend(model: torch.nn.Module, learning_rate: float) -> None:
    # torch.optim would cost every child a second at its first step, for imports alone.
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.add_(parameter.grad, alpha=-learning_rate)


def default_evaluate(model: torch.nn.Module, data: Any) -> dict[str, float]:
    """Return mean cross-entropy and accuracy."""
    x, y = _tensors(data)
    loss, right = 0.0, 0
    for rows in torch.split(torch.arange(len(y)), 1024):
        scores = model(x[rows])
        loss += float(functional.cross_entropy(scores, y[rows], reduction="sum"))
        right += int((scores.argmax(dim=1) == y[rows]).sum())
    return {"loss": loss / len(y), "accuracy": right / len(y)}


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


def _tensors(data: Any) -> tuple[torch.Tensor, torch.Tensor]:
    try:
        x, y = data
    except (TypeError, ValueError):
        text = "data(owner) must return (x, y), or the task needs its own train and evaluate"
        raise WorkFailed("bad result", text) from None
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    return (x.float() if x.is_floating_point() else x), y.long()


def _rows(data: Any) -> int:
    try:
        return len(data[-1] if isinstance(data, (tuple, list)) else data)
    except (TypeError, IndexError):
        text = "the rows of data(owner) can't be counted: return (x, y) or something with a length"
        raise WorkFailed("bad result", text) from None


def _arrays(model: torch.nn.Module) -> dict[str, Array]:
    return {name: _array(name, tensor) for name, tensor in model.state_dict().items()}


def _array(name: str, tensor: Any) -> Array:
    if not isinstance(tensor, torch.Tensor) or tensor.is_complex():
        raise WorkFailed("bad result", f"{name} of the model is not a tensor of real numbers")
    plain = tensor.detach().cpu()
    if plain.dtype == torch.float64:
        return np.array(plain.numpy(), dtype=np.float64)
    if plain.is_floating_point():
        return np.array(plain.float().numpy(), dtype=np.float32)
    return np.array(plain.numpy(), dtype=np.int64)


def _seed(job: int, number: int, owner: str) -> int:
    digest = hashlib.sha256(f"{job}/{number}/{owner}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _seed_everything(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
