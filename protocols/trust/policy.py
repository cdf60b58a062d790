"""What a reader of transcripts demands of every round, whatever the round says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.round_config import MINIMUM_FLOOR, RoundConfig, batches_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The least that the reader demands of a round, whatever its own configuration says.

    Attributes:
        minimum: trainers in a sum.
        threshold: answers that it takes to open one.
        privacy: holders that learn nothing together, T.
        quorum: votes of a certificate, and countersignatures; only with `vote`.
        vote: demand the two-phase release.
        faults: holders that may be malicious, f.
        batches: into how many the trainers are split and how many of them a round asks, (0, 0)
            for everybody; None where any way will do.
    """

    minimum: int = MINIMUM_FLOOR
    threshold: int = 2
    privacy: int = 1
    quorum: int = 1
    vote: bool = False
    faults: int = 0
    batches: tuple[int, int] | None = None

    def fault(self, config: RoundConfig) -> str | None:
        """Name the first rule of the round that is weaker than this, None where none is."""
        n, t, q, f = config.holders, config.threshold, config.quorum, self.faults
        drawn = config.batches, config.drawn
        meeting, part = (n + f) // 2 + 1, config.privacy() + 1
        for weaker, text in (
            (
                config.minimum < self.minimum,
                f"its minimum of {config.minimum} trainers is below the {self.minimum} demanded",
            ),
            (
                self.batches not in (None, drawn),
                f"it asks {batches_text(*drawn)}, and {batches_text(*(self.batches or drawn))} is "
                "demanded: sums over other batches may show what theirs hide",
            ),
            (self.vote and not config.vote, "it was released without a vote, which is demanded"),
            (t < self.threshold, f"its threshold of {t} is below the {self.threshold} demanded"),
            (t <= f, f"its threshold of {t} lets {f} malicious holders open everything"),
            (
                config.privacy() < self.privacy,
                f"its packing of {config.packing} leaves {config.privacy()} holders that learn "
                f"nothing together, and {self.privacy} are demanded",
            ),
            (part <= f, f"its packing of {config.packing} lets {f} malicious holders learn a part"),
            (
                config.vote and q < self.quorum,
                f"its quorum of {q} is below the {self.quorum} demanded",
            ),
            (
                config.vote and q < meeting,
                f"its quorum of {q} of {n} holders lets two sets be voted for where {f} holders "
                f"are malicious; {meeting} are needed",
            ),
            (
                not config.vote and 2 * part <= n + f < 2 * t,
                f"its packing of {config.packing} without a vote lets two sums be learnt in part "
                f"where {f} of {n} holders are malicious",
            ),
            (
                not config.vote and 2 * t <= n + f,
                f"its threshold of {t} of {n} holders without a vote lets two sums be opened "
                f"where {f} holders are malicious; more than {(n + f) // 2} are needed",
            ),
        ):
            if weaker:
                return text
        return None


LEAST = Policy()  # what no round may be below
