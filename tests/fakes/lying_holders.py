"""Share-holders that keep every rule but one: what they answer is false."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from actors.shareholder import ShareHolder
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import chunk_count


class WrongInOne(ShareHolder):
    """Answers with one more in one coordinate, in the last chunk."""

    async def _sum_chunk(
        self, config: RoundConfig, streams: list[str], index: int
    ) -> NDArray[np.uint64]:
        total = await super()._sum_chunk(config, streams, index)
        if index == chunk_count(config) - 1:
            total[-1] += np.uint64(1)
        return total


class WrongInAll(ShareHolder):
    """Answers with a share of nothing that was ever contributed."""

    async def _sum_chunk(
        self, config: RoundConfig, streams: list[str], index: int
    ) -> NDArray[np.uint64]:
        total = await super()._sum_chunk(config, streams, index)
        return np.full_like(total, index + 1)
