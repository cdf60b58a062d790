"""What claims more than it is, is refused before memory or time is taken for it."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from fuzz.hostile import all_hostile
from fuzz.targets import TARGETS

HOSTILE = list(all_hostile())
# Besides a few copies of the bytes themselves; what was found took 1,000 MB and 90 seconds.
MOST_BYTES = 48 * 2**20
COPIES = 6
MOST_CPU_S = 5.0


@pytest.mark.parametrize(
    ("target", "data"),
    [(target, data) for target, _, data in HOSTILE],
    ids=[f"{target}-{name}".replace(" ", "-") for target, name, _ in HOSTILE],
)
def test_memory_and_time_stay_bounded(target: str, data: bytes) -> None:
    tracemalloc.start()
    try:
        began_s = time.process_time()
        TARGETS[target].takes(data)
        took_s = time.process_time() - began_s
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < MOST_BYTES + COPIES * len(data)
    assert took_s < MOST_CPU_S
