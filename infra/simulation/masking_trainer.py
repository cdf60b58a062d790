"""A trainer whose masks can go wrong: bulk under another secret than the one that is shared."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from actors.trainer import Trainer
from protocols.round_config import RoundConfig

from .draws import fraction
from .worker import Owner


class SimTrainer(Trainer):
    """The real one, as long as its owner's memory is sound."""

    owner: Owner | None = None

    async def _bulk(
        self, config: RoundConfig, vector: NDArray[np.float64], seed: bytes
    ) -> bytes | None:
        owner = self.owner
        if owner is None or not owner.false_masks:
            return await super()._bulk(config, vector, seed)
        bits = owner.stage.draw(f"false mask {owner.name}", config.number)
        if fraction(bits, 0) < owner.false_masks:
            seed = hashlib.sha256(seed).digest()
        return await super()._bulk(config, vector, seed)
