"""What an actor needs from the world, each as a small interface.

The docstrings say what an adapter guarantees and what not; the contract suite under
`tests/contracts/` holds every adapter to them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from enum import StrEnum
from typing import Any, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from protocols.pieces import Pieces
from protocols.trust.evidence import Evidence
from protocols.trust.sealing import BoxKey, SealingKey
from protocols.trust.transcript import Transcript

P = ParamSpec("P")
R = TypeVar("R")


class PortError(Exception):
    """Base of what adapters raise; they translate their libraries' errors into these."""


class LinkLost(PortError):
    """The transport lost its connection: whether the last message went out is unknown."""


class StorageFailed(PortError):
    """The journal or the spool could not make something durable, or found it damaged."""


class WorkFailed(PortError):
    """The owner's code or data failed. `kind` may be told to others, the text not."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Lane(StrEnum):
    """Two ways to each actor, so that a long upload never holds up a vote."""

    CONTROL = "control"
    BULK = "bulk"


class Delivery(Protocol):
    """One message handed to an actor, held by the transport until it is acknowledged.

    Who has read the body may keep `ack` alone: an adapter lets it hold no body where that is long.
    """

    @property
    def body(self) -> bytes:
        """The bytes as they were sent."""
        ...

    @property
    def redelivered(self) -> bool:
        """True where the transport knows that it delivered this message before."""
        ...

    @property
    def sender(self) -> str | None:
        """The name that the transport vouches for, None where it can't tell who sent this."""
        ...

    async def ack(self) -> None:
        """Let the transport forget the message. Of no effect once the link is gone."""
        ...


class Transport(Protocol):
    """One actor's link to the others.

    At least once: a message whose `send` returned will be delivered to the recipient's queue,
    maybe more than once, maybe when the recipient is back from the dead. If `send` raises,
    the message may or may not arrive. No order is promised, neither between senders nor
    between lanes. Queues belong to the actor's name and outlive its process.
    """

    async def send(self, to: str, body: bytes, *, lane: Lane) -> None:
        """Return once the message is in the recipient's queue; wait while that is full.

        Raises `LinkLost` when the link breaks.
        """
        ...

    def deliveries(self) -> AsyncIterator[Delivery]:
        """Iterate over incoming messages of both lanes; ends when the link is closed.

        At most the adapter's prefetch of unacknowledged messages is handed out at a time.
        What is not acknowledged when the link closes or breaks is delivered again.
        """
        ...

    def stalled_s(self) -> float:
        """Return for how long nothing could be sent to anybody; 0.0 while all is well.

        While it is more than an instant, nothing that others do need arrive here, either. One
        recipient whose queue is full is not enough for it, or at least not for long.
        """
        ...

    async def close(self) -> None:
        """Give the link up; unacknowledged messages return to the queue."""
        ...


class Blobs(Protocol):
    """Public, content-addressed bytes: model states on their way to the trainers."""

    async def publish(self, data: Pieces) -> bytes:
        """Make `data` available to all; return its SHA-256."""
        ...

    async def fetch(self, digest: bytes) -> bytes:
        """Return the bytes with this SHA-256; wait until they are published.

        The adapter checks the digest.
        """
        ...

    async def retain(self, digests: Sequence[bytes]) -> None:
        """Forget everything this actor published but `digests`."""
        ...


class Clock(Protocol):
    """Time as durations: comparable inside one process only, never across machines."""

    def now_s(self) -> float:
        """Return monotonic seconds since an arbitrary start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Journal(Protocol):
    """An actor's durable memory: keys and small values.

    `commit` is atomic and durable: after it returns, a power cut leaves all of the writes;
    if it raises or never returns, all or none of them. Values are at most 16 MiB.
    """

    async def commit(self, writes: Sequence[tuple[str, bytes | None]]) -> None:
        """Write all keys at once; None deletes. Raises `StorageFailed`."""
        ...

    async def load(self) -> dict[str, bytes]:
        """Return everything, sorted by key. Raises `StorageFailed` on damage."""
        ...

    async def close(self) -> None:
        """Release the file; a journal that is open elsewhere can't be opened."""
        ...


class Spool(Protocol):
    """Durable bulk: named streams of numbered chunks.

    Names are made of `a-z 0-9 - _ .` and `/`. A chunk is there as a whole or not at all.
    """

    async def put(self, stream: str, index: int, chunk: bytes) -> None:
        """Return once the chunk is durable; an equal put again changes nothing."""
        ...

    async def get(self, stream: str, index: int) -> bytes:
        """Return one chunk. Raises `StorageFailed` if it is missing or unreadable."""
        ...

    async def indices(self, stream: str) -> frozenset[int]:
        """Return which chunks of a stream are there."""
        ...

    async def erase(self, prefix: str) -> None:
        """Delete the stream of this name and all streams below it; absent is fine."""
        ...

    async def streams(self) -> tuple[str, ...]:
        """Return the names of all streams, sorted."""
        ...


class Entropy(Protocol):
    """The operating system's randomness, for keys and seeds only."""

    def bytes(self, count: int) -> bytes:
        """Return `count` unpredictable bytes."""
        ...


class Signatures(Protocol):
    """The signing key of an actor, and the public keys of the others of its federation."""

    def sign(self, statement: bytes) -> bytes:
        """Return this actor's signature, 64 bytes; the same for the same statement."""
        ...

    def require(self, member: str, statement: bytes, signature: bytes) -> None:
        """Check that a member has signed this. Raises `Untrusted`, also for a stranger."""
        ...


class Sealing(Protocol):
    """Sealed boxes. Each takes fresh entropy, so a simulation needs an adapter of its own.

    Who sealed a box is not known from the box: what carries it is to be signed.
    """

    def seal(self, key: SealingKey, info: bytes, content: bytes) -> bytes:
        """Return a box that only the owner of `key` can open, and only with the same `info`.

        `info` is `Binding.to_bytes()`. Never the same box twice. Raises `Untrusted` for a key
        that nobody may have.
        """
        ...

    def open(self, key: BoxKey, info: bytes, box: bytes) -> bytes:
        """Return what is in a box; raises `Untrusted` unless all of it is as it was sealed."""
        ...


class Offload(Protocol):
    """Runs long arithmetic away from the event loop, in this process."""

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return `work(...)`; its exceptions pass through."""
        ...


class Worker(Protocol):
    """The owner's code and data, in a child process of its own."""

    async def compute(self, state: bytes, number: int) -> NDArray[np.float64]:
        """Return the vector (d,) that this owner adds to round `number` of the job.

        `state` is the public model state. A crash, a hang past the configured limit, too
        much memory or a wrong result raise `WorkFailed`, and the next call starts afresh.
        Cancelling the call stops the child's work.
        """
        ...

    async def close(self) -> None:
        """End the child process."""
        ...


class Checkpoints(Protocol):
    """The coordinator's model states, durable and readable without us."""

    async def save(self, completed: int, state: Pieces) -> bytes:
        """Return the SHA-256 of `state` once it is durable as the result of that many rounds."""
        ...

    async def load(self, digest: bytes) -> bytes:
        """Return the state with this SHA-256. Raises `StorageFailed` if it is gone or damaged."""
        ...


class Transcripts(Protocol):
    """What rounds leave behind, signed by the coordinator, for everybody to check later."""

    async def keep(self, transcript: Transcript) -> None:
        """Return once it is signed and durable; the same one again changes nothing.

        Raises `StorageFailed` where it can't be, and where another transcript of the same round
        was kept: of one round there are never two.
        """
        ...


class EvidenceKeeper(Protocol):
    """What shows to everybody with the roster that a member broke a rule."""

    async def keep(self, evidence: Evidence) -> None:
        """Return once it is durable; the same one again changes nothing.

        Raises `StorageFailed` where it can't be.
        """
        ...


class Monitor(Protocol):
    """Where an actor tells what happens, for people and for metrics. Never any secret."""

    def emit(self, event: Any) -> None:
        """Take one event; returns at once and never raises."""
        ...
