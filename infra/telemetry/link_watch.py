"""The link to the broker as this process sees it, and for how long it has been so."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from actors.ports import Clock

from .snapshot import Link

STATES = ("connecting", "open", "blocked", "lost", "closed")


class LinkNews(Protocol):
    """What a link tells when its state changes: `infra.rabbitmq.link.LinkChange`."""

    @property
    def state(self) -> Enum:
        """The state; its name in small letters is one of `STATES`."""
        ...

    @property
    def reason(self) -> str:
        """Why, without any secret."""
        ...

    @property
    def reconnects(self) -> int:
        """How often the connection was made again so far."""
        ...


class LinkWatch:
    """Remembers the link's last news."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: tuple[str, str, int] | None = None
        self._since_s = 0.0
        self._down_s: float | None = None

    def take(self, news: LinkNews) -> bool:
        """Take note of a change; say whether something that worked has ceased to."""
        now_s, state = self._clock.now_s(), news.state.name.lower()
        worked = self._last is not None and self._down_s is None
        if state in ("open", "blocked"):
            self._down_s = None
        elif self._down_s is None:
            # Attempts to connect come and go; what counts is since when there has been no link.
            self._down_s = now_s
        reason = news.reason
        if state == "connecting" and self._last is not None:
            reason = self._last[1]  # why it is needed again says more than that it is tried
        self._last = state, reason, news.reconnects
        self._since_s = now_s
        return worked and state in ("blocked", "lost")

    def now(self) -> Link | None:
        """Return how it stands, None before the first news: a transport without a broker."""
        if self._last is None:
            return None
        now_s = self._clock.now_s()
        state, reason, reconnects = self._last
        return Link(
            state=state,
            reason=reason[:500],
            state_s=now_s - self._since_s,
            down_s=0.0 if self._down_s is None else now_s - self._down_s,
            reconnects=reconnects,
        )
