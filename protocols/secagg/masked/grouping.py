"""Groups that are opened one by one, so that one garbage contribution spoils only its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse

from .masked_round import MaskedRound
from .noise import Garbled, Noise, Verdict
from .opening import Opened

_LABEL = b"quorate masked group\x00"


def groups_of(cid: bytes, trainers: Sequence[str], least: int) -> tuple[tuple[str, ...], ...]:
    """Split a set of trainers; all parties that know the set come to the same groups.

    The order is that of SHA-256 over the round's id and the name: a trainer can choose neither
    its group nor its company, as the id is fixed after the names.

    Args:
        cid: the round's id.
        trainers: names, different from each other.
        least: the smallest group; no sum over fewer is ever opened.

    Returns:
        As many groups as there can be, from `least` to 2·least - 1 names each.

    Raises:
        Misuse: names repeat, or are fewer than `least`.
    """
    if len(set(trainers)) != len(trainers) or not 1 <= least <= len(trainers):
        raise Misuse(f"{len(trainers)} trainers do not make groups of {least} or more")
    ordered = sorted(
        trainers, key=lambda name: hashlib.sha256(_LABEL + cid + name.encode()).digest()
    )
    count = len(ordered) // least
    bounds = [number * len(ordered) // count for number in range(count + 1)]
    return tuple(tuple(ordered[start:stop]) for start, stop in pairwise(bounds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What became of one group.

    Attributes:
        trainers: its members.
        verdict: on all of its blocks; if `GARBLED`, the total has nothing of it.
        noise: of the blocks that were opened.
    """

    trainers: tuple[str, ...]
    verdict: Verdict
    noise: Noise

    def __str__(self) -> str:
        names = ", ".join(self.trainers)
        return f"{len(self.trainers)} trainers ({names}): {self.verdict.value}"


def add_group(
    of: MaskedRound,
    total: NDArray[np.int64],
    trainers: tuple[str, ...],
    opened: Callable[[int], Opened],
) -> Group:
    """Add one group's sum to the total, all of it or nothing.

    Args:
        of: the round.
        total: shape (d,), changed in place.
        trainers: the group.
        opened: opens a block of the group's sum; it is asked a second time for blocks that
            were added before a garbled one, so that no copy of them is kept. `Garbled`, when
            the group's secrets do not open, counts as a garbled block.

    Raises:
        Misuse: more trainers than a sum of this round may have.

    Memory O(block) beside the total.
    """
    if len(trainers) > of.layout.trainers:
        raise Misuse(f"a sum of {len(trainers)} trainers where {of.layout.trainers} may be")
    noise = Noise()
    for block in range(of.blocks):
        try:
            piece = opened(block)
        except Garbled:
            piece = None
        noise += piece.noise if piece else Noise()
        if piece is None or noise.verdict(len(trainers)) is Verdict.GARBLED:
            for before in range(block):
                _values(of, total, before)[:] -= opened(before).values
            return Group(trainers=trainers, verdict=Verdict.GARBLED, noise=noise)
        _values(of, total, block)[:] += piece.values
    return Group(trainers=trainers, verdict=noise.verdict(len(trainers)), noise=noise)


def _values(of: MaskedRound, total: NDArray[np.int64], block: int) -> NDArray[np.int64]:
    start = of.start(block)
    return total[start : start + of.length(block)]
