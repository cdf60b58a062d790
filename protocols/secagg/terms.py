"""What an actor demands of the rounds that it takes part in, by its own copy of the job."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.round_config import MINIMUM_FLOOR, RoundConfig, batches_text

from .credit import Credit


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """Whom rounds ask and when they end, as an owner agreed to it: others have other guards.

    Attributes:
        buffered: contributions that are enough for a sum; 0 where rounds wait for everybody.
        max_staleness: so many rounds old a contribution may be, where rounds are buffered.
        batches: into which trainers are split; 0 where a round asks everybody.
        drawn: batches that a round asks.
    """

    buffered: int = 0
    max_staleness: int = 0
    batches: int = 0
    drawn: int = 0

    def fault(self, config: RoundConfig) -> str | None:
        """Say in which way a round is of another manner, None where it is of this one."""
        ours, oldest = self.buffered, config.max_staleness
        faults = (
            (not ours and config.buffered, "a buffered round, and ours wait for everybody"),
            (
                ours and not config.buffered,
                "a round that waits for everybody, and ours are buffered",
            ),
            (
                config.buffered < ours,
                f"buffered with {config.buffered} contributions, below ours of {ours}",
            ),
            (
                oldest != self.max_staleness,
                f"contributions up to {oldest} rounds old, and in ours up to {self.max_staleness}",
            ),
            (
                (config.batches, config.drawn) != (self.batches, self.drawn),
                f"a round that asks {batches_text(config.batches, config.drawn)}, and ours ask "
                f"{batches_text(self.batches, self.drawn)}",
            ),
        )
        return next((text for wrong, text in faults if wrong), None)


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
        manner: whom rounds ask, and when they end; None where any way will do.
        credit: of a share-holder, for its trainers.
    """

    minimum: int = MINIMUM_FLOOR
    threshold: int = 2
    privacy: int = 1
    quorum: int = 0
    suite: str = ""
    manner: Manner | None = None
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
        below = next((text for wrong, text in faults if wrong), None)
        return below if below or self.manner is None else self.manner.fault(config)
