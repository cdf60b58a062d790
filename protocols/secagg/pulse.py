"""The beat of long work: who computes or sums for long says so now and then."""

from __future__ import annotations

from protocols.round_config import RoundConfig


class Pulse:
    """Keeps the time of the next beat; the first is due at once."""

    def __init__(self) -> None:
        self.next_s = 0.0

    def beaten(self, now_s: float, config: RoundConfig) -> None:
        """Take note of a beat for a round."""
        self.next_s = now_s + config.beat_ms / 1000
