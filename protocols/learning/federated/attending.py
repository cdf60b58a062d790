"""Who was in the sum of which round, and which contribution of an owner the sums have taken.

Every state has a mark, the hash of all sums before it. What an owner keeps at home belongs to
the mark of the state that it was computed from, and counts once the public state says that this
owner's contribution to that state is in a sum: after a round that was abandoned, or that went on
without the owner, it is as if it had not been computed.
"""

from __future__ import annotations

import hashlib

from protocols.learning.job import Opened
from protocols.learning.state import State


def mark_of(state: State, owner: str) -> str:
    """Return the mark of the state to which this owner last contributed; empty for never."""
    return _taken(state).get(owner, "")


def mark_after(state: State, opened: Opened) -> str:
    """Return the mark of the state that comes of this sum."""
    digest = hashlib.sha256(state.text("mark").encode())
    digest.update("/".join(sorted(opened.survivors)).encode() + b"\n")
    digest.update(opened.total.tobytes())
    return digest.hexdigest()[:32]


def attended(after: State, before: State, opened: Opened) -> State:
    """Return `after` with the survivors of the round that led there from `before`."""
    taken = _taken(before) | dict.fromkeys(opened.survivors, before.text("mark"))
    known = [str(name) for name in before.items("owners")]
    owners = [*known, *sorted(set(opened.survivors) - set(known))]
    bits = sum(1 << place for place, name in enumerate(owners) if name in opened.survivors)
    return after.evolved(
        taken=[[name, mark] for name, mark in sorted(taken.items())],
        owners=owners,
        survivors=[*before.items("survivors"), f"{bits:x}"],
    )


def survivors_by_round(state: State) -> list[list[str]]:
    """Return the names of those whose contributions are in each round's sum."""
    owners = [str(name) for name in state.items("owners")]
    masks = [int(str(mask), 16) for mask in state.items("survivors")]
    return [[name for place, name in enumerate(owners) if mask >> place & 1] for mask in masks]


def _taken(state: State) -> dict[str, str]:
    pairs = [pair for pair in state.items("taken") if isinstance(pair, list)]
    return {str(owner): str(mark) for owner, mark in pairs}
