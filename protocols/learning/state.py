"""The public state of a job: what every party knows between two rounds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from protocols.codec import Undecodable
from protocols.errors import Misuse
from protocols.pieces import Pieces

Array: TypeAlias = NDArray[np.float64] | NDArray[np.float32] | NDArray[np.int64]
Fact: TypeAlias = "bool | int | float | str | Sequence[Fact]"

_TYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64}
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}
_ORDER = [np.dtype(kind) for kind in (np.int64, np.float64, np.float32)]  # in the bytes
_ALIGNED = 8  # bytes that the arrays begin at a multiple of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """Named arrays (float32, float64 or int64) and named facts; both are public."""

    arrays: Mapping[str, Array] = field(default_factory=dict)
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if array.dtype not in _TYPES.values():
                raise Misuse(f"array {name!r} is {array.dtype}; use float32, float64 or int64")

    def __repr__(self) -> str:
        return f"State({len(self.arrays)} arrays, facts {sorted(self.facts)})"

    def evolved(self, arrays: Mapping[str, Array] | None = None, /, **facts: Fact) -> State:
        """Return this state with these arrays and facts put over its own."""
        return replace(
            self,
            arrays={**self.arrays, **(arrays or {})},
            facts={**self.facts, **facts},
        )

    def to_bytes(self) -> bytes:
        """Return safetensors bytes; equal states give equal bytes.

        The facts are JSON with sorted keys under `facts` in the metadata. They are the bytes that
        the library writes, which takes twice the memory for it.
        """
        return bytes(self.to_pieces())

    def to_pieces(self) -> Pieces:
        """Return the bytes of `to_bytes`, in pieces that are the arrays' own memory.

        Memory O(1), for arrays that are contiguous and in this machine little-endian.
        """
        try:
            facts = json.dumps(self.facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise Misuse(f"a fact is not plain JSON: {error}") from None
        named = sorted(self.arrays.items(), key=lambda item: (_ORDER.index(item[1].dtype), item[0]))
        header: dict[str, object] = {"__metadata__": {"facts": facts}}
        start, spans = 0, list[memoryview]()
        for name, array in named:
            piece = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
            span = [start, start + piece.nbytes]
            tag = _NAMES[array.dtype]
            header[name] = {"dtype": tag, "shape": array.shape, "data_offsets": span}
            spans.append(piece.reshape(-1).view(np.uint8).data)
            start += piece.nbytes
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % _ALIGNED)
        return Pieces.of(len(text).to_bytes(8, "little"), text, *spans)

    @staticmethod
    def from_bytes(data: bytes) -> State:
        """Read the bytes of `to_bytes`; the arrays are read-only.

        Raises:
            Undecodable: not safetensors, an array of another type, or facts that are missing,
                repeated or not JSON.
        """
        try:
            arrays = {name: _array(tensor) for name, tensor in deserialize(data)}  # type: ignore[no-untyped-call]
        except (SafetensorError, KeyError, ValueError, OverflowError) as error:
            raise Undecodable(f"not a state: {type(error).__name__}") from None
        return State(arrays=arrays, facts=_facts(data))

    def number(self, name: str) -> float:
        """Return a fact that is a number. Raises `Undecodable` where it is not."""
        fact = self.facts.get(name)
        if isinstance(fact, bool) or not isinstance(fact, (int, float)):
            raise Undecodable(f"the state has no number {name!r}")
        try:
            return float(fact)
        except OverflowError:
            raise Undecodable(f"the state has no number {name!r} of an ordinary size") from None

    def count(self, name: str) -> int:
        """Return a fact that is a whole number. Raises `Undecodable` where it is not."""
        fact = self.facts.get(name)
        if isinstance(fact, bool) or not isinstance(fact, int):
            raise Undecodable(f"the state has no whole number {name!r}")
        return fact

    def text(self, name: str) -> str:
        """Return a fact that is a text. Raises `Undecodable` where it is not."""
        fact = self.facts.get(name)
        if not isinstance(fact, str):
            raise Undecodable(f"the state has no text {name!r}")
        return fact

    def items(self, name: str) -> list[Fact]:
        """Return a fact that is a list. Raises `Undecodable` where it is not."""
        fact = self.facts.get(name)
        if isinstance(fact, str) or not isinstance(fact, Sequence):
            raise Undecodable(f"the state has no list {name!r}")
        return list(fact)

    def floats(self, name: str) -> NDArray[np.float64]:
        """Return an array as float64. Raises `Undecodable` where it is missing."""
        if name not in self.arrays:
            raise Undecodable(f"the state has no array {name!r}")
        return self.arrays[name].astype(np.float64)


def _array(tensor: Mapping[str, object]) -> Array:
    dtype, shape, raw = tensor["dtype"], tensor["shape"], tensor["data"]
    if not isinstance(dtype, str) or not isinstance(shape, list):
        raise TypeError("an array without a type or a shape")
    if not isinstance(raw, (bytes, bytearray)):
        raise TypeError("an array without bytes")
    array: Array = np.frombuffer(bytes(raw), dtype=_TYPES[dtype]).reshape(shape)
    return array


def _facts(data: bytes) -> dict[str, Fact]:
    size = int.from_bytes(data[:8], "little")
    try:
        metadata = _json_object(data[8 : 8 + size].decode())["__metadata__"]
        facts = _json_object(metadata["facts"])
        plain = all(_is_fact(fact) for fact in facts.values())
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Undecodable("not a state: no readable facts") from None
    if not plain:
        raise Undecodable("not a state: a fact is neither a plain value nor a list")
    return facts


def _is_fact(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_fact(item) for item in value)
    return isinstance(value, (bool, int, float, str))


def _json_object(text: str) -> dict[str, Any]:
    value = json.loads(
        text,
        object_pairs_hook=_without_repeats,
        parse_constant=_refuse_constant,
        parse_float=_finite,
    )
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("repeated key")
    return fields


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number too large to be written again")
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
