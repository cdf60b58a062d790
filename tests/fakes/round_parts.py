"""The parts of one round for tests of single machines: who, what, and which messages.

Shares are small residues that anybody can compute from the names, so that two calls give equal
messages; `salt` gives a second, different contribution of the same trainer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Literal, TypeVar

import numpy as np

from infra.simulation.signatures import signature_of
from protocols.codec import canonical
from protocols.effects import Effect, Erase, Forget, Record, Send, StoreChunk
from protocols.messages import (
    AnswerChunk,
    AnswerHeader,
    Contribution,
    ContributionHeader,
    Hello,
    Message,
    Opened,
    OpenRound,
    RoundOpened,
    ShareChunk,
    TailDigests,
)
from protocols.records import HeldConfig, HeldKey
from protocols.round_config import Roster, RoundConfig, majority
from protocols.secagg.chunks import chunk_count, is_salted, share_size, without_salt
from protocols.secagg.patience import Timing
from protocols.secagg.salts import SALT_BYTES
from protocols.secagg.sets import contribution_digest, set_digest
from protocols.secagg.suites import SUITES
from protocols.secagg.tails import cut, tail_bytes
from protocols.trust.sealing import CLASSICAL, BoxSeed, SealingKey, SuiteName, suites

E = TypeVar("E")

COORDINATOR = "coordinator"
HOLDERS = tuple(f"holder-{i}" for i in range(1, 6))
TRAINERS = ("ann", "bob", "cat", "dan", "eve")
ROSTER = Roster(federation="test", coordinator=COORDINATOR, holders=HOLDERS, trainers=TRAINERS)
OTHER_ROSTER = Roster(
    federation="other", coordinator=COORDINATOR, holders=HOLDERS, trainers=TRAINERS
)
TIMING = Timing(grace_s=2.0, patience_s=30.0, round_s=300.0, resend_s=5.0)


def config_of(**changes: Any) -> RoundConfig:
    """Return a round of two chunks, 1024 and 576 bytes long."""
    holders = changes.get("holders", len(HOLDERS))
    usual: dict[str, Any] = {
        "job": "sum",
        "number": 1,
        "suite": "shamir",
        "field": "p61",
        "dimension": 200,
        "fraction_bits": 0,
        "holders": holders,
        "trainers": len(TRAINERS),
        "threshold": 3,
        "faults": 0,
        "vote": True,
        "quorum": majority(holders, changes.get("faults", 0)),
        "minimum": 3,
        "chunk_bytes": 1024,
        "beat_ms": 1000,
        "sealing": CLASSICAL,
        "state": bytes(32),
        "roster": ROSTER.digest(),
    }
    return RoundConfig(**(usual | changes))


def share(config: RoundConfig, trainer: str, holder: str, salt: int = 0) -> list[bytes]:
    """Return the chunks of one share, in a round with checks those of its tail, too."""
    word = hashlib.sha256(f"{trainer} {holder} {salt}".encode()).digest()[0]
    dtype = "<u8" if config.field == "p61" else "<u4"
    payload = np.full(config.dimension, word, dtype=dtype).tobytes()
    sizes = [SUITES[config.suite].payload_bytes(config, i) for i in range(chunk_count(config))]
    ends = np.cumsum(sizes)
    size = tail_bytes(config)
    tail = cut(config, (payload * (size // len(payload) + 1))[:size])
    chunks = [payload[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    if is_salted(config, len(chunks) - 1):
        chunks[-1] += bytes([word]) * SALT_BYTES
    return chunks + tail


def header_of(config: RoundConfig, trainer: str, salt: int = 0) -> ContributionHeader:
    """Return the header that belongs to the shares of `share`."""
    shares = [share(config, trainer, holder, salt) for holder in HOLDERS[: config.holders]]
    split = [(chunks[: chunk_count(config)], chunks[chunk_count(config) :]) for chunks in shares]
    tails = None
    if config.norm_bound:
        digests = tuple(hashlib.sha256(b"".join(tail)).digest() for _, tail in split)
        tails = TailDigests(salt=bytes(32), digests=digests)
        split = [(vector, [tail[0][:32]]) for vector, tail in split]
    return ContributionHeader(
        cid=config.cid(),
        trainer=trainer,
        share_bytes=share_size(config),
        share_digests=tuple(
            hashlib.sha256(b"".join([*vector, *tail])).digest() for vector, tail in split
        ),
        tails=tails,
    )


def chunks_of(
    config: RoundConfig, trainer: str, holder: str = "holder-1", salt: int = 0
) -> list[ShareChunk]:
    """Return the messages that carry one share."""
    header = header_of(config, trainer, salt)
    payloads = share(config, trainer, holder, salt)
    return [ShareChunk(header=header, index=i, payload=p) for i, p in enumerate(payloads)]


def contribution(config: RoundConfig, trainer: str, salt: int = 0) -> Contribution:
    """Return what a set has of one trainer."""
    digest = contribution_digest(header_of(config, trainer, salt))
    return Contribution(trainer=trainer, digest=digest)


def set_of(config: RoundConfig, *trainers: str) -> tuple[Contribution, ...]:
    """Return the set of these trainers, in the order given."""
    return tuple(contribution(config, trainer) for trainer in trainers)


def answer_of(
    config: RoundConfig, chosen: tuple[Contribution, ...], salt: int = 0
) -> list[AnswerChunk]:
    """Return the messages that carry one answer."""
    chunks = share(config, "answer", str(salt))[: chunk_count(config)]
    payloads = [without_salt(config, index, chunk) for index, chunk in enumerate(chunks)]
    header = AnswerHeader(
        cid=config.cid(),
        set_digest=set_digest(config.cid(), chosen),
        answer_bytes=SUITES[config.suite].share_bytes(config),
        answer_digest=hashlib.sha256(b"".join(payloads)).digest(),
    )
    return [AnswerChunk(header=header, index=i, payload=p) for i, p in enumerate(payloads)]


def hello(role: Literal["trainer", "holder"], **changes: Any) -> Hello:
    """Return the greeting of an actor that can do what the rounds here need."""
    usual: dict[str, Any] = {
        "software": "",
        "suites": ("shamir", "packed", "masked"),
        "fields": ("p31", "p61"),
        "sealing": suites(),
    }
    return Hello(role=role, **(usual | changes))


# --- keys -----------------------------------------------------------------------------


def seed_of(name: str, salt: int = 0) -> BoxSeed:
    """Return what makes somebody's key; `salt` gives another one."""
    return BoxSeed(entropy=hashlib.sha256(f"seed of {name} {salt}".encode()).digest())


def key_of(name: str, salt: int = 0) -> SealingKey:
    """Return somebody's key to seal to, the same in all rounds of these tests."""
    return _key(name, salt, CLASSICAL)


@cache
def _key(name: str, salt: int, suite: SuiteName) -> SealingKey:
    return seed_of(name, salt).key(suite).sealing_key


def opening(config: RoundConfig, salt: int = 0) -> OpenRound:
    """Return the coordinator's request to open a round."""
    return OpenRound(config=config, sealing_key=_key(COORDINATOR, salt, config.sealing))


def said_open(config: RoundConfig, holder: str, salt: int = 0) -> RoundOpened:
    """Return what a holder says that has opened a round."""
    return RoundOpened(cid=config.cid(), sealing_key=_key(holder, salt, config.sealing))


def opened(*holders: str, config: RoundConfig | None = None, salt: int = 0) -> tuple[Opened, ...]:
    """Return what is announced of these holders, with their signatures."""
    found = config or config_of()
    said = ((name, said_open(found, name, salt)) for name in holders)
    return tuple(
        Opened(
            holder=name,
            sealing_key=message.sealing_key,
            signature=signature_of(ROSTER.federation, name, message),
        )
        for name, message in said
    )


def open_records(config: RoundConfig, holder: str = "holder-1") -> dict[str, bytes]:
    """Return what a holder has in its journal of a round that it has just opened."""
    held = HeldConfig(config=config, sealing_key=key_of(COORDINATOR))
    prefix = f"round/{config.cid().hex()}"
    return {
        f"{prefix}/config": canonical(held),
        f"{prefix}/key": canonical(HeldKey(seed=seed_of(holder))),
    }


def entropy_of(*names: str) -> Callable[[int], bytes]:
    """Return entropy that makes the keys of `key_of`, one after the other, the last for ever."""
    seeds = [seed_of(name).entropy for name in names]
    return lambda count: (seeds.pop(0) if len(seeds) > 1 else seeds[0])[:count]


# --- looking at decisions -------------------------------------------------------------


def only(effects: Iterable[Effect], kind: type[E]) -> list[E]:
    """Return the effects of one kind, in their order."""
    return [effect for effect in effects if isinstance(effect, kind)]


def sent(effects: Iterable[Effect]) -> list[tuple[str, Message]]:
    """Return what a decision sends, and to whom."""
    return [(effect.to, effect.message) for effect in only(effects, Send)]


def messages_of(effects: Iterable[Effect], kind: type[E]) -> list[E]:
    """Return the messages of one kind that a decision sends."""
    return [message for _, message in sent(effects) if isinstance(message, kind)]


def first(effects: list[Effect], wanted: type[Any], *, key: str = "") -> int:
    """Return the place of the first effect of a kind; of a `Record`, whose key has `key`."""
    return next(
        place
        for place, effect in enumerate(effects)
        if (isinstance(effect, wanted) and key in getattr(effect, "key", key))
        or (isinstance(effect, Send) and isinstance(effect.message, wanted))
    )


class Disk:
    """What an actor would find after a crash: apply decisions as it does, all or nothing."""

    def __init__(self) -> None:
        self.journal: dict[str, bytes] = {}
        self.streams: dict[str, dict[int, bytes]] = {}

    def keep(self, effects: list[Effect]) -> list[Effect]:
        """Make the durable part of a decision durable; return the decision."""
        for chunk in only(effects, StoreChunk):
            self.streams.setdefault(chunk.stream, {})[chunk.index] = chunk.payload
        for effect in effects:
            if isinstance(effect, Record) and effect.value is not None:
                self.journal[effect.key] = effect.value
            elif isinstance(effect, Record):
                self.journal.pop(effect.key, None)
            elif isinstance(effect, Forget):
                for key in [k for k in self.journal if k.startswith(effect.prefix)]:
                    del self.journal[key]
        for erase in only(effects, Erase):
            for stream in [s for s in self.streams if f"{s}/".startswith(f"{erase.prefix}/")]:
                del self.streams[stream]
        return effects

    def stored(self) -> dict[str, frozenset[int]]:
        """Return which chunks are there."""
        return {stream: frozenset(chunks) for stream, chunks in self.streams.items()}
