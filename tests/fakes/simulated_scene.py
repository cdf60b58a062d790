"""The checks of a simulated federation whose hosts say and write what a test lets them."""

from __future__ import annotations

import hashlib

from actors.ports import Lane
from infra.simulation.checks import Checks
from infra.simulation.disk import Disk
from infra.simulation.faults import Size
from infra.simulation.ghost import Ghost, Rule
from infra.simulation.hosts import HostClock, Life
from infra.simulation.job import roster_of
from infra.simulation.loop import SimLoop
from protocols.codec import canonical, seal
from protocols.messages import (
    AnswerChunk,
    AnswerHeader,
    Contribution,
    ContributionHeader,
    Message,
    OpenRound,
    ShareChunk,
    Vote,
)
from protocols.records import (
    Contributed,
    HeldAnswer,
    HeldConfig,
    HeldVote,
    RoundRecord,
    RunRecord,
)
from protocols.round_config import RoundConfig
from protocols.secagg.sets import contribution_digest, set_digest

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
    state=bytes(32),
    roster=ROSTER.digest(),
)
CID = CONFIG.cid()
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
            record = Contributed(config=CONFIG, holders=ROSTER.holders, header=header, open=True)
            self.write(trainer, "job/known", record)
            self.say(trainer, ShareChunk(header=header, index=0, payload=payload_of(0)), "h1")
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
        self.say("coordinator", OpenRound(config=CONFIG), "h1")
        self.write("h1", f"round/{CID.hex()}/config", HeldConfig(config=CONFIG))

    def vote(self, *holders: str, chosen: tuple[Contribution, ...] | None = None) -> None:
        """Let holders record and send a vote."""
        chosen = self.chosen if chosen is None else chosen
        for holder in holders:
            self.write(holder, f"round/{CID.hex()}/config", HeldConfig(config=CONFIG))
            self.write(holder, f"round/{CID.hex()}/vote", HeldVote(chosen=chosen))
            self.say(holder, Vote(cid=CID, set_digest=set_digest(CID, chosen)))

    def answer(self, chosen: tuple[Contribution, ...] | None = None, salt: int = 0) -> None:
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
        self.say("h1", AnswerChunk(header=header, index=0, payload=bytes(32)))

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
    return RoundRecord(config=CONFIG, announced=ROSTER.holders, chosen=chosen)
