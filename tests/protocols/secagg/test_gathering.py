"""One round at the coordinator: whom it waits for, what it asks, what it believes."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.round_parts import (
    COORDINATOR,
    HOLDERS,
    ROSTER,
    TIMING,
    TRAINERS,
    answer_of,
    chunks_of,
    config_of,
    contribution,
    first,
    header_of,
    messages_of,
    only,
    opened,
    opening,
    said_open,
    sent,
    set_of,
)
from fakes.signatures import MEANS, by_member, header_signature, release_of

from protocols.codec import canonical
from protocols.effects import CheckStream, Effect, OpenSum, Report, StoreChunk
from protocols.errors import PeerViolation
from protocols.messages import (
    Accepted,
    Announce,
    AnswerChunk,
    AnswerHeader,
    Declined,
    Excluded,
    Have,
    Opened,
    OpenRound,
    Propose,
    Refused,
    Release,
    Vote,
    Wire,
    Working,
)
from protocols.reports import Progress, Step
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import answer_stream
from protocols.secagg.gathering import Gathering
from protocols.secagg.patience import Patience
from protocols.secagg.sets import set_digest
from protocols.trust.evidence import Said, contradiction
from protocols.trust.signing import Statement

CONFIG = config_of()
CID = CONFIG.cid()
ALL = set_of(CONFIG, *TRAINERS)
EVERYBODY = (*HOLDERS, *TRAINERS)


class Table:
    """A coordinator's round with shortcuts for what the others say."""

    def __init__(self, config: RoundConfig = CONFIG, expected: tuple[str, ...] = EVERYBODY) -> None:
        self.config = config
        self.cid = config.cid()
        self.now_s = 0.0
        self.round = Gathering(
            opening(config), ROSTER, Patience(TIMING, 0.0), expected=expected, means=MEANS
        )

    def hear(self, sender: str, message: Wire) -> list[Effect]:
        signature = by_member(ROSTER, sender, message)
        return self.round.receive(self.now_s, sender, message, signature)

    def at(self, now_s: float) -> list[Effect]:
        self.now_s = now_s
        return self.round.advance(now_s)

    def opened(self, *holders: str) -> list[Effect]:
        return [e for h in holders for e in self.hear(h, said_open(self.round.config, h))]

    def accepted(self, *trainers: str) -> list[Effect]:
        return [e for t in trainers for e in self.hear(t, Accepted(cid=self.cid))]

    def have(self, holder: str, *trainers: str, salt: int = 0) -> list[Effect]:
        contributions = tuple(contribution(self.config, t, salt) for t in trainers)
        signatures = tuple(
            header_signature(ROSTER.federation, t, header_of(self.config, t, salt))
            for t in trainers
        )
        have = Have(cid=self.cid, contributions=contributions, signatures=signatures)
        return self.hear(holder, have)

    def vote(self, *holders: str) -> list[Effect]:
        message = Vote(cid=self.cid, set_digest=set_digest(self.cid, self.round.chosen))
        return [e for h in holders for e in self.hear(h, message)]

    def answer(self, *holders: str, ok: bool = True) -> list[Effect]:
        effects: list[Effect] = []
        for holder in holders:
            for chunk in answer_of(self.config, self.round.chosen):
                effects += self.hear(holder, chunk)
            effects += self.round.checked(self.now_s, holder, ok=ok)
        return effects


def collecting(**options: Any) -> Table:
    table = Table(**options)
    table.opened(*HOLDERS)
    return table


def voting(**options: Any) -> Table:
    table = collecting(**options)
    for holder in HOLDERS:
        table.have(holder, *TRAINERS)
    assert table.round.step is Step.VOTING
    return table


def releasing() -> Table:
    table = voting()
    table.vote(*HOLDERS[:3])
    assert table.round.step is Step.RELEASING
    return table


def asked(effects: list[Effect], kind: type[Any]) -> list[str]:
    return [to for to, message in sent(effects) if isinstance(message, kind)]


# --- opening --------------------------------------------------------------------------


def test_a_round_begins_by_asking_all_holders_to_open_it() -> None:
    effects = Table().round.start()

    assert sent(effects) == [(holder, opening(CONFIG)) for holder in HOLDERS]


def test_when_all_known_holders_opened_all_trainers_are_announced_to() -> None:
    table = Table()
    table.opened(*HOLDERS[:4])
    assert table.round.step is Step.OPENING

    effects = table.opened("holder-5")

    assert table.round.step is Step.COLLECTING
    assert table.round.announced == HOLDERS
    announce = Announce(config=CONFIG, opened=opened(*HOLDERS))
    assert sent(effects) == [(trainer, announce) for trainer in TRAINERS]


def test_only_present_holders_are_waited_for() -> None:
    table = Table(expected=(*HOLDERS[:3], *TRAINERS))

    table.opened(*HOLDERS[:3])

    assert table.round.announced == HOLDERS[:3]


def test_a_step_that_takes_too_long_does_not_wait_for_the_grace_too() -> None:
    # After a jump of the clock, say: a time to wake that stays in the past would be a busy loop.
    table = Table()
    table.opened(*HOLDERS[:2])
    table.now_s = TIMING.round_s + 1.0

    table.opened(HOLDERS[2])

    assert table.round.step is Step.COLLECTING
    wake_s = table.round.next_wake_s()
    assert wake_s is not None
    assert wake_s > table.now_s


def test_a_missing_holder_is_waited_for_during_the_grace_and_no_longer() -> None:
    table = Table()
    table.at(10.0)
    table.opened(*HOLDERS[:3])

    early = table.at(11.9)
    step = table.round.step
    effects = table.at(12.0)

    assert step is Step.OPENING
    assert not asked(early, Announce)
    assert asked(effects, Announce) == list(TRAINERS)
    assert table.round.announced == HOLDERS[:3]


def test_too_few_holders_are_waited_for_until_the_patience_ends() -> None:
    table = Table()
    table.at(1.0)
    table.opened("holder-1", "holder-2")

    table.at(30.9)
    before = table.round.abandoned
    table.at(31.0)

    assert before is None
    assert table.round.abandoned == "2 of 5 holders opened the round, 3 are needed"


def test_a_holder_that_opens_twice_counts_once() -> None:
    table = Table()

    table.opened("holder-1", "holder-1", "holder-1", "holder-2")
    table.at(29.0)

    assert table.round.step is Step.OPENING


def test_a_round_of_two_phases_needs_a_quorum_even_where_the_threshold_is_lower() -> None:
    table = Table(config=config_of(threshold=2, quorum=4))

    assert table.round.need() == 4


def test_requests_to_open_are_repeated_only_to_those_that_have_not() -> None:
    table = Table()
    table.opened("holder-2", "holder-3")

    assert asked(table.at(4.9), OpenRound) == []
    assert asked(table.at(5.0), OpenRound) == ["holder-1", "holder-4", "holder-5"]
    assert asked(table.at(5.1), OpenRound) == []


# --- collecting -----------------------------------------------------------------------


def test_when_all_contributions_are_everywhere_the_set_is_proposed() -> None:
    table = collecting()
    effects = [e for h in HOLDERS for e in table.have(h, *TRAINERS)]

    assert table.round.step is Step.VOTING
    assert table.round.chosen == ALL
    propose = Propose(cid=CID, chosen=ALL)
    assert sent(effects) == [(holder, propose) for holder in HOLDERS]


def test_receipts_that_only_add_redundancy_are_waited_for_during_the_grace() -> None:
    table = collecting()
    for holder in HOLDERS[:3]:
        table.have(holder, *TRAINERS)

    assert asked(table.at(1.9), Propose) == []
    assert asked(table.at(2.0), Propose) == list(HOLDERS)


def test_a_trainer_that_was_away_is_not_waited_for() -> None:
    table = collecting(expected=(*HOLDERS, "ann", "bob", "cat"))

    for holder in HOLDERS:
        table.have(holder, "ann", "bob", "cat")

    assert table.round.chosen == set_of(CONFIG, "ann", "bob", "cat")


def test_a_trainer_that_was_away_and_accepts_is_waited_for() -> None:
    table = collecting(expected=(*HOLDERS, "ann", "bob", "cat"))
    table.accepted("eve")

    for holder in HOLDERS:
        table.have(holder, "ann", "bob", "cat")

    assert table.round.step is Step.COLLECTING
    assert table.round.waiting_for() == ("eve",)


def test_one_who_declines_is_not_waited_for_and_named() -> None:
    table = collecting()
    table.hear("eve", Declined(cid=CID, kind="not finite"))

    for holder in HOLDERS:
        table.have(holder, *TRAINERS[:4])

    assert table.round.step is Step.VOTING
    assert table.round.left_out() == {"eve": "not finite"}


def test_a_silent_trainer_is_left_out_when_the_patience_ends() -> None:
    table = collecting()
    for holder in HOLDERS:
        table.have(holder, "ann", "bob", "cat")

    table.at(29.9)
    before = table.round.step
    table.at(30.0)

    assert before is Step.COLLECTING
    assert table.round.chosen == set_of(CONFIG, "ann", "bob", "cat")
    assert set(table.round.left_out()) == {"dan", "eve"}


def test_progress_renews_the_patience_but_never_beyond_the_round_limit() -> None:
    table = collecting()
    for holder in HOLDERS:
        table.have(holder, "ann", "bob", "cat")
    for second in range(20, 300, 20):
        assert table.round.step is Step.COLLECTING
        table.at(float(second))
        table.accepted("dan") if second % 40 else table.hear(
            "dan", Declined(cid=CID, kind="wavering")
        )
        table.hear("eve", Working(cid=CID))

    table.at(300.0)

    assert table.round.step is Step.VOTING
    assert table.round.chosen == set_of(CONFIG, "ann", "bob", "cat")


def test_repeated_messages_are_no_progress() -> None:
    table = collecting()
    table.accepted("ann")
    table.have("holder-1", "ann", "bob", "cat")
    for second in (10, 20, 29):
        table.at(float(second))
        table.accepted("ann")
        table.opened("holder-1")
        table.have("holder-1", "ann", "bob", "cat")
        table.hear("ann", Refused(cid=CID, what="", reason=""))

    table.at(30.0)

    assert table.round.abandoned == "0 survivors are below the minimum of 3"


@pytest.mark.parametrize("trainers", [2, 3])
def test_fewer_survivors_than_the_minimum_end_the_round(trainers: int) -> None:
    table = collecting()
    for holder in HOLDERS:
        table.have(holder, *TRAINERS[:trainers])

    effects = table.at(30.0)

    if trainers == 3:
        assert len(table.round.chosen) == 3
        return
    assert table.round.abandoned == "2 survivors are below the minimum of 3"
    assert not asked(effects, Propose)


def test_what_too_few_holders_hold_is_not_chosen() -> None:
    table = collecting()
    for holder in HOLDERS[:2]:
        table.have(holder, *TRAINERS)
    table.have("holder-3", "ann", "bob", "cat", "dan")

    table.at(30.0)

    assert table.round.chosen == set_of(CONFIG, "ann", "bob", "cat", "dan")


def test_a_receipt_told_twice_counts_once() -> None:
    table = collecting(expected=HOLDERS)
    for _ in range(5):
        table.have("holder-1", *TRAINERS)
    table.have("holder-2", *TRAINERS)

    table.at(29.0)
    waiting = table.round.step
    table.at(30.0)

    assert waiting is Step.COLLECTING
    assert table.round.abandoned == "0 survivors are below the minimum of 3"


def test_a_trainer_with_different_contributions_at_two_holders_is_out() -> None:
    table = collecting()
    table.have("holder-1", *TRAINERS)
    table.have("holder-2", "eve", salt=1)

    for holder in HOLDERS[1:]:
        table.have(holder, *TRAINERS)

    assert table.round.chosen == set_of(CONFIG, *TRAINERS[:4])
    assert table.round.left_out() == {"eve": "sent different contributions to different holders"}
    (evidence,) = table.round.receipts.contradictions.evidence()
    assert (evidence.offender, evidence.type_name) == ("eve", "ContributionHeader")


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("signature", [b"", bytes(64)], ids=["unsigned", "forged"])
def test_a_holder_that_makes_a_contribution_up_gets_nobody_out(
    signature: bytes, *, first: bool
) -> None:
    table = collecting()
    made_up = Have(
        cid=CID, contributions=(contribution(CONFIG, "eve", 1),), signatures=(signature,)
    )
    if first:
        table.hear("holder-2", made_up)
        table.have("holder-1", *TRAINERS)
    else:
        table.have("holder-1", *TRAINERS)
        with pytest.raises(PeerViolation, match="has a contribution that eve did not sign"):
            table.hear("holder-2", made_up)

    for holder in HOLDERS[2:]:
        table.have(holder, *TRAINERS)
    table.have("holder-2", *TRAINERS)

    assert table.round.chosen == set_of(CONFIG, *TRAINERS)
    assert table.round.receipts.contradictions.evidence() == ()


def evidence_against(trainer: str, config: RoundConfig = CONFIG) -> bytes:
    said = [
        Said(
            Statement.of_header(ROSTER.federation, trainer, header_of(config, trainer, salt)),
            header_signature(ROSTER.federation, trainer, header_of(config, trainer, salt)),
        )
        for salt in (0, 1)
    ]
    return canonical(contradiction(*said))


def test_a_trainer_is_out_where_a_holder_shows_two_contributions_of_it() -> None:
    table = collecting()
    for holder in HOLDERS[:4]:
        table.have(holder, *TRAINERS)
    shown = evidence_against("bob")
    table.hear("holder-2", Excluded(cid=CID, trainer="bob", reason="two", evidence=shown))

    for holder in HOLDERS:
        table.have(holder, *TRAINERS)

    assert "bob" not in [c.trainer for c in table.round.chosen]
    assert table.round.left_out() == {"bob": "holder-2: two"}
    assert [one.offender for one in table.round.receipts.contradictions.evidence()] == ["bob"]


@pytest.mark.parametrize(
    "evidence",
    [
        b"?",
        evidence_against("ann"),
        evidence_against("bob", config_of(number=9)),
        evidence_against("bob")[:-64] + bytes(64),
    ],
    ids=["garbage", "another trainer", "another round", "not signed"],
)
def test_evidence_that_shows_nothing_is_the_fault_of_who_gave_it(evidence: bytes) -> None:
    table = collecting()
    message = Excluded(cid=CID, trainer="bob", reason="two", evidence=evidence)

    with pytest.raises(PeerViolation, match="accused bob with no evidence") as refused:
        table.hear("holder-2", message)

    assert refused.value.peer == "holder-2"
    for holder in HOLDERS:
        table.have(holder, *TRAINERS)
    assert table.round.chosen == set_of(CONFIG, *TRAINERS)


def test_the_word_of_one_holder_leaves_a_trainer_out_there_and_nowhere_else() -> None:
    table = collecting()
    for holder in HOLDERS[:4]:
        table.have(holder, *TRAINERS)
    table.hear("holder-2", Excluded(cid=CID, trainer="bob", reason="a wrong share"))

    for holder in HOLDERS:
        table.have(holder, *TRAINERS)

    assert table.round.chosen == set_of(CONFIG, *TRAINERS)


def test_a_trainer_that_too_many_holders_leave_out_is_out_with_the_reason() -> None:
    table = collecting()
    for holder in HOLDERS[:3]:
        table.hear(holder, Excluded(cid=CID, trainer="bob", reason="a wrong share"))

    for holder in HOLDERS:
        table.have(holder, *TRAINERS)

    assert "bob" not in [c.trainer for c in table.round.chosen]
    assert table.round.left_out() == {"bob": "holder-1: a wrong share"}


@pytest.mark.parametrize("message", ["have", "excluded"])
def test_a_holder_that_speaks_of_strangers_breaks_a_rule(message: str) -> None:
    table = collecting()
    said: dict[str, Wire] = {
        "have": Have(cid=CID, contributions=(contribution(CONFIG, "mallory"),)),
        "excluded": Excluded(cid=CID, trainer="holder-2", reason=""),
    }

    with pytest.raises(PeerViolation, match="no trainer"):
        table.hear("holder-1", said[message])


def test_receipts_of_a_holder_that_was_not_announced_do_not_count() -> None:
    table = Table(expected=(*HOLDERS[:3], *TRAINERS))
    table.opened(*HOLDERS[:3])
    for holder in ("holder-1", "holder-2", "holder-4", "holder-5"):
        table.have(holder, *TRAINERS)

    table.at(30.0)

    assert table.round.abandoned == "0 survivors are below the minimum of 3"


def test_work_on_what_can_be_opened_already_holds_up_nobody() -> None:
    table = collecting()
    for holder in HOLDERS[:3]:
        table.have(holder, "ann", "bob", "cat", "dan")
    for now_s in (10.0, 20.0, 29.0):
        table.at(now_s)
        table.hear("ann", Working(cid=CID))  # on a share for a holder that is dead

    table.at(30.0)

    assert table.round.step is Step.VOTING
    assert [c.trainer for c in table.round.chosen] == ["ann", "bob", "cat", "dan"]


def test_work_that_may_enlarge_the_set_is_waited_for() -> None:
    table = collecting()
    for holder in HOLDERS[:3]:
        table.have(holder, "bob", "cat", "dan")
    for holder in HOLDERS[2:]:
        table.have(holder, "ann")  # complete at three holders, and at one of those three only
    for now_s in (10.0, 20.0, 29.0, 39.0):
        table.at(now_s)
        table.hear("ann", Working(cid=CID))

    table.at(40.0)
    assert table.round.step is Step.COLLECTING

    for holder in HOLDERS[:2]:
        table.have(holder, "ann")
    table.at(72.0)

    assert [c.trainer for c in table.round.chosen] == ["ann", "bob", "cat", "dan"]


def test_a_late_excuse_or_exclusion_changes_no_proposed_set() -> None:
    table = voting()

    table.hear("ann", Declined(cid=CID, kind="late"))
    table.hear("holder-1", Excluded(cid=CID, trainer="bob", reason="late"))
    table.have("holder-1", "cat", salt=1)

    assert table.round.chosen == ALL
    assert table.round.left_out() == {}


def test_announcements_are_repeated_only_to_trainers_that_are_not_complete() -> None:
    table = collecting()
    table.hear("dan", Declined(cid=CID, kind="busy"))
    table.have("holder-1", *TRAINERS)
    for holder in HOLDERS[1:]:
        table.have(holder, "ann", "cat")

    assert asked(table.at(5.0), Announce) == ["bob", "eve"]


def test_holders_that_told_of_less_than_others_are_asked_again_and_now_and_then_all() -> None:
    table = collecting()
    table.have("holder-1", *TRAINERS)
    for holder in HOLDERS[1:]:
        table.have(holder, "ann", "cat")

    assert asked(table.at(5.0), OpenRound) == list(HOLDERS[1:])
    assert asked(table.at(15.0), OpenRound) == list(HOLDERS)


def test_what_was_asked_again_is_asked_half_as_often_from_then_on() -> None:
    table = collecting()

    asked_at = [now_s for now_s in range(29) if asked(table.at(float(now_s)), Announce)]

    assert asked_at == [5, 15, 25]


# --- voting ---------------------------------------------------------------------------


def test_a_quorum_of_votes_releases_with_the_voters_named() -> None:
    table = voting()
    table.vote("holder-5", "holder-2")
    assert table.round.step is Step.VOTING

    effects = table.vote("holder-1")

    release = release_of(CID, ALL, ("holder-1", "holder-2", "holder-5"))
    assert sent(effects) == [(holder, release) for holder in HOLDERS]


def test_a_vote_told_twice_counts_once() -> None:
    table = voting()

    table.vote("holder-1", "holder-1", "holder-1", "holder-2")

    assert table.round.step is Step.VOTING


@pytest.mark.parametrize(
    "digest",
    [b"d" * 32, set_digest(CID, ALL[:4]), set_digest(config_of(number=2).cid(), ALL)],
    ids=["anything", "other set", "other round"],
)
def test_a_vote_for_what_was_never_proposed_is_a_violation(digest: bytes) -> None:
    table = voting()

    for _ in range(3):
        with pytest.raises(PeerViolation, match="never proposed"):
            table.hear("holder-1", Vote(cid=CID, set_digest=digest))
    table.vote("holder-2", "holder-3")

    assert table.round.step is Step.VOTING


def test_a_vote_before_any_proposal_counts_for_nothing() -> None:
    table = collecting()

    table.vote(*HOLDERS)

    assert table.round.step is Step.COLLECTING


def test_too_few_votes_end_the_round_when_the_patience_ends() -> None:
    table = voting()
    table.vote("holder-1", "holder-2")

    table.at(30.0)

    assert table.round.abandoned == "2 of 3 votes came in"


def test_proposals_are_repeated_only_to_holders_that_have_not_voted() -> None:
    table = voting()
    table.vote("holder-1", "holder-4")

    assert asked(table.at(5.0), Propose) == ["holder-2", "holder-3", "holder-5"]


# --- releasing ------------------------------------------------------------------------


def test_answers_are_stored_checked_and_opened_at_the_threshold() -> None:
    table = releasing()
    one, two = answer_of(CONFIG, ALL)
    stream = answer_stream(CID, "holder-1")

    began = table.hear("holder-1", one)
    ended = table.hear("holder-1", two)
    before = table.answer("holder-2")
    third = table.round.checked(0.0, "holder-1", ok=True)
    effects = table.answer("holder-5")

    assert only(began, StoreChunk) == [StoreChunk(CONFIG, stream, 0, one.payload)]
    assert only(ended, CheckStream) == [CheckStream(CONFIG, stream, one.header.answer_digest)]
    assert not only(began + ended + before + third, OpenSum)
    assert only(effects, OpenSum) == [
        OpenSum(CONFIG, dict.fromkeys(("holder-2", "holder-1", "holder-5"), one.header), ALL)
    ]
    assert table.round.step is Step.UPDATING
    assert table.round.answered == ("holder-2", "holder-1", "holder-5")


def test_answers_that_are_not_checked_do_not_count() -> None:
    table = releasing()

    for holder in HOLDERS:
        for chunk in answer_of(CONFIG, ALL):
            assert not only(table.hear(holder, chunk), OpenSum)
    table.at(30.0)

    assert table.round.abandoned == "0 of 3 answers came in"


def test_an_answer_that_failed_its_check_does_not_count_and_may_come_again() -> None:
    table = releasing()
    table.answer("holder-1", "holder-2")

    bad = table.answer("holder-3", ok=False)
    again = asked(table.at(5.0), Release)
    good = table.answer("holder-3")

    assert not only(bad, OpenSum)
    assert again == ["holder-3", "holder-4", "holder-5"]
    assert only(good, OpenSum)


def test_an_answer_told_twice_is_stored_and_counts_once() -> None:
    table = releasing()

    effects = [table.hear("holder-1", chunk) for chunk in answer_of(CONFIG, ALL) * 2]
    counted = [table.round.checked(0.0, "holder-1", ok=True) for _ in range(3)]
    more = table.answer("holder-1", "holder-2")

    assert [len(only(e, StoreChunk)) for e in effects] == [1, 1, 0, 0]
    assert [bool(e) for e in counted] == [True, False, False]
    assert not only(more, OpenSum)


def test_a_second_different_answer_is_a_violation() -> None:
    table = releasing()
    table.hear("holder-1", answer_of(CONFIG, ALL)[0])

    with pytest.raises(PeerViolation, match="two different answers"):
        table.hear("holder-1", answer_of(CONFIG, ALL, salt=1)[1])


def test_an_answer_for_another_set_is_a_violation() -> None:
    table = releasing()

    with pytest.raises(PeerViolation, match="never proposed"):
        table.hear("holder-1", answer_of(CONFIG, ALL[:4])[0])


@pytest.mark.parametrize(
    "changes",
    [{"index": 2}, {"index": 1}, {"payload": b""}, {"payload": bytes(1025)}, {"answer_bytes": 8}],
    ids=str,
)
def test_an_answer_of_the_wrong_shape_is_a_violation(changes: dict[str, Any]) -> None:
    table = releasing()
    good = answer_of(CONFIG, ALL)[0]
    header = AnswerHeader(
        cid=CID,
        set_digest=good.header.set_digest,
        answer_bytes=changes.get("answer_bytes", good.header.answer_bytes),
        answer_digest=good.header.answer_digest,
    )

    with pytest.raises(PeerViolation, match="wrong shape"):
        table.hear(
            "holder-1",
            AnswerChunk(
                header=header,
                index=changes.get("index", 0),
                payload=changes.get("payload", good.payload),
            ),
        )


def test_an_answer_before_the_release_is_ignored() -> None:
    table = voting()

    effects = [table.hear("holder-1", chunk) for chunk in answer_of(CONFIG, ALL)]

    assert effects == [[], []]


def test_too_few_answers_never_open_anything() -> None:
    table = releasing()
    effects = table.answer("holder-1", "holder-2", "holder-1")

    effects += table.at(30.0)

    assert not only(effects, OpenSum)
    assert table.round.abandoned == "2 of 3 answers came in"
    assert table.answer("holder-3") == []


def test_a_holder_at_work_is_waited_for_and_a_finished_one_is_not() -> None:
    table = releasing()
    table.answer("holder-1", "holder-2")
    table.at(20.0)
    table.hear("holder-3", Working(cid=CID))
    table.at(45.0)
    table.hear("holder-1", Working(cid=CID))
    alive = table.round.abandoned

    table.at(50.0)

    assert alive is None
    assert table.round.abandoned == "2 of 3 answers came in"


def test_a_round_of_one_phase_goes_from_the_set_to_the_answers() -> None:
    config = config_of(vote=False)
    table = Table(config=config)
    table.opened(*HOLDERS)
    effects = [e for h in HOLDERS for e in table.have(h, *TRAINERS)]

    assert table.round.step is Step.RELEASING
    assert asked(effects, Propose) == list(HOLDERS)
    assert asked(table.at(5.0), Propose) == list(HOLDERS)
    assert only(table.answer(*HOLDERS[:3]), OpenSum)


def test_a_round_that_is_opened_takes_nothing_more_and_never_wakes() -> None:
    table = releasing()
    table.answer(*HOLDERS[:3])

    assert table.round.next_wake_s() is None
    assert table.answer("holder-4") == []
    assert table.at(1000.0) == []
    assert table.round.abandoned is None


def test_an_abandoned_round_takes_nothing_more_and_never_wakes() -> None:
    table = collecting()
    table.at(30.0)

    assert table.round.abandoned is not None
    assert table.have("holder-1", *TRAINERS) == []
    assert table.at(1000.0) == []
    assert table.round.next_wake_s() is None
    assert table.round.catch_up("holder-1") == []


# --- those who come back --------------------------------------------------------------


def test_a_restarted_holder_gets_whatever_its_step_asks() -> None:
    tables = (Table(), collecting(), voting(), releasing())

    kinds = [[type(m) for _, m in sent(t.round.catch_up("holder-2"))] for t in tables]

    assert kinds == [[OpenRound], [OpenRound], [OpenRound, Propose], [OpenRound, Release]]


def test_a_restarted_holder_that_was_not_announced_is_not_asked_to_vote() -> None:
    table = Table(expected=(*HOLDERS[:3], *TRAINERS))
    table.opened(*HOLDERS[:3])
    for holder in HOLDERS[:3]:
        table.have(holder, *TRAINERS)

    assert table.round.step is Step.VOTING
    assert asked(table.round.catch_up("holder-5"), Propose) == []


def test_a_restarted_trainer_is_announced_to_only_while_collecting() -> None:
    tables = (Table(), collecting(), voting(), releasing())

    kinds = [[type(m) for _, m in sent(t.round.catch_up("ann"))] for t in tables]

    assert kinds == [[], [Announce], [], []]


def test_a_restarted_trainer_that_had_declined_may_take_part() -> None:
    table = collecting()
    table.hear("eve", Declined(cid=CID, kind="code failed"))
    table.round.catch_up("eve")

    for holder in HOLDERS:
        table.have(holder, *TRAINERS[:4])

    assert table.round.step is Step.COLLECTING
    assert table.round.waiting_for() == ("eve",)


# --- a coordinator that comes back ----------------------------------------------------


def resumed(announced: tuple[Opened, ...], chosen: tuple[Any, ...], **changes: Any) -> Any:
    table = Table(config=config_of(**changes))
    return table, table.round.resume(announced, chosen)


def test_resuming_before_anybody_was_announced_opens_again() -> None:
    table, effects = resumed((), ())

    assert table.round.step is Step.OPENING
    assert sent(effects) == [(holder, opening(CONFIG)) for holder in HOLDERS]


def test_resuming_after_the_announcement_keeps_the_announced_holders() -> None:
    table, effects = resumed(opened(*HOLDERS[:4]), ())

    assert table.round.step is Step.COLLECTING
    assert asked(effects, OpenRound) == list(HOLDERS)
    assert (
        messages_of(effects, Announce) == [Announce(config=CONFIG, opened=opened(*HOLDERS[:4]))] * 5
    )
    for holder in HOLDERS[:4]:
        table.have(holder, *TRAINERS)
    assert table.round.chosen == ALL


def test_resuming_after_the_choice_proposes_the_same_set_and_never_another() -> None:
    table, effects = resumed(opened(*HOLDERS), ALL[:4])

    assert table.round.step is Step.VOTING
    assert messages_of(effects, Propose) == [Propose(cid=CID, chosen=ALL[:4])] * 5
    for holder in HOLDERS:
        table.have(holder, *TRAINERS)
    assert table.round.chosen == ALL[:4]
    table.vote(*HOLDERS[:3])
    assert [o.chosen for o in only(table.answer(*HOLDERS[:3]), OpenSum)] == [ALL[:4]]


def test_resuming_a_round_of_one_phase_asks_for_the_answers() -> None:
    config = config_of(vote=False)
    table, effects = resumed(opened(*HOLDERS), set_of(config, *TRAINERS), vote=False)

    assert table.round.step is Step.RELEASING
    assert asked(effects, Propose) == list(HOLDERS)


# --- who may say what, and what is told -----------------------------------------------


@pytest.mark.parametrize(
    ("sender", "message"),
    [
        ("ann", said_open(CONFIG, "holder-1")),
        ("ann", Have(cid=CID, contributions=ALL)),
        ("ann", Vote(cid=CID, set_digest=set_digest(CID, ALL))),
        ("ann", answer_of(CONFIG, ALL)[0]),
        ("ann", Excluded(cid=CID, trainer="bob", reason="")),
        ("holder-1", Accepted(cid=CID)),
        ("holder-1", Declined(cid=CID, kind="")),
        ("holder-1", Propose(cid=CID, chosen=ALL)),
        ("holder-1", chunks_of(CONFIG, "ann")[0]),
        ("mallory", said_open(CONFIG, "holder-1")),
        ("mallory", Accepted(cid=CID)),
        (COORDINATOR, said_open(CONFIG, "holder-1")),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_messages_of_the_wrong_people_are_violations(sender: str, message: Wire) -> None:
    for table in (Table(), collecting(), voting(), releasing()):
        with pytest.raises(PeerViolation) as caught:
            table.hear(sender, message)

        assert caught.value.peer == sender


def test_progress_tells_the_step_what_came_in_and_who_is_waited_for() -> None:
    table = collecting()
    table.now_s = 4.0
    effects = table.have("holder-1", *TRAINERS)

    (report,) = only(effects, Report)
    assert report.event == Progress(
        job="sum",
        number=1,
        step=Step.COLLECTING,
        receipts=5,
        expected=25,
        survivors=0,
        waiting_for=TRAINERS,
        deadline_s=30.0,
    )
    assert first(effects, Report) == len(effects) - 1


def test_the_next_wake_is_the_nearest_of_repeat_grace_and_patience() -> None:
    table = Table()
    wakes = [table.round.next_wake_s()]
    table.now_s = 1.0
    table.opened(*HOLDERS[:3])
    wakes.append(table.round.next_wake_s())
    table.at(3.0)
    wakes.append(table.round.next_wake_s())

    assert wakes == [5.0, 3.0, 8.0]


def progress_of(effects: list[Effect]) -> list[Progress]:
    return [report.event for report in only(effects, Report) if isinstance(report.event, Progress)]


def test_a_step_that_only_the_time_ends_is_told() -> None:
    table = Table()
    table.opened(*HOLDERS[:3])

    (told,) = progress_of(table.at(2.0))

    assert told.step is Step.COLLECTING
    assert told.waiting_for == TRAINERS
    assert told.deadline_s == TIMING.patience_s


def test_time_that_ends_no_step_tells_nothing() -> None:
    table = collecting()

    assert not progress_of(table.at(4.9))
    assert not progress_of(table.at(5.0))


# --- a coordinator that could hear nobody ---------------------------------------------


def test_one_that_overslept_waits_anew_for_those_it_could_not_hear() -> None:
    table = collecting()
    for holder in HOLDERS:
        table.have(holder, "ann", "bob", "cat")

    (told,) = progress_of(table.round.overslept(40.0, 35.0))
    again = table.at(40.0)
    table.at(69.9)
    before = table.round.step
    table.at(70.0)

    assert told.deadline_s == TIMING.patience_s
    assert asked(again, Announce) == ["dan", "eve"]
    assert before is Step.COLLECTING
    assert table.round.step is Step.VOTING


def test_what_was_overslept_counts_once_and_requests_are_due_at_once() -> None:
    table = collecting()

    table.round.overslept(40.0, 35.0)

    assert table.round.next_wake_s() == 40.0
    assert asked(table.at(40.0), Announce) == list(TRAINERS)


def test_one_that_overslept_the_grace_grants_it_again() -> None:
    table = Table()
    table.opened(*HOLDERS[:3])

    table.round.overslept(40.0, 38.0)
    table.at(41.9)
    before = table.round.step
    table.at(42.0)

    assert before is Step.OPENING
    assert table.round.step is Step.COLLECTING


def test_a_step_gets_the_time_back_that_was_overslept_but_not_for_ever() -> None:
    table = collecting()
    for holder in HOLDERS:
        table.have(holder, "ann", "bob", "cat")

    table.round.overslept(290.0, 280.0)
    table.hear("eve", Working(cid=CID))
    wakes = []
    for second in range(300, 600, 20):
        table.now_s = float(second)
        table.round.overslept(table.now_s, 19.0)
        wakes.append((second, table.round.step))
        table.at(table.now_s)
    table.at(600.0)

    assert {step for _, step in wakes} == {Step.COLLECTING}
    assert table.round.step is Step.VOTING, "excuses are worth no more than the time of a step"


def test_each_step_has_excuses_of_its_own() -> None:
    table = voting()
    table.round.overslept(300.0, 300.0)
    table.now_s = 301.0
    table.vote(*HOLDERS[:3])

    table.round.overslept(601.0, 300.0)
    table.at(630.9)
    before = table.round.abandoned
    table.at(631.0)

    assert before is None
    assert table.round.abandoned is not None


def test_a_round_that_is_over_or_opened_oversleeps_nothing() -> None:
    abandoned = Table()
    abandoned.at(30.0)
    opened = releasing()
    opened.answer(*HOLDERS[:3])

    assert abandoned.round.overslept(60.0, 30.0) == []
    assert opened.round.overslept(60.0, 30.0) == []
