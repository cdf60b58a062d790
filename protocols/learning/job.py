"""What a job computes over many rounds: the interface that every algorithm fills.

A job is `local(state, data) -> vector` at each owner, `update(state, sum) -> state` at the
coordinator, and `verdict(state)`. An algorithm is a frozen dataclass whose fields are its
options in job.toml; it keeps nothing between calls, as everything lives in the public state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from protocols.errors import ProtocolError, Unfit

from .layout import Layout
from .state import State

Rows_contra = TypeVar("Rows_contra", contravariant=True)


class JobFailed(ProtocolError):
    """The job can't go on to any result worth having; the text says why and what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The exact sum (d,) of one round, and over whose vectors.

    An update may change `total` in place: nobody reads it afterwards.
    """

    total: NDArray[np.float64] = field(repr=False)
    survivors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the job is over, and why."""

    over: bool
    reason: Literal["", "converged", "max rounds"] = ""


class Algorithm(Protocol, Generic[Rows_contra]):
    """One way to learn from sums. Subclass it; `dimension` and `name_of` follow from `layout`."""

    def layout(self, state: State) -> Layout:
        """Return what the vector of the coming round is made of."""
        ...

    def local(self, state: State, data: Rows_contra) -> NDArray[np.float64]:
        """Return this owner's vector (d,); runs beside the data.

        Raises `Unfit` where the data or their result can't be contributed.
        """
        ...

    def update(self, state: State, opened: Opened) -> State:
        """Return the next state; pure, runs at the coordinator. Raises `JobFailed`."""
        ...

    def verdict(self, state: State) -> Verdict:
        """Say whether `state` is final."""
        ...

    def metrics(self, state: State) -> dict[str, float]:
        """Return the latest public measurements by name; empty before the first."""
        ...

    def result(self, state: State) -> dict[str, object]:
        """Return what the job found, ready for JSON; a model is its checkpoint, so nothing."""
        return {}

    def discounted(self, state: State) -> int:
        """Return how many values of a vector, from the first, shrink with its age.

        Only an algorithm with the option `max_staleness` has any: see `staleness.py`.
        """
        return 0

    def dimension(self, state: State) -> int:
        """Return the length d of the vector of the coming round."""
        return self.layout(state).size

    def largest_dimension(self, state: State) -> int:
        """Return the largest d of any round, as far as the state before the first one tells."""
        return self.dimension(state)

    def name_of(self, state: State, index: int) -> str:
        """Return what a coordinate means, for error texts: `hessian[3,4]`, `fc.weight[0,3]`."""
        return self.layout(state).name_of(index)


def require_cohort(state: State, owner: str) -> None:
    """Raise `Unfit` for an owner that came or came back after a job fixed its cohort.

    A job whose sums must all be over the same owners names them in the fact `cohort`; an
    owner that leaves makes it begin again, and nobody who joins may make it do so. Where it has
    begun again with who is left, they are named in the fact `bound` until their first sum.
    """
    cohort = state.facts.get("cohort") or state.facts.get("bound")
    if cohort and isinstance(cohort, list) and owner not in cohort:
        raise Unfit("not in the cohort", "this fit began, or began again, without this owner")


def finite(opened: Opened) -> NDArray[np.float64]:
    """Return the opened sum, or raise `JobFailed` where it is not all finite."""
    if not np.isfinite(opened.total).all():
        raise JobFailed("the opened sum is not finite: some owner's numbers overflowed")
    return opened.total


def require(condition: bool, text: str) -> None:
    """Raise `ValueError` with `text` unless an option is as it must be."""
    if not condition:
        raise ValueError(text)
