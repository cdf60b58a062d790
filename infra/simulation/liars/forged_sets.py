"""Sets that no holder may ever vote for or answer for, made of what a holder has.

Whoever lacks a contribution refuses a set for that alone; so a forged one takes nothing that its
victim lacks, unless that is the lie.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from protocols.messages import Contribution

Chosen = tuple[Contribution, ...]

STRANGER = "mallory"  # of no roster


def another(held: Chosen, own: Chosen, minimum: int, bits: int) -> Chosen:
    """Return a set that could be opened and is not the coordinator's own; empty if none can be.

    Of those who hold the same and are told with the same bits, each gets the same set.
    """
    place = bits % max(1, len(held))
    candidates = (held[:place] + held[place + 1 :], held, held[1:], held[:-1])
    return next((c for c in candidates if len(c) >= minimum and c != own), ())


def close(held: Chosen, earlier: Iterable[str], minimum: int, bits: int) -> Chosen:
    """Return what differs from an earlier set by one trainer: less if it can be, or else more."""
    names = sorted(earlier)
    gone = names[bits % len(names)] if names else ""
    same = tuple(one for one in held if one.trainer in names)
    others = [one for one in held if one.trainer not in names]
    less = tuple(one for one in same if one.trainer != gone)
    if len(less) == len(names) - 1 >= minimum:
        return less
    whole = len(same) == len(names) >= minimum and others
    return tuple(sorted((*same, others[0]), key=lambda one: one.trainer)) if whole else ()


def below(held: Chosen, minimum: int) -> Chosen:
    """Return one contribution less than the minimum."""
    return held[: minimum - 1] if len(held) >= minimum - 1 else ()


def doubled(held: Chosen, minimum: int) -> Chosen:
    """Return the minimum, of which one is there twice."""
    return (held[0], *held[: minimum - 1]) if len(held) >= minimum - 1 > 0 else ()


def with_a_stranger(held: Chosen, minimum: int) -> Chosen:
    """Return the minimum, of which one is nobody's; `mallory` sorts before every trainer."""
    if len(held) < minimum - 1:
        return ()
    stranger = Contribution(trainer=STRANGER, digest=held[0].digest if held else bytes(32))
    return (stranger, *held[: minimum - 1])


def out_of_turn(held: Chosen, minimum: int, other: str) -> Chosen:
    """Return the minimum, of which one is of a trainer that the round does not ask."""
    if len(held) < minimum - 1:
        return ()
    foreign = Contribution(trainer=other, digest=held[0].digest)
    return tuple(sorted((foreign, *held[: minimum - 1]), key=lambda one: one.trainer))


def other_digest(held: Chosen, minimum: int, digest: bytes) -> Chosen:
    """Return the minimum, of which the last is not what its trainer sent."""
    if len(held) < minimum:
        return ()
    last = msgspec.structs.replace(held[minimum - 1], digest=digest)
    return (*held[: minimum - 1], last)
