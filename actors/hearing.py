"""Tells whether silence is that of others, or whether this actor could hear nobody."""

from __future__ import annotations

# What a busy process may be late without having missed anything.
_LATE_S = 1.0


class Hearing:
    """Arithmetic on one clock. Ask `is_deaf` before a look at the time, then `overslept_s`.

    A process that was stopped, or whose transport stood still, has its messages before it when it
    goes on, and would find that everybody's time is over before it reads them.
    """

    def __init__(self) -> None:
        self._look_s: float | None = None

    def is_deaf(self, now_s: float, *, stalled_s: float) -> bool:
        """Return whether the transport stands still: the time is not looked at until it works."""
        deaf = stalled_s > _LATE_S
        self._look_s = now_s + _LATE_S if deaf else None
        return deaf

    def wake_s(self, due_s: float | None) -> float | None:
        """Return when to look, if the machine is due then: while deaf not before the next try."""
        if due_s is None or self._look_s is None:
            return due_s
        return max(due_s, self._look_s)

    def overslept_s(self, now_s: float, due_s: float | None) -> float:
        """Return for how long nobody could be heard, if one should have looked at `due_s`."""
        late_s = 0.0 if due_s is None else now_s - due_s
        return late_s if late_s > _LATE_S else 0.0
