"""Which trainers a round asks: whole batches of the roster, and the roster is split once.

So et al. (AAAI 2023, "Securing Secure Aggregation") show that sums over sets that change from
round to round can be solved for single models once models converge. Where every sum is over whole
batches, of a split that never changes, no combination of sums tells of fewer trainers than a
batch has (ADR 14).

Who is in which batch follows from the trainers' names and the number of batches alone, not from
the job: otherwise a second job over the same data would be another split. Which batches a round
asks follows from its number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

from .round_config import Roster, RoundConfig

Names = frozenset[str]


@lru_cache(maxsize=8)
def split(roster: Roster, batches: int) -> tuple[Names, ...]:
    """Return the batches of a roster's trainers, sizes differing by one at most.

    The trainers are in the order of the SHA-256 of their names. Where they stand in the roster,
    which keys they have, what it is called and what is computed changes nothing.
    """
    order = sorted(roster.trainers, key=_place)
    few, more = divmod(len(order), batches)
    ends = accumulate((few + (place < more) for place in range(batches)), initial=0)
    return tuple(frozenset(order[first:end]) for first, end in pairwise(ends))


def _place(trainer: str) -> bytes:
    return hashlib.sha256(b"quorate batch\x00" + trainer.encode()).digest()


def drawn_in(config: RoundConfig) -> tuple[int, ...]:
    """Return the places in the split, from 0, of the batches that a round asks; none if all.

    They take turns: of as many rounds in a row as there are batches, each is in `drawn`.
    """
    return turn_of(config.number, batches=config.batches, drawn=config.drawn)


def turn_of(number: int, *, batches: int, drawn: int) -> tuple[int, ...]:
    """Return whose turn it is in the round of a number; nobody's where there are no batches."""
    return tuple(sorted((number * drawn + place) % batches for place in range(drawn)))


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a round asks: the batches that are drawn, or everybody where there are none.

    A sum has none or at least `minimum` of each batch.
    """

    batches: tuple[Names, ...] = ()
    minimum: int = 0

    @classmethod
    def of(cls, config: RoundConfig, roster: Roster) -> Asked:
        """Return whom a round asks."""
        if not config.batches:
            return cls()
        batches = split(roster, config.batches)
        return cls(tuple(batches[place] for place in drawn_in(config)), config.minimum)

    def __contains__(self, trainer: str) -> bool:
        """Whether the round asks a trainer."""
        return not self.batches or any(trainer in batch for batch in self.batches)

    def among(self, trainers: Iterable[str]) -> tuple[str, ...]:
        """Return those of some trainers whom the round asks, in their order."""
        return tuple(name for name in trainers if name in self)

    def short(self, chosen: Iterable[str]) -> Names:
        """Return the chosen trainers of whose batches too few are chosen."""
        inside = frozenset(chosen)
        return frozenset[str]().union(*(batch & inside for batch in self._short_of(inside)))

    def shortest(self, chosen: Iterable[str]) -> Names:
        """Return all of the batch of which fewest are chosen, and too few; empty if there is none.

        Whoever leaves it out may look for another set among the rest.
        """
        inside = frozenset(chosen)
        return min(self._short_of(inside), key=lambda b: len(b & inside), default=frozenset[str]())

    def _short_of(self, inside: Names) -> list[Names]:
        return [batch for batch in self.batches if 0 < len(batch & inside) < self.minimum]

    def fault(self, chosen: Iterable[str]) -> str | None:
        """Say why a sum over these trainers is none over batches; None if it is."""
        names = sorted(chosen)
        if outside := [name for name in names if name not in self]:
            return f"{outside[0]} is of no batch that the round asks"
        if short := sorted(self.short(names)):
            return (
                f"of the batch of {short[0]} there are fewer than the minimum of {self.minimum}: "
                "with a sum over more of it they would be told apart"
            )
        return None


def not_asked(config: RoundConfig, roster: Roster, trainer: str) -> str | None:
    """Say that a round does not ask a trainer, and whom it asks; None if it does."""
    if trainer in Asked.of(config, roster):
        return None
    batches = split(roster, config.batches)
    own = next((str(i + 1) for i, batch in enumerate(batches) if trainer in batch), "none")
    turn = ", ".join(str(place + 1) for place in drawn_in(config))
    return (
        f"not our turn: round {config.number} asks batch {turn} of {config.batches}, and "
        f"{trainer} is of batch {own}"
    )


def sizes(trainers: int, batches: int) -> tuple[int, int]:
    """Return how many trainers the smallest and the largest batch have."""
    return trainers // batches, -(-trainers // batches)
