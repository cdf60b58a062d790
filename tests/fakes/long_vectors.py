"""Trainers that contribute vectors longer than the bound, or lie about their length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from actors.preparing import Encoded, Shortness
from actors.shareholder import ShareHolder
from actors.trainer import Trainer
from infra.simulation.liars.forged_bits import best_bits
from protocols.effects import CombineShares
from protocols.round_config import RoundConfig
from protocols.secagg.agreed import trainers_of
from protocols.secagg.chunks import chunk_count
from protocols.secagg.field import P61, Residues
from protocols.secagg.norm_bound import NormBound, signs_seed, squares_of
from protocols.secagg.tail_dealing import deal_tails, salt_of_tests
from protocols.secagg.tails import Tail

P = P61.modulus
WHOLE = 2**31  # its square is 2^62, which is two modulo p


class _Lying(Trainer):
    """Never looks at the length of its own vector."""

    async def _require_short(self, shortness: Shortness) -> None:
        assert shortness.bound.squared


class ClippedBits(_Lying):
    """Deals a long vector, and the true bits of what it would be if it were clipped."""

    async def _witness(
        self, shortness: Shortness, digests: tuple[bytes, ...], secret: bytes
    ) -> tuple[bytes, Residues]:
        config, bound = shortness.config, shortness.bound
        squared = sum(squares_of(bound, shortness.encoded(c)) for c in range(chunk_count(config)))
        assert squared > bound.squared

        def clipped(chunk: int) -> NDArray[np.int64]:
            return shortness.encoded(chunk) // 4

        other = Shortness(config, self.name, clipped)
        await other.require(self.ports.offload)
        return await other.witness(digests, secret, self.ports.offload)


class BestBits(_Lying):
    """Deals true bits wherever they fit modulo p, and of all salts tries some for the best."""

    tries = 16

    async def _witness(
        self, shortness: Shortness, digests: tuple[bytes, ...], secret: bytes
    ) -> tuple[bytes, Residues]:
        cid, found = shortness.config.cid(), list[tuple[int, bytes, Residues]]()
        chunks = _chunks_of(shortness.config, shortness.encoded)
        for number in range(self.tries):
            salt = salt_of_tests(shortness.config, secret, number)
            seed = signs_seed(cid, self.name, salt, digests)
            bits, missed = best_bits(shortness.bound, chunks, seed)
            found.append((missed, salt, bits))
        _, salt, bits = min(found, key=lambda one: one[0])
        return salt, self.dealt(shortness, bits)

    def dealt(self, _shortness: Shortness, bits: Residues) -> Residues:
        """Return what is dealt in place of the best bits."""
        return bits


class NormInABit(BestBits):
    """Deals the whole norm in one "bit", and what is left up to the bound in another."""

    tries = 1

    def dealt(self, shortness: Shortness, bits: Residues) -> Residues:
        chunks = _chunks_of(shortness.config, shortness.encoded)
        squared = sum(int(value) ** 2 for chunk in chunks for value in chunk)
        return limb_bits(shortness.bound, squared, bits)


class FalseBit(Trainer):
    """Deals a vector that is short enough, and one false bit."""

    def _tails(self, config: RoundConfig, seed: bytes, dealt: Residues) -> tuple[bytes, ...]:
        false = dealt.copy()
        false[3] ^= np.uint64(1)
        return super()._tails(config, seed, false)


class _SpoiltTail(Trainer):
    """Deals true tails, in which something is changed by the holder's place."""

    def spoil(self, place: int, tail: Tail) -> Tail:
        raise NotImplementedError(place, tail)

    def _tails(self, config: RoundConfig, seed: bytes, dealt: Residues) -> tuple[bytes, ...]:
        tails = deal_tails(config, seed, dealt)
        return tuple(self.spoil(place, tail).to_bytes() for place, tail in enumerate(tails))


class LooseBits(_SpoiltTail):
    """Its bits lie on no polynomial of less than six coefficients."""

    def spoil(self, place: int, tail: Tail) -> Tail:
        return Tail(tail.salt, tail.masks, _plus(tail.witness, (place + 1) ** 5), tail.vanishing)


class LooseBitsForTheFirst(_SpoiltTail):
    """One holder's bits belong to another witness."""

    def spoil(self, place: int, tail: Tail) -> Tail:
        return Tail(tail.salt, tail.masks, _plus(tail.witness, int(not place)), tail.vanishing)


class MaskThatIsNoZero(_SpoiltTail):
    """Its masks of the norm bound are zero nowhere near zero."""

    def spoil(self, _place: int, tail: Tail) -> Tail:
        return Tail(tail.salt, tail.masks, tail.witness, _plus(tail.vanishing, 1))


class MaskForTheFirst(_SpoiltTail):
    """One holder's mask of the norm bound belongs to another."""

    def spoil(self, place: int, tail: Tail) -> Tail:
        return Tail(tail.salt, tail.masks, tail.witness, _plus(tail.vanishing, int(not place)))


class OtherSalt(_SpoiltTail):
    """Announces the digests of one salt, and deals another."""

    def spoil(self, _place: int, tail: Tail) -> Tail:
        return Tail(bytes(32), tail.masks, tail.witness, tail.vanishing)


class WavesThrough(ShareHolder):
    """Says of the second trainer what an honest one's shares might have said: nothing at all."""

    async def _combinations(self, effect: CombineShares) -> dict[str, tuple[int, ...]]:
        values = await super()._combinations(effect)
        second = trainers_of(effect.chosen)[1]
        known = values[second]
        return values | {second: known[:2] + (0,) * (len(known) - 2)}


class LyingOfLengths(ShareHolder):
    """Says something else of the squares of the first trainer's shares, not of its degrees."""

    async def _combinations(self, effect: CombineShares) -> dict[str, tuple[int, ...]]:
        values = await super()._combinations(effect)
        first = trainers_of(effect.chosen)[0]
        known = values[first]
        return values | {first: known[:2] + tuple((value + 1) % P for value in known[2:])}


def limb_bits(bound: NormBound, squared: int, dealt: Residues) -> Residues:
    """Return bits of which two are none, and hold the norm: put together, they would fit."""
    limb, count = dealt.copy(), bound.norm_bits
    limb[: 2 * count] = 0
    limb[0] = squared % P
    limb[count] = (bound.squared - squared) % P
    return limb


def _plus(rows: Residues, error: int) -> Residues:
    changed: Residues = ((rows.astype(object) + error) % P).astype(P61.dtype)
    return changed


def _chunks_of(config: RoundConfig, encoded: Encoded) -> list[NDArray[np.int64]]:
    return [encoded(chunk) for chunk in range(chunk_count(config))]
