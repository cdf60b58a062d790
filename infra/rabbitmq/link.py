"""One actor's supervised link to RabbitMQ: connects, publishes, consumes, and heals by itself."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any

from actors.ports import Lane, LinkLost

from .address import AddressError, BrokerAddress
from .backoff import Backoff
from .consuming import Incoming, Subscription
from .errors import GONE, is_refusal, reason_of
from .policy import SERVERS, LinkPolicy
from .publishing import Header, Letter, Outlet
from .session import Asked, Session

__all__ = ["Incoming", "LinkChange", "LinkPolicy", "LinkState", "RabbitLink", "Subscription"]

log = logging.getLogger(__name__)


class LinkState(Enum):
    """Where a link is in its life.

    BLOCKED: connected to a broker that takes no messages for now, as it is short of memory or
    disk. LOST: until the next attempt. CLOSED: for good.
    """

    CONNECTING = "connecting"
    OPEN = "open"
    BLOCKED = "blocked"
    LOST = "lost"
    CLOSED = "closed"


_NEXT = {
    None: {LinkState.CONNECTING, LinkState.CLOSED},
    LinkState.CONNECTING: {LinkState.OPEN, LinkState.LOST, LinkState.CLOSED},
    LinkState.OPEN: {LinkState.BLOCKED, LinkState.LOST, LinkState.CLOSED},
    LinkState.BLOCKED: {LinkState.OPEN, LinkState.LOST, LinkState.CLOSED},
    LinkState.LOST: {LinkState.CONNECTING, LinkState.CLOSED},
    LinkState.CLOSED: set[LinkState](),
}


@dataclass(frozen=True, slots=True)
class LinkChange:
    """A step of a link's life; `reconnects` counts how often it came back."""

    state: LinkState
    reason: str
    reconnects: int


class AlreadySubscribed(ValueError):
    """A link has one consumer for a queue at most."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"queue {queue} has a subscription on this link: end that one first")


class RabbitLink:
    """Two connections of one actor to the broker, one to publish and one to consume.

    `notice` hears every change of state; it must return at once. For one event loop.
    """

    def __init__(
        self,
        name: str,
        address: BrokerAddress,
        *,
        policy: LinkPolicy = SERVERS,
        notice: Callable[[LinkChange], None] | None = None,
    ) -> None:
        self.reconnects = 0
        self._name = name
        self._address = address
        self._policy = policy
        self._notice = notice or (lambda _: None)
        self._state: LinkState | None = None
        self._opened_before = False
        self._open = asyncio.Event()
        self._outlets = {
            Lane.CONTROL: Outlet(name, policy.control, policy),
            Lane.BULK: Outlet(name, policy.bulk, policy),
        }
        self._subscriptions: dict[str, Subscription] = {}
        self._session: Session | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def state(self) -> LinkState:
        """Where the link is in its life."""
        return self._state or LinkState.CONNECTING

    def start(self) -> None:
        """Begin to connect, for ever, and return at once; again is fine."""
        if self._supervisor is None and self._state is not LinkState.CLOSED:
            self._supervisor = asyncio.create_task(
                self._supervise(), name=f"{self._name}: link to the broker"
            )
            self._supervisor.add_done_callback(self._supervised)

    async def opened(self) -> None:
        """Wait until messages can be sent. Raises `LinkLost` once closed."""
        while True:
            await self._open.wait()
            if self._state is LinkState.CLOSED:
                raise LinkLost(f"the link of {self._name!r} to the broker is closed")
            if self._state is LinkState.OPEN:
                return

    async def publish(
        self, key: str, body: bytes, *, lane: Lane, headers: Mapping[str, Header] | None = None
    ) -> None:
        """Return once the broker confirmed the message; wait through losses, blocks, full queues.

        It may arrive twice. Raises `UnknownRecipient`, `MessageTooLarge`, `NotPermitted`, and
        `LinkLost` once the link is closed.
        """
        await self._outlets[lane].publish(Letter(key, body, headers or {}))

    def subscribe(
        self,
        queue: str,
        take: Callable[[Incoming], None],
        *,
        prefetch: int,
        arguments: Callable[[], dict[str, Any]] | None = None,
    ) -> Subscription:
        """Consume a queue, on this connection and every later one, until `unsubscribe`.

        `take` hears each message at once, before any other, and must not wait. At most
        `prefetch` are handed out and not acknowledged. `arguments` is asked for the consumer's
        arguments before each connection. Raises `AlreadySubscribed`.
        """
        if queue in self._subscriptions:
            raise AlreadySubscribed(queue)
        if prefetch < 1:
            raise ValueError(f"prefetch is {prefetch}: it must be at least 1")
        subscription = Subscription(queue, take, prefetch, arguments)
        self._subscriptions[queue] = subscription
        if self._session is not None:
            self._session.look()
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Take no more; what is not acknowledged returns to its queue."""
        if self._subscriptions.get(subscription.queue) is not subscription:
            return
        del self._subscriptions[subscription.queue]
        if self._session is not None:
            await self._session.unsubscribe(subscription)

    async def close(self) -> None:
        """End the link for good within a few seconds; nothing of it stays."""
        if self._state is not LinkState.CLOSED:
            self._become(LinkState.CLOSED, "closed by us")
        for outlet in self._outlets.values():
            outlet.close()
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        session, self._session = self._session, None
        if session is not None:
            await session.close(within_s=self._policy.close_s)

    # --- supervision ------------------------------------------------------------------

    async def _supervise(self) -> None:
        policy = self._policy
        soon = Backoff(policy.first_wait_s, policy.longest_wait_s)
        late = Backoff(10 * policy.first_wait_s, policy.refused_wait_s, floor=0.5)
        clock = asyncio.get_running_loop()
        for place in self._places():
            began_s = clock.time()
            refused = await self._live(place)
            if clock.time() - began_s > policy.steady_s:
                soon.reset()
            if not refused:
                late.reset()
            await asyncio.sleep(late.next_s() if refused else soon.next_s())

    async def _live(self, place: tuple[str, int]) -> bool:
        """Live one session through; return whether the broker refused to have it."""
        where = f"{place[0]}:{place[1]}"
        self._become(LinkState.CONNECTING, f"connecting to {where}")
        asked = Asked(self._name, self._policy, self._outlets, self._subscriptions)
        session = self._session = Session(asked, self._blocked)
        refused = False
        try:
            async with asyncio.timeout(self._policy.connect_s):
                await session.open(self._address, place)
            self._opened(session, where)
            reason = await asyncio.shield(session.lost)  # else our own end would pass for a loss
        except TimeoutError:
            reason = f"{session.doing} was not answered in time"
        except (*GONE, AddressError) as error:
            refused = is_refusal(error) or isinstance(error, AddressError)
            reason = reason_of(error)
        except Exception as error:
            log.exception("%s: an attempt to connect failed unexpectedly", self._name)
            reason = f"{type(error).__name__}: {error}"
        self._become(LinkState.LOST, f"{where}: {reason}")
        session.lose(reason)
        await session.close(within_s=self._policy.close_s)
        self._session = None
        return refused

    def _opened(self, session: Session, where: str) -> None:
        if self._opened_before:
            self.reconnects += 1
        self._opened_before = True
        self._become(LinkState.OPEN, f"connected to {where}")
        if session.blocked:
            self._blocked(True)

    def _blocked(self, blocked: bool) -> None:
        if blocked and self._state is LinkState.OPEN:
            self._become(LinkState.BLOCKED, "the broker is short of memory or disk")
        elif not blocked and self._state is LinkState.BLOCKED:
            self._become(LinkState.OPEN, "the broker takes messages again")

    def _places(self) -> Iterator[tuple[str, int]]:
        """Yield the hosts in turn, for ever, from any of them on."""
        hosts = list(self._address.hosts)
        first = Random().randrange(len(hosts))  # noqa: S311 - spreads clients, hides nothing
        return itertools.cycle(hosts[first:] + hosts[:first])

    def _become(self, state: LinkState, reason: str) -> None:
        if state not in _NEXT[self._state]:
            raise RuntimeError(f"a link can't go from {self._state} to {state}")
        self._state = state
        if state in (LinkState.OPEN, LinkState.CLOSED):
            self._open.set()
        else:
            self._open.clear()
        log.info("%s: link %s: %s", self._name, state.value, reason)
        try:
            self._notice(LinkChange(state, reason, self.reconnects))
        except Exception:
            log.exception("%s: a listener to the link failed", self._name)

    def _supervised(self, task: asyncio.Task[None]) -> None:
        """End the link where its supervision met something nobody thought of."""
        error = None if task.cancelled() else task.exception()
        if error is None or self._state is LinkState.CLOSED:
            return
        log.error("%s: the link's supervision failed", self._name, exc_info=error)
        self._become(LinkState.CLOSED, f"a fault of ours: {type(error).__name__}")
        for outlet in self._outlets.values():
            outlet.close()
