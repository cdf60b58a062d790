"""The trained model as a file that needs nothing of ours, and the card that goes with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Never, TypeAlias

import numpy as np
from numpy.typing import NDArray

from protocols.learning.federated.federated import Federated
from protocols.learning.job import Algorithm
from protocols.learning.state import Array, State

from .config import Job
from .durable_files import replace_file
from .model_card import model_card

Stored: TypeAlias = NDArray[np.generic]

MODEL, CARD = "model.safetensors", "MODEL_CARD.md"

_STORED = {
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
    "I8": np.int8,
    "I16": np.int16,
    "I32": np.int32,
    "I64": np.int64,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
_NATIVE = {np.dtype(np.float32): "F32", np.dtype(np.float64): "F64", np.dtype(np.int64): "I64"}


def keep_model(
    job: Job, algorithm: Algorithm[Never], state: State, folder: Path, now: datetime
) -> Path | None:
    """Write the trained model and its card into a folder; return the model's file.

    None for a job that trains no model. Raises `OSError`.
    """
    if not isinstance(algorithm, Federated):
        return None
    content = model_bytes(algorithm, state, {"job": job.name})
    replace_file(folder / MODEL, content)
    digest = hashlib.sha256(content).hexdigest()
    card = model_card(job, algorithm, state, ended=now, digest=digest)
    replace_file(folder / CARD, card.encode())
    return folder / MODEL


def model_bytes(algorithm: Federated, state: State, about: Mapping[str, str]) -> bytes:
    """Return the model as safetensors, every array in the type that the model has it in."""
    pairs = [pair for pair in state.items("types") if isinstance(pair, list)]
    types = {str(name): str(kind) for name, kind in pairs}
    header: dict[str, object] = {"__metadata__": {"format": "pt", **about}}
    pieces, start = [], 0
    # Wide types first, so that every array begins at a multiple of its width.
    arrays = {n: _stored(a, types.get(n)) for n, a in algorithm.model(state).items()}
    for name, (kind, data) in sorted(arrays.items(), key=lambda each: (-_width(each[1]), each[0])):
        raw = data.tobytes()
        offsets = [start, start + len(raw)]
        header[name] = {"dtype": kind, "shape": list(data.shape), "data_offsets": offsets}
        pieces.append(raw)
        start += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *pieces])


def _stored(array: Array, kind: str | None) -> tuple[str, Stored]:
    if kind == "BF16":
        return kind, _bfloat16(array.astype("<f4"))
    if kind is None or kind not in _STORED:
        kind = _NATIVE[array.dtype]
    with np.errstate(over="ignore"):  # beyond float16 a number is infinite, as in torch
        return kind, array.astype(np.dtype(_STORED[kind]).newbyteorder("<"))


def _bfloat16(array: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the upper halves (uint16) of float32 numbers, rounded to the nearest, ties to even."""
    bits = array.view("<u4").astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) >> np.uint64(16)
    kept = np.where(np.isnan(array), np.uint64(0x7FC0), rounded)
    return kept.astype("<u2").reshape(array.shape)


def _width(stored: tuple[str, Stored]) -> int:
    return stored[1].dtype.itemsize
