"""What a trainer has computed and may contribute to a later round: see `protocols`' `Carrying`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from protocols.effects import carried_by
from protocols.round_config import RoundConfig

from .ports import Spool, StorageFailed, WorkFailed
from .together import together

_LOST = "the result that was contributed over this model state can't be read any more"


@dataclass(frozen=True, slots=True)
class _Result:
    base: bytes
    vector: NDArray[np.float64] = field(repr=False)


class Results:
    """One result of each job in memory, and on the disk where another must not take its place."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._at_hand: dict[str, _Result] = {}

    def add(self, made: RoundConfig, vector: NDArray[np.float64]) -> None:
        """Have a vector (d,) at hand that was computed on the state of this round."""
        self._at_hand[made.job] = _Result(made.state, vector)

    def drop(self, job: str) -> None:
        """Forget what is at hand of a job."""
        self._at_hand.pop(job, None)

    async def of(self, config: RoundConfig, base: bytes) -> NDArray[np.float64]:
        """Return the result (d,) for the state `base`. Raises `WorkFailed` where it is lost."""
        result = self._at_hand.get(config.job)
        if result is not None and result.base == base:
            return result.vector
        stream = _stream(config, base)
        try:
            pieces = [await self._spool.get(stream, i) for i in range(_pieces(config))]
        except StorageFailed:
            raise WorkFailed("result lost", _LOST) from None
        vector = np.frombuffer(b"".join(pieces), dtype="<f8").astype(np.float64, copy=False)
        self._at_hand[config.job] = _Result(base, vector)
        return vector

    async def keep(self, config: RoundConfig, base: bytes) -> None:
        """Make the result at hand durable; again changes nothing."""
        stream = _stream(config, base)
        if len(await self._spool.indices(stream)) == _pieces(config):
            return
        vector = await self.of(config, base)
        data, size = vector.astype("<f8", copy=False).tobytes(), config.chunk_bytes
        put = self._spool.put
        pieces = range(_pieces(config))
        await together(put(stream, i, data[i * size : (i + 1) * size]) for i in pieces)


def _stream(config: RoundConfig, base: bytes) -> str:
    return f"{carried_by(config.job)}/{base.hex()}"


def _pieces(config: RoundConfig) -> int:
    return -(-8 * config.dimension // config.chunk_bytes)
