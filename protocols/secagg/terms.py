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
        suite: what hides vectors; empty where any will do.
        credit: of a share-holder, for its trainers.
    """

    minimum: int = MINIMUM_FLOOR
    threshold: int = 2
    privacy: int = 1
    quorum: int = 0
    suite: str = ""
    credit: Credit = Credit()  # noqa: RUF009 - it is frozen

    def fault(self, config: RoundConfig) -> str | None:
        """Say why not to take part in this round, None where it is fine."""
        learn_nothing = config.privacy()
        faults = (
            (config.minimum < self.minimum, f"minimum below ours of {self.minimum}"),
            (config.threshold < self.threshold, f"threshold below ours of {self.threshold}"),
            (
                self.suite not in ("", config.suite),
                f"the suite {config.suite}, and we want {self.suite}",
            ),
            (
                learn_nothing < self.privacy,
                f"only {learn_nothing} holders learn nothing, and we want {self.privacy}",
            ),
            (self.quorum and not config.vote, "no vote, and we want one"),
            (config.vote and config.quorum < self.quorum, f"quorum below ours of {self.quorum}"),
        )
        return next((text for wrong, text in faults if wrong), None)
