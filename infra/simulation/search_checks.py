"""What the coordinator knows of sums over one model state, where some of them were garbled.

It has the answers of those, and whoever garbled them may know what is left of the others. So
whatever can be combined from all of them must be a sum of as many trainers as any other.
"""

from __future__ import annotations

from protocols.records import RoundRecord

from .ghost import Ghost, Rule

SEARCHED = "to find out whose"
"""What a coordinator says of an abandoned round that narrowed who garbles sums."""
_STATES = 64
# What a coordinator says of a round whose sum was garbled.
_GARBLED = ("opens to noise that", "open to no sum of")


class SearchChecks:
    """Remembers the sets of garbled rounds by state, and looks at the next ones beside them."""

    def __init__(self, ghost: Ghost) -> None:
        self._ghost = ghost
        self._sums: dict[bytes, list[frozenset[str]]] = {}

    def on_abandoned(self, reason: str, record: RoundRecord | None) -> None:
        """Take note of a garbled sum; the others of its state are looked at with it."""
        if record is not None and any(words in reason for words in _GARBLED):
            self._look(record)
            known = self._sums.setdefault(record.config.state, [])
            known += [] if _names(record) in known else [_names(record)]
            while len(self._sums) > _STATES:
                del self._sums[next(iter(self._sums))]

    def on_complete(self, record: RoundRecord | None) -> None:
        """Look at a sum that was opened."""
        if record is not None:
            self._look(record)

    def _look(self, record: RoundRecord) -> None:
        ghost, config, names = self._ghost, record.config, _names(record)
        earlier = self._sums.get(config.state, [])
        if len(earlier) < 2 or names in earlier:
            return  # two sums are looked at by another rule, and the same one tells nothing new
        parts: dict[tuple[bool, ...], int] = {}
        for name in ghost.roster.trainers:
            inside = tuple(name in each for each in (*earlier, names))
            parts[inside] = parts.get(inside, 0) + any(inside)
        least = min((count for count in parts.values() if count), default=config.minimum)
        if least < config.minimum:
            text = f"sums over one state tell of {least} trainers; {config.minimum} are the least"
            ghost.violated(Rule.APART, ghost.roster.coordinator, text)


def _names(record: RoundRecord) -> frozenset[str]:
    return frozenset(contribution.trainer for contribution in record.chosen)
