"""The probe: every way in which a sum can be wrong is noticed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from protocols.learning.job import JobFailed, Opened
from protocols.learning.probe import Probe

OWNERS = ("ann", "bob", "cid", "dan")
PROBE = Probe(owners=OWNERS, values=50, max_rounds=3)


def vectors(number: int) -> dict[str, NDArray[np.float64]]:
    state = PROBE.start().evolved(round=number)
    return {owner: PROBE.local(state, owner) for owner in OWNERS}


def opened(*vectors: NDArray[np.float64], survivors: tuple[str, ...]) -> Opened:
    return Opened(total=np.sum(vectors, axis=0), survivors=survivors)


def test_right_sums_are_taken_until_the_last_round() -> None:
    state = PROBE.start()
    for number, survivors in enumerate((OWNERS, OWNERS[:3], OWNERS[1:])):
        assert not PROBE.verdict(state).over
        parts = [vectors(number)[owner] for owner in survivors]
        state = PROBE.update(state, opened(*parts, survivors=survivors[::-1]))

    assert PROBE.verdict(state).over
    assert PROBE.result(state) == {
        "survivors_by_round": [list(OWNERS), list(OWNERS[:3]), list(OWNERS[1:])]
    }


def test_patterns_differ_between_owners_and_rounds() -> None:
    seen = [v[len(OWNERS) :] for number in range(3) for v in vectors(number).values()]

    assert len({v.tobytes() for v in seen}) == 12
    assert all(np.abs(v).max() > 1000 for v in seen)


@pytest.mark.parametrize("fault", ["lost", "twice", "other round", "other owner", "off by one"])
def test_wrong_sum_is_named(fault: str) -> None:
    now, then = vectors(0), vectors(1)
    parts = [now["ann"], now["bob"], now["cid"]]
    match fault:
        case "lost":
            parts.pop()
        case "twice":
            parts.append(now["bob"])
        case "other round":
            parts[1] = then["bob"]
        case "other owner":
            parts[1] = now["dan"]
        case _:
            parts[1] = now["bob"] + np.eye(54)[53]

    with pytest.raises(
        JobFailed,
        match=r"sum of round 0 is not that of ann, bob, cid: .* the first is (bucket|pattern)\[",
    ):
        PROBE.update(PROBE.start(), opened(*parts, survivors=("ann", "bob", "cid")))
