"""What was told that is not true, by whom and in which round: what frees whom from which rule."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from protocols.messages import AnswerChunk, Propose, Release, ShareChunk, Vote, Wire
from protocols.secagg.sets import contribution_digest

# A contribution, and the vector that it shares, None where its shares fit none.
Vectors = dict[tuple[str, bytes], NDArray[np.float64] | None]


@dataclass(slots=True)
class Lies:
    """All lies of a history that reached a queue: a few for each fault of its plan.

    Attributes:
        told: who lied to whom.
        contributions: by round, those that a lying trainer made up and that fit the round.
        loose: by round, those of them whose shares are each of another vector.
        long: by round, those of them whose vector is beyond every bound.
        headers: by round, all that a trainer sent shares under, beside its own contribution.
        votes: by round and lying holder, the sets that it voted for.
        answers: by round and lying holder, the payloads that it answered with.
        sets: rounds in which the coordinator's name asked for a set that is not its own.
        keys: holders in whose place keys were announced that nobody has.
    """

    told: dict[tuple[str, str], None] = field(default_factory=dict)
    contributions: dict[bytes, Vectors] = field(default_factory=dict)
    loose: dict[bytes, dict[tuple[str, bytes], None]] = field(default_factory=dict)
    long: dict[bytes, dict[tuple[str, bytes], None]] = field(default_factory=dict)
    headers: dict[bytes, dict[tuple[str, bytes], None]] = field(default_factory=dict)
    votes: dict[bytes, dict[str, dict[bytes, None]]] = field(default_factory=dict)
    answers: dict[bytes, dict[str, dict[bytes, None]]] = field(default_factory=dict)
    sets: dict[bytes, None] = field(default_factory=dict)
    keys: dict[str, None] = field(default_factory=dict)

    def note(self, liar: str, to: str, message: Wire) -> None:
        """Take note of a lie that is in a queue now."""
        self.told[liar, to] = None
        match message:
            case Propose() | Release():
                self.sets[message.cid] = None
            case ShareChunk() if message.header.trainer == liar:
                headers = self.headers.setdefault(message.header.cid, {})
                headers[liar, contribution_digest(message.header)] = None
            case Vote():
                votes = self.votes.setdefault(message.cid, {})
                votes.setdefault(liar, {})[message.set_digest] = None
            case AnswerChunk():
                answers = self.answers.setdefault(message.header.cid, {})
                answers.setdefault(liar, {})[message.payload] = None
            case _:
                pass

    def between(self, one: str, other: str) -> bool:
        """Return whether one of two has lied to the other."""
        return (one, other) in self.told or (other, one) in self.told

    def voted(self, cid: bytes, holder: str, digest: bytes) -> bool:
        """Return whether a lying holder told that it votes for this set."""
        return digest in self.votes.get(cid, {}).get(holder, {})

    def liars(self, cid: bytes) -> tuple[str, ...]:
        """Name the holders that voted or answered falsely in a round."""
        known = {**self.votes.get(cid, {}), **self.answers.get(cid, {})}
        return tuple(known)
