"""Asks a connection from time to time whether it still does anything; heartbeats don't say that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiormq

from .errors import guarded
from .policy import LinkPolicy
from .wire import Wire


class Pulse:
    """Watches one connection by a harmless question on a channel of its own.

    `blocked` says whether the broker has told that it reads nothing for now.
    """

    def __init__(
        self,
        wire: Wire,
        channel: aiormq.Channel,
        policy: LinkPolicy,
        blocked: Callable[[], bool],
    ) -> None:
        self._wire = wire
        self._channel = channel
        self._policy = policy
        self._blocked = blocked

    async def watch(self, lose: Callable[[str], None]) -> None:
        """Ask until cancelled; call `lose` when there is neither an answer nor any progress."""
        while True:
            await asyncio.sleep(self._policy.pulse_s)
            question = asyncio.ensure_future(guarded(self._channel.basic_qos(prefetch_count=1)))
            try:
                if not await self._answered(question):
                    lose("the broker keeps the connection open and does nothing on it")
                    return
            finally:
                question.cancel()

    async def _answered(self, question: asyncio.Future[Any]) -> bool:
        """Wait as long as something moves: a large message on a slow line takes its time."""
        while True:
            before = self._wire.unsent()
            was_blocked = self._blocked()
            done, _ = await asyncio.wait([question], timeout=self._policy.pulse_limit_s)
            if done:
                question.result()
                return True
            waiting = was_blocked or self._blocked()
            if not waiting and before == self._wire.unsent():
                return False
