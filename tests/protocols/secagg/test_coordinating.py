"""The coordinator's machine over many rounds: what it keeps, how it goes on, how it ends."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.coordinator_rig import Head
from fakes.round_parts import (
    COORDINATOR,
    HOLDERS,
    ROSTER,
    TIMING,
    TRAINERS,
    answer_of,
    config_of,
    entropy_of,
    first,
    hello,
    key_of,
    messages_of,
    only,
    opened,
    opening,
    said_open,
    sent,
    set_of,
)
from fakes.signatures import ANYBODY, Means, release_of

from protocols.codec import parse
from protocols.effects import CheckStream, Effect, Erase, OpenSum, Record, Report, Send
from protocols.errors import Misuse, PeerViolation
from protocols.messages import (
    Accepted,
    Announce,
    CloseRound,
    Declined,
    Goodbye,
    OpenRound,
    Propose,
    Refused,
    RoundOpened,
    Vote,
    Welcome,
    Wire,
)
from protocols.records import RoundRecord
from protocols.reports import (
    HolderLeft,
    HolderReturned,
    JobEnded,
    PeerJoined,
    Progress,
    RoundAbandoned,
    RoundBegan,
    RoundComplete,
    StateUpdated,
    Step,
    TrainerLeft,
    TrainerReturned,
)
from protocols.secagg.chunks import answer_stream
from protocols.secagg.coordinating import Coordinating, JobStep, Plan
from protocols.secagg.sets import set_digest


def plan_of(**changes: Any) -> Plan:
    usual: dict[str, Any] = {
        "job": "sum",
        "suite": "shamir",
        "field": "p61",
        "fraction_bits": 0,
        "threshold": 3,
        "vote": True,
        "quorum": 3,
        "minimum": 3,
        "chunk_bytes": 1024,
        "sealing": "x25519",
        "abandoned_rounds": 3,
        "timing": TIMING,
    }
    return Plan(**(usual | changes))


def step_of(completed: int, *, rounds: int = 2) -> JobStep:
    over = completed >= rounds
    return JobStep(
        state=bytes([completed]) * 32,
        dimension=200,
        over=over,
        reason="max rounds" if over else "",
        metrics={"loss": float(completed)},
    )


class Running(Head):
    """A coordinator that is led through whole rounds."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(plan_of(**changes), step_of(0))

    def opened(self, *holders: str) -> list[Effect]:
        return [e for h in holders for e in self.hear(h, said_open(self.config, h))]

    def vote(self, *holders: str) -> list[Effect]:
        cid = self.config.cid()
        record = parse(self.disk.journal["round"], RoundRecord)
        vote = Vote(cid=cid, set_digest=set_digest(cid, record.chosen))
        return [e for h in holders for e in self.hear(h, vote)]

    def answer(self, *holders: str) -> list[Effect]:
        config = self.config
        record = parse(self.disk.journal["round"], RoundRecord)
        effects: list[Effect] = []
        for holder in holders:
            for chunk in answer_of(config, record.chosen):
                effects += self.hear(holder, chunk)
            stream = answer_stream(config.cid(), holder)
            effects += self.disk.keep(self.machine.checked(self.now_s, stream, ok=True))
        return effects

    def whole_round(self, completed: int) -> list[Effect]:
        self.opened(*HOLDERS)
        self.have(*TRAINERS)
        self.vote(*HOLDERS)
        assert only(self.answer(*HOLDERS[:3]), OpenSum)
        return self.disk.keep(self.machine.opened(self.now_s, step_of(completed)))

    def stored(self) -> RoundRecord | None:
        value = self.disk.journal.get("round")
        return None if value is None else parse(value, RoundRecord)


def started(**changes: Any) -> Running:
    head = Running(**changes)
    head.start()
    return head


def events(effects: list[Effect], kind: type[Any]) -> list[Any]:
    return [report.event for report in only(effects, Report) if isinstance(report.event, kind)]


# --- begin ----------------------------------------------------------------------------


def test_a_job_begins_with_its_first_round_recorded_before_it_is_told() -> None:
    head = Running()

    effects = head.start()

    assert first(effects, Record, key="run") < first(effects, OpenRound)
    assert first(effects, Record, key="round") < first(effects, OpenRound)
    assert events(effects, RoundBegan) == [RoundBegan(job="sum", number=1, dimension=200)]
    assert head.config.number == 1
    assert head.config.roster == ROSTER.digest()
    assert head.config.state == step_of(0).state


def test_a_job_without_its_first_state_is_our_own_mistake() -> None:
    with pytest.raises(Misuse):
        Running().machine.start(0.0, None)
    with pytest.raises(Misuse):
        Running().machine.opened(0.0, step_of(1))


def test_a_plan_with_an_unknown_field_is_our_own_mistake() -> None:
    with pytest.raises(Misuse):
        Running(field="p13").start()


# --- rounds follow each other ---------------------------------------------------------


def test_what_holders_and_trainers_are_told_is_recorded_first_in_every_step() -> None:
    head = started()

    announcing = head.opened(*HOLDERS)
    proposing = head.have(*TRAINERS)

    assert first(announcing, Record, key="round") < first(announcing, Announce)
    assert first(proposing, Record, key="round") < first(proposing, Propose)
    stored = head.stored()
    assert stored is not None
    assert stored.announced == opened(*HOLDERS, config=head.config)
    assert stored.chosen == set_of(head.config, *TRAINERS)


def test_an_opened_sum_closes_the_round_and_begins_the_next() -> None:
    head = started()
    old = head.config

    effects = head.whole_round(1)

    closes = [(to, m) for to, m in sent(effects) if isinstance(m, CloseRound)]
    assert [to for to, _ in closes] == [*HOLDERS, *TRAINERS]
    assert {(m.cid, m.number, m.complete) for _, m in closes} == {(old.cid(), 1, True)}
    assert first(effects, Record, key="run") < first(effects, CloseRound)
    assert Erase(old.cid().hex()) in effects
    (complete,) = events(effects, RoundComplete)
    assert (complete.survivors, complete.answered) == (TRAINERS, HOLDERS[:3])
    assert events(effects, StateUpdated)[0].metrics == {"loss": 1.0}
    assert head.config.number == 2
    assert head.config.state == step_of(1).state
    assert head.run.completed == 1


def test_a_job_ends_when_its_algorithm_says_so() -> None:
    head = started()
    head.whole_round(1)

    effects = head.whole_round(2)

    ended = JobEnded(job="sum", outcome="max rounds", reason="", completed=2)
    assert head.machine.ended == ended
    assert events(effects, JobEnded) == [ended]
    assert not messages_of(effects, OpenRound)
    assert head.machine.next_wake_s() is None
    assert head.at(1000.0) == []


def test_a_job_that_is_over_stays_over_after_a_restart_and_says_so_again() -> None:
    head = started()
    head.whole_round(1)
    last = head.config.cid()
    head.whole_round(2)

    effects = head.crash()

    closes = [m for _, m in sent(effects)]
    assert {(m.cid, m.complete) for m in closes if isinstance(m, CloseRound)} == {(last, True)}
    assert not messages_of(effects, OpenRound)
    assert head.machine.ended is not None
    assert head.machine.ended.outcome == "max rounds"


def test_the_end_of_a_round_is_told_again_after_a_restart() -> None:
    head = started()
    completed = head.config.cid()
    head.whole_round(1)
    first_restart = head.crash()
    abandoned = head.config.cid()
    head.at(30.0)
    second_restart = head.crash()

    told = [
        {(m.cid, m.number, m.complete) for m in messages_of(effects, CloseRound)}
        for effects in (first_restart, second_restart)
    ]

    assert told == [{(completed, 1, True)}, {(abandoned, 2, False)}]


def test_a_restarted_coordinator_asks_for_the_set_that_it_had_chosen_and_for_no_other() -> None:
    head = started()
    head.opened(*HOLDERS)
    head.have(*TRAINERS[:-1])
    head.at(30.0)
    chosen = set_of(head.config, *TRAINERS[:-1])

    restarted = head.crash()
    head.have(*TRAINERS)

    assert {message.chosen for message in messages_of(restarted, Propose)} == {chosen}
    stored = head.stored()
    assert stored is not None
    assert stored.chosen == chosen


# --- abandoned ------------------------------------------------------------------------


def test_an_abandoned_round_is_closed_counted_and_followed_by_one_with_the_next_number() -> None:
    head = started()
    old = head.config.cid()

    effects = head.at(30.0)

    closes = messages_of(effects, CloseRound)
    assert {(m.cid, m.complete) for m in closes} == {(old, False)}
    assert events(effects, RoundAbandoned)[0].reason.startswith("0 of 5 holders")
    assert first(effects, Record, key="run") < first(effects, OpenRound)
    assert Erase(old.hex()) in effects
    assert (head.run.number, head.run.abandoned, head.run.completed) == (2, 1, 0)
    assert head.config.cid() != old
    assert head.config.state == step_of(0).state


def test_a_job_fails_when_too_many_rounds_in_a_row_were_abandoned() -> None:
    head = started(abandoned_rounds=2)
    head.at(30.0)

    effects = head.at(60.0)

    assert head.machine.ended is not None
    assert head.machine.ended.outcome == "failed"
    assert head.machine.ended.reason.startswith("2 rounds in a row were abandoned")
    assert not messages_of(effects, OpenRound)


def test_a_completed_round_ends_the_row_of_abandoned_ones() -> None:
    head = started(abandoned_rounds=2)
    head.at(30.0)
    head.whole_round(1)

    head.at(60.0)

    assert head.machine.ended is None
    assert head.run.abandoned == 1


def test_an_abandoned_set_is_never_released_late() -> None:
    head = started()
    head.opened(*HOLDERS)
    head.have(*TRAINERS)
    old, chosen = head.config.cid(), set_of(head.config, *TRAINERS)
    head.at(30.0)
    vote = Vote(cid=old, set_digest=set_digest(old, chosen))

    effects = [e for holder in HOLDERS for e in head.hear(holder, vote)]

    assert effects == []


def test_a_failed_algorithm_ends_the_job_and_its_round_is_never_asked_for_again() -> None:
    head = started()
    old = head.config
    head.opened(*HOLDERS)
    head.have(*TRAINERS)
    head.vote(*HOLDERS)
    head.answer(*HOLDERS[:3])

    effects = head.disk.keep(head.machine.failed("singular matrix"))
    again = head.crash()

    assert head.stored() is None or head.stored() != old
    assert events(effects, JobEnded) == [
        JobEnded(job="sum", outcome="failed", reason="singular matrix", completed=0)
    ]
    assert {m.complete for m in messages_of(effects, CloseRound)} == {False}
    assert old.cid() not in {m.config.cid() for m in messages_of(again, OpenRound)}


# --- stop -----------------------------------------------------------------------------


def test_a_stop_between_rounds_ends_at_once() -> None:
    head = Running()

    effects = head.machine.stop()

    assert events(effects, JobEnded)[0].outcome == "stopped"


def test_a_stop_finishes_the_round_under_way_and_begins_no_other() -> None:
    head = started()

    stopping = head.machine.stop()
    ended_at_once = head.machine.ended
    effects = head.whole_round(1)

    assert stopping == []
    assert ended_at_once is None
    assert head.machine.ended is not None
    assert (head.machine.ended.outcome, head.machine.ended.completed) == ("stopped", 1)
    assert not messages_of(effects, OpenRound)
    assert head.stored() is None


def test_a_stop_ends_the_job_when_the_round_under_way_is_abandoned() -> None:
    head = started()
    head.machine.stop()

    head.at(30.0)

    assert head.machine.ended is not None
    assert head.machine.ended.outcome == "stopped"


def test_a_stopped_job_goes_on_where_it_was() -> None:
    head = started()
    head.machine.stop()
    head.whole_round(1)

    head.crash()

    assert head.machine.ended is None
    assert head.config.number == 2


# --- back from the journal ------------------------------------------------------------


def test_a_restart_in_each_step_goes_on_with_the_same_round() -> None:
    head = started()
    cid = head.config.cid()

    opening = head.crash()
    head.opened(*HOLDERS[:4])
    head.at(2.0)
    collecting = head.crash()
    head.opened(*HOLDERS)
    head.have("ann", "bob", "cat", holders=HOLDERS[:4])
    head.at(32.0)
    voting = head.crash()
    head.vote(*HOLDERS[:3])
    releasing = head.crash()

    assert head.config.cid() == cid
    assert {m.config.cid() for m in messages_of(opening, OpenRound)} == {cid}
    announced = opened(*HOLDERS[:4], config=head.config)
    assert {m.opened for m in messages_of(collecting, Announce)} == {announced}
    chosen = set_of(head.config, "ann", "bob", "cat")
    assert {m.chosen for m in messages_of(voting, Propose)} == {chosen}
    assert {m.chosen for m in messages_of(releasing, Propose)} == {chosen}
    head.vote(*HOLDERS[:3])
    assert [o.chosen for o in only(head.answer(*HOLDERS[:3]), OpenSum)] == [chosen]


def test_a_resumed_round_tells_at_once_where_it_stands() -> None:
    head = started()
    fresh = events(head.crash(), Progress)
    head.opened(*HOLDERS)

    (told,) = events(head.crash(), Progress)

    assert [event.step for event in fresh] == [Step.OPENING]
    assert told.step is Step.COLLECTING
    assert told.waiting_for == TRAINERS
    assert told.deadline_s == TIMING.patience_s


def test_a_round_that_was_overslept_is_not_abandoned_and_one_that_ended_is_not_touched() -> None:
    head = started()
    head.opened(*HOLDERS)
    head.have("ann", "bob", holders=HOLDERS)

    head.now_s = 60.0
    told = head.machine.overslept(60.0, 55.0)
    head.at(60.0)
    number = head.config.number
    head.at(90.0)

    assert [event.deadline_s for event in events(told, Progress)] == [TIMING.patience_s]
    assert number == 1
    assert head.config.number == 2
    assert (
        Coordinating(ROSTER, plan_of(), Means(entropy_of(COORDINATOR), ANYBODY)).overslept(1.0, 1.0)
        == []
    )


def test_a_restart_with_new_limits_keeps_the_round_under_way_as_it_was_told() -> None:
    head = started()
    head.plan = plan_of(minimum=4, threshold=4, quorum=4)

    head.crash()

    assert head.config.minimum == 3
    head.whole_round(1)
    assert head.config.minimum == 4


def test_a_restart_between_two_rounds_begins_the_next_one() -> None:
    head = started()
    head.whole_round(1)
    del head.disk.journal["round"]

    head.crash()

    assert head.config.number == 2
    assert head.config.state == step_of(1).state


# --- those who come and go ------------------------------------------------------------


def test_a_greeter_is_welcomed_to_the_current_round_and_caught_up() -> None:
    head = started()
    head.whole_round(1)
    head.opened(*HOLDERS)

    trainer, holder = (
        head.hear("ann", hello("trainer")),
        head.hear("holder-1", hello("holder")),
    )

    assert [m for _, m in sent(trainer)] == [
        Welcome(job="sum", number=2),
        Announce(config=head.config, opened=opened(*HOLDERS, config=head.config)),
    ]
    assert [m for _, m in sent(holder)] == [
        Welcome(job="sum", number=2),
        opening(head.config),
    ]


def test_a_greeting_before_the_job_began_is_not_answered() -> None:
    assert Running().hear("ann", hello("trainer")) == []


def test_who_joined_is_told_once_and_again_when_it_changed() -> None:
    head = started()

    told = [
        events(head.hear("ann", greeting), PeerJoined)
        for greeting in (
            hello("trainer", software="quorate 1"),
            hello("trainer", software="quorate 1"),
            hello("trainer", software="quorate 2"),
        )
    ]

    joined = PeerJoined(
        actor="ann", role="trainer", software="quorate 1", suites=("shamir", "packed", "masked")
    )
    assert told[:2] == [[joined], []]
    assert [event.software for event in told[2]] == ["quorate 2"]


def test_a_greeting_in_another_role_is_a_violation() -> None:
    head = started()

    for sender, greeting in (("ann", hello("holder")), ("holder-1", hello("trainer"))):
        with pytest.raises(PeerViolation, match="greets as a"):
            head.hear(sender, greeting)


@pytest.mark.parametrize("lacking", [{"suites": ("rlwe",)}, {"fields": ("p31",)}])
def test_one_that_lacks_what_the_round_uses_is_told_so_and_not_counted_on(
    lacking: dict[str, Any],
) -> None:
    head = started()
    head.opened(*HOLDERS)

    effects = head.hear("eve", hello("trainer", software="quorate 0", **lacking))
    head.have("ann", "bob", "cat", "dan")

    (refused,) = messages_of(effects, Refused)
    assert (refused.what, refused.cid) == ("hello", head.config.cid())
    assert "which quorate 0 does not have" in refused.reason
    assert [to for to, _ in sent(effects)] == ["eve"]
    left = TrainerLeft(number=1, trainer="eve", step=Step.COLLECTING, reason=refused.reason)
    assert events(effects, TrainerLeft) == [left]
    stored = head.stored()
    assert stored is not None
    assert [c.trainer for c in stored.chosen] == ["ann", "bob", "cat", "dan"]


def test_one_that_was_upgraded_is_counted_on_again() -> None:
    head = started()
    head.hear("holder-5", hello("holder", suites=()))
    gone = head.machine._attendance.present()

    effects = head.hear("holder-5", hello("holder"))

    assert "holder-5" not in gone
    assert events(effects, HolderReturned) == [HolderReturned(number=1, holder="holder-5")]
    assert "holder-5" in head.machine._attendance.present()


def test_nobody_waits_for_a_trainer_that_said_goodbye() -> None:
    head = started()
    head.opened(*HOLDERS)
    head.hear("eve", Accepted(cid=head.config.cid()))
    head.have("ann", "bob", "cat", "dan")

    effects = head.hear("eve", Goodbye())

    assert [e.reason for e in events(effects, TrainerLeft)] == ["said goodbye"]
    assert messages_of(effects, Propose)
    assert first(effects, Record, key="round") < first(effects, Propose)
    assert events(head.hear("eve", Goodbye()), TrainerLeft) == []


def test_nobody_waits_for_a_holder_that_said_goodbye() -> None:
    head = started()
    head.opened(*HOLDERS[:4])

    effects = head.hear("holder-5", Goodbye())

    left = HolderLeft(number=1, holder="holder-5", step=Step.OPENING, reason="said goodbye")
    assert events(effects, HolderLeft) == [left]
    announced = opened(*HOLDERS[:4], config=head.config)
    assert {m.opened for m in messages_of(effects, Announce)} == {announced}


def test_what_one_did_before_its_goodbye_counts() -> None:
    head = started()
    head.opened(*HOLDERS)
    head.have(*TRAINERS, holders=HOLDERS[:4])

    head.hear("eve", Goodbye())
    head.have(*TRAINERS, holders=HOLDERS[4:])

    stored = head.stored()
    assert stored is not None
    assert [c.trainer for c in stored.chosen] == list(TRAINERS)


def test_one_that_said_goodbye_is_asked_on_and_back_with_its_first_word() -> None:
    head = started()
    head.opened(*HOLDERS)
    head.hear("eve", Goodbye())

    again = head.at(5.0)
    effects = head.hear("eve", Accepted(cid=head.config.cid()))

    assert "eve" in [to for to, m in sent(again) if isinstance(m, Announce)]
    assert events(effects, TrainerReturned) == [TrainerReturned(number=1, trainer="eve")]


def test_a_goodbye_of_everybody_ends_nothing_before_its_time() -> None:
    head = started()

    effects = [e for name in (*HOLDERS, *TRAINERS) for e in head.hear(name, Goodbye())]
    in_collecting = started()
    in_collecting.opened(*HOLDERS)
    effects += [e for name in TRAINERS for e in in_collecting.hear(name, Goodbye())]

    assert not events(effects, RoundAbandoned)
    assert not messages_of(effects, CloseRound)


def test_a_goodbye_after_the_job_ended_changes_nothing() -> None:
    head = started()
    head.whole_round(1)
    head.whole_round(2)

    assert head.hear("ann", Goodbye()) == []


def test_the_dead_are_waited_for_in_one_round_and_not_in_the_next() -> None:
    head = started()
    head.opened(*HOLDERS[:4])
    opened = head.at(2.0)
    head.have("ann", "bob", "cat", "dan", holders=HOLDERS[:4])
    chosen = head.at(32.0)
    head.vote(*HOLDERS[:4])
    head.answer(*HOLDERS[:3])
    head.disk.keep(head.machine.opened(32.0, step_of(1)))

    announcing = head.opened(*HOLDERS[:4])
    proposing = head.have("ann", "bob", "cat", "dan", holders=HOLDERS[:4])

    assert [e.holder for e in events(opened, HolderLeft)] == ["holder-5"]
    assert [e.trainer for e in events(chosen, TrainerLeft)] == ["eve"]
    assert messages_of(announcing, Announce)
    assert messages_of(proposing, Propose)


def test_one_who_was_away_and_speaks_is_waited_for_again() -> None:
    head = started()
    head.opened(*HOLDERS[:4])
    head.at(2.0)
    head.have("ann", "bob", "cat", "dan", holders=HOLDERS[:4])
    head.at(32.0)

    back = [
        *head.hear("eve", Accepted(cid=head.config.cid())),
        *head.hear("holder-5", hello("holder")),
        *head.hear("eve", hello("trainer")),
    ]

    assert [e.trainer for e in events(back, TrainerReturned)] == ["eve"]
    assert [e.holder for e in events(back, HolderReturned)] == ["holder-5"]


def test_an_abandoned_round_names_those_who_were_missing() -> None:
    head = started()
    head.opened(*HOLDERS)
    head.hear("bob", Declined(cid=head.config.cid(), kind="not finite"))

    effects = head.at(30.0)

    reasons = {event.trainer: event.reason for event in events(effects, TrainerLeft)}
    assert set(reasons) == set(TRAINERS)
    assert reasons["bob"] == "not finite"


# --- who may say what -----------------------------------------------------------------


@pytest.mark.parametrize("sender", ["mallory", COORDINATOR, ""])
def test_only_trainers_and_holders_are_listened_to(sender: str) -> None:
    head = started()

    for message in (hello("trainer"), said_open(head.config, "holder-1")):
        with pytest.raises(PeerViolation, match="not of this federation"):
            head.hear(sender, message)


@pytest.mark.parametrize(
    "message",
    [
        Welcome(job="sum", number=1),
        opening(config_of()),
        Announce(config=config_of(), opened=opened(*HOLDERS)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_messages_that_belong_to_no_round_are_violations(message: Wire) -> None:
    with pytest.raises(PeerViolation, match="may not send"):
        started().hear("holder-1", message)


def test_messages_of_another_round_are_late_and_harmless() -> None:
    head = started()
    other = config_of(number=7).cid()

    assert head.hear("holder-1", RoundOpened(cid=other, sealing_key=key_of("holder-1"))) == []
    assert head.hear("ann", release_of(other, (), ())) == []
    stream = answer_stream(other, "holder-1")
    assert head.machine.checked(0.0, stream, ok=True) == []


def test_nothing_is_sent_before_all_records_of_its_decision() -> None:
    head = Running()
    decisions = [
        head.start(),
        head.opened(*HOLDERS),
        head.have(*TRAINERS),
        head.vote(*HOLDERS),
        head.answer(*HOLDERS[:3]),
    ]

    for effects in decisions:
        kept = [i for i, e in enumerate(effects) if isinstance(e, Record)]
        left = [i for i, e in enumerate(effects) if isinstance(e, (Send, OpenSum, CheckStream))]
        assert not kept or not left or max(kept) < min(left)
