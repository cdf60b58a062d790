"""The checks of a simulated federation whose hosts say and write what a test lets them."""

from __future__ import annotations

import hashlib
from typing import TypeVar

from msgspec.structs import replace

from actors.ports import Lane
from infra.simulation.checks import Checks
from infra.simulation.disk import Disk
from infra.simulation.faults import Size
from infra.simulation.ghost import Ghost, Rule
from infra.simulation.hosts import HostClock, Life
from infra.simulation.job import roster_of
from infra.simulation.loop import SimLoop
from infra.simulation.sealing import SimSealing
from infra.simulation.signatures import signature_of
from protocols.codec import canonical, seal
from protocols.messages import (
    AnswerChunk,
    AnswerHeader,
    Contribution,
    ContributionHeader,
    Message,
    Opened,
    OpenRound,
    RoundOpened,
    ShareChunk,
    Vote,
)
from protocols.records import (
    Contributed,
    HeldAnswer,
    HeldConfig,
    HeldKey,
    HeldVote,
    RoundRecord,
    RunRecord,
    TrainerSets,
)
from protocols.round_config import RoundConfig
from protocols.secagg.pledges import with_set
from protocols.secagg.sealed import binding_of
from protocols.secagg.sets import contribution_digest, set_digest
from protocols.trust.sealing import CLASSICAL, BoxSeed, SealingKey

SIZE = Size(holders=3, trainers=4, threshold=2, minimum=3, training_s=0.5)
ROSTER = roster_of(SIZE)
CONFIG = RoundConfig(
    job="known",
    number=7,
    suite="shamir",
    field="p61",
    dimension=4,
    fraction_bits=8,
    holders=3,
    trainers=4,
    threshold=2,
    faults=0,
    vote=True,
    quorum=2,
    minimum=3,
    chunk_bytes=1024,
    beat_ms=1000,
    sealing=CLASSICAL,
    state=bytes(32),
    roster=ROSTER.digest(),
)
CID = CONFIG.cid()
SEALING = SimSealing("scene", 0)
Chunk = TypeVar("Chunk", ShareChunk, AnswerChunk)


def seed_of(name: str) -> BoxSeed:
    """Return what makes the key of a party of the scene."""
    return BoxSeed(entropy=hashlib.sha256(name.encode()).digest())


def key_of(name: str) -> SealingKey:
    """Return what is sealed to for a party of the scene."""
    return seed_of(name).key(CLASSICAL).sealing_key


def opened_by(name: str) -> Opened:
    """Return what a holder of the scene said when it opened the round."""
    said = RoundOpened(cid=CID, sealing_key=key_of(name))
    signature = signature_of(ROSTER.federation, name, said)
    return Opened(holder=name, sealing_key=said.sealing_key, signature=signature)


OPENED = tuple(opened_by(name) for name in ROSTER.holders)
RUN = RunRecord(
    number=7,
    state=bytes(32),
    dimension=4,
    completed=3,
    abandoned=0,
    over=False,
    reason="",
    closed=b"",
)


class Scene:
    """The checks of a federation whose hosts say and write what a test lets them."""

    def __init__(self) -> None:
        names = ("coordinator", *ROSTER.holders, *ROSTER.trainers)
        self.disks = {name: Disk() for name in names}
        self.loop = SimLoop()  # type: ignore[abstract]
        self.ghost = Ghost(ROSTER, self.disks, self.loop)
        self.checks = Checks(self.ghost, fraction_bits=8)
        self.chosen = self.contribute(*ROSTER.trainers[:3])

    def contribute(self, *trainers: str, salt: int = 0) -> tuple[Contribution, ...]:
        """Let trainers record and send a contribution."""
        found = []
        for trainer in trainers:
            header = header_of(trainer, salt)
            record = Contributed(config=CONFIG, opened=OPENED, header=header, open=True)
            self.write(trainer, "job/known", record)
            chunk = ShareChunk(header=header, index=0, payload=payload_of(0))
            self.say(trainer, sealed(trainer, chunk, "h1"), "h1")
            found.append(Contribution(trainer=trainer, digest=contribution_digest(header)))
        return tuple(found)

    def write(self, host: str, key: str, value: Message | None) -> None:
        """Let a host make a record durable."""
        data = None if value is None else canonical(value)
        if data is None:
            self.disks[host].records.pop(key, None)
        else:
            self.disks[host].records[key] = data
        self.checks.committed(host, ((key, data),))

    def say(self, host: str, message: Message, to: str = "coordinator") -> None:
        """Let a host send a message."""
        life = Life(host, 1, HostClock(0.0))
        self.checks.sending(life, to, seal(host, message), Lane.CONTROL)

    def open_round(self) -> None:
        """Let the coordinator begin the round, and h1 open it."""
        self.write("coordinator", "run", RUN)
        self.write("coordinator", "round", round_record())
        self.say("coordinator", opening("coordinator"), "h1")
        self.hold("h1")

    def hold(self, holder: str) -> None:
        """Let a holder record the round and its key."""
        held = HeldConfig(config=CONFIG, sealing_key=key_of("coordinator"))
        self.write(holder, f"round/{CID.hex()}/config", held)
        self.write(holder, f"round/{CID.hex()}/key", HeldKey(seed=seed_of(holder)))

    def vote(self, *holders: str, chosen: tuple[Contribution, ...] | None = None) -> None:
        """Let holders record and send a vote."""
        chosen = self.chosen if chosen is None else chosen
        for holder in holders:
            self.hold(holder)
            self.write(holder, f"round/{CID.hex()}/vote", HeldVote(chosen=chosen))
            self.pledge(holder, chosen)
            self.say(holder, Vote(cid=CID, set_digest=set_digest(CID, chosen)))

    def answer(
        self, chosen: tuple[Contribution, ...] | None = None, salt: int = 0, key: str = ""
    ) -> None:
        """Let h1 record and send an answer."""
        chosen = self.chosen if chosen is None else chosen
        header = AnswerHeader(
            cid=CID,
            set_digest=set_digest(CID, chosen),
            answer_bytes=32,
            answer_digest=hashlib.sha256(bytes([salt])).digest(),
        )
        record = HeldAnswer(chosen=chosen, header=header)
        self.write("h1", f"round/{CID.hex()}/answer", record)
        self.pledge("h1", chosen)
        chunk = AnswerChunk(header=header, index=0, payload=bytes(32))
        self.say("h1", sealed("h1", chunk, "coordinator", key))

    def pledge(self, host: str, chosen: tuple[Contribution, ...]) -> None:
        """Let a holder remember a set for later rounds over this state."""
        key = f"pledged/{CONFIG.job}/{CONFIG.state.hex()}"
        names = tuple(contribution.trainer for contribution in chosen)
        before = self.ghost.durable(host, key, TrainerSets)
        self.write(host, key, with_set(before, names, ROSTER, CONFIG.minimum))

    def broken(self) -> set[Rule]:
        return {violation.rule for violation in self.ghost.violations}


def payload_of(place: int) -> bytes:
    return bytes([place]) * 32


def header_of(trainer: str, salt: int = 0) -> ContributionHeader:
    digests = [hashlib.sha256(payload_of(place)).digest() for place in range(3)]
    if salt:
        digests[2] = hashlib.sha256(b"other").digest()
    return ContributionHeader(
        cid=CID, trainer=trainer, share_bytes=32, share_digests=tuple(digests)
    )


def round_record(chosen: tuple[Contribution, ...] = ()) -> RoundRecord:
    seed = seed_of("coordinator")
    return RoundRecord(config=CONFIG, seed=seed, announced=OPENED, chosen=chosen)


def sealed(sender: str, chunk: Chunk, to: str, key: str = "") -> Chunk:
    """Return a chunk in a box for `to`, or one that opens with another's key."""
    info = binding_of(ROSTER.federation, sender, to, chunk)
    return replace(chunk, payload=SEALING.seal(key_of(key or to), info, chunk.payload))


def opening(name: str) -> OpenRound | RoundOpened:
    """Return how the coordinator, or a holder, opens the round."""
    if name == ROSTER.coordinator:
        return OpenRound(config=CONFIG, sealing_key=key_of(name))
    return RoundOpened(cid=CID, sealing_key=key_of(name))
