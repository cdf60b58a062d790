"""The sections of the algorithms, made from the options that each of them has.

Over tables, options that name columns stand in `[data]`, all others in a section named for the
algorithm. Of those that train a model, what all have stands in `[model]`, `[training]` and
`[secure_sum]`, and what is one's own in a section of its own. `max_rounds` and `tolerance` stand
in `[job]`. So a new algorithm needs nothing here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import Field, create_model

from protocols.learning.algorithms import TABULAR, TORCH, options_of
from protocols.learning.federated.federated import Federated
from protocols.learning.tabular import COLUMN_OPTIONS

from .schema import Section, TableSettings, Texts, TorchSettings

_OF_THE_JOB = ("max_rounds", "tolerance")
# Where a range or an example helps those who write the file.
_KNOWN: Mapping[str, tuple[Any, Any]] = {
    "target": (str, Field(min_length=1, examples=['"benign"'])),
    "features": (Texts | None, Field(None, min_length=1, examples=['["age", "weight"]'])),
    "C": (float, Field(1.0, gt=0, le=1e12, examples=[1.0])),
}


@cache
def torch_settings(algorithm: str) -> type[TorchSettings]:
    """Return the model of all settings of an algorithm that trains a model."""
    fields = _fields(algorithm)
    return create_model(f"{algorithm} settings", __base__=TorchSettings, **fields)


@cache
def table_settings(algorithm: str) -> type[TableSettings]:
    """Return the model of all settings of an algorithm over tables."""
    fields = _fields(algorithm)
    return create_model(f"{algorithm} settings", __base__=TableSettings, **fields)


@cache
def data_section(algorithm: str) -> type[Section]:
    """Return the model of `[data]`, as this algorithm wants it."""
    fields = {k: v for k, v in _fields(algorithm).items() if k in COLUMN_OPTIONS}
    return _section("data", {**fields, **_shared()})


def own_sections() -> dict[str, type[Section]]:
    """Return the sections that are named for an algorithm; not every one needs its own."""
    named = {name: own_section(name) for name in (*TABULAR, *TORCH)}
    return {n: section for n, section in named.items() if n in TABULAR or section.model_fields}


@cache
def own_section(algorithm: str) -> type[Section]:
    """Return the model of the algorithm's own section."""
    fields = {k: v for k, v in _fields(algorithm).items() if k not in COLUMN_OPTIONS}
    return _section(algorithm, fields)


@cache
def any_data_section() -> type[Section]:
    """Return the model of `[data]` where nobody knows yet whose it is: nothing is required."""
    fields: dict[str, Any] = {}
    for algorithm in TABULAR:
        fields |= {k: v for k, v in _fields(algorithm).items() if k in COLUMN_OPTIONS}
    optional = {k: (kind | None, None) for k, (kind, _) in fields.items()}
    return _section("data", {**optional, **_shared()})


def _shared() -> dict[str, Any]:
    """Return what `[data]` has for every algorithm."""
    return {name: (field.annotation, field) for name, field in TableSettings.model_fields.items()}


def _section(name: str, fields: Mapping[str, Any]) -> type[Section]:
    made: type[Section] = create_model(f"[{name}]", __base__=Section, **fields)
    return made


def _fields(algorithm: str) -> dict[str, Any]:
    kind: type[object] = {**TABULAR, **TORCH}[algorithm]
    common = {*_OF_THE_JOB, *(option.name for option in options_of(Federated))}
    foreign = common if algorithm in TORCH else _OF_THE_JOB
    hints = get_type_hints(kind)
    return {
        option.name: _KNOWN.get(option.name, (_toml(hints[option.name]), _default(option)))
        for option in options_of(kind)
        if option.name not in foreign
    }


def _default(option: dataclasses.Field[Any]) -> Any:
    return ... if option.default is dataclasses.MISSING else option.default


def _toml(kind: Any) -> Any:
    """Let a list of TOML be a tuple; all else is taken strictly."""
    if get_origin(kind) in (Union, UnionType):
        return Union[tuple(_toml(part) for part in get_args(kind))]  # noqa: UP007  # at run time
    if kind == tuple[str, ...]:
        return Texts
    if get_origin(kind) is tuple:
        inner = tuple(part if part is Ellipsis else _toml(part) for part in get_args(kind))
        made: Any = tuple.__class_getitem__(inner)
        return Annotated[made, Field(strict=False)]
    return kind
