"""A coordinator that proposes two sets in a round: what a holder keeps, and when it keeps none."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from fakes.round_parts import (
    COORDINATOR,
    ROSTER,
    Disk,
    chunks_of,
    config_of,
    entropy_of,
    first,
    only,
    opening,
    set_of,
)
from fakes.signatures import ANYBODY, by_member

from protocols.codec import parse
from protocols.effects import Effect, KeepEvidence, Record, Report
from protocols.errors import PeerViolation
from protocols.messages import CloseRound, Contribution, Propose, Vote, Wire
from protocols.reports import EvidenceKept, PeerFault, TookPart
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import share_stream
from protocols.secagg.holding import Holding
from protocols.secagg.proposals import MOST_KEPT
from protocols.trust.evidence import Evidence
from protocols.trust.signing import Statement

CONFIG = config_of()
CID = CONFIG.cid()
ABC, ABD, BCD = (set_of(CONFIG, *names) for names in (("ann", "bob", "cat"), *(
    ("ann", "bob", "dan"), ("bob", "cat", "dan")
)))  # fmt: skip
SMALL = ABC[:2]
LACKING = set_of(CONFIG, "ann", "bob", "eve")
KEY = f"evidence/{CID.hex()}"
SECOND = "proposed a second set in one round"


class Desk:
    """A share-holder that hears signed messages, and may crash before or after any commit."""

    def __init__(self, config: RoundConfig = CONFIG) -> None:
        self.disk = Disk()
        self.build()
        self.hear(opening(config))
        for trainer in ("ann", "bob", "cat", "dan"):
            for chunk in chunks_of(config, trainer):
                self.hear(chunk, trainer)
            self.disk.keep(self.machine.checked(share_stream(config.cid(), trainer), ok=True))

    def build(self) -> list[Effect]:
        self.machine = Holding("holder-1", ROSTER, ANYBODY, entropy=entropy_of("holder-1"))
        self.machine.restore(self.disk.journal, self.disk.stored())
        return self.disk.keep(self.machine.start())

    def hear(self, message: Wire, sender: str = COORDINATOR, **options: Any) -> list[Effect]:
        return self.disk.keep(self.decide(message, sender, **options))

    def decide(
        self, message: Wire, sender: str = COORDINATOR, signature: bytes | None = None
    ) -> list[Effect]:
        if signature is None:
            signature = by_member(ROSTER, sender, message)
        return self.machine.receive(sender, message, signature)

    def propose(self, chosen: tuple[Contribution, ...], **options: Any) -> list[Effect]:
        return self.hear(Propose(cid=CID, chosen=chosen), **options)

    def close(self) -> list[Effect]:
        return self.hear(
            CloseRound(cid=CID, job="sum", number=CONFIG.number, complete=True, reason="")
        )


def pieces(effects: list[Effect]) -> list[Evidence]:
    return [effect.evidence for effect in only(effects, KeepEvidence)]


def events(effects: list[Effect]) -> list[object]:
    return [effect.event for effect in only(effects, Report)]


def require(evidence: Evidence) -> None:
    """Check it as somebody does who was not there and has the members' keys."""
    assert evidence.offender == COORDINATOR
    for digest, signature in zip(evidence.digests, evidence.signatures, strict=True):
        said = Statement(
            federation=evidence.federation,
            round_id=evidence.round_id,
            sender=evidence.offender,
            type_name=evidence.type_name,
            body_digest=digest,
        )
        said.require(ANYBODY, signature)


# --- two sets ---------------------------------------------------------------------------


def test_a_second_proposal_is_evidence_that_is_durable_before_it_is_told_and_named() -> None:
    desk = Desk()
    voted = desk.propose(ABC)

    effects = desk.propose(ABD)

    assert first(voted, Record, key="proposed") < first(voted, Vote)
    (evidence,) = pieces(effects)
    require(evidence)
    assert (evidence.type_name, evidence.round_id) == ("Propose", CID)
    assert parse(desk.disk.journal[KEY], Evidence) == evidence
    told = EvidenceKept(
        actor="holder-1", offender=COORDINATOR, what="proposed two different sets", cid=CID.hex()
    )
    fault = PeerFault(actor="holder-1", peer=COORDINATOR, reason=SECOND)
    assert events(effects) == [told, fault]
    assert only(effects, Record) == [Record(KEY, desk.disk.journal[KEY])]
    (part,) = [e for e in events(desk.close()) if isinstance(e, TookPart)]
    assert part.accused == (COORDINATOR,)
    assert KEY in desk.disk.journal, "it went with its round"


@pytest.mark.parametrize(("one", "two"), list(itertools.permutations((ABC, SMALL, LACKING), 2)))
def test_two_sets_are_evidence_in_any_order_and_whatever_becomes_of_each(
    one: tuple[Contribution, ...], two: tuple[Contribution, ...]
) -> None:
    desk = Desk()
    desk.propose(one)

    (evidence,) = pieces(desk.propose(two))

    require(evidence)
    other = Desk()
    other.propose(two)
    assert pieces(other.propose(one)) == [evidence]


def test_a_third_set_adds_nothing_and_is_refused_like_the_second() -> None:
    desk = Desk()
    desk.propose(ABC)
    before = pieces(desk.propose(ABD))

    with pytest.raises(PeerViolation, match=SECOND):
        desk.propose(BCD)

    assert [parse(desk.disk.journal[KEY], Evidence)] == before


def test_evidence_fills_no_disk() -> None:
    desk = Desk()
    kept: list[Evidence] = []
    for number in range(1, MOST_KEPT + 3):
        config = config_of(number=number)
        desk.hear(opening(config))
        for last in ("cat", "dan"):
            chosen = set_of(config, "ann", "bob", last)
            kept += pieces(desk.hear(Propose(cid=config.cid(), chosen=chosen)))

    assert len(kept) == MOST_KEPT
    assert sum(key.startswith("evidence/") for key in desk.disk.journal) == MOST_KEPT


# --- crashes and old disks --------------------------------------------------------------


@pytest.mark.parametrize("crashes", list(itertools.product([False, True], repeat=3)))
def test_a_crash_before_or_after_any_proposal_loses_no_evidence(crashes: tuple[bool, ...]) -> None:
    """A crash strikes after the commit; what is told after it is told again at the start."""
    desk = Desk()
    found: list[Evidence] = []
    for chosen, crash in zip((ABC, ABD, ABC), crashes, strict=True):
        try:
            effects = desk.propose(chosen)
        except PeerViolation:
            effects = []
        found += pieces(desk.build() if crash else effects)

    assert found
    assert {parse(desk.disk.journal[KEY], Evidence)} == set(found)
    require(found[0])


def test_a_crash_before_the_commit_leaves_it_to_the_message_that_comes_again() -> None:
    desk = Desk()
    desk.propose(ABC)
    lost = desk.decide(Propose(cid=CID, chosen=ABD))  # and nothing of it is written
    desk.build()

    assert pieces(desk.propose(ABD)) == pieces(lost)


def test_the_file_is_made_again_at_each_start_and_the_offender_named() -> None:
    desk = Desk()
    desk.propose(ABC)
    (evidence,) = pieces(desk.propose(ABD))
    desk.close()

    for _ in range(2):
        effects = desk.build()
        assert pieces(effects) == [evidence]
        assert [type(event) for event in events(effects)] == [EvidenceKept]


def test_with_an_old_disk_brought_back_what_is_said_again_is_evidence_again() -> None:
    desk = Desk()
    backup = dict(desk.disk.journal)
    desk.propose(ABC)
    before = pieces(desk.propose(ABD))
    desk.disk.journal = backup
    desk.build()

    desk.propose(ABD)  # it knows nothing of its vote any more

    assert pieces(desk.propose(ABC)) == before


# --- what is no evidence ----------------------------------------------------------------


def test_the_same_set_again_and_again_is_none_through_crashes_and_old_disks() -> None:
    """All that an honest coordinator does: it never proposes what it has not written down."""
    desk = Desk()
    backup = dict(desk.disk.journal)
    found: list[Evidence] = []
    for _ in range(3):
        found += pieces(desk.propose(ABC) + desk.build() + desk.propose(ABC))
        desk.disk.journal = dict(backup)
        found += pieces(desk.build())

    assert found == []
    assert KEY not in desk.disk.journal


@pytest.mark.parametrize("which", [0, 1])
def test_a_signature_that_is_not_the_coordinators_makes_no_evidence(which: int) -> None:
    """The actor drops such messages; should one get past it, nobody is accused by it."""
    desk = Desk()
    signatures = [by_member(ROSTER, COORDINATOR, Propose(cid=CID, chosen=s)) for s in (ABC, ABD)]
    signatures[which] = by_member(ROSTER, "holder-2", Propose(cid=CID, chosen=(ABC, ABD)[which]))
    desk.propose(ABC, signature=signatures[0])

    with pytest.raises(PeerViolation, match=SECOND):
        desk.propose(ABD, signature=signatures[1])

    assert KEY not in desk.disk.journal


def test_sets_of_two_rounds_or_of_a_round_that_is_over_are_none() -> None:
    desk = Desk()
    desk.propose(ABC)
    desk.close()
    late = desk.propose(ABD)
    second = config_of(number=2)
    desk.hear(opening(second))
    other = desk.hear(Propose(cid=second.cid(), chosen=set_of(second, "ann", "bob", "dan")))

    assert pieces(late) == pieces(other) == []
    assert not [key for key in desk.disk.journal if key.startswith("evidence/")]


def test_an_unsigned_proposal_leaves_nothing() -> None:
    desk = Desk()
    desk.propose(ABC, signature=b"")

    with pytest.raises(PeerViolation, match=SECOND):
        desk.propose(ABD, signature=b"")

    assert not [key for key in desk.disk.journal if key.endswith("proposed")]
