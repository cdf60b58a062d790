"""The coordinator's way from answers, and bulk where there is any, to the integers of a sum."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.codec import Undecodable
from protocols.effects import OpenSum
from protocols.errors import Misuse
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import answer_stream, bulk_stream, chunk_count
from protocols.secagg.suite import Bulk, BulkDamaged, BulkTotal
from protocols.secagg.suites import SUITES

from .ports import Offload, Spool, StorageFailed


@dataclass(slots=True)
class Integers:
    """An opened sum (d,), and what was odd about it; mostly nothing."""

    values: NDArray[np.int64]
    remark: str = ""

    def take(self) -> NDArray[np.int64]:
        """Return the values and keep none of them."""
        taken, self.values = self.values, np.empty(0, dtype=np.int64)
        return taken


class Opening:
    """Reads answers and bulk from a spool and opens sums of them, a chunk at a time."""

    def __init__(self, holders: tuple[str, ...], spool: Spool, offload: Offload) -> None:
        self._holders = holders
        self._spool = spool
        self._offload = offload

    async def integers(self, effect: OpenSum) -> Integers:
        """Open a sum.

        Raises:
            Garbled: what its parts open to is no sum; `BulkDamaged` if bulk can't be read again.
            StorageFailed: the answers can't be read, or are not those that were judged.

        Memory O(d) for the sum, O(chunk) beside it.
        """
        config = effect.config
        suite = SUITES[config.suite]
        if suite.bulk is not None:
            secrets = [piece async for piece in self._shared(effect)]
            return await self._unhidden(effect, suite.bulk, np.concatenate(secrets))
        values, index = np.empty(config.dimension, dtype=np.int64), 0
        async for piece in self._shared(effect):
            covered = suite.covers(config, index)
            values[covered] = piece[: covered.stop - covered.start]
            index += 1
        return Integers(values)

    async def _shared(self, effect: OpenSum) -> AsyncIterator[NDArray[np.int64]]:
        """Open what holders have shares of, vectors or what hides them, a chunk at a time.

        Only after the last one is it known that the answers are still those that were judged.
        """
        config, offload, coin = effect.config, self._offload, effect.coin
        suite, at_zero = SUITES[config.suite], effect.at_zero
        # The lowest places are what the suite opens from; of the others nothing is read.
        openers = sorted(effect.answers, key=self._holders.index)[: config.threshold]
        found = (0,) * len(at_zero)
        for index in range(chunk_count(config)):
            answers = await self.chunks_of(config, openers, index)
            opened = await offload.run(suite.open, config, answers)
            if coin is not None:
                found = coin.plus(
                    found, await offload.run(suite.vouch_opened, config, coin, index, opened)
                )
            yield opened
        if found != at_zero:
            raise StorageFailed("answers changed on the disk after they were judged")

    async def _unhidden(self, effect: OpenSum, bulk: Bulk, secrets: NDArray[np.int64]) -> Integers:
        config, offload = effect.config, self._offload
        names = [contribution.trainer for contribution in effect.chosen]
        unhiding = await offload.run(bulk.unhiding, config, secrets, len(names))
        values = np.empty(config.dimension, dtype=np.int64)
        for index in range(bulk.chunks(config)):
            total = await self._added(config, bulk, names, index)
            values[bulk.covers(config, index)] = await offload.run(unhiding.open, index, total)
        return Integers(values, unhiding.remark())

    async def _added(
        self, config: RoundConfig, bulk: Bulk, names: Iterable[str], index: int
    ) -> BulkTotal:
        """Add one chunk of the bulk of these trainers: one of them is in memory at a time."""
        cid = config.cid()
        total: BulkTotal | None = None
        for name in names:
            try:
                payload = await self._spool.get(bulk_stream(cid, name), index)
                total = await self._offload.run(bulk.add, config, index, total, payload)
            except (StorageFailed, Undecodable) as error:
                # To build the coordinator anew would not bring it back.
                why = f"the bulk of {name} was damaged on the disk: {error}"
                raise BulkDamaged(why) from error
        if total is None:
            raise Misuse("opened an empty set")
        return total

    async def chunks_of(
        self, config: RoundConfig, holders: Iterable[str], index: int
    ) -> dict[int, bytes]:
        """Return one chunk of each answer, by place. Raises `StorageFailed`."""
        cid, get = config.cid(), self._spool.get
        streams = {self._holders.index(name): answer_stream(cid, name) for name in holders}
        return {place: await get(stream, index) for place, stream in streams.items()}
