"""Which sets of trainers may be summed over one model state, where others were summed before.

Two sums over the same state are two sums of nearly the same vectors: their difference tells of
the trainers in which the sets differ. So two sets are the same, or differ by so many trainers
(those in one of them only) as a sum must have at least.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from operator import and_, or_

from protocols.messages import Contribution

from .sets import choose, few_groups

_WIDE = 256  # ways of leaving trainers out that are followed side by side
_WORK = 10_000_000  # comparisons; a holder that lies may claim to be bound to anything

Names = frozenset[str]


@dataclass(frozen=True, slots=True)
class Apart:
    """Sets of trainers that were summed, or may have been, and how far another must be away."""

    sets: tuple[Names, ...] = ()
    least: int = 0

    def __or__(self, other: Apart) -> Apart:
        """Return what obeys both."""
        sets = tuple(dict.fromkeys((*self.sets, *other.sets)))
        return Apart(sets, max(self.least, other.least))

    def too_close(self, chosen: Names) -> int | None:
        """Return the smallest difference to an earlier set that gives too much away, or None."""
        differences = (len(chosen ^ earlier) for earlier in self.sets)
        return min((d for d in differences if 0 < d < self.least), default=None)


def bitmap(chosen: Iterable[str], trainers: tuple[str, ...]) -> bytes:
    """Return a set of trainers as one bit for each of the roster's, lowest bit first."""
    inside = frozenset(chosen)
    bits = sum(1 << place for place, name in enumerate(trainers) if name in inside)
    return bits.to_bytes((len(trainers) + 7) // 8, "little")


def members(bits: bytes, trainers: tuple[str, ...]) -> Names | None:
    """Return the trainers of a `bitmap`, None where it is none of so many trainers."""
    number = int.from_bytes(bits, "little")
    if len(bits) != (len(trainers) + 7) // 8 or number >> len(trainers):
        return None
    return frozenset(name for place, name in enumerate(trainers) if number >> place & 1)


def releasable(available: Names, earlier: Apart, *, minimum: int) -> Names:
    """Return the largest set of available trainers that may be summed; empty if none may.

    Of equally large ones an earlier set, as its sum tells nothing new. It is the largest as
    long as 256 ways of leaving trainers out are enough to look at side by side, and ten
    million comparisons in all; else it may be smaller, or an earlier one. The same facts give
    the same set.
    """
    again = [s for s in earlier.sets if s <= available and earlier.too_close(s) is None]
    best = max(again, key=len, default=frozenset[str]())
    least = max(minimum, len(best) + 1)
    apart = _largest_apart(available, earlier, len(available) - least)
    if apart is not None:
        return apart
    return best if len(best) >= minimum else frozenset()


def _largest_apart(available: Names, earlier: Apart, most: int) -> Names | None:
    """Leave out as few as needed, and `most` at most, to be apart from every earlier set.

    Trainers that are in the same earlier sets are alike, so only their numbers are looked at.
    While a set is too close, somebody must go who is in both: all others bring it closer.
    """
    if most < 0:
        return None
    alike: dict[tuple[bool, ...], list[str]] = {}
    for name in sorted(available):
        alike.setdefault(tuple(name in other for other in earlier.sets), []).append(name)
    kinds = list(alike)
    lack = tuple(earlier.least - len(available ^ other) for other in earlier.sets)
    ways: dict[tuple[int, ...], tuple[int, ...]] = {(0,) * len(kinds): lack}
    sizes, work = [len(names) for names in alike.values()], 0
    for left in range(most, -1, -1):
        for out, lacking in ways.items():
            if max(lacking, default=0) <= 0:
                return frozenset(
                    name
                    for kind, gone in zip(kinds, out, strict=True)
                    for name in alike[kind][: len(alike[kind]) - gone]
                )
        work += len(ways) * len(kinds) * len(lack)
        ways = _one_less(ways, kinds, sizes, left) if work <= _WORK else {}
    return None


def _one_less(
    ways: Mapping[tuple[int, ...], tuple[int, ...]],
    kinds: list[tuple[bool, ...]],
    sizes: list[int],
    left: int,
) -> dict[tuple[int, ...], tuple[int, ...]]:
    """Leave one more out, in every way that may still lead to a set; keep the nearest to one."""
    found: dict[tuple[int, ...], tuple[int, ...]] = {}
    for out, lacking in ways.items():
        if max(lacking) > left:
            continue
        place = next(place for place, lack in enumerate(lacking) if lack > 0)
        for index, kind in enumerate(kinds):
            if kind[place] and out[index] < sizes[index]:
                fewer = (*out[:index], out[index] + 1, *out[index + 1 :])
                found[fewer] = tuple(
                    lack - 1 if inside else lack + 1
                    for lack, inside in zip(lacking, kind, strict=True)
                )
    nearest = sorted(found, key=lambda out: (sum(max(0, lack) for lack in found[out]), out))
    return {out: found[out] for out in nearest[:_WIDE]}


def choose_releasable(
    have: Mapping[str, Mapping[str, bytes]],
    bound: Mapping[str, Apart],
    *,
    need: int,
    minimum: int,
) -> tuple[Contribution, ...]:
    """Choose the largest set that `need` holders hold in full and may release, all of them.

    Args:
        have: for each holder the digests of the contributions that are complete there.
        bound: for each holder what it is bound to by earlier rounds; none if it is not named.
        need: how many holders must hold everything chosen and be free to release it.
        minimum: how many trainers a set has at least.

    Returns:
        Sorted by trainer; empty if there is none. Where no holder is bound by anything that
        matters, what `choose` returns.
    """
    largest = choose(have, need=need)
    everything = reduce(or_, (bound.get(holder, Apart()) for holder in sorted(have)), Apart())
    names = frozenset(contribution.trainer for contribution in largest)
    if len(largest) < minimum or everything.too_close(names) is None:
        return largest if len(largest) >= minimum else ()
    best: Names = frozenset()
    digests: dict[str, bytes] = {}
    for common, apart in _groups(have, bound, need):
        if len(common) <= len(best):
            continue
        found = releasable(frozenset(common), apart, minimum=max(minimum, len(best) + 1))
        if found:
            best, digests = found, common
    return tuple(Contribution(trainer=name, digest=digests[name]) for name in sorted(best))


def _groups(
    have: Mapping[str, Mapping[str, bytes]], bound: Mapping[str, Apart], need: int
) -> Iterator[tuple[dict[str, bytes], Apart]]:
    """Return for every group of holders what all of it holds, and what it is bound to.

    Those that hold most come first, and of these who is bound to the fewest sets.
    """
    holders = sorted(have)
    if not few_groups(len(holders), need):
        everything = reduce(or_, (bound.get(holder, Apart()) for holder in holders))
        yield {c.trainer: c.digest for c in choose(have, need=need)}, everything
        return
    pairs = sorted({pair for held in have.values() for pair in held.items()})
    place = {pair: 1 << index for index, pair in enumerate(pairs)}
    masks = {holder: sum(place[pair] for pair in have[holder].items()) for holder in holders}
    found: dict[tuple[int, Apart], None] = {}
    for group in combinations(holders, need):
        apart = reduce(or_, (bound.get(holder, Apart()) for holder in group))
        found[reduce(and_, (masks[holder] for holder in group)), apart] = None
    for mask, apart in sorted(found, key=_promise):
        yield {trainer: digest for trainer, digest in pairs if mask & place[trainer, digest]}, apart


def _promise(group: tuple[int, Apart]) -> tuple[int, int]:
    mask, apart = group
    return -mask.bit_count(), len(apart.sets)
