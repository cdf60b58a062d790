"""How the code of a probe's owner behaves, as a file of one line that may change at any time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

GOOD = "good"
SUFFIX = ".manners"  # of the file: an owner of a probe may have other data, which mean nothing


class Manner(Enum):
    """What the owner's code does."""

    GOOD = GOOD
    SLOW = "slow"
    FAILS = "fails"
    HANGS = "hangs"
    GARBAGE = "garbage"


@dataclass(frozen=True, slots=True)
class Manners:
    """How it behaves; `times` is how much longer slow code takes."""

    manner: Manner = Manner.GOOD
    times: float = 1.0

    @staticmethod
    def read(path: Path) -> Manners:
        """Read a file such as `slow 10`. Raises `ValueError`, `OSError` where it can't be read."""
        word, *rest = path.read_text().split() or [GOOD]
        manner = Manner(word)
        if len(rest) != (manner is Manner.SLOW):
            raise ValueError(f"{word} and {len(rest)} more words")
        return Manners(manner, float(rest[0]) if rest else 1.0)

    def write(self, path: Path) -> None:
        """Write the file, so that a reader sees the old line or this one."""
        incoming = path.with_name(path.name + ".incoming")
        slow = self.manner is Manner.SLOW
        incoming.write_text(f"{self.manner.value} {self.times:g}" if slow else self.manner.value)
        incoming.rename(path)
