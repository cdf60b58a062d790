"""What is learnt of contributions that belong to older states: where rounds are buffered.

An algorithm that can use them has the option `max_staleness`; the last part of its vector counts
how many contributions to the sum are how many rounds old, and says of nobody how old its own is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .layout import Shape, Sums
from .state import State

AGES = "[staleness]"
FACT = "staleness"


def ages(max_staleness: int) -> dict[str, Shape]:
    """Return the part that counts ages; none where rounds are not buffered."""
    return {AGES: (max_staleness + 1,)} if max_staleness else {}


def fresh(max_staleness: int) -> dict[str, NDArray[np.float64]]:
    """Return this part of a vector that was just computed."""
    return {AGES: np.eye(1, max_staleness + 1).reshape(-1)} if max_staleness else {}


def noted(before: State, after: State, sums: Sums) -> State:
    """Return `after` with the histogram of ages of one more sum; [2, 1] says one is one round old.

    There is one for each round, without the zeros at its end.
    """
    if AGES not in sums:
        return after
    counts = [int(count) for count in np.rint(sums[AGES])]
    while counts and counts[-1] == 0:
        counts.pop()
    earlier = before.items(FACT) if FACT in before.facts else []
    return after.evolved(**{FACT: [*earlier, counts]})


def mean_age(state: State) -> dict[str, float]:
    """Return the mean age of the latest sum in rounds, as a metric; empty where there is none."""
    rounds = state.items(FACT) if FACT in state.facts else []
    latest = rounds[-1] if rounds else []
    counts = [float(count) for count in latest] if isinstance(latest, list) else []
    total = sum(counts)
    return {FACT: sum(s * count for s, count in enumerate(counts)) / total} if total > 0 else {}
