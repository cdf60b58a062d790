"""What a trainer has computed, in memory and on its disk."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.ports import FakeSpool
from fakes.round_parts import config_of

from actors.carried import Results
from actors.ports import WorkFailed

CONFIG = config_of(buffered=3, max_staleness=2, discounted=190)
LATER = config_of(number=2, state=bytes([7] * 32), buffered=3, max_staleness=2, discounted=190)
VECTOR = np.linspace(-3.0, 3.0, 200)


async def test_what_was_kept_is_there_after_a_restart_to_the_last_bit() -> None:
    spool = FakeSpool()
    results = Results(spool)
    results.add(CONFIG, VECTOR)

    await results.keep(LATER, CONFIG.state)
    found = await Results(spool).of(LATER, CONFIG.state)

    np.testing.assert_array_equal(found, VECTOR)
    assert await spool.streams() == (f"carried/sum/{CONFIG.state.hex()}",)


async def test_what_was_not_kept_is_lost_by_a_restart() -> None:
    spool = FakeSpool()
    Results(spool).add(CONFIG, VECTOR)

    with pytest.raises(WorkFailed, match="can't be read any more"):
        await Results(spool).of(LATER, CONFIG.state)


async def test_a_result_of_another_state_is_not_taken_for_it() -> None:
    results = Results(FakeSpool())
    results.add(CONFIG, VECTOR)

    with pytest.raises(WorkFailed):
        await results.of(LATER, LATER.state)


async def test_what_is_dropped_is_not_at_hand_any_more() -> None:
    results = Results(FakeSpool())
    results.add(CONFIG, VECTOR)
    results.drop("sum")

    with pytest.raises(WorkFailed):
        await results.of(LATER, CONFIG.state)
