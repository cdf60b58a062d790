"""Uploads to the coordinator: stored before they are granted, complete once checked, one each."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from fakes.round_parts import (
    COORDINATOR,
    HOLDERS,
    ROSTER,
    TIMING,
    Disk,
    config_of,
    messages_of,
    only,
    opened,
    opening,
    said_open,
)
from fakes.signatures import ANYBODY
from msgspec.structs import replace

from infra.simulation.signatures import header_signature
from protocols.codec import canonical
from protocols.effects import (
    CheckStream,
    Effect,
    Erase,
    Prepare,
    Record,
    Report,
    StoreChunk,
    Upload,
)
from protocols.errors import PeerViolation
from protocols.messages import (
    Accepted,
    Announce,
    Contribution,
    ContributionHeader,
    Grant,
    Have,
    Refused,
    ShareChunk,
    Welcome,
)
from protocols.reports import Step, TookPart
from protocols.secagg.chunks import bulk_chunk_count, bulk_stream, share_size
from protocols.secagg.collected import Collected
from protocols.secagg.contributing import Contributing
from protocols.secagg.gathering import Gathering
from protocols.secagg.holding import Holding
from protocols.secagg.intake import Intake, bulk_prefix
from protocols.secagg.means import Means
from protocols.secagg.patience import Patience
from protocols.secagg.sets import contribution_digest
from protocols.secagg.suites import SUITES

MASK: dict[str, Any] = {
    "suite": "masked",
    "field": "p31",
    "parameters": "A",
    "slots": 2,
    "chunk_bytes": 16_384,
}
CONFIG = config_of(**MASK, dimension=20_000)
CID, CHUNKS = CONFIG.cid(), 7
BULK = SUITES["masked"].bulk


def payload_of(index: int, salt: int = 0) -> bytes:
    assert BULK is not None
    return bytes([index + 100 * salt]) * BULK.payload_bytes(CONFIG, index)


def header_of(trainer: str, salt: int = 0) -> ContributionHeader:
    whole = b"".join(payload_of(index, salt) for index in range(CHUNKS))
    return ContributionHeader(
        cid=CID,
        trainer=trainer,
        share_bytes=share_size(CONFIG),
        share_digests=(bytes([salt]) * 32,) * len(HOLDERS),
        bulk_digest=hashlib.sha256(whole).digest(),
    )


def chunk_of(trainer: str, index: int, salt: int = 0) -> ShareChunk:
    header = header_of(trainer, salt)
    signature = header_signature(ROSTER.federation, trainer, header)
    return ShareChunk(
        header=header, index=index, payload=payload_of(index, salt), header_signature=signature
    )


def intake() -> Intake:
    return Intake(CONFIG, ROSTER.federation)


def grants(effects: list[Effect]) -> list[tuple[tuple[int, int], ...]]:
    return [grant.spans for grant in messages_of(effects, Grant)]


def test_an_offer_is_recorded_stored_and_granted_and_the_rest_asked_for() -> None:
    assert bulk_chunk_count(CONFIG) == CHUNKS
    effects = intake().receive(chunk_of("ann", 0))

    assert [type(effect) for effect in effects[:2]] == [Record, StoreChunk]
    assert only(effects, StoreChunk)[0].stream == bulk_stream(CID, "ann")
    assert grants(effects) == [((1, 6),)]


def test_what_is_whole_is_checked_and_complete_only_when_it_is_what_was_announced() -> None:
    lane, digest = intake(), contribution_digest(header_of("ann"))
    effects: list[Effect] = []
    for index in range(CHUNKS):
        effects += lane.receive(chunk_of("ann", index))

    (check,) = only(effects, CheckStream)
    assert check.digest == header_of("ann").bulk_digest
    assert not lane.complete
    assert lane.receive(chunk_of("ann", 3)) == []  # it is being checked

    done = lane.checked("ann", ok=True)

    assert done is not None
    assert [type(effect) for effect in done][:1] == [Record]
    assert [have.contributions[0].digest for have in messages_of(done, Have)] == [digest]
    assert lane.complete == {"ann": digest}
    assert messages_of(lane.receive(chunk_of("ann", 0)), Have)
    assert lane.receive(chunk_of("ann", 1)) == []


def test_what_is_not_what_was_announced_leaves_nothing() -> None:
    lane = intake()
    for index in range(CHUNKS):
        lane.receive(chunk_of("ann", index))

    effects = lane.checked("ann", ok=False)

    assert effects is not None
    assert not lane.complete
    assert only(effects, Erase) == [Erase(bulk_stream(CID, "ann"))]
    assert only(effects, Record) == [Record(bulk_prefix(CID) + "ann", None)]
    assert lane.checked("ann", ok=False) is None


def test_after_a_crash_what_is_stored_is_not_asked_for_again() -> None:
    disk, lane = Disk(), intake()
    for index in (0, 1, 2, 5):
        disk.keep(lane.receive(chunk_of("ann", index)))
    stored = {bulk_stream(CID, "ann"): frozenset((0, 1, 2, 5))}

    again = intake()
    again.restore(disk.journal, stored)

    assert grants(again.resume()) == [((3, 2), (6, 1))]
    effects: list[Effect] = []
    for index in (3, 4, 6):
        effects += disk.keep(again.receive(chunk_of("ann", index)))
    assert only(effects, CheckStream)
    disk.keep(again.checked("ann", ok=True) or [])

    third = intake()
    third.restore(disk.journal, {})
    assert third.complete == {"ann": contribution_digest(header_of("ann"))}
    assert third.signatures["ann"] == chunk_of("ann", 0).header_signature
    assert third.resume() == []


def test_another_contribution_of_the_same_trainer_is_evidence_against_it() -> None:
    lane = intake()
    lane.receive(chunk_of("ann", 0))

    assert not lane.contradicts(chunk_of("ann", 1))
    assert lane.contradicts(chunk_of("ann", 1, salt=1))
    evidence = lane.evidence(chunk_of("ann", 1, salt=1))
    assert evidence is not None
    assert (evidence.offender, evidence.type_name) == ("ann", "ContributionHeader")
    unsigned = replace(chunk_of("ann", 1, salt=1), header_signature=b"")
    assert lane.evidence(unsigned) is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"index": CHUNKS}, "chunk 7 of 7"),
        ({"payload": b"short"}, "5 bytes long"),
        ({"header": replace(header_of("ann"), bulk_digest=None)}, "no digest for the coordinator"),
        ({"header": replace(header_of("ann"), share_digests=())}, "0 digests for 5 holders"),
        ({"header": replace(header_of("ann"), share_bytes=4)}, "4 bytes where 16416 belong"),
        ({"header": header_of("bob")}, "in the name of bob"),
    ],
)
def test_a_chunk_of_another_shape_or_name_is_a_violation(change: dict[str, Any], text: str) -> None:
    good = chunk_of("ann", 0)
    intake().require_shape("ann", good)

    with pytest.raises(PeerViolation, match=text):
        intake().require_shape("ann", replace(good, **change))


def test_many_uploads_at_a_time_get_a_chunk_each() -> None:
    lane = intake()
    for number in range(300):
        lane.receive(replace(chunk_of("ann", 0), header=header_of(f"t{number}")))

    effects = lane.receive(replace(chunk_of("ann", 0), header=header_of("last")))

    assert grants(effects) == [((1, 1),)]


# --- what counts ------------------------------------------------------------------------


def collected() -> Collected:
    return Collected(("ann", "bob", "cat"), need=2, bulk=True)


def has(what: Collected, trainer: str, digest: bytes = b"d" * 32) -> None:
    for holder in HOLDERS[:2]:
        what.receive(holder, contribution_of(trainer, digest))


def contribution_of(trainer: str, digest: bytes) -> Contribution:
    return Contribution(trainer=trainer, digest=digest)


def test_a_contribution_counts_once_both_lanes_have_it_in_any_order() -> None:
    what = collected()

    has(what, "ann")
    assert (what.survivors(), what.choose()) == (0, ())
    assert what.incomplete(["ann"], at=2) == what.unsettled(["ann"], holders=2) == ("ann",)
    what.arrived("ann", b"d" * 32)
    what.arrived("bob", b"d" * 32)
    assert what.survivors() == 1
    has(what, "bob")

    assert [c.trainer for c in what.choose()] == ["ann", "bob"]
    assert what.survivors() == 2
    assert what.incomplete(["ann", "bob"], at=2) == ()
    assert what.receipts() == 6


def test_bulk_of_another_contribution_than_the_holders_have_does_not_count() -> None:
    what = collected()
    has(what, "ann")

    what.arrived("ann", b"e" * 32)

    assert what.choose() == what.releasable(1) == ()


def test_who_is_out_is_out_whatever_arrives() -> None:
    what = collected()
    has(what, "ann")
    what.arrived("ann", b"d" * 32)
    assert what.survivors() == 1

    what.exclude("ann", "lied")
    what.arrived("ann", b"d" * 32)

    assert (what.survivors(), what.choose()) == (0, ())


# --- the round --------------------------------------------------------------------------


class Table:
    """A masked round in which all holders have the contributions of three trainers."""

    def __init__(self) -> None:
        patience = Patience(TIMING, 0.0)
        means = Means(bytes, ANYBODY)
        names = (*HOLDERS, *NAMES)
        self.round = Gathering(opening(CONFIG), ROSTER, patience, expected=names, means=means)
        for holder in HOLDERS:
            self.hear(holder, said_open(CONFIG, holder))
        for trainer in NAMES:
            self.hear(trainer, Accepted(cid=CID))
        for holder in HOLDERS:
            held = tuple(contribution_of(n, contribution_digest(header_of(n))) for n in NAMES)
            self.hear(holder, Have(cid=CID, contributions=held))

    def hear(self, sender: str, message: Any, now_s: float = 0.0) -> list[Effect]:
        return self.round.receive(now_s, sender, message)

    def upload(self, trainer: str, *, ok: bool = True) -> list[Effect]:
        for index in range(CHUNKS):
            self.hear(trainer, chunk_of(trainer, index))
        return self.round.bulk_checked(0.0, trainer, ok=ok)

    def deadline_s(self, now_s: float) -> float:
        return now_s + self.round.progress(now_s).deadline_s


NAMES = ("ann", "bob", "cat")


def test_a_round_goes_on_when_the_last_bulk_is_there() -> None:
    table = Table()
    assert table.round.waiting_for() == NAMES
    assert table.round.progress(0.0).expected == 3 * 6

    table.upload("ann")
    table.upload("bob")
    assert (table.round.step, table.round.waiting_for()) == (Step.COLLECTING, ("cat",))
    table.upload("cat")

    assert table.round.step is Step.VOTING
    assert [c.trainer for c in table.round.chosen] == list(NAMES)


def test_bulk_that_is_not_what_was_announced_leaves_its_trainer_out() -> None:
    table = Table()
    table.upload("ann")
    table.upload("bob")

    effects = table.upload("cat", ok=False)

    assert [refused.reason for refused in messages_of(effects, Refused)] == [
        "the bulk does not have the announced digest"
    ]
    assert table.round.left_out()["cat"] == "the bulk does not have the announced digest"
    again = table.hear("cat", chunk_of("cat", 0))
    assert [refused.reason for refused in messages_of(again, Refused)] == [
        "excluded from the round"
    ]


def test_a_second_contribution_at_the_coordinator_is_evidence_and_leaves_nothing() -> None:
    table = Table()
    table.hear("ann", chunk_of("ann", 0))

    effects = table.hear("ann", chunk_of("ann", 1, salt=1))

    assert only(effects, Erase) == [Erase(bulk_stream(CID, "ann"))]
    assert [e.offender for e in table.round.receipts.contradictions.evidence()] == ["ann"]
    assert table.round.left_out()["ann"] == "sent two different contributions"


def test_new_chunks_are_progress_and_repeated_or_late_ones_are_not() -> None:
    table = Table()
    table.upload("ann")
    began = table.deadline_s(0.0)

    table.hear("bob", chunk_of("bob", 0), now_s=5.0)
    assert table.deadline_s(5.0) == began + 5.0
    table.hear("bob", chunk_of("bob", 0), now_s=9.0)
    table.hear("ann", chunk_of("ann", 0), now_s=9.0)
    assert table.deadline_s(9.0) == began + 5.0

    table.upload("bob")
    table.upload("cat")
    fixed = table.deadline_s(0.0)
    effects = table.hear("dan", chunk_of("dan", 0), now_s=7.0)
    assert [r.reason for r in messages_of(effects, Refused)] == ["the set of the round is fixed"]
    assert table.deadline_s(7.0) == fixed


def test_no_trainer_sends_bulk_in_a_round_that_has_none() -> None:
    plain = config_of()
    patience, means = Patience(TIMING, 0.0), Means(bytes, ANYBODY)
    table = Gathering(opening(plain), ROSTER, patience, expected=HOLDERS, means=means)
    header = replace(header_of("ann"), cid=plain.cid())

    with pytest.raises(PeerViolation, match="a round that has none"):
        table.receive(0.0, "ann", replace(chunk_of("ann", 0), header=header))


# --- the others -------------------------------------------------------------------------


def test_a_holder_takes_no_header_without_the_digest_that_the_coordinator_needs() -> None:
    holder = Holding("holder-1", ROSTER, ANYBODY, entropy=bytes)
    holder.receive(COORDINATOR, opening(CONFIG))
    header = replace(header_of("ann"), bulk_digest=None)
    chunk = ShareChunk(header=header, index=0, payload=bytes(16_384 + 32))

    with pytest.raises(PeerViolation, match="no digest for the coordinator"):
        holder.receive("ann", chunk)
    assert holder.receive("ann", replace(chunk, header=header_of("ann")))


def announcement() -> Announce:
    key = opening(CONFIG).sealing_key
    return Announce(config=CONFIG, opened=opened(*HOLDERS, config=CONFIG), sealing_key=key)


def trainer() -> Contributing:
    machine = Contributing("ann", ROSTER, ANYBODY)
    machine.receive(COORDINATOR, Welcome(job="sum", number=1))
    return machine


def test_the_coordinator_is_one_more_recipient_and_chunks_go_to_its_own_key() -> None:
    machine = trainer()
    assert only(machine.receive(COORDINATOR, announcement()), Prepare)

    uploads = only(machine.prepared(header_of("ann")), Upload)

    assert [upload.to for upload in uploads] == [*HOLDERS, COORDINATOR]
    assert uploads[-1].sealing_key == opening(CONFIG).sealing_key
    machine.uploaded(CID, COORDINATOR)
    (more,) = only(machine.receive(COORDINATOR, Grant(cid=CID, spans=((1, 6),))), Upload)
    assert (more.to, more.indices) == (COORDINATOR, (1, 2, 3, 4, 5, 6))
    with pytest.raises(PeerViolation, match="chunk 7 of 7"):
        machine.receive(COORDINATOR, Grant(cid=CID, spans=((1, 7),)))


@pytest.mark.parametrize("config", [CONFIG, config_of()], ids=["missing", "not needed"])
def test_an_announcement_without_the_key_or_with_one_too_many_is_a_violation(config: Any) -> None:
    wrong = Announce(config=config, opened=opened(*HOLDERS, config=config))
    if config is not CONFIG:
        wrong = replace(wrong, sealing_key=opening(config).sealing_key)

    with pytest.raises(PeerViolation, match="key of its own"):
        trainer().receive(COORDINATOR, wrong)


def receipt(machine: Contributing, sender: str) -> list[Effect]:
    mine = contribution_of("ann", contribution_digest(header_of("ann")))
    return machine.receive(sender, Have(cid=CID, contributions=(mine,)))


@pytest.mark.parametrize(("last", "outcome"), [(True, "contributed"), (False, "refused")])
def test_a_contribution_is_one_when_enough_holders_and_the_coordinator_have_it(
    *, last: bool, outcome: str
) -> None:
    machine = trainer()
    machine.receive(COORDINATOR, announcement())
    machine.prepared(header_of("ann"))
    for holder in HOLDERS:
        assert not only(receipt(machine, holder), Report)
    assert machine.live_rounds() == (CID,)

    if last:
        effects = receipt(machine, COORDINATOR)
    else:
        refused = Refused(cid=CID, what="share", reason="the set of the round is fixed")
        effects = machine.receive(COORDINATOR, refused)

    told = [report.event for report in only(effects, Report)]
    assert [event.outcome for event in told if isinstance(event, TookPart)] == [outcome]
    assert machine.live_rounds() == ()


def test_after_a_crash_the_same_bulk_goes_to_the_same_key() -> None:
    disk, machine = Disk(), trainer()
    disk.keep(machine.receive(COORDINATOR, announcement()))
    before = only(disk.keep(machine.prepared(header_of("ann"))), Upload)

    again = Contributing("ann", ROSTER, ANYBODY)
    again.restore(disk.journal)

    assert only(again.start(), Upload) == before


def test_rounds_without_bulk_have_the_bytes_that_they_had() -> None:
    plain = config_of()
    header = ContributionHeader(cid=plain.cid(), trainer="ann", share_bytes=8, share_digests=())
    announce = Announce(config=plain, opened=opened(*HOLDERS))

    assert b"bulk_digest" not in canonical(header)
    assert b"sealing_key" not in canonical(replace(announce, opened=()))
