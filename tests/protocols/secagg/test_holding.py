"""The share-holder's machine: a list of messages in, a list of effects out, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.round_parts import (
    COORDINATOR,
    OTHER_ROSTER,
    ROSTER,
    TRAINERS,
    Disk,
    answer_of,
    chunks_of,
    config_of,
    contribution,
    entropy_of,
    first,
    header_of,
    hello,
    key_of,
    messages_of,
    only,
    opening,
    said_open,
    sent,
    set_of,
    share,
)
from fakes.signatures import ANYBODY, release_of
from msgspec.structs import replace

from protocols.effects import (
    Answer,
    CancelWork,
    CheckStream,
    Effect,
    Erase,
    Forget,
    Record,
    Report,
    Send,
    StoreChunk,
    SumShares,
)
from protocols.errors import PeerViolation
from protocols.messages import (
    Accepted,
    CloseRound,
    Contribution,
    ContributionHeader,
    Excluded,
    Goodbye,
    Grant,
    Have,
    Propose,
    Refused,
    RoundOpened,
    ShareChunk,
    Vote,
    Welcome,
    Wire,
    Working,
)
from protocols.reports import Refusal, TookPart
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import answer_stream, share_stream
from protocols.secagg.credit import Credit
from protocols.secagg.holding import Holding
from protocols.secagg.sets import set_digest
from protocols.secagg.terms import Terms

CONFIG = config_of()
ONE_PHASE = config_of(vote=False)
ABC = set_of(CONFIG, "ann", "bob", "cat")
ABD = set_of(CONFIG, "ann", "bob", "dan")
VOTERS = ("holder-1", "holder-2", "holder-3")


class Desk:
    """A share-holder whose decisions are kept on a disk, so that it may crash at any time."""

    def __init__(self, name: str = "holder-1", **options: Any) -> None:
        self.name = name
        self.disk = Disk()
        self._options = options
        self.machine = Holding(name, ROSTER, ANYBODY, entropy=entropy_of(name), **options)

    def crash(self) -> list[Effect]:
        entropy = entropy_of(self.name)
        self.machine = Holding(self.name, ROSTER, ANYBODY, entropy=entropy, **self._options)
        self.machine.restore(self.disk.journal, self.disk.stored())
        return self.disk.keep(self.machine.start())

    def hear(self, message: Wire, sender: str = COORDINATOR) -> list[Effect]:
        return self.disk.keep(self.machine.receive(sender, message))

    def check(self, config: RoundConfig, trainer: str, *, ok: bool = True) -> list[Effect]:
        stream = share_stream(config.cid(), trainer)
        return self.disk.keep(self.machine.checked(stream, ok=ok))

    def open(self, config: RoundConfig = CONFIG) -> list[Effect]:
        return self.hear(opening(config))

    def hold(self, *trainers: str, config: RoundConfig = CONFIG) -> list[Effect]:
        effects: list[Effect] = []
        for trainer in trainers:
            for chunk in chunks_of(config, trainer, self.name):
                effects += self.hear(chunk, trainer)
            effects += self.check(config, trainer)
        return effects

    def propose(
        self, chosen: tuple[Contribution, ...], config: RoundConfig = CONFIG
    ) -> list[Effect]:
        return self.hear(Propose(cid=config.cid(), chosen=chosen))

    def release(
        self,
        chosen: tuple[Contribution, ...],
        voters: tuple[str, ...] = VOTERS,
        config: RoundConfig = CONFIG,
    ) -> list[Effect]:
        return self.hear(release_of(config.cid(), chosen, voters))

    def close(self, config: RoundConfig = CONFIG) -> list[Effect]:
        return self.hear(
            CloseRound(
                cid=config.cid(), job=config.job, number=config.number, complete=True, reason=""
            )
        )

    def kept(self) -> list[str]:
        return sorted(key.split("/", 2)[-1] for key in self.disk.journal if "round/" in key)


def desk_with(*trainers: str, config: RoundConfig = CONFIG) -> Desk:
    desk = Desk()
    desk.open(config)
    desk.hold(*trainers, config=config)
    return desk


def refusals(effects: list[Effect]) -> list[str]:
    return [message.reason for message in messages_of(effects, Refused)]


# --- open and close -------------------------------------------------------------------


def test_an_opened_round_is_recorded_with_its_number_before_it_is_told() -> None:
    effects = Desk().open()

    records, prefix = {record.key for record in only(effects, Record)}, CONFIG.cid().hex()
    assert records == {"last/sum", f"round/{prefix}/config", f"round/{prefix}/key"}
    assert sent(effects) == [(COORDINATOR, said_open(CONFIG, "holder-1"))]
    assert first(effects, Record, key="config") < first(effects, RoundOpened)
    assert first(effects, Record, key="key") < first(effects, RoundOpened)


def test_opening_again_tells_again_and_records_nothing() -> None:
    desk = Desk()
    desk.open()

    effects = desk.open()

    assert sent(effects) == [(COORDINATOR, said_open(CONFIG, "holder-1"))]
    assert not only(effects, Record)


def test_opening_again_tells_all_that_is_complete_and_who_is_out() -> None:
    desk = desk_with("ann", "cat")
    desk.hear(chunks_of(CONFIG, "eve")[0], "eve")
    desk.hear(chunks_of(CONFIG, "eve", salt=1)[0], "eve")

    effects = desk.open()

    assert messages_of(effects, Have) == [
        Have(
            cid=CONFIG.cid(),
            contributions=set_of(CONFIG, "ann", "cat"),
            signatures=(b"", b""),
        )
    ]
    assert [m.trainer for m in messages_of(effects, Excluded)] == ["eve"]


@pytest.mark.parametrize("number", [1, 2])
def test_a_number_that_was_used_is_never_opened_again(number: int) -> None:
    desk = Desk()
    desk.open(config_of(number=2))

    effects = desk.open(config_of(number=number, state=b"\x01" * 32))

    assert refusals(effects) == ["round 2 was opened here already"]
    assert not only(effects, Record)


def test_a_number_that_was_used_is_never_opened_again_even_after_close_and_crash() -> None:
    desk = Desk()
    desk.open()
    desk.close()
    desk.crash()

    assert refusals(desk.open()) == ["round 1 was opened here already"]
    assert refusals(desk.open(config_of(state=b"\x01" * 32)))
    assert not refusals(desk.open(config_of(number=2)))


def test_a_round_that_was_closed_before_it_was_opened_stays_closed() -> None:
    desk = Desk()

    closing = desk.close(config_of(number=3))

    assert [record.key for record in only(closing, Record)] == ["last/sum"]
    assert refusals(desk.open(config_of(number=3)))
    desk.crash()
    assert refusals(desk.open(config_of(number=3)))


def test_an_old_close_does_not_bring_back_old_numbers() -> None:
    desk = Desk()
    desk.open(config_of(number=5))
    desk.close(config_of(number=2))
    desk.close(config_of(number=5))

    assert refusals(desk.open(config_of(number=4))) == ["round 5 was opened here already"]


def test_other_jobs_have_numbers_of_their_own() -> None:
    desk = Desk()
    desk.open(config_of(number=5))

    effects = desk.open(config_of(job="mean", number=1))

    assert not refusals(effects)
    assert len(desk.machine.live_rounds()) == 2


def test_the_next_round_of_a_job_drops_the_older_one_with_all_that_was_kept() -> None:
    desk = desk_with("ann", "bob")
    newer = config_of(number=2)

    effects = desk.open(newer)

    cid = CONFIG.cid().hex()
    assert Forget(f"round/{cid}/") in effects
    assert Erase(cid) in effects
    assert CancelWork(cid) in effects
    assert desk.machine.live_rounds() == (newer.cid(),)
    assert desk.disk.streams == {}
    assert desk.kept() == ["config", "key"]
    assert refusals(desk.propose(ABC)) == ["the round is not open here"]


@pytest.mark.parametrize(
    "config",
    [config_of(roster=OTHER_ROSTER.digest()), config_of(holders=4), config_of(holders=6)],
)
def test_a_round_for_another_roster_is_a_violation(config: RoundConfig) -> None:
    desk = Desk()

    with pytest.raises(PeerViolation, match="another roster"):
        desk.open(config)

    assert desk.disk.journal == {}


def test_a_minimum_below_the_holders_own_is_refused_and_one_at_it_is_not() -> None:
    desk = Desk(terms=Terms(minimum=4))

    assert refusals(desk.open(config_of(minimum=3))) == ["minimum below ours of 4"]
    assert not refusals(desk.open(config_of(minimum=4)))


def test_the_floor_of_three_holds_even_against_a_config_that_was_never_read() -> None:
    assert refusals(Desk().open(config_of(minimum=2))) == ["minimum below ours of 3"]


def test_closing_erases_all_but_the_number_and_the_set() -> None:
    desk = desk_with("ann", "bob", "cat", "dan")
    desk.hear(chunks_of(CONFIG, "eve")[0], "eve")
    desk.propose(ABC)
    desk.release(ABC)
    desk.disk.keep(desk.machine.summed(answer_of(CONFIG, ABC)[0].header))

    effects = desk.close()

    assert list(desk.disk.journal) == ["last/sum", f"pledged/sum/{CONFIG.state.hex()}"]
    assert desk.disk.streams == {}
    assert desk.machine.live_rounds() == ()
    assert first(effects, CancelWork) < first(effects, Erase)
    assert desk.close() == []


def test_a_round_that_is_over_takes_nothing_more() -> None:
    desk = desk_with("ann", "bob", "cat")
    desk.close()

    late = [
        desk.hear(chunks_of(CONFIG, "dan")[0], "dan"),
        desk.propose(ABC),
        desk.release(ABC),
    ]

    assert [refusals(effects) for effects in late] == [["the round is not open here"]] * 3
    assert not any(only(effects, StoreChunk) or only(effects, Record) for effects in late)
    assert desk.check(CONFIG, "ann") == []


# --- collect --------------------------------------------------------------------------


def test_the_first_header_is_recorded_and_each_chunk_stored() -> None:
    desk = desk_with()
    first_chunk, second_chunk = chunks_of(CONFIG, "ann")

    one = desk.hear(first_chunk, "ann")
    two = desk.hear(second_chunk, "ann")

    stream = share_stream(CONFIG.cid(), "ann")
    assert [record.key for record in only(one, Record)] == [f"round/{CONFIG.cid().hex()}/share/ann"]
    assert only(one, StoreChunk) == [StoreChunk(CONFIG, stream, 0, first_chunk.payload)]
    assert not only(one, CheckStream)
    assert only(two, StoreChunk) == [StoreChunk(CONFIG, stream, 1, second_chunk.payload)]
    digest = first_chunk.header.share_digests[0]
    assert only(two, CheckStream) == [CheckStream(CONFIG, stream, digest)]
    assert sent(one) == [("ann", Grant(cid=CONFIG.cid(), spans=((1, 1),)))]
    assert not sent(two)


def test_a_holder_checks_the_digest_of_its_own_place() -> None:
    desk = Desk("holder-4")
    desk.open()

    effects = [e for c in chunks_of(CONFIG, "ann", "holder-4") for e in desk.hear(c, "ann")]

    (check,) = only(effects, CheckStream)
    assert check.digest == header_of(CONFIG, "ann").share_digests[3]


def test_receipts_follow_the_record_that_the_share_is_complete() -> None:
    desk = desk_with()
    for chunk in chunks_of(CONFIG, "ann"):
        desk.hear(chunk, "ann")

    effects = desk.check(CONFIG, "ann")

    have = Have(cid=CONFIG.cid(), contributions=set_of(CONFIG, "ann"), signatures=(b"",))
    assert sent(effects) == [(COORDINATOR, have), ("ann", have)]
    assert first(effects, Record, key="share/ann") < first(effects, Have)


def test_chunks_in_any_order_and_twice_are_stored_once() -> None:
    desk = desk_with()
    one, two = chunks_of(CONFIG, "ann")

    effects = [desk.hear(chunk, "ann") for chunk in (two, two, one, one, two)]

    assert [len(only(e, StoreChunk)) for e in effects] == [1, 0, 1, 0, 0]
    assert [len(only(e, CheckStream)) for e in effects] == [0, 0, 1, 0, 0]


def test_a_repeated_upload_of_a_complete_share_is_receipted_once() -> None:
    desk = desk_with("ann")

    effects = [desk.hear(chunk, "ann") for chunk in chunks_of(CONFIG, "ann")]

    assert [len(messages_of(e, Have)) for e in effects] == [2, 0]
    assert not any(only(e, StoreChunk) or only(e, Record) for e in effects)


def test_a_share_in_the_name_of_another_trainer_is_a_violation() -> None:
    desk = desk_with()

    with pytest.raises(PeerViolation, match="in the name of ann") as caught:
        desk.hear(chunks_of(CONFIG, "ann")[0], "bob")

    assert caught.value.peer == "bob"
    assert "share/ann" not in desk.kept()
    assert desk.disk.streams == {}


def test_a_share_for_an_unknown_round_is_refused() -> None:
    desk = desk_with()
    other = config_of(number=2)

    effects = desk.hear(chunks_of(other, "ann")[0], "ann")

    assert sent(effects) == [
        (
            "ann",
            Refused(cid=other.cid(), what="share", reason="the round is not open here"),
        )
    ]


def changed(chunk: ShareChunk, **changes: Any) -> ShareChunk:
    header = chunk.header
    fields = {name: getattr(header, name) for name in header.__struct_fields__}
    inside = {name: changes.pop(name) for name in list(changes) if name in fields}
    return ShareChunk(
        header=ContributionHeader(**(fields | inside)),
        index=changes.get("index", chunk.index),
        payload=changes.get("payload", chunk.payload),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"index": 2},
        {"index": 1},
        {"payload": b""},
        {"payload": bytes(1023)},
        {"payload": bytes(1025)},
        {"payload": bytes(576)},
        {"share_bytes": 1599},
        {"share_bytes": 0},
        {"share_digests": ()},
        {"share_digests": (b"d" * 32,) * 4},
        {"share_digests": (b"d" * 32,) * 6},
    ],
    ids=lambda changes: str(changes)[:30],
)
def test_a_share_of_the_wrong_shape_is_a_violation_and_nothing_is_kept(
    changes: dict[str, Any],
) -> None:
    desk = desk_with()
    good = chunks_of(CONFIG, "ann")[0]

    with pytest.raises(PeerViolation, match="wrong shape"):
        desk.hear(changed(good, **changes), "ann")

    assert desk.kept() == ["config", "key"]
    assert desk.disk.streams == {}


@pytest.mark.parametrize("complete", [False, True])
def test_two_contributions_of_one_trainer_exclude_it_and_erase_both(*, complete: bool) -> None:
    desk = desk_with()
    one, two = chunks_of(CONFIG, "ann")
    desk.hear(one, "ann")
    if complete:
        desk.hear(two, "ann")
        desk.check(CONFIG, "ann")

    effects = desk.hear(chunks_of(CONFIG, "ann", salt=1)[0], "ann")

    assert first(effects, Record, key="excluded/ann") < first(effects, Excluded)
    assert [to for to, m in sent(effects) if isinstance(m, Excluded)] == [COORDINATOR]
    assert desk.kept() == ["config", "excluded/ann", "key"]
    assert desk.disk.streams == {}
    assert desk.check(CONFIG, "ann") == []
    assert refusals(desk.hear(one, "ann")) == ["excluded from the round"]


def test_a_share_without_the_announced_digest_excludes_its_trainer() -> None:
    desk = desk_with()
    for chunk in chunks_of(CONFIG, "ann"):
        desk.hear(chunk, "ann")

    effects = desk.check(CONFIG, "ann", ok=False)

    assert [m.trainer for m in messages_of(effects, Excluded)] == ["ann"]
    assert not messages_of(effects, Have)
    assert desk.kept() == ["config", "excluded/ann", "key"]
    assert desk.disk.streams == {}
    assert refusals(desk.propose(ABC)) == ["3 of 3 contributions are not complete here"]


def test_an_excluded_trainer_stays_out_after_a_crash() -> None:
    desk = desk_with("ann")
    desk.hear(chunks_of(CONFIG, "ann", salt=1)[0], "ann")

    desk.crash()

    assert refusals(desk.hear(chunks_of(CONFIG, "ann")[0], "ann")) == ["excluded from the round"]
    assert [m.trainer for m in messages_of(desk.open(), Excluded)] == ["ann"]


# --- credit ---------------------------------------------------------------------------

LONG = config_of(dimension=128 * 20)  # chunks of 1024 bytes


def granted(effects: list[Effect]) -> list[tuple[tuple[int, int], ...]]:
    return [message.spans for message in messages_of(effects, Grant)]


def test_the_first_chunk_is_answered_with_what_may_follow_once_it_is_recorded() -> None:
    desk = desk_with(config=LONG)

    effects = desk.hear(chunks_of(LONG, "ann")[0], "ann")

    assert sent(effects) == [("ann", Grant(cid=LONG.cid(), spans=((1, 8),)))]
    assert first(effects, Record, key="share/ann") < first(effects, Grant)


def test_a_share_of_one_chunk_needs_no_grant() -> None:
    short = config_of(dimension=10)
    desk = desk_with(config=short)
    (chunk,) = chunks_of(short, "ann")

    effects = desk.hear(chunk, "ann")

    assert only(effects, CheckStream)
    assert not granted(effects)


def test_a_whole_upload_of_twenty_chunks_takes_four_grants() -> None:
    desk = desk_with(config=LONG)
    spans = []

    for chunk in chunks_of(LONG, "ann"):
        spans += granted(desk.hear(chunk, "ann"))

    assert spans == [((1, 8),), ((5, 8),), ((9, 8),), ((13, 7),)]


def test_an_offer_that_is_repeated_is_granted_only_what_is_missing() -> None:
    desk = desk_with(config=LONG)
    chunks = chunks_of(LONG, "ann")
    for index in (0, 1, 2, 4, 19):
        desk.hear(chunks[index], "ann")

    again = desk.hear(chunks[0], "ann")
    desk.crash()
    after_crash = desk.hear(chunks[0], "ann")

    assert granted(again) == granted(after_crash) == [((3, 1), (5, 7))]
    assert not only(again + after_crash, StoreChunk)


def test_a_restarted_holder_asks_at_once_for_what_is_missing() -> None:
    desk = desk_with("bob", config=LONG)
    chunks = chunks_of(LONG, "ann")
    for index in (0, 1, 2):
        desk.hear(chunks[index], "ann")

    started = desk.crash()
    later = [desk.hear(chunks[index], "ann") for index in range(3, 7)]

    assert [to for to, m in sent(started) if isinstance(m, Grant)] == ["ann"]
    assert granted(started) == [((3, 8),)]
    assert [granted(effects) for effects in later] == [[], [], [], [((7, 8),)]]


def test_the_pool_is_divided_among_the_uploads_under_way() -> None:
    desk = Desk(terms=Terms(credit=Credit(chunks=8, pool=12)))
    desk.open(LONG)

    spans = [granted(desk.hear(chunks_of(LONG, name)[0], name)) for name in TRAINERS]

    assert spans == [[((1, count),)] for count in (8, 6, 4, 3, 2)]


def test_an_upload_that_is_complete_gives_its_part_of_the_pool_back() -> None:
    desk = Desk(terms=Terms(credit=Credit(chunks=8, pool=12)))
    desk.open(LONG)
    desk.hold("ann", "bob", config=LONG)

    assert granted(desk.hear(chunks_of(LONG, "cat")[0], "cat")) == [((1, 8),)]


def test_chunks_that_were_never_granted_are_stored_once_and_never_asked_for() -> None:
    desk = desk_with(config=LONG)
    chunks = chunks_of(LONG, "ann")

    babble = [e for chunk in chunks[15:] * 3 for e in desk.hear(chunk, "ann")]
    offered = desk.hear(chunks[0], "ann")

    assert [chunk.index for chunk in only(babble, StoreChunk)] == [15, 16, 17, 18, 19]
    assert granted(babble) == [((0, 8),)]
    assert granted(offered) == [((1, 8),)]


def test_nothing_is_granted_once_the_set_is_fixed() -> None:
    desk = desk_with("ann", "bob", "cat", config=LONG)
    desk.hear(chunks_of(LONG, "dan")[0], "dan")
    desk.propose(set_of(LONG, "ann", "bob", "cat"), LONG)

    late = desk.hear(chunks_of(LONG, "dan")[0], "dan")

    assert refusals(late) == ["the set of the round is fixed"]
    assert not granted(late)
    assert not granted(desk.crash())


# --- what is told ---------------------------------------------------------------------


def test_a_holder_tells_whether_it_answered_in_a_round_that_is_over() -> None:
    answered, closed = desk_with("ann", "bob", "cat"), desk_with("ann", "bob", "cat")
    answered.release(ABC)
    answered.disk.keep(answered.machine.summed(answer_of(CONFIG, ABC)[0].header))
    closed.release(ABC)

    told = [only(answered.close(), Report), only(closed.open(config_of(number=2)), Report)]

    assert told == [
        [Report(TookPart(actor="holder-1", job="sum", number=1, outcome=outcome))]
        for outcome in ("answered", "closed")
    ]


def test_each_refusal_is_told_with_who_and_what() -> None:
    desk = desk_with()
    desk.close()

    effects = [*desk.open(), *desk.hear(chunks_of(CONFIG, "ann")[0], "ann"), *desk.propose(ABC)]
    effects += desk.release(ABC)

    events = [report.event for report in only(effects, Report)]
    assert [(e.actor, e.peer, e.what) for e in events if isinstance(e, Refusal)] == [
        ("holder-1", COORDINATOR, "open"),
        ("holder-1", "ann", "share"),
        ("holder-1", COORDINATOR, "proposal"),
        ("holder-1", COORDINATOR, "release"),
    ]
    assert [e.reason for e in events] == refusals(effects)


def test_a_greeting_that_was_refused_is_told_to_the_operator() -> None:
    refused = Refused(cid=CONFIG.cid(), what="hello", reason="too old")

    effects = Desk().hear(refused)

    event = Refusal(actor=COORDINATOR, peer="holder-1", what="hello", reason="too old")
    assert effects == [Report(event)]


# --- vote -----------------------------------------------------------------------------


def test_the_vote_is_recorded_before_it_is_sent() -> None:
    desk = desk_with("ann", "bob", "cat")

    effects = desk.propose(ABC)

    assert sent(effects) == [
        (COORDINATOR, Vote(cid=CONFIG.cid(), set_digest=set_digest(CONFIG.cid(), ABC)))
    ]
    assert first(effects, Record, key="vote") < first(effects, Vote)
    assert not only(effects, SumShares)


@pytest.mark.parametrize("crash", [False, True])
def test_the_same_proposal_again_gets_the_same_vote_and_no_second_record(*, crash: bool) -> None:
    desk = desk_with("ann", "bob", "cat")
    before = sent(desk.propose(ABC))
    if crash:
        desk.crash()

    effects = desk.propose(ABC)

    assert sent(effects) == before
    assert not only(effects, Record)


@pytest.mark.parametrize("crash", [False, True])
def test_another_set_never_gets_a_vote(*, crash: bool) -> None:
    desk = desk_with("ann", "bob", "cat", "dan")
    desk.propose(ABC)
    if crash:
        desk.crash()

    for other in (ABD, (*ABC, contribution(CONFIG, "dan"))):
        with pytest.raises(PeerViolation, match="second set"):
            desk.propose(other)
        with pytest.raises(PeerViolation, match="second set"):
            desk.release(other)

    assert messages_of(desk.propose(ABC), Vote)


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        (ABC[:2], "2 contributions are below the minimum of 3"),
        ((), "0 contributions are below the minimum of 3"),
        (ABC[::-1], "not sorted"),
        ((ABC[0], *ABC), "not sorted"),
        ((*ABC, contribution(CONFIG, "mallory")), "mallory is not a trainer"),
        ((*ABC, contribution(CONFIG, "holder-2")), "holder-2 is not a trainer"),
    ],
    ids=lambda value: value if isinstance(value, str) else len(value),
)
def test_a_set_that_must_never_be_opened_is_a_violation_in_every_step(
    chosen: tuple[Contribution, ...], text: str
) -> None:
    desk = desk_with("ann", "bob", "cat")

    with pytest.raises(PeerViolation, match=text):
        desk.propose(chosen)
    with pytest.raises(PeerViolation, match=text):
        desk.release(chosen)

    assert "vote" not in desk.kept()
    assert "answer" not in desk.kept()


def test_a_set_that_is_not_fully_held_is_refused_and_may_be_proposed_again_later() -> None:
    desk = desk_with("ann", "bob")
    for chunk in chunks_of(CONFIG, "cat"):
        desk.hear(chunk, "cat")  # whole, yet unchecked

    early = desk.propose(ABC), desk.release(ABC)
    desk.check(CONFIG, "cat")
    late = desk.propose(ABC)

    assert [refusals(e) for e in early] == [["1 of 3 contributions are not complete here"]] * 2
    assert not any(only(e, Record) or only(e, SumShares) for e in early)
    assert messages_of(late, Vote)


def test_a_contribution_counts_as_held_only_under_its_own_digest() -> None:
    desk = desk_with("ann", "bob", "cat")
    chosen = (*ABC[:2], contribution(CONFIG, "cat", salt=1))

    assert refusals(desk.propose(chosen)) == ["1 of 3 contributions are not complete here"]
    assert refusals(desk.release(chosen)) == ["1 of 3 contributions are not complete here"]


def test_after_the_vote_no_share_comes_in_and_nobody_is_thrown_out() -> None:
    desk = desk_with("ann", "bob", "cat")
    desk.hear(chunks_of(CONFIG, "eve")[0], "eve")
    desk.propose(ABC)
    keys = desk.kept()

    late = [
        desk.hear(chunks_of(CONFIG, "dan")[0], "dan"),
        desk.hear(chunks_of(CONFIG, "eve")[1], "eve"),
        desk.hear(chunks_of(CONFIG, "ann", salt=1)[0], "ann"),
    ]

    assert [refusals(effects) for effects in late] == [
        ["the set of the round is fixed"],
        ["the set of the round is fixed"],
        ["sent two different contributions"],
    ]
    assert not any(only(e, StoreChunk) or only(e, Record) or only(e, Erase) for e in late)
    assert desk.kept() == keys
    assert only(desk.release(ABC), SumShares)


def test_after_a_release_without_a_vote_no_share_comes_in_either() -> None:
    desk = desk_with("ann", "bob", "cat")
    desk.release(ABC)
    desk.crash()

    effects = desk.hear(chunks_of(CONFIG, "dan")[0], "dan")

    assert refusals(effects) == ["the set of the round is fixed"]
    assert not only(effects, StoreChunk)


# --- release and answer ---------------------------------------------------------------


def test_a_release_is_recorded_before_the_sum_is_begun() -> None:
    desk = desk_with("ann", "bob", "cat", "dan")
    desk.propose(ABC)

    effects = desk.release(ABC)

    stream = answer_stream(CONFIG.cid(), "holder-1")
    assert only(effects, SumShares) == [SumShares(CONFIG, ABC, stream)]
    assert first(effects, Record, key="answer") < first(effects, SumShares)
    assert not only(effects, Answer)


@pytest.mark.parametrize(
    "voters",
    [
        (),
        VOTERS[:2],
        ("holder-1", "holder-1", "holder-1", "holder-2"),
        ("holder-1", "holder-2", "ann", "bob"),
        ("holder-1", "holder-2", "coordinator", "mallory", "holder-9"),
    ],
    ids=str,
)
def test_a_release_with_too_few_votes_of_distinct_holders_is_a_violation(
    voters: tuple[str, ...],
) -> None:
    desk = desk_with("ann", "bob", "cat")
    desk.propose(ABC)

    with pytest.raises(PeerViolation, match="votes"):
        desk.release(ABC, voters)

    assert "answer" not in desk.kept()


def test_a_round_in_two_phases_is_never_answered_at_a_proposal() -> None:
    desk = desk_with("ann", "bob", "cat")

    effects = desk.propose(ABC) + desk.propose(ABC)

    assert not only(effects, SumShares)
    assert not only(effects, Answer)


def test_a_round_in_one_phase_is_answered_at_the_proposal_after_both_records() -> None:
    chosen = set_of(ONE_PHASE, "ann", "bob", "cat")
    desk = desk_with("ann", "bob", "cat", config=ONE_PHASE)

    effects = desk.propose(chosen, ONE_PHASE)

    assert first(effects, Record, key="vote") < first(effects, SumShares)
    assert first(effects, Record, key="answer") < first(effects, SumShares)
    assert not messages_of(effects, Vote)
    with pytest.raises(PeerViolation, match="without votes"):
        desk.release(chosen, config=ONE_PHASE)


def test_the_answer_is_recorded_before_it_leaves_and_repeated_as_it_was() -> None:
    desk = desk_with("ann", "bob", "cat")
    desk.propose(ABC)
    desk.release(ABC)
    header = answer_of(CONFIG, ABC)[0].header

    answered = desk.disk.keep(desk.machine.summed(header))
    again = desk.release(ABC)
    desk.crash()
    restored = desk.release(ABC)

    assert first(answered, Record, key="answer") < first(answered, Answer)
    assert [only(e, Answer) for e in (answered, again, restored)] == [
        [Answer(CONFIG, header, key_of(COORDINATOR))]
    ] * 3
    assert not only(again + restored, SumShares)


def test_asking_again_while_the_sum_is_on_its_way_begins_no_second_one() -> None:
    desk = desk_with("ann", "bob", "cat")
    desk.release(ABC)

    assert desk.release(ABC) == []


@pytest.mark.parametrize("crash", [False, True])
def test_a_release_on_a_vote_that_was_not_signed_is_a_violation(*, crash: bool) -> None:
    desk = desk_with("ann", "bob", "cat", "dan")
    desk.propose(ABC)
    if crash:
        desk.crash()
    fine, other = (release_of(CONFIG.cid(), chosen, VOTERS) for chosen in (ABC, ABD))
    forged = replace(fine.votes[0], signature=bytes(64))
    swapped = replace(fine.votes[0], signature=fine.votes[1].signature)

    for votes in (
        (forged, *fine.votes[1:]),
        (swapped, *fine.votes[1:]),
        (*fine.votes[:-1], other.votes[-1]),
        other.votes,
    ):
        with pytest.raises(PeerViolation, match="did not sign"):
            desk.hear(replace(fine, votes=votes))

    assert desk.release(ABC)


@pytest.mark.parametrize("crash", [False, True])
def test_after_an_answer_no_other_set_is_voted_for_or_answered(*, crash: bool) -> None:
    desk = desk_with("ann", "bob", "cat", "dan")
    desk.release(ABC)  # this holder missed the proposal
    if crash:
        desk.crash()

    with pytest.raises(PeerViolation, match="second set"):
        desk.propose(ABD)
    with pytest.raises(PeerViolation, match="second set"):
        desk.release(ABD)

    assert messages_of(desk.propose(ABC), Vote)


def test_a_sum_for_a_round_that_is_over_is_thrown_away() -> None:
    desk = desk_with("ann", "bob", "cat")
    desk.release(ABC)
    desk.close()

    effects = desk.disk.keep(desk.machine.summed(answer_of(CONFIG, ABC)[0].header))

    assert effects == [Erase(CONFIG.cid().hex())]


def test_a_sum_that_nobody_asked_for_is_not_sent() -> None:
    desk = desk_with("ann", "bob", "cat")

    effects = desk.machine.summed(answer_of(CONFIG, ABC)[0].header)

    assert not only(effects, Answer)
    assert not only(effects, Record)


def test_a_holder_says_that_it_is_summing_and_stops_when_it_is_done_or_unable() -> None:
    done, unable = desk_with("ann", "bob", "cat"), desk_with("ann", "bob", "cat")
    idle = done.machine.next_wake_s()
    done.release(ABC)
    unable.release(ABC)

    beats = [messages_of(desk.machine.advance(9.0), Working) for desk in (done, unable)]
    due_s = done.machine.next_wake_s()
    done.disk.keep(done.machine.summed(answer_of(CONFIG, ABC)[0].header))
    unable.machine.unable(CONFIG.cid())

    assert idle is None
    assert beats == [[Working(cid=CONFIG.cid())]] * 2
    assert due_s == 10.0
    assert done.machine.next_wake_s() is None
    assert unable.machine.next_wake_s() is None
    assert unable.release(ABC) == []


# --- who may say what -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "message"),
    [
        ("mallory", opening(CONFIG)),
        ("ann", opening(CONFIG)),
        ("holder-2", opening(CONFIG)),
        ("holder-1", Propose(cid=CONFIG.cid(), chosen=ABC)),
        ("ann", Propose(cid=CONFIG.cid(), chosen=ABC)),
        ("mallory", release_of(CONFIG.cid(), ABC, VOTERS)),
        ("holder-2", release_of(CONFIG.cid(), ABC, VOTERS)),
        ("ann", CloseRound(cid=CONFIG.cid(), job="sum", number=9, complete=True, reason="")),
        (COORDINATOR, chunks_of(CONFIG, "ann")[0]),
        ("holder-2", chunks_of(CONFIG, "ann")[0]),
        ("mallory", chunks_of(CONFIG, "ann")[0]),
        ("holder-2", Vote(cid=CONFIG.cid(), set_digest=b"d" * 32)),
        ("ann", Accepted(cid=CONFIG.cid())),
        ("ann", hello("trainer")),
        ("ann", Refused(cid=CONFIG.cid(), what="", reason="")),
        ("ann", Grant(cid=CONFIG.cid(), spans=((1, 1),))),
        (COORDINATOR, answer_of(CONFIG, ABC)[0]),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_messages_of_the_wrong_people_are_violations(sender: str, message: Wire) -> None:
    desk = desk_with("ann", "bob", "cat")
    before = dict(desk.disk.journal)

    with pytest.raises(PeerViolation) as caught:
        desk.hear(message, sender)

    assert caught.value.peer == sender
    assert desk.disk.journal == before
    assert desk.machine.live_rounds() == (CONFIG.cid(),)


def test_a_welcome_needs_no_answer() -> None:
    assert Desk().hear(Welcome(job="sum", number=1)) == []


# --- back from the journal ------------------------------------------------------------


def test_a_holder_greets_when_it_starts_and_says_what_it_can_do() -> None:
    greeting = hello("holder", software="quorate 9")

    assert sent(Desk().machine.start("quorate 9")) == [(COORDINATOR, greeting)]


def test_a_holder_says_goodbye() -> None:
    assert sent(Desk().machine.leave()) == [(COORDINATOR, Goodbye())]


def script() -> list[Any]:
    """Return a whole round at one holder, step by step."""
    eve = chunks_of(CONFIG, "eve")
    steps: list[Any] = [lambda desk: desk.open()]
    for trainer in TRAINERS[:4]:
        one, two = chunks_of(CONFIG, trainer)
        steps += [
            lambda desk, chunk=one, name=trainer: desk.hear(chunk, name),
            lambda desk, chunk=two, name=trainer: desk.hear(chunk, name),
            lambda desk, name=trainer: desk.check(CONFIG, name),
        ]
    return [
        *steps,
        lambda desk: desk.hear(eve[0], "eve"),
        lambda desk: desk.hear(chunks_of(CONFIG, "eve", salt=1)[0], "eve"),
        lambda desk: desk.propose(ABC),
        lambda desk: desk.release(ABC),
        lambda desk: desk.disk.keep(desk.machine.summed(answer_of(CONFIG, ABC)[0].header)),
        lambda desk: desk.release(ABC),
        lambda desk: desk.close(),
    ]


@pytest.mark.parametrize("crash_after", range(len(script())))
def test_a_crash_after_any_step_changes_nothing_that_is_decided_later(crash_after: int) -> None:
    steady, fragile = Desk(), Desk()

    for number, step in enumerate(script()):
        assert step(fragile) == step(steady)
        if number == crash_after:
            started = fragile.crash()
            assert sent(started)[0] == (COORDINATOR, hello("holder"))
        assert fragile.disk.journal == steady.disk.journal
        assert fragile.disk.streams == steady.disk.streams


def test_a_crash_before_a_check_ended_begins_the_check_anew() -> None:
    desk = desk_with("ann")
    for chunk in chunks_of(CONFIG, "bob"):
        desk.hear(chunk, "bob")
    desk.hear(chunks_of(CONFIG, "cat")[0], "cat")

    started = desk.crash()

    assert [check.stream for check in only(started, CheckStream)] == [
        share_stream(CONFIG.cid(), "bob")
    ]


def test_a_crash_before_the_sum_was_done_begins_the_same_sum_anew() -> None:
    desk = desk_with("ann", "bob", "cat", "dan")
    desk.propose(ABC)
    desk.release(ABC)

    started = desk.crash()

    assert [summing.chosen for summing in only(started, SumShares)] == [ABC]


def test_a_chunk_that_was_stored_but_never_recorded_is_asked_for_and_stored_again() -> None:
    desk = desk_with()
    stream = share_stream(CONFIG.cid(), "ann")
    desk.disk.streams[stream] = {0: share(CONFIG, "ann", "holder-1")[0]}

    desk.crash()
    effects = desk.hold("ann")

    assert [chunk.index for chunk in only(effects, StoreChunk)] == [0, 1]
    assert messages_of(effects, Have)


def test_nothing_of_a_decision_is_sent_before_all_its_records() -> None:
    desk = Desk()
    decisions = [step(desk) for step in script()]

    for effects in decisions:
        places = [i for i, e in enumerate(effects) if isinstance(e, (Record, Forget))]
        leaving = [
            i
            for i, e in enumerate(effects)
            if isinstance(e, (Send, Answer, SumShares)) and not isinstance(e, CancelWork)
        ]
        assert not places or not leaving or max(places) < min(leaving)
