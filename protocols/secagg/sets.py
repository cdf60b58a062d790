"""Sets of contributions: their digests, their rules, and the choice of one when holders differ."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache, reduce
from itertools import combinations, pairwise
from math import comb
from operator import and_, or_

from protocols.batches import Asked
from protocols.codec import canonical
from protocols.messages import Contribution, ContributionHeader
from protocols.round_config import Roster, RoundConfig

# Above this many groups of holders the choice is made greedily; 20 holders stay exact.
_MAX_GROUPS = 200_000


def contribution_digest(header: ContributionHeader) -> bytes:
    """Return the SHA-256 that names a contribution."""
    return header.digest()


@lru_cache(maxsize=256)  # every vote, certificate and answer of a round asks for the same
def set_digest(cid: bytes, chosen: tuple[Contribution, ...]) -> bytes:
    """Return the SHA-256 that names a set of one round."""
    digest = hashlib.sha256(b"quorate set\x00" + cid)
    for contribution in chosen:
        digest.update(canonical(contribution))
    return digest.digest()


def set_fault(config: RoundConfig, roster: Roster, chosen: tuple[Contribution, ...]) -> str | None:
    """Say why this set must never be opened, or None if its members are fine.

    Each holder counts for itself: distinct trainers of the roster, at least the minimum, and
    where the round asks batches none or the minimum of each that it asks.
    """
    names = [contribution.trainer for contribution in chosen]
    if any(first >= second for first, second in pairwise(names)):
        return "the set is not sorted by distinct trainers"
    if len(names) < config.minimum:
        return f"{len(names)} contributions are below the minimum of {config.minimum}"
    if len(names) > config.trainers:
        return f"{len(names)} contributions are above the {config.trainers} trainers"
    if strangers := [name for name in names if roster.role(name) != "trainer"]:
        return f"{strangers[0]} is not a trainer of the roster"
    return Asked.of(config, roster).fault(names)


def choose(have: Mapping[str, Mapping[str, bytes]], *, need: int) -> tuple[Contribution, ...]:
    """Choose the largest set that at least `need` holders hold in full.

    Args:
        have: for each holder the digests of the contributions that are complete there.
        need: how many holders must hold everything chosen.

    Returns:
        Sorted by trainer; empty if fewer than `need` holders are given. Among equally large
        sets the one of the first group of holders in alphabetical order, so that the same
        facts always give the same choice.

    Exact up to 200,000 groups of holders (20 holders are within); greedy above.
    """
    holders = sorted(have)
    if len(holders) < need:
        return ()
    pairs = sorted({pair for held in have.values() for pair in held.items()})
    place = {pair: 1 << index for index, pair in enumerate(pairs)}
    masks = [sum(place[pair] for pair in have[holder].items()) for holder in holders]
    best = _largest(masks, need)
    return tuple(
        Contribution(trainer=trainer, digest=digest)
        for trainer, digest in pairs
        if best & place[trainer, digest]
    )


def few_groups(holders: int, need: int) -> bool:
    """Return whether all groups of `need` holders can be looked at."""
    return comb(holders, need) <= _MAX_GROUPS


def _largest(masks: list[int], need: int) -> int:
    common = reduce(and_, masks)
    if common == reduce(or_, masks):
        return common
    if few_groups(len(masks), need):
        return max((reduce(and_, group) for group in combinations(masks, need)), key=int.bit_count)
    return _greedy(masks, need)


def _greedy(masks: list[int], need: int) -> int:
    return max((_grown(first, masks, need) for first in range(len(masks))), key=int.bit_count)


def _grown(first: int, masks: list[int], need: int) -> int:
    """Grow a group from one holder, always by the one that shares most with it."""
    rest, common = masks[:first] + masks[first + 1 :], masks[first]
    for _ in range(need - 1):
        best = max(rest, key=lambda mask: (mask & common).bit_count())
        rest.remove(best)
        common &= best
    return common
