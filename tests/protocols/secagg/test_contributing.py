"""The trainer's machine: one contribution a round, the same bytes when asked again."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.round_parts import (
    COORDINATOR,
    HOLDERS,
    OTHER_ROSTER,
    ROSTER,
    Disk,
    chunks_of,
    config_of,
    contribution,
    first,
    header_of,
    hello,
    messages_of,
    only,
    opened,
    opening,
    sent,
    set_of,
)
from fakes.signatures import ANYBODY
from msgspec.structs import replace

from protocols.codec import parse
from protocols.effects import CancelWork, Compute, Effect, Erase, Prepare, Record, Report, Upload
from protocols.errors import PeerViolation
from protocols.messages import (
    Accepted,
    Announce,
    CloseRound,
    Declined,
    Goodbye,
    Grant,
    Have,
    Refused,
    Welcome,
    Wire,
    Working,
)
from protocols.records import SENT_KEPT, Contributed, Sent
from protocols.reports import Refusal, TookPart
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import upload_stream
from protocols.secagg.contributing import Contributing
from protocols.secagg.sets import contribution_digest
from protocols.secagg.terms import Manner, Terms

CONFIG = config_of()
CID = CONFIG.cid()


def upload(config: RoundConfig, holder: str, *indices: int) -> Upload:
    (one,) = opened(holder, config=config)
    return Upload(config, header_of(config, "ann"), holder, one.sealing_key, indices)


class Owner:
    """A trainer's machine whose decisions are kept on a disk."""

    def __init__(self, *, welcomed: bool = True, **options: Any) -> None:
        self.disk = Disk()
        self._options = options
        self.machine = Contributing("ann", ROSTER, ANYBODY, **options)
        if welcomed:
            self.hear(Welcome(job="sum", number=1))

    def crash(self) -> list[Effect]:
        self.machine = Contributing("ann", ROSTER, ANYBODY, **self._options)
        self.machine.restore(self.disk.journal)
        return self.disk.keep(self.machine.start())

    def hear(self, message: Wire, sender: str = COORDINATOR) -> list[Effect]:
        return self.disk.keep(self.machine.receive(sender, message))

    def announce(
        self, config: RoundConfig = CONFIG, holders: tuple[str, ...] = HOLDERS
    ) -> list[Effect]:
        return self.hear(Announce(config=config, opened=opened(*holders, config=config)))

    def prepare(self, config: RoundConfig = CONFIG, salt: int = 0) -> list[Effect]:
        return self.disk.keep(self.machine.prepared(header_of(config, "ann", salt)))

    def close(self, config: RoundConfig = CONFIG) -> list[Effect]:
        return self.hear(
            CloseRound(
                cid=config.cid(), job=config.job, number=config.number, complete=True, reason=""
            )
        )

    def receipt(self, holder: str, config: RoundConfig = CONFIG, salt: int = 0) -> list[Effect]:
        have = Have(cid=config.cid(), contributions=(contribution(config, "ann", salt),))
        return self.hear(have, holder)

    def grant(
        self, holder: str, *spans: tuple[int, int], config: RoundConfig = CONFIG
    ) -> list[Effect]:
        return self.hear(Grant(cid=config.cid(), spans=spans), holder)

    def sent_all(self, config: RoundConfig = CONFIG) -> list[Effect]:
        """Report what is on its way as sent, at every holder once."""
        return [e for h in HOLDERS for e in self.machine.uploaded(config.cid(), h)]

    def accounts(self) -> list[Sent]:
        """Return what is remembered of contributions, whatever became of their rounds."""
        found = [value for key, value in self.disk.journal.items() if key.startswith("sent/")]
        return [parse(value, Sent) for value in found]

    def recorded(self) -> Contributed | None:
        value = self.disk.journal.get("job/sum")
        return None if value is None else parse(value, Contributed)


def uploading(config: RoundConfig = CONFIG) -> Owner:
    owner = Owner()
    owner.announce(config)
    owner.prepare(config)
    return owner


def refuse(what: str = "share") -> Refused:
    return Refused(cid=CID, what=what, reason="excluded from the round")


# --- welcome and announce -------------------------------------------------------------


def test_an_announced_round_is_accepted_and_computed_for() -> None:
    owner = Owner()
    announce = Announce(config=CONFIG, opened=opened(*HOLDERS))

    effects = owner.hear(announce)

    assert sent(effects) == [(COORDINATOR, Accepted(cid=CID))]
    assert only(effects, Prepare) == [Prepare(announce)]
    assert owner.machine.live_rounds() == (CID,)


def test_before_the_welcome_only_the_newest_round_is_remembered() -> None:
    owner = Owner(welcomed=False)
    waited = [owner.announce(config_of(number=number)) for number in (2, 4, 3)]

    effects = owner.hear(Welcome(job="sum", number=4))

    assert waited == [[], [], []]
    assert [p.announce.config.number for p in only(effects, Prepare)] == [4]


def test_an_announcement_that_is_repeated_before_the_welcome_is_answered_with_a_greeting() -> None:
    # The coordinator may have died between the greeting, which it acknowledged, and its answer.
    owner = Owner(welcomed=False)
    greeted = sent(owner.machine.start("quorate 1"))
    owner.announce(config_of(number=2))

    again = owner.announce(config_of(number=2))
    newer = owner.announce(config_of(number=3))
    older = owner.announce(config_of(number=2))

    assert sent(again) == greeted
    assert newer == older == []


def test_a_welcome_to_a_newer_round_forgets_the_one_that_waited() -> None:
    owner = Owner(welcomed=False)
    owner.announce(config_of(number=2))

    assert owner.hear(Welcome(job="sum", number=3)) == []
    assert owner.announce(config_of(number=2)) == []
    assert only(owner.announce(config_of(number=3)), Prepare)


def test_an_announcement_that_waits_for_the_welcome_is_one_that_holders_signed() -> None:
    owner = uploading()
    owner.crash()
    later = config_of(number=2)
    one, *others = opened(*HOLDERS, config=later)

    with pytest.raises(PeerViolation, match="did not sign"):
        owner.hear(Announce(config=later, opened=(replace(one, signature=b""), *others)))

    effects = owner.hear(Welcome(job="sum", number=2))
    assert Erase(CID.hex()) in effects
    assert owner.machine.live_rounds() == ()


def test_a_welcome_for_another_job_does_not_count() -> None:
    owner = Owner(welcomed=False)
    owner.announce()

    assert owner.hear(Welcome(job="mean", number=1)) == []
    assert only(owner.hear(Welcome(job="sum", number=1)), Prepare)


def test_a_welcome_to_a_newer_round_drops_the_older_one_under_way() -> None:
    owner = uploading()

    effects = owner.hear(Welcome(job="sum", number=2))

    assert CancelWork(CID.hex()) in effects
    assert Erase(CID.hex()) in effects
    assert owner.machine.live_rounds() == ()


def test_a_welcome_to_the_round_under_way_changes_nothing() -> None:
    owner = uploading()

    assert owner.hear(Welcome(job="sum", number=1)) == []
    assert owner.machine.live_rounds() == (CID,)


def test_a_stale_round_is_ignored() -> None:
    owner = Owner()
    owner.announce(config_of(number=5))

    assert owner.announce(config_of(number=4)) == []
    assert owner.machine.live_rounds() == (config_of(number=5).cid(),)


@pytest.mark.parametrize("crash", [False, True])
def test_a_closed_round_is_never_computed_for_again(*, crash: bool) -> None:
    owner = uploading()
    owner.close()
    if crash:
        owner.crash()
        owner.hear(Welcome(job="sum", number=1))

    assert owner.announce() == []
    assert owner.announce(config_of(state=b"\x01" * 32)) == []
    assert only(owner.announce(config_of(number=2)), Prepare)


def test_a_round_that_was_closed_before_it_was_announced_is_not_computed_for() -> None:
    owner = Owner()
    owner.close()

    assert owner.announce() == []


@pytest.mark.parametrize("prepared", [False, True])
def test_the_same_number_with_another_config_is_a_violation(*, prepared: bool) -> None:
    owner = Owner()
    owner.announce()
    if prepared:
        owner.prepare()

    with pytest.raises(PeerViolation, match="a second time, changed"):
        owner.announce(config_of(state=b"\x01" * 32))

    assert owner.machine.live_rounds() == (CID,)


def test_a_newer_round_cancels_the_computation_of_the_older_one_and_erases_it() -> None:
    owner = Owner()
    owner.announce()
    newer = config_of(number=2)

    effects = owner.announce(newer)
    late = owner.prepare()

    assert first(effects, CancelWork) < first(effects, Erase) < first(effects, Prepare)
    assert CancelWork(CID.hex()) in effects
    assert Erase(CID.hex()) in effects
    assert late == [Erase(CID.hex())]
    assert owner.machine.live_rounds() == (newer.cid(),)
    assert owner.recorded() is None


@pytest.mark.parametrize(
    "config",
    [config_of(roster=OTHER_ROSTER.digest()), config_of(holders=4), config_of(holders=6)],
)
def test_a_round_for_another_roster_is_a_violation(config: RoundConfig) -> None:
    owner = Owner()

    with pytest.raises(PeerViolation, match="another roster"):
        owner.announce(config)

    assert owner.machine.live_rounds() == ()


def test_a_round_that_a_holder_did_not_sign_is_a_violation_and_begins_nothing() -> None:
    owner = Owner()
    one, *others = opened(*HOLDERS)
    elsewhere = opened("holder-1", config=config_of(number=9))[0]

    for forged in (
        replace(one, signature=bytes(64)),
        replace(one, signature=b""),
        replace(one, signature=others[0].signature),
        replace(one, signature=elsewhere.signature),
        replace(one, sealing_key=others[0].sealing_key),
        replace(one, holder="holder-2", sealing_key=one.sealing_key),
    ):
        announced = (forged, *others[1:]) if forged.holder == "holder-2" else (forged, *others)
        with pytest.raises(PeerViolation, match="did not sign"):
            owner.hear(Announce(config=CONFIG, opened=announced))
        assert owner.machine.live_rounds() == ()

    assert only(owner.hear(Announce(config=CONFIG, opened=(one, *others))), Prepare)


@pytest.mark.parametrize("quorum", [3, 4, 5])
def test_a_trainer_wants_as_many_signatures_as_the_round_needs_holders(quorum: int) -> None:
    config = config_of(quorum=quorum)

    with pytest.raises(PeerViolation, match=f"{quorum - 1} of {quorum} holders have opened"):
        Owner().announce(config, HOLDERS[: quorum - 1])

    assert only(Owner().announce(config, HOLDERS[:quorum]), Prepare)


@pytest.mark.parametrize(
    "holders",
    [
        (),
        HOLDERS[:2],
        ("holder-1", "holder-1", "holder-2"),
        (*HOLDERS[:2], "bob"),
        (*HOLDERS, "mallory"),
        (*HOLDERS[:3], "holder-6"),
    ],
    ids=str,
)
def test_a_round_without_enough_holders_of_the_roster_is_a_violation(
    holders: tuple[str, ...],
) -> None:
    owner = Owner()

    with pytest.raises(PeerViolation, match=r"have opened|strangers as holders|one holder twice"):
        owner.announce(holders=holders)

    assert owner.machine.live_rounds() == ()


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (config_of(minimum=3), "minimum below ours of 4"),
        (config_of(minimum=4, threshold=2), "threshold below ours of 3"),
        (
            config_of(minimum=4, threshold=3, suite="packed", packing=2),
            "only 1 holders learn nothing, and we want 2",
        ),
        (config_of(minimum=4, threshold=3, quorum=3), "quorum below ours of 4"),
        (config_of(minimum=4, threshold=3, vote=False), "no vote, and we want one"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_round_below_the_owners_own_terms_is_declined(config: RoundConfig, kind: str) -> None:
    owner = Owner(terms=Terms(minimum=4, threshold=3, privacy=2, quorum=4))

    effects = owner.announce(config)

    assert [message.kind for message in messages_of(effects, Declined)] == [kind]
    assert not only(effects, Prepare)


def test_a_round_of_another_suite_than_the_owners_is_declined() -> None:
    owner = Owner(terms=Terms(suite="masked"))

    effects = owner.announce(CONFIG)

    told = [message.kind for message in messages_of(effects, Declined)]
    assert told == ["the suite shamir, and we want masked"]
    assert not only(effects, Prepare)
    assert only(Owner(terms=Terms(suite="shamir")).announce(CONFIG), Prepare)


BUFFERED = {"buffered": 4, "max_staleness": 2, "discounted": 5}


@pytest.mark.parametrize(
    ("manner", "config", "kind"),
    [
        (
            Manner(),
            config_of(**BUFFERED),
            "a buffered round, and ours wait for everybody",
        ),
        (
            Manner(buffered=4, max_staleness=2),
            config_of(),
            "a round that waits for everybody, and ours are buffered",
        ),
        (
            Manner(buffered=5, max_staleness=2),
            config_of(**BUFFERED),
            "buffered with 4 contributions, below ours of 5",
        ),
        (
            Manner(buffered=4, max_staleness=1),
            config_of(**BUFFERED),
            "contributions up to 2 rounds old, and in ours up to 1",
        ),
        (
            Manner(buffered=4, max_staleness=3),
            config_of(**BUFFERED),
            "contributions up to 2 rounds old, and in ours up to 3",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_round_that_ends_otherwise_than_the_owner_agreed_is_declined(
    manner: Manner, config: RoundConfig, kind: str
) -> None:
    owner = Owner(terms=Terms(manner=manner))

    effects = owner.announce(config)

    assert [message.kind for message in messages_of(effects, Declined)] == [kind]
    assert not only(effects, Prepare)
    assert not only(effects, Compute)


@pytest.mark.parametrize("buffered", [3, 4])
def test_a_buffer_as_large_as_the_owners_own_or_larger_is_fine(buffered: int) -> None:
    owner = Owner(terms=Terms(manner=Manner(buffered=buffered, max_staleness=2)))

    assert only(owner.announce(config_of(**BUFFERED)), Compute)


def test_a_minimum_below_the_owners_own_is_declined_without_computing() -> None:
    owner = Owner(terms=Terms(minimum=4))

    effects = owner.announce(config_of(minimum=3))
    again = owner.announce(config_of(minimum=3))

    declined = Declined(cid=config_of(minimum=3).cid(), kind="minimum below ours of 4")
    assert sent(effects) == sent(again) == [(COORDINATOR, declined)]
    assert not only(effects + again, Prepare)
    assert only(Owner(terms=Terms(minimum=4)).announce(config_of(minimum=4)), Prepare)


def test_rounds_of_two_jobs_run_side_by_side() -> None:
    owner = uploading()
    owner.hear(Welcome(job="mean", number=1))

    effects = owner.announce(config_of(job="mean"))

    assert only(effects, Prepare)
    assert not only(effects, CancelWork)
    assert len(owner.machine.live_rounds()) == 2


# --- contribute -----------------------------------------------------------------------


def test_the_contribution_is_recorded_before_any_upload_begins() -> None:
    owner = Owner()
    owner.announce()

    effects = owner.prepare()

    header = header_of(CONFIG, "ann")
    assert only(effects, Upload) == [upload(CONFIG, name, 0) for name in HOLDERS]
    assert first(effects, Record) < first(effects, Upload)
    assert owner.recorded() == Contributed(
        config=CONFIG, opened=opened(*HOLDERS), header=header, open=True
    )


def test_uploads_go_only_to_the_announced_holders() -> None:
    owner = Owner()
    owner.announce(holders=HOLDERS[1:4])

    assert [upload.to for upload in only(owner.prepare(), Upload)] == list(HOLDERS[1:4])


def test_an_announcement_while_computing_is_answered_and_begins_nothing() -> None:
    owner = Owner()
    owner.announce()

    effects = owner.announce()

    assert sent(effects) == [(COORDINATOR, Accepted(cid=CID))]
    assert not only(effects, Prepare)


def test_an_announcement_while_uploading_begins_no_second_upload() -> None:
    assert uploading().announce() == []


def test_an_announcement_after_uploading_sends_again_only_what_has_no_receipt() -> None:
    owner = uploading()
    for holder in HOLDERS:
        owner.machine.uploaded(CID, holder)
    owner.receipt("holder-1")
    owner.receipt("holder-4")
    owner.announce()

    uploads = only(owner.announce(), Upload)

    assert [upload.to for upload in uploads] == ["holder-2", "holder-3", "holder-5"]
    assert {upload.header for upload in uploads} == {header_of(CONFIG, "ann")}
    assert {upload.indices for upload in uploads} == {(0,)}
    assert only(owner.announce(), Upload) == []


def test_a_receipt_for_another_contribution_does_not_count() -> None:
    owner = uploading()
    owner.receipt("holder-1", salt=1)
    owner.hear(Have(cid=CID, contributions=set_of(CONFIG, "bob")), "holder-1")
    owner.hear(Have(cid=CID, contributions=()), "holder-1")
    owner.receipt("holder-1", config=config_of(number=2))
    owner.machine.uploaded(CID, "holder-1")
    owner.announce()

    assert [upload.to for upload in only(owner.announce(), Upload)] == ["holder-1"]


def test_receipts_of_all_holders_finish_the_round_and_erase_the_upload() -> None:
    owner = uploading()
    owner.sent_all()
    before = [owner.receipt(holder) for holder in (*HOLDERS[:4], "holder-1")]

    effects = owner.receipt("holder-5")

    assert before == [[]] * 5
    assert first(effects, Record) < first(effects, Erase)
    assert CancelWork(CID.hex()) in effects
    assert owner.machine.live_rounds() == ()
    recorded = owner.recorded()
    assert recorded is not None
    assert not recorded.open
    assert owner.announce() == []


def test_a_holder_that_refuses_is_not_sent_to_again() -> None:
    owner = uploading()

    effects = owner.hear(refuse(), "holder-2")
    for holder in HOLDERS:
        owner.machine.uploaded(CID, holder)

    assert effects == [CancelWork(upload_stream(CID, "holder-2"))]
    assert "holder-2" not in [upload.to for upload in only(owner.announce(), Upload)]


def test_refusals_and_receipts_together_finish_the_round() -> None:
    owner = uploading()
    for holder in HOLDERS[:3]:
        owner.receipt(holder)
    owner.hear(refuse(), "holder-4")

    effects = owner.hear(refuse(), "holder-5")

    assert Erase(CID.hex()) in effects
    assert owner.machine.live_rounds() == ()


def test_a_receipt_ends_an_upload_that_is_still_under_way() -> None:
    owner = uploading()

    effects = owner.receipt("holder-2")

    assert effects == [CancelWork(upload_stream(CID, "holder-2"))]
    assert owner.grant("holder-2", (1, 1)) == []
    assert owner.disk.keep(owner.machine.uploaded(CID, "holder-2")) == []


@pytest.mark.parametrize("sender", ["holder-5", "bob", "mallory"])
def test_a_refusal_of_somebody_who_was_sent_nothing_changes_nothing(sender: str) -> None:
    owner = Owner()
    owner.announce(holders=HOLDERS[:4])
    owner.prepare()

    assert owner.hear(refuse(), sender) == []
    assert owner.machine.live_rounds() == (CID,)


def test_an_owner_that_cannot_contribute_declines_and_says_so_again_when_asked() -> None:
    owner = Owner()
    owner.announce()

    effects = owner.disk.keep(owner.machine.failed(CID, "not finite"))
    again = owner.announce()

    assert sent(effects) == sent(again) == [(COORDINATOR, Declined(cid=CID, kind="not finite"))]
    assert Erase(CID.hex()) in effects
    assert not only(again, Prepare)
    assert owner.recorded() is None


def test_a_failure_of_a_round_that_is_over_says_nothing() -> None:
    owner = Owner()
    owner.announce()
    owner.close()

    assert owner.machine.failed(CID, "not finite") == []


def test_closing_cancels_and_erases_and_keeps_the_record_that_it_contributed() -> None:
    owner = uploading()

    effects = owner.close()

    assert CancelWork(CID.hex()) in effects
    assert Erase(CID.hex()) in effects
    assert owner.machine.live_rounds() == ()
    recorded = owner.recorded()
    assert recorded is not None
    assert not recorded.open
    assert owner.close() == []


def test_closing_while_computing_cancels_the_computation() -> None:
    owner = Owner()
    owner.announce()

    effects = owner.close()

    assert CancelWork(CID.hex()) in effects
    assert owner.prepare() == [Erase(CID.hex())]
    assert owner.recorded() is None


# --- credit ---------------------------------------------------------------------------

LONG = config_of(dimension=128 * 20)  # chunks of 1024 bytes


def test_only_what_was_granted_is_sent_to_the_one_who_granted_it() -> None:
    owner = uploading(LONG)
    owner.sent_all(LONG)

    effects = owner.grant("holder-2", (1, 2), (5, 1), config=LONG)

    assert effects == [upload(LONG, "holder-2", 1, 2, 5)]


def test_a_grant_that_comes_while_a_piece_is_under_way_is_sent_next() -> None:
    owner = uploading(LONG)

    early = owner.grant("holder-1", (1, 4), config=LONG)
    next_piece = owner.machine.uploaded(LONG.cid(), "holder-1")

    assert early == []
    assert next_piece == [upload(LONG, "holder-1", 1, 2, 3, 4)]
    assert owner.machine.uploaded(LONG.cid(), "holder-1") == []


def test_a_doubled_grant_sends_nothing_again() -> None:
    owner = uploading(LONG)
    owner.sent_all(LONG)
    owner.grant("holder-1", (1, 4), config=LONG)
    owner.machine.uploaded(LONG.cid(), "holder-1")

    assert owner.grant("holder-1", (1, 4), config=LONG) == []
    again = owner.grant("holder-1", (3, 4), config=LONG)
    assert [upload.indices for upload in only(again, Upload)] == [(5, 6)]


def test_an_announcement_offers_again_only_where_nothing_has_moved_since_the_last() -> None:
    owner = uploading(LONG)
    owner.sent_all(LONG)

    soon = owner.announce(LONG)
    for holder in HOLDERS[:3]:
        owner.grant(holder, (1, 8), config=LONG)
        owner.machine.uploaded(LONG.cid(), holder)
    stuck = only(owner.announce(LONG), Upload)
    owner.sent_all(LONG)
    granted = owner.grant("holder-4", (1, 2), (4, 6), config=LONG)
    later = only(owner.announce(LONG), Upload)

    assert soon == []
    assert [(u.to, u.indices) for u in stuck] == [("holder-4", (0,)), ("holder-5", (0,))]
    assert [u.indices for u in only(granted, Upload)] == [(1, 2, 4, 5, 6, 7, 8, 9)]
    assert [(u.to, u.indices) for u in later] == [(h, (0,)) for h in HOLDERS[:3]]


def test_after_a_crash_the_share_is_offered_again_and_only_what_is_granted_is_sent() -> None:
    owner = uploading(LONG)
    owner.sent_all(LONG)
    owner.grant("holder-1", (1, 8), config=LONG)

    started = owner.crash()
    owner.sent_all(LONG)
    effects = owner.grant("holder-1", (7, 2), config=LONG)

    assert {upload.indices for upload in only(started, Upload)} == {(0,)}
    assert [upload.indices for upload in only(effects, Upload)] == [(7, 8)]


def test_grants_for_no_upload_of_ours_are_ignored() -> None:
    computing, over, elsewhere = Owner(), uploading(), uploading()
    computing.announce()
    over.close()

    assert computing.grant("holder-1", (1, 1)) == []
    assert over.grant("holder-1", (1, 1)) == []
    elsewhere.sent_all()
    assert elsewhere.grant("holder-1", (1, 1), config=config_of(number=2)) == []
    assert elsewhere.machine.next_wake_s() is None


@pytest.mark.parametrize(
    ("spans", "reason"),
    [
        (((2, 1),), "chunk 2 of 2"),
        (((0, 3),), "chunk 2 of 2"),
        (((1, 1), (0, 1)), "not ascending"),
        (((1, 256), (258, 1)), "more than 256"),
    ],
)
def test_a_grant_out_of_range_is_a_violation_and_sends_nothing(
    spans: tuple[tuple[int, int], ...], reason: str
) -> None:
    owner = uploading()
    owner.sent_all()

    with pytest.raises(PeerViolation, match=reason) as caught:
        owner.grant("holder-1", *spans)

    assert caught.value.peer == "holder-1"
    assert owner.machine.next_wake_s() is None


def test_a_grant_of_a_holder_that_was_offered_nothing_is_a_violation() -> None:
    owner = Owner()
    owner.announce(holders=HOLDERS[:4])
    owner.prepare()

    with pytest.raises(PeerViolation, match="never offered"):
        owner.grant("holder-5", (1, 1))


# --- what its owner is told -----------------------------------------------------------


def took_part(effects: list[Effect]) -> list[str]:
    events = [report.event for report in only(effects, Report)]
    assert all(e == TookPart(actor="ann", job="sum", number=1, outcome=e.outcome) for e in events)
    return [event.outcome for event in events]


def test_a_part_is_told_once_with_how_it_ended() -> None:
    whole, enough, few, none, late = (uploading() for _ in range(5))
    for holder in HOLDERS[:4]:
        whole.receipt(holder)
    for holder in HOLDERS[:3]:
        enough.receipt(holder)
    for holder in HOLDERS[:2]:
        few.receipt(holder)
    for holder in HOLDERS[2:4]:
        few.hear(refuse(), holder)
    abandoned = CloseRound(cid=CID, job="sum", number=1, complete=False, reason="")

    ends = [
        whole.receipt("holder-5"),
        enough.hear(abandoned),
        few.hear(refuse(), "holder-5"),
        none.hear(abandoned),
        late.close(),
    ]

    assert [took_part(end) for end in ends] == [
        ["contributed"],
        ["contributed"],
        ["refused"],
        ["closed"],
        ["late"],
    ]
    assert not any(took_part(owner.close()) for owner in (whole, enough, few, none, late))


def test_a_declined_part_is_told_once_however_often_it_is_declined() -> None:
    owner = Owner()
    owner.announce()

    effects = [owner.machine.failed(CID, "not finite"), owner.announce(), owner.close()]

    assert [took_part(e) for e in effects] == [["declined"], [], []]


def test_a_round_that_was_overtaken_went_on_without_this_trainer() -> None:
    computing, greeted = Owner(), uploading()
    computing.announce()

    overtaken = computing.announce(config_of(number=2))
    welcomed = greeted.hear(Welcome(job="sum", number=2))

    assert took_part(overtaken) == took_part(welcomed) == ["late"]


def test_a_greeting_that_was_refused_is_told_to_the_owner() -> None:
    refused = Refused(cid=CID, what="hello", reason="too old")

    effects = Owner().hear(refused)

    event = Refusal(actor=COORDINATOR, peer="ann", what="hello", reason="too old")
    assert effects == [Report(event)]


def test_a_trainer_says_goodbye() -> None:
    assert sent(Owner().machine.leave()) == [(COORDINATOR, Goodbye())]


# --- long work ------------------------------------------------------------------------


def test_a_trainer_beats_while_it_computes_or_uploads_and_not_after() -> None:
    owner = Owner()
    idle = owner.machine.next_wake_s()
    owner.announce()
    computing = messages_of(owner.machine.advance(3.0), Working)
    owner.prepare()
    sending = messages_of(owner.machine.advance(4.0), Working)
    for holder in HOLDERS:
        owner.machine.uploaded(CID, holder)

    assert idle is None
    assert computing == sending == [Working(cid=CID)]
    assert owner.machine.next_wake_s() is None


def test_an_upload_that_was_refused_is_no_longer_work() -> None:
    owner = uploading()
    for holder in HOLDERS[1:]:
        owner.machine.uploaded(CID, holder)

    owner.hear(refuse(), "holder-1")

    assert owner.machine.next_wake_s() is None
    assert owner.machine.advance(9.0) == []


def beats(owner: Owner, at_s: float) -> bool:
    """Let the time come to `at_s`; return whether the owner says that it is at work."""
    due_s = owner.machine.next_wake_s()
    due = due_s is not None and due_s <= at_s
    return due and bool(messages_of(owner.machine.advance(at_s), Working))


def test_a_long_computation_is_work_at_every_beat() -> None:
    owner = Owner()
    owner.announce()

    assert all(beats(owner, 10.0 * turn) for turn in range(1, 6))


def test_an_upload_of_which_nothing_goes_out_is_no_work_to_wait_for() -> None:
    # Its holder may be dead and its queue full: then it is tried as long as the round lasts.
    owner = uploading()

    told = [beats(owner, 10.0 * turn) for turn in range(1, 5)]

    assert told == [True, False, False, False]
    assert owner.machine.next_wake_s() is None


def test_a_slow_upload_is_work_as_long_as_chunks_of_it_go_out() -> None:
    long = config_of(dimension=20 * CONFIG.dimension)
    owner = uploading(long)
    owner.sent_all(long)
    assert only(owner.grant(HOLDERS[0], (1, 8), config=long), Upload)
    assert beats(owner, 10.0)

    for at_s in (50.0, 90.0, 130.0):
        assert not beats(owner, at_s - 1.0)
        owner.machine.sent(long.cid(), HOLDERS[0])
        assert beats(owner, at_s)


def test_what_goes_out_between_two_beats_is_told_with_the_next() -> None:
    owner = uploading()
    assert beats(owner, 10.0)

    owner.machine.sent(CID, HOLDERS[0])
    owner.machine.sent(CID, HOLDERS[1])

    assert not beats(owner, 10.0 + CONFIG.beat_ms / 2000)
    assert beats(owner, 10.0 + CONFIG.beat_ms / 1000)
    assert owner.machine.next_wake_s() is None


def test_a_dead_holder_does_not_silence_an_upload_that_moves_to_another() -> None:
    owner = uploading()
    assert beats(owner, 10.0)
    owner.machine.uploaded(CID, HOLDERS[1])
    owner.grant(HOLDERS[1], (1, 1))

    owner.machine.sent(CID, HOLDERS[1])

    assert beats(owner, 20.0)


def test_an_offer_that_went_out_again_says_nothing_of_what_is_on_its_way_elsewhere() -> None:
    owner = uploading()
    for holder in HOLDERS[1:]:
        owner.machine.uploaded(CID, holder)
    assert beats(owner, 10.0)
    owner.announce()
    repeated = owner.announce()
    assert [upload.to for upload in only(repeated, Upload)] == list(HOLDERS[1:])

    owner.machine.sent(CID, HOLDERS[1])

    assert owner.machine.next_wake_s() is None


def test_an_upload_that_is_taken_up_after_a_crash_is_work_again() -> None:
    owner = uploading()
    assert beats(owner, 10.0)

    owner.crash()

    assert beats(owner, 20.0)


def test_a_chunk_of_no_upload_is_no_sign_of_work() -> None:
    owner = uploading()
    assert beats(owner, 10.0)

    owner.machine.sent(b"c" * 32, HOLDERS[0])
    owner.machine.sent(CID, "mallory")

    assert owner.machine.next_wake_s() is None


# --- back from the journal ------------------------------------------------------------


def test_a_trainer_greets_when_it_starts_and_says_what_it_can_do() -> None:
    greeting = hello("trainer", software="quorate 9")

    assert sent(Owner().machine.start("quorate 9")) == [(COORDINATOR, greeting)]


def test_a_restarted_trainer_goes_on_with_the_identical_contribution() -> None:
    owner = uploading()
    owner.receipt("holder-1")

    started = owner.crash()

    assert only(started, Upload) == [upload(CONFIG, name, 0) for name in HOLDERS]
    owner.hear(Welcome(job="sum", number=1))
    assert owner.announce() == []
    with pytest.raises(PeerViolation, match="a second time, changed"):
        owner.announce(config_of(state=b"\x01" * 32))


def test_a_crash_before_the_record_computes_anew_as_nothing_had_left() -> None:
    owner = Owner()
    owner.announce()

    started = owner.crash()
    owner.hear(Welcome(job="sum", number=1))

    assert not only(started, Upload)
    assert only(owner.announce(), Prepare)


def test_a_restarted_trainer_waits_for_the_welcome() -> None:
    owner = uploading()
    owner.crash()

    assert owner.announce(config_of(number=2)) == []
    effects = owner.hear(Welcome(job="sum", number=2))

    assert [p.announce.config.number for p in only(effects, Prepare)] == [2]
    assert Erase(CID.hex()) in effects


# --- who may say what -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "message"),
    [
        ("mallory", Announce(config=CONFIG, opened=opened(*HOLDERS))),
        ("holder-1", Announce(config=CONFIG, opened=opened(*HOLDERS))),
        ("bob", Announce(config=CONFIG, opened=opened(*HOLDERS))),
        ("holder-1", Welcome(job="sum", number=9)),
        ("holder-1", CloseRound(cid=CID, job="sum", number=1, complete=True, reason="")),
        ("mallory", CloseRound(cid=CID, job="sum", number=1, complete=True, reason="")),
        (COORDINATOR, Have(cid=CID, contributions=set_of(CONFIG, "ann"))),
        ("bob", Have(cid=CID, contributions=set_of(CONFIG, "ann"))),
        ("mallory", Have(cid=CID, contributions=set_of(CONFIG, "ann"))),
        (COORDINATOR, opening(CONFIG)),
        ("bob", chunks_of(CONFIG, "bob")[0]),
        (COORDINATOR, Grant(cid=CID, spans=((1, 1),))),
        ("bob", Grant(cid=CID, spans=((1, 1),))),
        ("bob", Grant(cid=b"c" * 32, spans=((1, 1),))),
        ("mallory", Grant(cid=CID, spans=((1, 1),))),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_messages_of_the_wrong_people_are_violations(sender: str, message: Wire) -> None:
    owner = uploading()

    with pytest.raises(PeerViolation) as caught:
        owner.hear(message, sender)

    assert caught.value.peer == sender
    assert owner.machine.live_rounds() == (CID,)


# --- a disk that lost something -------------------------------------------------------


def test_a_share_that_cannot_be_read_again_is_given_up_and_the_others_go_on() -> None:
    owner = uploading()

    assert owner.machine.unreadable(CID, HOLDERS[0]) == []

    again = owner.announce()
    assert HOLDERS[0] not in {upload.to for upload in only(again, Upload)}
    for holder in HOLDERS[1:-1]:
        owner.receipt(holder)
    ended = owner.receipt(HOLDERS[-1])
    assert [e.event.outcome for e in only(ended, Report)] == ["contributed"]


def test_a_contribution_of_which_no_share_can_be_read_is_dropped() -> None:
    owner = uploading()

    ended = [effect for holder in HOLDERS for effect in owner.machine.unreadable(CID, holder)]

    assert only(ended, Erase) == [Erase(CID.hex())]
    assert owner.machine.live_rounds() == ()
    assert owner.machine.unreadable(CID, HOLDERS[0]) == []


def test_an_offer_that_is_only_repeated_is_no_work_to_wait_for() -> None:
    # Its holder may be dead: then offers are repeated as long as the round lasts.
    owner = uploading()
    owner.sent_all()
    owner.announce()

    repeated = owner.announce()

    assert len(only(repeated, Upload)) == len(HOLDERS)
    assert owner.machine.next_wake_s() is None
    assert owner.machine.advance(100.0) == []
    owner.sent_all()
    assert only(owner.grant(HOLDERS[0], (1, 1)), Upload)
    assert owner.machine.next_wake_s() is not None


def test_what_went_into_a_round_is_recorded_before_any_of_it_leaves_and_outlives_the_round() -> (
    None
):
    owner = Owner()
    owner.announce()

    effects = owner.prepare()
    went = Sent(number=1, cid=CID, digest=contribution_digest(header_of(CONFIG, "ann")))

    # One decision, so one commit: what leaves in it is uploads, after both records.
    assert [e.key for e in effects if isinstance(e, Record)] == ["job/sum", "sent/sum/0001"]
    assert any(isinstance(effect, Upload) for effect in effects)
    assert owner.accounts() == [went]
    owner.crash()
    owner.close()
    assert owner.accounts() == [went]


def test_a_round_without_a_contribution_leaves_no_record() -> None:
    owner = Owner()
    owner.announce()
    owner.machine.failed(CID, "too large")
    owner.close()

    assert owner.accounts() == []


def test_records_of_contributions_are_bounded_and_old_ones_make_room() -> None:
    owner, kept = Owner(), []
    for number in (1, 2, SENT_KEPT, SENT_KEPT + 1, SENT_KEPT + 3):
        config = config_of(number=number)
        owner.announce(config)
        owner.prepare(config)
        owner.close(config)
        kept.append(number)

    assert sorted(sent.number for sent in owner.accounts()) == [2, *kept[2:]]
