"""After an abandoned round the next one waits: how long, for whom, and what ends it sooner."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.coordinator_rig import Head
from fakes.round_parts import (
    HOLDERS,
    TIMING,
    TRAINERS,
    first,
    hello,
    messages_of,
    only,
    said_open,
    sent,
)

from protocols.effects import Effect, Record, Report
from protocols.messages import (
    Accepted,
    Declined,
    Goodbye,
    Have,
    OpenRound,
    Pledged,
    Refused,
    RoundOpened,
    Vote,
    Welcome,
    Wire,
)
from protocols.records import Setback
from protocols.reports import (
    HolderLeft,
    HolderReturned,
    JobEnded,
    Progress,
    RoundAbandoned,
    RoundBegan,
    RoundPutOff,
    Step,
)
from protocols.secagg.coordinating import JobStep, Plan
from protocols.secagg.differencing import bitmap

PATIENCE_S, ASK_S, GRACE_S = TIMING.patience_s, TIMING.resend_s, TIMING.grace_s
SILENT = HOLDERS[4]
TOO_FEW = "2 survivors are below the minimum of 3"


class Cautious(Head):
    """A coordinator whose rounds are abandoned."""

    def __init__(self, abandoned_rounds: int = 100) -> None:
        plan = Plan(
            job="sum",
            suite="shamir",
            field="p61",
            fraction_bits=0,
            threshold=3,
            vote=True,
            quorum=3,
            minimum=3,
            chunk_bytes=1024,
            sealing="x25519",
            abandoned_rounds=abandoned_rounds,
            timing=TIMING,
        )
        super().__init__(plan, step_of(0))
        self.start()

    @property
    def cid(self) -> bytes:
        return self.config.cid()

    def opened(self, *holders: str) -> None:
        for name in holders:
            self.hear(name, said_open(self.config, name))

    def hopeless(self, holders: tuple[str, ...] = HOLDERS) -> list[Effect]:
        """Let a round end at once: two trainers are complete, the others decline."""
        self.opened(*holders)
        if holders != HOLDERS:
            self.at(self.now_s + GRACE_S)
        cid = self.cid
        effects = self.have("ann", "bob", holders=holders)
        for name in ("cat", "dan", "eve"):
            effects += self.hear(name, Declined(cid=cid, kind="no data"))
        assert events(effects, RoundAbandoned)
        return effects


def step_of(completed: int) -> JobStep:
    state = bytes([completed]) * 32
    return JobStep(state=state, dimension=200, over=False, reason="", metrics={})


def events(effects: list[Effect], kind: type[Any]) -> list[Any]:
    return [report.event for report in only(effects, Report) if isinstance(report.event, kind)]


def began(effects: list[Effect]) -> list[int]:
    """Return the numbers of the rounds that holders were asked to open."""
    told = [event.number for event in events(effects, RoundBegan)]
    asked = dict.fromkeys(message.config.number for message in messages_of(effects, OpenRound))
    assert told == list(asked)
    return told


# --- how long -------------------------------------------------------------------------


def test_a_round_that_failed_at_once_is_not_followed_at_once() -> None:
    head = Cautious()

    effects = head.hopeless()

    assert began(effects) == []
    assert events(effects, RoundPutOff) == [
        RoundPutOff(job="sum", number=2, abandoned=1, seconds=ASK_S, missing=(), reason=TOO_FEW)
    ]
    assert head.run.setback == Setback(reason=TOO_FEW, missing=())
    assert head.machine.next_wake_s() == ASK_S
    assert head.at(ASK_S - 0.01) == []
    assert began(head.at(ASK_S)) == [2]


def test_the_wait_doubles_up_to_the_patience() -> None:
    head, waits = Cautious(), []

    for _ in range(70):
        effects = head.hopeless()
        (put_off,) = events(effects, RoundPutOff)
        waits.append(put_off.seconds)
        head.at(head.now_s + put_off.seconds)

    assert waits[:5] == [ASK_S, 2 * ASK_S, 4 * ASK_S, PATIENCE_S, PATIENCE_S]
    assert set(waits[5:]) == {PATIENCE_S}


def test_where_somebody_is_missing_the_wait_begins_with_the_patience() -> None:
    head, waits = Cautious(), []

    for _ in range(4):
        effects = head.hopeless(HOLDERS[:4])
        (put_off,) = events(effects, RoundPutOff)
        assert put_off.missing == (SILENT,)
        waits.append(put_off.seconds + GRACE_S)  # the round itself took as long
        head.at(head.now_s + put_off.seconds)

    assert waits == [PATIENCE_S, 2 * PATIENCE_S, 2 * PATIENCE_S, 2 * PATIENCE_S]


def test_a_round_that_has_waited_for_the_missing_is_followed_at_once_the_first_time() -> None:
    head = Cautious()

    assert began(head.at(PATIENCE_S)) == [2]
    effects = head.at(2 * PATIENCE_S)

    (put_off,) = events(effects, RoundPutOff)
    assert (began(effects), put_off.seconds, put_off.missing) == ([], PATIENCE_S, HOLDERS)
    assert began(head.at(3 * PATIENCE_S)) == [3]


def test_a_completed_round_is_followed_at_once_and_ends_the_row() -> None:
    head = Cautious()
    head.hopeless()
    head.at(ASK_S)
    head.opened(*HOLDERS)
    head.have(*TRAINERS)
    gathering = head.machine._round
    assert gathering is not None
    for name in HOLDERS:
        head.hear(name, Vote(cid=head.cid, set_digest=gathering._set_digest))

    effects = head.disk.keep(head.machine.opened(head.now_s, step_of(1)))

    assert began(effects) == [3]
    assert head.run.setback is None
    (put_off,) = events(head.hopeless(), RoundPutOff)
    assert (put_off.abandoned, put_off.seconds) == (1, ASK_S)


def test_the_last_round_that_may_be_abandoned_ends_the_job_without_a_wait() -> None:
    head = Cautious(abandoned_rounds=2)
    head.hopeless()
    head.at(ASK_S)

    effects = head.hopeless()

    assert [event.outcome for event in events(effects, JobEnded)] == ["failed"]
    assert not events(effects, RoundPutOff)
    assert head.machine.next_wake_s() is None
    assert head.at(1000.0) == []


# --- what ends it sooner --------------------------------------------------------------


def late_signs(head: Cautious) -> dict[str, Wire]:
    cid = head.cid
    return {
        "hello": hello("holder"),
        "opened": RoundOpened(cid=cid, sealing_key=said_open_key(head)),
        "have": Have(cid=cid, contributions=()),
    }


def said_open_key(head: Cautious) -> bytes:
    gathering = head.machine._round
    assert gathering is not None
    return said_open(gathering.config, SILENT).sealing_key


@pytest.mark.parametrize("sign", ["hello", "opened", "have"])
@pytest.mark.parametrize("crash", [False, True])
def test_it_goes_on_at_once_when_one_of_the_missing_is_heard(sign: str, crash: bool) -> None:
    head = Cautious()
    message = late_signs(head)[sign]
    head.hopeless(HOLDERS[:4])
    if crash:
        head.crash()

    effects = head.hear(SILENT, message)

    assert began(effects) == [2]
    assert crash or [event.holder for event in events(effects, HolderReturned)] == [SILENT]
    assert first(effects, Record, key="round") < first(effects, OpenRound)
    welcomed = [message.number for message in messages_of(effects, Welcome)]
    assert welcomed == ([2] if sign == "hello" else [])
    assert head.at(head.now_s) == []


def test_a_trainer_that_was_missing_is_heard_too_when_it_accepts_what_is_over() -> None:
    head = Cautious()
    head.opened(*HOLDERS)
    head.have("ann", "bob")
    cid = head.cid
    head.at(PATIENCE_S)
    head.opened(*HOLDERS)
    head.have("ann", "bob")
    effects = head.at(2 * PATIENCE_S)
    (put_off,) = events(effects, RoundPutOff)
    assert put_off.missing == ("cat", "dan", "eve")

    assert began(head.hear("dan", Accepted(cid=cid))) == [3]


def test_nobody_else_ends_the_wait() -> None:
    head = Cautious()
    cid = head.cid
    head.hopeless(HOLDERS[:4])

    effects = head.hear("cat", hello("trainer"))
    effects += head.hear("cat", Accepted(cid=cid))
    effects += head.hear(HOLDERS[0], Have(cid=cid, contributions=()))
    effects += head.hear(SILENT, Vote(cid=cid, set_digest=bytes(32)))

    assert began(effects) == []
    assert sent(effects) == [("cat", Welcome(job="sum", number=2))]
    assert began(head.at(PATIENCE_S)) == [2]


def test_who_says_goodbye_between_two_rounds_is_not_waited_for_in_the_next() -> None:
    head = Cautious()
    head.hopeless()

    effects = head.hear(HOLDERS[0], Goodbye())
    assert [e.holder for e in events(effects, HolderLeft)] == [HOLDERS[0]]
    assert began(head.at(ASK_S)) == [2]
    head.opened(*HOLDERS[1:])

    gathering = head.machine._round
    assert gathering is not None
    assert gathering.step is Step.COLLECTING


def test_who_can_not_do_what_the_rounds_use_is_told_so_between_two_of_them() -> None:
    head = Cautious()
    head.hopeless(HOLDERS[:4])

    effects = head.hear(SILENT, hello("holder", suites=("rlwe",)))

    assert [message.what for message in messages_of(effects, Refused)] == ["hello"]
    assert not messages_of(effects, Welcome)
    assert began(effects) == []


def test_a_job_that_is_stopped_does_not_wait() -> None:
    head = Cautious()
    head.hopeless()

    (ended,) = events(head.machine.stop(), JobEnded)

    assert ended.outcome == "stopped"
    assert head.machine.next_wake_s() is None
    assert head.at(1000.0) == []
    assert head.hear(SILENT, hello("holder")) == []


# --- a restart ------------------------------------------------------------------------


def test_after_a_restart_the_wait_begins_anew_and_says_why() -> None:
    head = Cautious()
    head.hopeless()
    head.at(ASK_S)
    head.hopeless()
    head.now_s = 8.0

    effects = head.crash()

    assert began(effects) == []
    assert events(effects, RoundPutOff) == [
        RoundPutOff(job="sum", number=3, abandoned=2, seconds=2 * ASK_S, missing=(), reason=TOO_FEW)
    ]
    assert head.at(8.0 + 2 * ASK_S - 0.01) == []
    assert began(head.at(8.0 + 2 * ASK_S)) == [3]


def test_a_restart_in_the_round_that_came_after_goes_on_with_it() -> None:
    head = Cautious()
    head.hopeless()
    head.at(ASK_S)

    effects = head.crash()

    assert not events(effects, RoundPutOff)
    assert [e.number for e in events(effects, RoundBegan)] == [2]


def test_who_begins_a_failed_job_again_sees_it_go_on_at_once() -> None:
    head = Cautious(abandoned_rounds=1)
    head.hopeless()
    assert head.machine.ended is not None

    assert began(head.crash()) == [2]


# --- held back by earlier sums --------------------------------------------------------


def bound(head: Cautious, *sets: str) -> None:
    """Let holders say which sets they went along with, by the first letters of trainers."""
    bits = tuple(bitmap([n for n in TRAINERS if n[0] in letters], TRAINERS) for letters in sets)
    for name in HOLDERS:
        head.hear(name, Pledged(cid=head.cid, apart=3, sets=bits))


def test_a_round_that_waits_for_members_of_an_earlier_set_says_so() -> None:
    head = Cautious()
    bound(head, "abcde")
    head.opened(*HOLDERS)
    assert {p.remark for p in events(head.have("ann", "bob"), Progress)} == {""}
    head.hear("eve", Goodbye())

    told = events(head.have("ann", "bob", "cat", "dan"), Progress)

    assert "1 of that set are missing (eve)" in told[-1].remark
    assert told[-1].deadline_s <= PATIENCE_S
    effects = head.have(*TRAINERS)
    assert events(effects, Progress)[-1].remark == ""
    assert events(effects, Progress)[-1].step is Step.VOTING


def test_who_waits_for_members_of_an_earlier_set_looks_at_the_time_later_and_not_at_once() -> None:
    head = Cautious()
    head.opened(*HOLDERS)
    head.hear("eve", Goodbye())
    head.have("ann", "bob", "cat", "dan", holders=HOLDERS[:-1])
    bound(head, "abcde")  # a word that came late

    head.at(GRACE_S)

    wake_s = head.machine.next_wake_s()
    assert head.run.number == 1
    assert wake_s is not None
    assert wake_s > GRACE_S


def test_where_the_members_are_here_and_sets_exclude_each_other_no_trainer_can_help() -> None:
    head = Cautious()
    bound(head, "abcde", "abcd")
    head.opened(*HOLDERS)

    (abandoned,) = events(head.have(*TRAINERS), RoundAbandoned)

    assert "missing" not in abandoned.reason
    assert abandoned.reason.endswith(
        "All of that set are here, but holders are bound to others that exclude it: only other "
        "holders can help"
    )
    assert len(abandoned.reason) <= 500
    assert head.run.setback == Setback(reason=abandoned.reason, missing=())


def test_who_was_left_out_of_a_set_is_not_missing_when_it_is_not_voted_for() -> None:
    head = Cautious()
    head.opened(*HOLDERS)
    head.have("ann", "bob", "cat", "dan")
    head.hear("eve", Goodbye())
    head.at(GRACE_S)
    head.at(GRACE_S + PATIENCE_S)

    setback = head.run.setback

    assert setback is not None
    assert (setback.reason, setback.missing) == ("0 of 3 votes came in", HOLDERS)
