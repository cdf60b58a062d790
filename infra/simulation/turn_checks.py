"""Whose turn it is in a round, worked out anew: the rule must not err where the program does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from protocols.round_config import Roster, RoundConfig


def turn_fault(config: RoundConfig, roster: Roster, trainers: Iterable[str]) -> str | None:
    """Say why these may not be summed together in a round that asks batches; None if they may."""
    if not config.batches or config.roster != roster.digest():
        return None
    inside, batches = set(trainers), _batches_asked(config, roster)
    if outside := sorted(inside.difference(*batches)):
        return f"{outside[0]} is out of turn"
    few = [len(batch & inside) for batch in batches if 0 < len(batch & inside) < config.minimum]
    return f"there are {few[0]} of a batch" if few else None


def out_of_turn(config: RoundConfig, roster: Roster, trainer: str) -> bool:
    """Return whether a round does not ask a trainer."""
    if not config.batches or config.roster != roster.digest():
        return False
    return not any(trainer in batch for batch in _batches_asked(config, roster))


def _batches_asked(config: RoundConfig, roster: Roster) -> list[set[str]]:
    order = [hashlib.sha256(b"quorate batch\0" + name.encode()) for name in roster.trainers]
    ranked = sorted(zip([one.digest() for one in order], roster.trainers, strict=True))
    size, rest = divmod(len(ranked), config.batches)
    asked = []
    for turn in range(config.drawn):
        place = (config.number * config.drawn + turn) % config.batches
        first = place * size + min(place, rest)
        asked.append({name for _, name in ranked[first : first + size + (place < rest)]})
    return asked
