"""One generation of a link: two connections, their channels, and what went wrong first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass

from aiormq.abc import AbstractChannel

from actors.ports import Lane

from .address import BrokerAddress
from .consuming import Intake, Subscription
from .errors import GONE, NoReplica, Unconfirmed, guarded, reason_of
from .patience import Patience
from .policy import LinkPolicy
from .publishing import UNWELCOME, Outlet
from .pulse import Pulse
from .wire import Wire

_CLOSING_S = 5.0
_REPLICA_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link wants of each of its sessions; `subscriptions` changes under way."""

    name: str
    policy: LinkPolicy
    outlets: Mapping[Lane, Outlet]
    subscriptions: Mapping[str, Subscription]


class Session:
    """Opened once and lost once; whatever breaks first loses all of it.

    Publishing and consuming have a connection each: a broker that is short of memory stops
    reading from publishers, and acknowledgements must get through to it all the same.
    """

    def __init__(self, asked: Asked, blocked: Callable[[bool], None]) -> None:
        self.blocked = False
        self.doing = ""  # for the case that it never ends
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked = asked
        self._name = asked.name
        self._outlets = asked.outlets
        self._tell_blocked = blocked
        self._wires: list[Wire] = []
        self._channels: dict[Lane, AbstractChannel] = {}
        self._intakes: dict[Subscription, Intake] = {}
        self._renewing: set[Lane] = set()
        self._put_off_s: dict[Subscription, float] = {}  # since when
        self._tasks: set[asyncio.Task[None]] = set()
        self._attaching = asyncio.Lock()
        self._opened = False

    async def open(self, address: BrokerAddress, place: tuple[str, int]) -> None:
        """Connect, and begin to publish and consume. Raises the library's errors."""
        self.doing = f"connecting to {place[0]}:{place[1]}"
        publishing = await self._wire(address, place, "publish", self._block)
        for lane in Lane:
            await self._open_lane(publishing, lane)
        consuming = await self._wire(address, place, "consume", lambda _: None)
        await self._attach()
        for wire, waits in ((publishing, lambda: self.blocked), (consuming, lambda: False)):
            pulse = Pulse(wire, await wire.channel(), self._asked.policy, waits)
            self._begin(pulse.watch(self.lose))
        self._opened = True
        for lane in Lane:
            self._lend(lane)
        self.look()

    def lose(self, reason: str) -> None:
        """Give the session up; the first reason counts."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        for outlet in self._outlets.values():
            outlet.withdraw()
            outlet.block(False)
        for intake in self._intakes.values():
            intake.end()

    def look(self) -> None:
        """Begin the subscriptions that are new; a failure loses the session."""
        if self._opened and not self.lost.done():
            self._begin(self._attach())

    async def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; what is not acknowledged returns to its queue.

        It ends all the same where the caller is cancelled meanwhile.
        """
        if not self.lost.done():
            await asyncio.wait([self._begin(self._detach(subscription))])

    async def close(self, *, within_s: float) -> None:
        """Leave nothing open and nothing running; orderly if that goes fast."""
        orderly = not self.lost.done()
        # No intake may take a cancelled subscription for a loss.
        intakes = list(self._intakes.values()) if orderly else []
        for task in self._tasks:
            task.cancel()
        try:
            with contextlib.suppress(*GONE, TimeoutError):
                async with asyncio.timeout(within_s / 3):
                    for intake in intakes:
                        await intake.cancel()
            self.lose("closed")
            limit_s = within_s / 3 if orderly else within_s / 6
            await asyncio.gather(*(wire.close(within_s=limit_s) for wire in self._wires))
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            self.lose("closed")
            for wire in self._wires:
                wire.cut()

    # --- connections ------------------------------------------------------------------

    async def _wire(
        self,
        address: BrokerAddress,
        place: tuple[str, int],
        use: str,
        blocked: Callable[[bool], None],
    ) -> Wire:
        wire = await Wire.open(
            address,
            place,
            name=f"{self._name} {use}",
            heartbeat_s=self._asked.policy.heartbeat_s,
            blocked=blocked,
        )
        self._wires.append(wire)
        wire.connection.closing.add_done_callback(
            lambda closing: self.lose(
                "the connection was given up"
                if closing.cancelled()
                else reason_of(closing.exception())
            )
        )
        return wire

    def _block(self, blocked: bool) -> None:
        if self.lost.done() or blocked == self.blocked:
            return
        self.blocked = blocked
        for outlet in self._outlets.values():
            outlet.block(blocked)
        self._tell_blocked(blocked)

    # --- channels ---------------------------------------------------------------------

    async def _open_lane(self, wire: Wire, lane: Lane) -> None:
        with self._insisting(f"opening a channel for {lane.value}", lambda: self.blocked):
            channel = await wire.channel(confirms=True)
        self._channels[lane] = channel
        channel.closing.add_done_callback(
            lambda closing: self._lane_failed(
                lane, channel, None if closing.cancelled() else closing.exception()
            )
        )
        self._lend(lane)

    def _lend(self, lane: Lane) -> None:
        """Let messages out, but not before all of the session stands: it may come to nothing."""
        channel = self._channels.get(lane)
        if self._opened and channel is not None and not self.lost.done():
            self._outlets[lane].lend(
                channel,
                lambda error: self._suspect(channel, error),
                lambda: self._renew(lane, channel),
            )

    def _suspect(self, channel: AbstractChannel, error: BaseException) -> None:
        """Take it that a channel is about to close, and lose the session if it does not."""
        if isinstance(error, Unconfirmed):
            self.lose(reason_of(error))
            return

        async def closes() -> None:
            closed, _ = await asyncio.wait([channel.closing], timeout=_CLOSING_S)
            if not closed:
                self.lose(reason_of(error))

        if not self.lost.done():
            self._begin(closes())

    def _renew(self, lane: Lane, channel: AbstractChannel) -> None:
        if self._channels.get(lane) is channel and lane not in self._renewing:
            self._begin(self._renew_lane(lane, channel))

    async def _renew_lane(self, lane: Lane, old: AbstractChannel) -> None:
        """Send by a new channel, and close the old one when nothing is under way on it."""
        policy = self._asked.policy
        self._renewing.add(lane)
        await self._open_lane(self._wires[0], lane)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(policy.confirm_s):
                await self._outlets[lane].left(old)
        with (
            contextlib.suppress(*GONE),
            self._insisting(f"closing a channel for {lane.value}", lambda: self.blocked),
        ):
            await guarded(old.close())
        await asyncio.sleep(policy.renewal_s)
        self._renewing.discard(lane)
        self._lend(lane)

    def _lane_failed(
        self, lane: Lane, channel: AbstractChannel, error: BaseException | None
    ) -> None:
        if self.lost.done() or self._channels.get(lane) is not channel:
            return
        if not isinstance(error, UNWELCOME):
            self.lose(reason_of(error))
            return
        # One unwelcome message closed the channel for all: the others deserve another.
        del self._channels[lane]
        self._outlets[lane].withdraw()
        self._begin(self._open_lane(self._wires[0], lane))

    async def _attach(self) -> None:
        async with self._attaching:
            while (subscription := self._missing()) is not None:
                self.doing = f"subscribing to queue {subscription.queue}"
                intake = self._intakes[subscription] = Intake(subscription, self.lose)
                try:
                    with self._insisting(self.doing):
                        await intake.open(self._wires[1])
                except NoReplica as error:
                    self._put_off(subscription, error)
                else:
                    self._put_off_s.pop(subscription, None)

    def _put_off(self, subscription: Subscription, error: NoReplica) -> None:
        """Leave a stream for later: all else of the session works."""
        now_s = asyncio.get_running_loop().time()
        since_s = self._put_off_s.setdefault(subscription, now_s)
        if now_s - since_s > self._asked.policy.replica_s:
            self.lose(reason_of(error))
        else:
            self._begin(self._attach_later(subscription))

    async def _attach_later(self, subscription: Subscription) -> None:
        await asyncio.sleep(_REPLICA_AGAIN_S)
        self._intakes.pop(subscription, None)
        await self._attach()

    async def _detach(self, subscription: Subscription) -> None:
        async with self._attaching:
            intake = self._intakes.pop(subscription, None)
            if intake is None or self.lost.done():
                return
            # Where the connection is gone the broker has ended the subscription by itself.
            with (
                contextlib.suppress(*GONE),
                self._insisting(f"ending the subscription to queue {subscription.queue}"),
            ):
                await intake.close()

    def _missing(self) -> Subscription | None:
        wanted = self._asked.subscriptions.values()
        return next((one for one in wanted if one not in self._intakes), None)

    # --- what goes on in a session ----------------------------------------------------

    def _insisting(self, doing: str, excused: Callable[[], bool] = lambda: False) -> Patience:
        """Lose the session where the broker, which answers all else, owes this for too long."""
        return Patience(
            self._asked.policy.answer_s,
            lambda: self.lose(f"{doing} was not answered in time"),
            excused,
        )

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"{self._name}: part of the broker session")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.lose(reason_of(error))
