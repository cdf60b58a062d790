"""A broker that sees, changes, keeps back, repeats and makes up messages, as its operator could.

It has no member's key. `meddle` is asked about each message on its way to a recipient and returns
what is delivered in its place, maybe nothing, maybe much.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from fakes.actor_rig import Stage

from actors.ports import Delivery, Lane, Transport


@dataclass(frozen=True, slots=True)
class Passing:
    """A message on its way, as the broker has it."""

    sender: str
    recipient: str
    body: bytes


Meddle = Callable[[Passing], Iterable[Passing]]


class _Forged:
    """A message that the broker hands out as if it came from a queue."""

    redelivered = False

    def __init__(self, passing: Passing, last: Delivery | None) -> None:
        self.body, self.sender = passing.body, passing.sender
        self._last = last

    async def ack(self) -> None:
        if self._last is not None:
            await self._last.ack()


class _Link:
    """An actor's link to the hostile broker."""

    def __init__(self, name: str, inner: Transport, meddle: Meddle) -> None:
        self._name, self._inner, self._meddle = name, inner, meddle
        self.stalled_s, self.close = inner.stalled_s, inner.close

    async def send(self, to: str, body: bytes, *, lane: Lane) -> None:
        await self._inner.send(to, body, lane=lane)

    async def deliveries(self) -> AsyncIterator[Delivery]:
        async for delivery in self._inner.deliveries():
            true = Passing(delivery.sender or "", self._name, delivery.body)
            handed = list(self._meddle(true))
            if not handed:
                await delivery.ack()
            for place, passing in enumerate(handed):
                last = delivery if place == len(handed) - 1 else None
                yield _Forged(passing, last)


class HostileStage(Stage):
    """A federation on a hostile broker."""

    def __init__(self, meddle: Meddle, *, rounds: int = 2) -> None:
        super().__init__(rounds=rounds)
        self._meddle = meddle

    def connect(self, name: str) -> Transport:
        """Return an actor's link."""
        return _Link(name, super().connect(name), self._meddle)
