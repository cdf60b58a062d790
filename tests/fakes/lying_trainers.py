"""Trainers that keep every rule but one: their shares belong to no vector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from actors.ports import StorageFailed
from actors.shareholder import ShareHolder
from actors.trainer import Trainer
from protocols.effects import CombineShares, Effect
from protocols.messages import Message, Wire
from protocols.round_config import RoundConfig
from protocols.secagg.agreed import trainers_of


class _Spoiling(Trainer):
    """Adds something to the last value of each share, by the holder's place."""

    def spoilt(self, place: int) -> int:
        """Return what is added."""
        raise NotImplementedError(place)

    async def _shares(
        self, config: RoundConfig, values: NDArray[np.int64], seed: bytes, chunk: int
    ) -> tuple[bytes, ...]:
        shares = await super()._shares(config, values, seed, chunk)
        spoilt = [np.frombuffer(share, dtype="<u8").copy() for share in shares]
        for place, share in enumerate(spoilt):
            share[-1] = (int(share[-1]) + self.spoilt(place)) % (2**61 - 1)
        return tuple(share.tobytes() for share in spoilt)


class LooseForAll(_Spoiling):
    """Its shares lie on no polynomial of less than six coefficients."""

    def spoilt(self, place: int) -> int:
        return int((place + 1) ** 5)


class LooseForTheFirst(_Spoiling):
    """One holder's share belongs to another vector."""

    def spoilt(self, place: int) -> int:
        return 1 if place == 0 else 0


class OtherVector(_Spoiling):
    """Adds the same to all: that is a vector, too."""

    def spoilt(self, _place: int) -> int:
        return 256


class LyingOfAnn(ShareHolder):
    """Says something else of the shares of the first trainer in a check."""

    async def _combinations(self, effect: CombineShares) -> dict[str, tuple[int, ...]]:
        values = await super()._combinations(effect)
        first = trainers_of(effect.chosen)[0]
        p = effect.coin.field.modulus
        return values | {first: tuple((value + 1) % p for value in values[first])}


class LyingOfAll(ShareHolder):
    """Says something else of everybody's shares in a check."""

    async def _combinations(self, effect: CombineShares) -> dict[str, tuple[int, ...]]:
        values = await super()._combinations(effect)
        p = effect.coin.field.modulus
        return {
            name: tuple((value + place + 1) % p for value in known)
            for place, (name, known) in enumerate(values.items())
        }


class Unreadable(ShareHolder):
    """Can't read what it stored when it is to be combined."""

    async def _combinations(self, effect: CombineShares) -> dict[str, tuple[int, ...]]:
        raise StorageFailed(f"a damaged chunk of round {effect.config.number}")


def silent_from(kind: type[Message]) -> type[ShareHolder]:
    """Return a holder that hears no message of this kind."""

    class Silent(ShareHolder):
        def decide(self, sender: str, message: Wire, signature: bytes) -> list[Effect]:
            if isinstance(message, kind):
                return []
            return super().decide(sender, message, signature)

    return Silent
