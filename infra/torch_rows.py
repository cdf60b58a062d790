"""An owner's rows as torch wants them: counted, divided, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from actors.ports import WorkFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a task's `train` shall train; `seed` differs between owners and rounds.

    `learning_rate` is that of this round, as the job's schedule says.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    round: int
    dtype: torch.dtype = field(default=torch.float32, repr=False)

    def batches(self, data: Any) -> Iterator[Any]:
        """Yield shuffled batches of the rows, `epochs` times over.

        Of (x, y) pairs of tensors, floating ones in the model's type; of anything else that has
        a length and rows, what torch's DataLoader makes of it.
        """
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(self.epochs):
            yield from self._pass(data, generator)

    def _pass(self, data: Any, generator: torch.Generator) -> Iterator[Any]:
        if isinstance(data, (tuple, list)):
            tensors = [_in(self.dtype, torch.as_tensor(part)) for part in data]
            order = torch.randperm(rows_of(data), generator=generator)
            for batch in torch.split(order, self.batch_size):
                yield tuple(part[batch] for part in tensors)
        else:
            from torch.utils.data import DataLoader  # noqa: PLC0415  # not for plain tensors

            yield from DataLoader(data, self.batch_size, shuffle=True, generator=generator)


def pair(data: Any, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features in the model's type, and labels. Raises `WorkFailed`."""
    try:
        x, y = data
    except (TypeError, ValueError):
        text = "data(owner) must return (x, y), or the task needs its own train and evaluate"
        raise WorkFailed("bad result", text) from None
    return _in(dtype, torch.as_tensor(x)), torch.as_tensor(y).long()


def rows_of(data: Any) -> int:
    """Return the number of rows. Raises `WorkFailed` where they can't be counted."""
    try:
        return len(data[-1] if isinstance(data, (tuple, list)) else data)
    except (TypeError, IndexError):
        text = "the rows of data(owner) can't be counted: return (x, y) or something with a length"
        raise WorkFailed("bad result", text) from None


def divided(data: Any, part: float, seed: int) -> tuple[Any, Any]:
    """Divide rows into those to train on and those held out, `part` of all, at least one left.

    Raises `WorkFailed` where the rows can't be told apart.
    """
    rows = rows_of(data)
    held = min(round(part * rows), rows - 1)
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed)).tolist()
    return _chosen(data, sorted(order[held:])), _chosen(data, sorted(order[:held]))


def _chosen(data: Any, rows: list[int]) -> Any:
    if isinstance(data, (tuple, list)):
        return tuple(torch.as_tensor(part)[rows] for part in data)
    if not hasattr(data, "__getitem__"):
        text = "held_out needs rows that can be told apart: return (x, y) or a torch Dataset"
        raise WorkFailed("bad result", text)
    from torch.utils.data import Subset  # noqa: PLC0415  # not for plain tensors

    return Subset(data, rows)


def _in(dtype: torch.dtype, tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor
