"""Credit for uploads: a holder names the chunks that it wants next, a trainer sends no others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

from protocols.messages import MAX_CREDIT

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Credit:
    """How much of a holder's queue trainers may fill.

    A trainer may have `chunks` of its share on the way at a time; with many uploads under way
    each gets its part of `pool`, and at least one.
    """

    chunks: int = 8
    pool: int = 256


def spans_of(indices: Iterable[int]) -> Spans:
    """Return ascending indices as runs (first, how many)."""
    runs: list[tuple[int, int]] = []
    for index in indices:
        first, count = runs[-1] if runs else (index, 0)
        if index == first + count:
            runs[-1:] = [(first, count + 1)]
        else:
            runs.append((index, 1))
    return tuple(runs)


def span_fault(spans: Sequence[tuple[int, int]], chunks: int) -> str | None:
    """Say what is wrong with the spans of a grant for so many chunks, None if nothing is."""
    if any(first + count >= later for (first, count), (later, _) in pairwise(spans)):
        return "spans that are not ascending and apart"
    if sum(count for _, count in spans) > MAX_CREDIT:
        return f"more than {MAX_CREDIT} chunks"
    last, count = spans[-1]
    return f"chunk {last + count - 1} of {chunks}" if last + count > chunks else None


def indices_of(spans: Sequence[tuple[int, int]]) -> Iterable[int]:
    """Return the indices in spans that are without fault."""
    return (index for first, count in spans for index in range(first, first + count))


def fair_share(pool: int, uploads: int, *, most: int) -> int:
    """Return how many chunks of a pool each of so many uploads may have on its way: 1 to `most`."""
    return max(1, min(most, pool // max(1, uploads)))


@dataclass(slots=True)
class Incoming:
    """A holder's view of one upload: what is stored, and what it asked for and still expects.

    What is asked for are always the lowest missing chunks, so each grant repeats what an
    earlier one that was lost had named. None of it outlives a crash but the stored chunks.
    """

    stored: dict[int, None] = field(default_factory=dict)
    _granted: dict[int, None] = field(default_factory=dict)
    _lowest: int = 0

    def store(self, index: int) -> bool:
        """Take note of a chunk; say whether it is new."""
        self._granted.pop(index, None)
        new = index not in self.stored
        self.stored[index] = None
        return new

    def whole(self, chunks: int) -> bool:
        """Return whether nothing is missing."""
        return len(self.stored) == chunks

    def grant(self, chunks: int, credit: int, *, offered: bool) -> Spans:
        """Return what to ask for now; nothing while more than half of the credit is on its way.

        An offer is always answered: whoever makes it has forgotten what it was granted.
        """
        if len(self._granted) > credit // 2 and not offered:
            return ()
        wanted = self._lowest_missing(chunks, credit)
        if not offered and all(index in self._granted for index in wanted):
            return ()
        self._granted = dict.fromkeys(wanted)
        return spans_of(wanted)

    def _lowest_missing(self, chunks: int, credit: int) -> list[int]:
        while self._lowest in self.stored:
            self._lowest += 1
        missing = (i for i in range(self._lowest, chunks) if i not in self.stored)
        return list(islice(missing, credit))


@dataclass(slots=True)
class Outgoing:
    """A trainer's view of one upload: what went out since the last offer, and what is to follow.

    One piece is on its way at a time; what is granted meanwhile waits for the next.
    """

    busy: bool = False
    moved: bool = False  # an offer went out or a grant came in since `offer_again` last asked
    repeats: bool = False  # what is on its way is an offer that was made before
    _sent: dict[int, None] = field(default_factory=dict)
    _waiting: dict[int, None] = field(default_factory=dict)

    def offer(self) -> tuple[int, ...]:
        """Begin, or begin again: chunk 0 goes out, and whatever is granted then goes out anew."""
        self.moved = True
        self._sent, self._waiting = {}, {0: None}
        return self._next()

    def offer_again(self) -> tuple[int, ...]:
        """Offer again if nothing is on its way and nothing has moved since the last call."""
        idle = not self.busy and not self.moved
        self.moved = False
        if not idle:
            return ()
        piece = self.offer()
        self.repeats = True
        return piece

    def granted(self, indices: Iterable[int]) -> tuple[int, ...]:
        """Take a grant; return what to send now."""
        self.moved = True
        self._waiting |= dict.fromkeys(index for index in indices if index not in self._sent)
        return () if self.busy else self._next()

    def went_out(self) -> tuple[int, ...]:
        """Take note that the piece on its way is out; return the next."""
        return self._next()

    def _next(self) -> tuple[int, ...]:
        piece, self._waiting = tuple(self._waiting), {}
        self._sent |= dict.fromkeys(piece)
        self.busy, self.repeats = bool(piece), False
        return piece
