"""A torch model as the named arrays of a state, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from actors.ports import WorkFailed
from protocols.learning.federated.trainable import InitialModel
from protocols.learning.state import Array

# Those that a state does not hold as they are, as safetensors calls them.
_TYPES = {
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def initial_model(model: torch.nn.Module) -> InitialModel:
    """Return what a state has to know of a model."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    tensors = model.state_dict()
    return InitialModel(
        arrays=arrays_of(model),
        buffers=frozenset(tensors.keys() - parameters.keys()),
        fixed=frozenset(n for n, p in parameters.items() if not p.requires_grad),
        types={n: _TYPES[t.dtype] for n, t in tensors.items() if t.dtype in _TYPES},
    )


def arrays_of(model: torch.nn.Module) -> dict[str, Array]:
    """Return every parameter and buffer, as float64, float32 or int64."""
    return {name: _array(name, tensor) for name, tensor in model.state_dict().items()}


def changes(before: Mapping[str, Array], after: Mapping[str, Array]) -> dict[str, Any]:
    """Return after minus before, as float64; zero where both are the same infinity."""
    return {name: _change(before.get(name), array) for name, array in after.items()}


def load(
    model: torch.nn.Module, arrays: Mapping[str, Array], *, at_home: Callable[[str], bool]
) -> None:
    """Give a model these arrays; what is `at_home` may be missing and then stays as it is.

    Raises `WorkFailed` where they are of another model.
    """
    _load(model, {name: torch.tensor(array) for name, array in arrays.items()}, at_home)


def load_file(model: torch.nn.Module, file: Path, *, at_home: Callable[[str], bool]) -> None:
    """Give a model the arrays of a safetensors file; see `load`."""
    try:
        tensors = safetensors.torch.load(file.read_bytes())
    except (OSError, SafetensorError) as error:
        raise WorkFailed("model does not load", f"{file}: {error}") from None
    _load(model, tensors, at_home)


def _change(before: Array | None, after: Array) -> NDArray[np.float64]:
    if before is None or before.shape != after.shape:
        return after.astype(np.float64)  # its name or shape is refused before its values matter
    with np.errstate(invalid="ignore"):
        change = after.astype(np.float64) - before.astype(np.float64)
    return np.where(after == before, 0.0, change)


def _load(
    model: torch.nn.Module, tensors: Mapping[str, torch.Tensor], at_home: Callable[[str], bool]
) -> None:
    own = {n: t for n, t in model.state_dict().items() if n not in tensors and at_home(n)}
    try:
        model.load_state_dict({**tensors, **own})
    except RuntimeError as error:
        raise WorkFailed("model does not load", f"the model is not the job's: {error}") from None


def _array(name: str, tensor: Any) -> Array:
    if not isinstance(tensor, torch.Tensor) or tensor.is_complex():
        raise WorkFailed("bad result", f"{name} of the model is not a tensor of real numbers")
    plain = tensor.detach().cpu()
    if plain.dtype == torch.float64:
        return np.array(plain.numpy(), dtype=np.float64)
    if plain.is_floating_point():
        return np.array(plain.float().numpy(), dtype=np.float32)
    return np.array(plain.numpy(), dtype=np.int64)
