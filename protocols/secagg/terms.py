"""What an actor demands of the rounds that it takes part in, by its own copy of the job."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.round_config import MINIMUM_FLOOR, RoundConfig

from .credit import Credit


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The least that an actor goes along with; a coordinator may ask for more, never for less.

    Attributes:
        minimum: trainers in any sum that is opened.
        threshold: answers without which nothing is opened.
        privacy: holders that learn nothing together, whatever it takes to open; with packed
            shares they are fewer than `threshold` - 1.
        quorum: votes of a certificate; 0 where rounds without a vote are fine.
        credit: of a share-holder, for its trainers.
    """

    minimum: int = MINIMUM_FLOOR
    threshold: int = 2
    privacy: int = 1
    quorum: int = 0
    credit: Credit = Credit()  # noqa: RUF009 - it is frozen

    def fault(self, config: RoundConfig) -> str | None:
        """Say why not to take part in this round, None where it is fine."""
        if config.minimum < self.minimum:
            return f"minimum below ours of {self.minimum}"
        if config.threshold < self.threshold:
            return f"threshold below ours of {self.threshold}"
        if config.privacy() < self.privacy:
            return f"only {config.privacy()} holders learn nothing, and we want {self.privacy}"
        if self.quorum and not config.vote:
            return "no vote, and we want one"
        if config.vote and config.quorum < self.quorum:
            return f"quorum below ours of {self.quorum}"
        return None
