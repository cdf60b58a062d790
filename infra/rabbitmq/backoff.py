"""How long to wait before the next attempt: ever longer, and at random so that all don't meet."""

from __future__ import annotations

from random import Random


class Backoff:
    """Full jitter: each wait is anywhere between nothing and the limit, which doubles.

    `floor` is the part of the limit that is waited for at least.
    """

    def __init__(
        self, first_s: float, longest_s: float, *, floor: float = 0.0, random: Random | None = None
    ) -> None:
        self.failures = 0
        self._first_s = first_s
        self._longest_s = longest_s
        self._floor = floor
        self._random = random or Random()  # noqa: S311 - spreads attempts, hides nothing

    def next_s(self) -> float:
        """Count a failure and return the seconds to wait after it."""
        self.failures += 1
        limit_s = min(self._longest_s, self._first_s * 2.0 ** min(self.failures - 1, 32))
        return self._random.uniform(self._floor * limit_s, limit_s)

    def reset(self) -> None:
        """Begin anew: it worked for a while."""
        self.failures = 0
