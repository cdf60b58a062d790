"""How long a coordinator waits for whom, as arithmetic on its own clock."""

from __future__ import annotations

from dataclasses import dataclass

_LATER = 2  # times `resend_s`, between two repetitions
_LONGEST = 2  # times `patience_s`, between the beginnings of two rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a coordinator waits. All are durations on its own clock.

    Attributes:
        grace_s: how long known holders are waited for when enough have answered already.
        patience_s: a step without any progress for so long goes on without the missing, or
            ends the round. Long work is progress, as those who do it say so.
        round_s: a step ends after so long even while there is progress.
        resend_s: when requests are first repeated to those who have not answered; the wait
            then is twice as long until the step ends.
    """

    grace_s: float
    patience_s: float
    round_s: float
    resend_s: float

    def apart_s(self, abandoned: int, *, missing: bool) -> float:
        """Return how long after an abandoned round began the next one may begin.

        It doubles with each of so many `abandoned` in a row. Where somebody was `missing` it
        begins with the patience and ends with twice that, else with the time to ask again and
        with the patience. So a round that ended for want of patience is seldom followed by a wait.
        """
        first_s, most_s = self.resend_s, self.patience_s
        if missing:
            first_s, most_s = self.patience_s, _LONGEST * self.patience_s
        return float(min(most_s, first_s * 2 ** min(abandoned - 1, 62)))


class Patience:
    """The clockwork of one step: when it began, last moved, was last asked, and had enough.

    `made_s` is when it was made: the first step begins then.
    """

    def __init__(self, timing: Timing, now_s: float) -> None:
        self.made_s = now_s
        self._timing = timing
        self._enough_s: float | None = None
        self.enter(now_s)

    def enter(self, now_s: float) -> None:
        """Begin a step, whose requests go out now."""
        self._began_s = self._moved_s = self._asked_s = now_s
        self._enough_s = None
        self._excused_s = 0.0
        self.times_asked = 0

    def moved(self, now_s: float) -> None:
        """Take note of progress."""
        self._moved_s = now_s

    def asked(self, now_s: float) -> None:
        """Take note that requests were repeated."""
        self.times_asked += 1
        self._asked_s = now_s

    def overslept(self, now_s: float, late_s: float) -> None:
        """Take note that until now nobody could be heard for `late_s`.

        That says nothing of those who are waited for: they get all their time again and are
        asked again. The step itself is given the time back, but no more than it has anyway.
        """
        excused_s = min(late_s, self._timing.round_s - self._excused_s)
        self._excused_s += excused_s
        self._began_s += excused_s
        self._moved_s = now_s
        self.times_asked = 0
        self._asked_s = now_s - self._timing.resend_s
        if self._enough_s is not None:
            self._enough_s = now_s

    def has_enough(self, enough: bool, now_s: float) -> None:
        """Take note whether the step could go on with what it has; the first time counts."""
        if not enough:
            self._enough_s = None
        elif self._enough_s is None:
            self._enough_s = now_s

    def in_vain(self, now_s: float) -> None:
        """Take note that the step could not go on after all: it is looked at a grace later."""
        if self._enough_s is not None:
            self._enough_s = now_s

    @property
    def knows_enough(self) -> bool:
        """Return whether the step could go on with what it has."""
        return self._enough_s is not None

    def over_grace(self, now_s: float) -> bool:
        """Return whether enough is there and the rest was waited for long enough."""
        return self._enough_s is not None and now_s >= self._enough_s + self._timing.grace_s

    def exhausted(self, now_s: float) -> bool:
        """Return whether nothing has moved for too long, or the step has taken too long."""
        stuck = now_s >= self._moved_s + self._timing.patience_s
        return stuck or now_s >= self._began_s + self._timing.round_s

    def ask_again(self, now_s: float) -> bool:
        """Return whether requests are due to be repeated."""
        return now_s >= self._ask_s()

    def deadline_s(self) -> float:
        """Return when the step ends if nothing more comes in."""
        deadlines = [
            self._moved_s + self._timing.patience_s,
            self._began_s + self._timing.round_s,
        ]
        if self._enough_s is not None:
            deadlines.append(self._enough_s + self._timing.grace_s)
        return min(deadlines)

    def wake_s(self) -> float:
        """Return when to look at the time again."""
        return min(self.deadline_s(), self._ask_s())

    def _ask_s(self) -> float:
        wait_s = self._timing.resend_s
        return self._asked_s + (wait_s * _LATER if self.times_asked else wait_s)
