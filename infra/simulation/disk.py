"""The disk of one host, which outlives its lives: what is durable, and what only seems to be."""

from __future__ import annotations

from dataclasses import dataclass, field

from .hosts import Life

LATENCY_S = 0.001  # of a commit

Records = dict[str, bytes]
Chunks = dict[str, dict[int, bytes]]


@dataclass(frozen=True, slots=True)
class Image:
    """A copy of a disk."""

    records: Records
    chunks: Chunks


@dataclass(slots=True)
class Disk:
    """Journal and spool of a host.

    While `lying`, what is written is read again as if it were durable, and a crash may take it
    back. `latency_s` is how long a commit takes; `full` lets every write fail, `damaged` every
    reading of the journal, and chunks in `rotten` can't be read.
    """

    records: Records = field(default_factory=dict)
    chunks: Chunks = field(default_factory=dict)
    rotten: dict[tuple[str, int], None] = field(default_factory=dict)
    latency_s: float = LATENCY_S
    full: bool = False
    damaged: bool = False
    user: Life | None = None
    _before_lie: Image | None = None

    @property
    def lying(self) -> bool:
        """Whether what is written is not durable."""
        return self._before_lie is not None

    def image(self) -> Image:
        """Return a copy of what is there."""
        chunks = {stream: dict(kept) for stream, kept in self.chunks.items()}
        return Image(dict(self.records), chunks)

    def restore(self, image: Image) -> None:
        """Put a copy back in the place of what is there."""
        self.records = dict(image.records)
        self.chunks = {stream: dict(kept) for stream, kept in image.chunks.items()}
        self.rotten.clear()
        self._before_lie = None

    def lie(self) -> None:
        """Make nothing durable from now on."""
        if self._before_lie is None:
            self._before_lie = self.image()

    def mend(self) -> None:
        """Let it work as it should; what is rotten stays so."""
        self.full, self.damaged, self.latency_s = False, False, LATENCY_S
        self._before_lie = None

    def lose_power(self) -> bool:
        """Take back what was never durable; say whether there was any."""
        self.user = None
        if self._before_lie is None:
            return False
        self.restore(self._before_lie)
        return True
