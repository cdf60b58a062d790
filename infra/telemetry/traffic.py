"""What passes an actor's transport, in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from actors.ports import Clock, Lane

_SEND_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300)


class Inbox:
    """What was handed to the actor and is not acknowledged yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._taken_s: dict[int, float] = {}  # in the order of arrival
        self._count = 0

    @property
    def depth(self) -> int:
        """Return how many messages are unacknowledged."""
        return len(self._taken_s)

    def oldest_s(self) -> float:
        """Return how long the oldest of them has waited, 0 when there is none."""
        # A copy, because the server's thread asks too.
        taken_s = tuple(self._taken_s.values())
        return self._clock.now_s() - taken_s[0] if taken_s else 0.0

    def take(self) -> int:
        """Take note of a message; return its number here."""
        self._count += 1
        self._taken_s[self._count] = self._clock.now_s()
        return self._count

    def done(self, number: int) -> None:
        """Forget a message."""
        self._taken_s.pop(number, None)

    def clear(self) -> None:
        """Forget all: whoever had them is gone."""
        self._taken_s.clear()


class Traffic:
    """Counts messages and bytes by direction and lane, and measures sends."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        ways, lane = ("direction", "lane"), ("lane",)
        self._messages = Counter(
            "quorate_messages", "Messages in, and out and confirmed", ways, registry=registry
        )
        self._bytes = Counter(
            "quorate_message_bytes", "Bytes of their bodies", ways, registry=registry
        )
        self._redelivered = Counter(
            "quorate_messages_redelivered", "Received once more", registry=registry
        )
        self._seconds = Histogram(
            "quorate_send_seconds",
            "From send to the broker's confirmation",
            lane,
            buckets=_SEND_S,
            registry=registry,
        )
        self._failures = Counter(
            "quorate_send_failures", "Sends that raised an error", lane, registry=registry
        )
        self._pending = Gauge(
            "quorate_sends_pending", "Sends that wait for confirmation", lane, registry=registry
        )

    @contextmanager
    def sending(self, lane: Lane, size_bytes: int) -> Iterator[None]:
        """Measure a send while inside; one that is cancelled counts neither as sent nor failed."""
        label, began_s = lane.value, self._clock.now_s()
        pending = self._pending.labels(label)
        pending.inc()
        try:
            yield
        except Exception:
            self._failures.labels(label).inc()
            raise
        finally:
            pending.dec()
        self._seconds.labels(label).observe(self._clock.now_s() - began_s)
        self._count("out", label, size_bytes)

    def received(self, lane: Lane | None, size_bytes: int, *, redelivered: bool) -> None:
        """Count a message that came in."""
        self._count("in", "unknown" if lane is None else lane.value, size_bytes)
        if redelivered:
            self._redelivered.inc()

    def _count(self, direction: str, lane: str, size_bytes: int) -> None:
        self._messages.labels(direction, lane).inc()
        self._bytes.labels(direction, lane).inc(size_bytes)
