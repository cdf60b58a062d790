"""The steps of an owner's training loop, seen and corrected whoever wrote the loop.

Every optimiser of torch.optim says when it is about to step, so FedProx and SCAFFOLD need nothing
of a task's own `train`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from actors.ports import WorkFailed
from protocols.learning.federated.trainable import Order


class Steps:
    """Corrects each step of training a model as a round orders it, and adds up the gradients."""

    def __init__(self, model: torch.nn.Module, order: Order) -> None:
        self._order = order
        # A parameter that the model uses twice has two names; its first one is used here.
        self._names = {id(p): name for name, p in model.named_parameters()}
        self._all_names = {
            name: (self._names[id(p)], tuple(p.shape))
            for name, p in model.named_parameters(remove_duplicate=False)
        }
        pulled = model.named_parameters() if order.pull else ()
        self._began = {n: p.detach().clone() for n, p in pulled}
        self._shift = {n: torch.from_numpy(np.array(s)) for n, s in order.shift.items()}
        # Of each parameter by itself: a loop may have an optimiser for each half of the model.
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: Counter[str] = Counter()
        self._steps = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Correct the steps of every optimiser of torch.optim while inside."""
        from torch.optim.optimizer import register_optimizer_step_pre_hook  # noqa: PLC0415

        handle = register_optimizer_step_pre_hook(self._before_step)
        try:
            yield
        finally:
            handle.remove()

    def correct(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Take note of the gradients of a step and correct them in place."""
        if not self._order.corrects:
            return
        named = [(self._names[id(p)], p) for p in parameters if id(p) in self._names]
        # A step of something else than the model is no step of it.
        self._steps += bool(named)
        for name, parameter in named:
            if parameter.grad is not None:
                self._correct(name, parameter, parameter.grad)

    def gradients(self, task: str) -> dict[str, NDArray[np.float64]]:
        """Return the mean gradient of each parameter, zero where there was none.

        Raises `WorkFailed` where corrections were ordered and no step was seen.
        """
        if not self._order.corrects:
            return {}
        if self._steps == 0:
            raise WorkFailed(
                "bad result",
                f"train() of {task} made no step of the model with an optimiser of torch.optim, "
                f"and this algorithm corrects each step; use one, or leave train() out",
            )
        return {name: self._mean(*first) for name, first in self._all_names.items()}

    def _mean(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        if name not in self._sums:
            return np.zeros(shape)
        mean: NDArray[np.float64] = (self._sums[name] / self._counts[name]).numpy()
        return mean

    @torch.no_grad()
    def _correct(self, name: str, parameter: torch.Tensor, gradient: torch.Tensor) -> None:
        if self._order.gradients:
            so_far = self._sums.get(name)
            new = gradient.double().cpu()
            self._sums[name] = new if so_far is None else so_far.add_(new)
            self._counts[name] += 1
        if self._order.pull:
            gradient.add_(parameter - self._began[name].to(parameter), alpha=self._order.pull)
        if name in self._shift:
            gradient.add_(self._shift[name].to(gradient))

    def _before_step(self, optimiser: Any, args: Any, kwargs: Any) -> None:
        if not self._order.corrects:
            return
        if kwargs.get("closure") is not None or any(callable(arg) for arg in args[1:]):
            raise WorkFailed(
                "bad options",
                f"{type(optimiser).__name__} computes its gradients in a closure, where this "
                f"algorithm can't correct them; use another optimiser, or algorithm fedavg",
            )
        self.correct(p for group in optimiser.param_groups for p in group["params"])
