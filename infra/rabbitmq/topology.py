"""What a federation needs on a broker, as data: queues, bindings, accounts and their rights.

Names are the contract between actors, provisioning and the doctor:

* one topic exchange; the routing key `<sender>.<recipient>.<lane>` says who wrote to whom, and
  the sender's account may use no other first word, so a recipient can believe it;
* a queue for each actor and lane, `<name>.control` and `<name>.bulk`; trainers have no bulk;
* two streams for the model states: `model.stream` holds chunks, `model.index` where each begins;
  they are behind an exchange of their own, which the coordinator alone may write to;
* `dead.letters` for what could not be delivered.

A classic queue lives on one node and is away with it, and a client that can't consume one of its
queues has no session at all. On a cluster that is to outlive a node all queues are replicated.

Nothing here is exclusive, transient or declared by an actor: all of it is provisioned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from actors.ports import Lane
from protocols.round_config import NAME_PATTERN, Roster

EXCHANGE = "quorate.messages"
MODEL_EXCHANGE = "quorate.model"
DEAD_EXCHANGE = "quorate.dead"
DEAD_QUEUE = "dead.letters"
MODEL_STREAM = "model.stream"
MODEL_INDEX = "model.index"

MAX_MESSAGE_BYTES = 16 * 2**20  # the default of RabbitMQ 4; above it the channel is closed

_MIB = 2**20
_DAY_MS = 86_400_000
_DELIVERIES = 20  # of one message before it counts as poison, as RabbitMQ 4 has it
_VISITS = 1_000_000  # RabbitMQ 4 drops after 20 of them what people only look at

Kind = Literal["quorum", "classic", "stream"]
Argument = str | int | bool


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue and the routing key that leads to it, None for the dead letters."""

    name: str
    kind: Kind
    arguments: dict[str, Argument]
    binding: str | None = None

    @property
    def source(self) -> tuple[str, str]:
        """The exchange it is bound to, and with which key; a fanout exchange ignores that."""
        if self.binding is None:
            return DEAD_EXCHANGE, ""
        return exchange_of(self.binding), self.binding


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange; nobody may publish to an internal one."""

    name: str
    kind: Literal["topic", "fanout"]
    internal: bool = False


# For messages, for model states and for dead letters, in every federation.
EXCHANGES = (
    Exchange(EXCHANGE, "topic"),
    Exchange(MODEL_EXCHANGE, "topic"),
    Exchange(DEAD_EXCHANGE, "fanout", internal=True),
)


@dataclass(frozen=True, slots=True)
class Account:
    """What one actor may do, as regular expressions.

    `topics` bounds its routing keys on the exchange for messages.
    """

    user: str
    configure: str
    write: str
    read: str
    topics: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much may wait on the broker, in bytes, and for how long, in ms.

    `model_bytes` is the largest model state; its stream keeps the newest three or so.
    """

    coordinator_control: int = 64 * _MIB
    holder_control: int = 16 * _MIB
    trainer_control: int = 8 * _MIB
    bulk: int = 1024 * _MIB
    dead: int = 64 * _MIB
    model_bytes: int = 256 * _MIB
    message_ttl_ms: int = _DAY_MS
    unused_ttl_ms: int = 28 * _DAY_MS


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything below one virtual host. Raises `ValueError` for a name that is none.

    `replicated`: every queue is a quorum queue, its leader on any node: for clusters.
    """

    roster: Roster
    sizes: Sizes = field(default_factory=Sizes)
    replicated: bool = False

    def __post_init__(self) -> None:
        roster = self.roster
        for name in (roster.federation, roster.coordinator, *roster.holders, *roster.trainers):
            # A dot would make two words of a key, and rights rest on the first.
            if not re.match(NAME_PATTERN, name):
                raise ValueError(f"{name!r} is no name: use a-z, 0-9, _ and -")

    def queues(self) -> tuple[Queue, ...]:
        """Return every queue and stream, each with its binding."""
        return (*self._actors_queues(), *self._streams(), self._dead())

    def accounts(self) -> tuple[Account, ...]:
        """Return one account for each actor."""
        roster = self.roster
        return (
            self._coordinator(),
            *(self._holder(name) for name in roster.holders),
            *(self._trainer(name) for name in roster.trainers),
        )

    def user(self, name: str) -> str:
        """Return the account of an actor: accounts are the whole broker's, names a federation's."""
        return f"{self.roster.federation}.{name}"

    # --- queues -----------------------------------------------------------------------

    def _actors_queues(self) -> Iterator[Queue]:
        roster, sizes = self.roster, self.sizes
        yield self._quorum(roster.coordinator, Lane.CONTROL, sizes.coordinator_control)
        yield self._bulk(roster.coordinator)
        for name in roster.holders:
            yield self._quorum(name, Lane.CONTROL, sizes.holder_control)
            yield self._bulk(name)
        for name in roster.trainers:
            yield self._inbox(name)

    def _quorum(self, name: str, lane: Lane, limit_bytes: int) -> Queue:
        arguments: dict[str, Argument] = {
            "x-queue-type": "quorum",
            "x-delivery-limit": _DELIVERIES,
            "x-dead-letter-exchange": DEAD_EXCHANGE,
            "x-dead-letter-strategy": "at-least-once",
            **self._bounds(limit_bytes),
        }
        if self.replicated:
            # Otherwise all leaders, and with them all the work, are where the queues were made.
            arguments["x-queue-leader-locator"] = "balanced"
        return self._of(name, lane, "quorum", arguments)

    def _bulk(self, name: str) -> Queue:
        """Classic: half the disk writes of a quorum queue; the sender keeps what it sent."""
        if self.replicated:
            return self._quorum(name, Lane.BULK, self.sizes.bulk)
        return self._of(name, Lane.BULK, "classic", self._bounds(self.sizes.bulk))

    def _inbox(self, name: str) -> Queue:
        """Classic: thousands of quorum queues cost a broker several times as much."""
        limit_bytes = self.sizes.trainer_control
        if self.replicated:
            queue = self._quorum(name, Lane.CONTROL, limit_bytes)
        else:
            queue = self._of(name, Lane.CONTROL, "classic", self._bounds(limit_bytes))
        return replace(queue, arguments={**queue.arguments, "x-expires": self.sizes.unused_ttl_ms})

    def _bounds(self, limit_bytes: int) -> dict[str, Argument]:
        return {
            "x-overflow": "reject-publish",
            "x-max-length-bytes": limit_bytes,
            "x-message-ttl": self.sizes.message_ttl_ms,
            "x-single-active-consumer": True,
        }

    def _of(self, name: str, lane: Lane, kind: Kind, arguments: dict[str, Argument]) -> Queue:
        return Queue(queue_name(name, lane), kind, arguments, binding=f"*.{name}.{lane.value}")

    def _streams(self) -> Iterator[Queue]:
        model = self.sizes.model_bytes
        segment = min(max(model, 4 * _MIB), 500 * _MIB)
        # A stream forgets whole segments: with fewer than three, the newest model at once.
        bounds = {MODEL_STREAM: (3 * max(model, segment), segment), MODEL_INDEX: (4 * _MIB, _MIB)}
        for name, (limit_bytes, segment_bytes) in bounds.items():
            arguments: dict[str, Argument] = {
                "x-queue-type": "stream",
                "x-max-length-bytes": limit_bytes,
                "x-stream-max-segment-size-bytes": segment_bytes,
            }
            yield Queue(name, "stream", arguments, binding=f"*.{name}")

    def _dead(self) -> Queue:
        arguments: dict[str, Argument] = {
            "x-queue-type": "quorum",
            "x-overflow": "drop-head",
            "x-max-length-bytes": self.sizes.dead,
            "x-message-ttl": 7 * _DAY_MS,
            "x-delivery-limit": _VISITS,
        }
        return Queue(DEAD_QUEUE, "quorum", arguments)

    # --- accounts ---------------------------------------------------------------------

    def _coordinator(self) -> Account:
        name = self.roster.coordinator
        account = self._account(name, ("control", "bulk"), (MODEL_STREAM,), r"[^.]+\.control")
        return replace(account, write=f"^({_literal(EXCHANGE)}|{_literal(MODEL_EXCHANGE)})$")

    def _holder(self, name: str) -> Account:
        coordinator, others = _literal(self.roster.coordinator), _any_of(self.roster.holders)
        allowed = rf"({coordinator}\.bulk|(?!{others}\.)[^.]+\.control)"
        return self._account(name, ("control", "bulk"), (), allowed)

    def _trainer(self, name: str) -> Account:
        coordinator, holders = _literal(self.roster.coordinator), _any_of(self.roster.holders)
        allowed = rf"({coordinator}|{holders})\.(control|bulk)"
        return self._account(name, ("control",), (MODEL_STREAM, MODEL_INDEX), allowed)

    def _account(
        self, name: str, lanes: tuple[str, ...], streams: tuple[str, ...], allowed: str
    ) -> Account:
        own = [_literal(f"{name}.{lane}") for lane in lanes]
        return Account(
            user=self.user(name),
            configure="^$",
            write=f"^{_literal(EXCHANGE)}$",
            read=f"^({'|'.join([*own, *map(_literal, streams)])})$",
            topics=rf"^{_literal(name)}\.{allowed}$",
        )


def queue_name(name: str, lane: Lane) -> str:
    """Return the queue of an actor's lane."""
    return f"{name}.{lane.value}"


def routing_key(sender: str, recipient: str, lane: Lane) -> str:
    """Return the key of a message between actors."""
    return f"{sender}.{recipient}.{lane.value}"


def exchange_of(key: str) -> str:
    """Return where a message with this key is published: model states go apart."""
    return MODEL_EXCHANGE if key.endswith((f".{MODEL_STREAM}", f".{MODEL_INDEX}")) else EXCHANGE


def largest_message_bytes(key: str) -> int:
    """Return what a message with this key may have at most.

    A classic queue refuses for ever what would not fit into it even while it is empty. A sender
    does not know whose queue is how large, so the smallest of a lane counts for all of it.
    """
    if not key.endswith(f".{Lane.CONTROL.value}"):
        return MAX_MESSAGE_BYTES
    sizes = Sizes()
    smallest = min(sizes.coordinator_control, sizes.holder_control, sizes.trainer_control)
    return min(MAX_MESSAGE_BYTES, smallest)


def is_addressed_to(key: str, name: str, lane: Lane) -> bool:
    """Say whether a message is for this inbox, and not a copy: RabbitMQ 3 lets those pass."""
    sender, _, inbox = key.partition(".")
    return bool(sender) and inbox == queue_name(name, lane)


def sender_of(key: str) -> str:
    """Return who wrote a message; the broker holds each account to its own name."""
    return key.partition(".")[0]


def _any_of(names: tuple[str, ...]) -> str:
    return f"({'|'.join(map(_literal, names))})"


def _literal(text: str) -> str:
    # A hyphen needs no escape here, and people read these.
    return re.escape(text).replace(r"\-", "-")
