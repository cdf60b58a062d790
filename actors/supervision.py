"""Keeping an actor alive: build it, run it, and after a crash build it again from its journal."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from protocols.reports import ActorRestarted

from .actor import Actor
from .ports import Clock, Monitor

log = logging.getLogger(__name__)

Build = Callable[[], AbstractAsyncContextManager[Actor]]


class GaveUp(Exception):
    """An actor crashed too often in a row; the last crash is the cause."""

    def __init__(self, name: str, crashes: int, cause: Exception) -> None:
        super().__init__(f"{name} crashed {crashes} times in a row, the last time: {cause}")


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How long to wait before a restart, and after how many crashes in a row to give up.

    The wait doubles from `first_s` up to `longest_s`. A run of `calm_s` ends a row.
    """

    first_s: float = 0.2
    longest_s: float = 30.0
    calm_s: float = 60.0
    most: int = 8

    def wait_s(self, crashes: int) -> float:
        """Return the wait after so many crashes in a row."""
        return min(self.longest_s, self.first_s * 2.0 ** min(crashes - 1, 32))


class Supervisor:
    """Runs one actor; `build` opens its ports and closes them however the actor ends."""

    def __init__(
        self,
        name: str,
        build: Build,
        *,
        clock: Clock,
        monitor: Monitor,
        policy: RestartPolicy | None = None,
    ) -> None:
        self.name = name
        self.actor: Actor | None = None
        self._build = build
        self._clock = clock
        self._monitor = monitor
        self._policy = RestartPolicy() if policy is None else policy
        self._stopping = False

    def stop(self) -> None:
        """Ask for a clean end; a crashed actor is not built again."""
        self._stopping = True
        if self.actor is not None:
            self.actor.stop()

    async def run(self) -> None:
        """Return once the actor has ended by itself. Cancelling ends it at once, as a crash.

        Raises `GaveUp` after too many crashes in a row.
        """
        crashes = 0
        while not self._stopping:
            began_s = self._clock.now_s()
            error = await self._run_once()
            if error is None:
                return
            calm = self._clock.now_s() - began_s >= self._policy.calm_s
            crashes = 1 if calm else crashes + 1
            await self._after_crash(crashes, error)

    async def _run_once(self) -> Exception | None:
        """Return what the actor died of, None if it ended by itself."""
        try:
            async with self._build() as actor:
                self.actor = actor
                if self._stopping:
                    actor.stop()
                await actor.run()
        except Exception as error:  # noqa: BLE001 - whatever it was, the journal is whole
            return error
        finally:
            self.actor = None
        return None

    async def _after_crash(self, crashes: int, error: Exception) -> None:
        log.error("%s crashed: %s", self.name, error, exc_info=error)
        if crashes >= self._policy.most:
            raise GaveUp(self.name, crashes, error) from error
        reason = f"{type(error).__name__}: {error}"
        self._monitor.emit(ActorRestarted(actor=self.name, reason=reason))
        await self._clock.sleep(self._policy.wait_s(crashes))
