"""The algorithms by the name that job.toml gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Never

import msgspec

from .fedavg import FedAvg
from .job import Algorithm
from .logistic import Logistic
from .probe import Probe

# Never: whoever builds an algorithm by name can't know what data its `local` takes.
ALGORITHMS: Mapping[str, type[FedAvg] | type[Logistic] | type[Probe]] = {
    "fedavg": FedAvg,
    "logistic": Logistic,
    "probe": Probe,
}


def build(name: str, options: Mapping[str, object]) -> Algorithm[Never]:
    """Return the algorithm `name` with these options of job.toml.

    Raises:
        ValueError: no such algorithm, or an option that is unknown, missing or out of range.
    """
    if name not in ALGORITHMS:
        raise ValueError(f"no algorithm {name!r}; there are {', '.join(sorted(ALGORITHMS))}")
    kind = ALGORITHMS[name]
    known = [field.name for field in fields(kind)]
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise ValueError(
            f"{name} has no option {', '.join(map(repr, unknown))}; it has {', '.join(known)}"
        )
    try:
        return msgspec.convert(dict(options), kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name}: {error}") from None
