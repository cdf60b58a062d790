"""Rounds that ask whole batches of the trainers: who declines, who refuses, who is waited for."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from fakes.coordinator_rig import Head
from fakes.round_parts import (
    COORDINATOR,
    HOLDERS,
    TIMING,
    chunks_of,
    config_of,
    contribution,
    entropy_of,
    hello,
    messages_of,
    only,
    opened,
    opening,
    said_open,
    sent,
    set_of,
)
from fakes.signatures import ANYBODY
from hypothesis import given
from hypothesis import strategies as st

from protocols.batches import Asked, split
from protocols.codec import parse
from protocols.effects import Effect, Prepare, Report
from protocols.errors import PeerViolation
from protocols.messages import (
    Accepted,
    Announce,
    CloseRound,
    Contribution,
    Declined,
    Freeze,
    Have,
    Propose,
    Vote,
    Welcome,
)
from protocols.records import RoundRecord
from protocols.reports import Progress, RoundAbandoned, RoundBegan, RoundPutOff, TrainerLeft
from protocols.round_config import Roster, RoundConfig
from protocols.secagg.chunks import share_stream
from protocols.secagg.collected import Collected
from protocols.secagg.contributing import Contributing
from protocols.secagg.coordinating import JobStep, Plan
from protocols.secagg.differencing import Apart
from protocols.secagg.holding import Holding
from protocols.secagg.sets import set_fault
from protocols.secagg.terms import Manner, Terms

TWELVE = tuple(f"site-{place:02}" for place in range(12))
WIDE = Roster(federation="test", coordinator=COORDINATOR, holders=HOLDERS, trainers=TWELVE)
BATCHES = [sorted(batch) for batch in split(WIDE, 3)]  # of four each


def sampled(**changes: Any) -> RoundConfig:
    usual = {"trainers": 12, "batches": 3, "drawn": 1, "roster": WIDE.digest()}
    return config_of(**(usual | changes))


FIRST = sampled()  # round 1 asks the second batch
ASKED, AFTER, BEFORE = BATCHES[1], BATCHES[2], BATCHES[0]


def events(effects: list[Effect], kind: type[Any]) -> list[Any]:
    return [report.event for report in only(effects, Report) if isinstance(report.event, kind)]


# --- a trainer ------------------------------------------------------------------------


def announced_to(name: str, config: RoundConfig, terms: Terms | None = None) -> list[Effect]:
    machine = Contributing(name, WIDE, ANYBODY, terms=terms or Terms())
    machine.receive(COORDINATOR, Welcome(job="sum", number=config.number))
    return machine.receive(
        COORDINATOR, Announce(config=config, opened=opened(*HOLDERS, config=config))
    )


def test_a_trainer_whose_batch_is_drawn_takes_part() -> None:
    assert only(announced_to(ASKED[0], FIRST), Prepare)
    assert only(announced_to(AFTER[0], sampled(number=2)), Prepare)


@pytest.mark.parametrize("name", [*AFTER, *BEFORE])
def test_a_trainer_that_is_asked_out_of_turn_declines_and_says_why(name: str) -> None:
    effects = announced_to(name, FIRST)

    (declined,) = messages_of(effects, Declined)
    assert declined.kind.startswith("not our turn: round 1 asks batch 2 of 3")
    assert not only(effects, Prepare)
    assert not messages_of(effects, Accepted)


@pytest.mark.parametrize(
    ("manner", "config", "kind"),
    [
        (
            Manner(),
            FIRST,
            "a round that asks 1 of 3 batches, and ours ask everybody",
        ),
        (
            Manner(batches=3, drawn=1),
            sampled(batches=0, drawn=0),
            "a round that asks everybody, and ours ask 1 of 3 batches",
        ),
        (
            Manner(batches=3, drawn=1),
            sampled(batches=4, number=2),
            "a round that asks 1 of 4 batches, and ours ask 1 of 3 batches",
        ),
        (
            Manner(batches=3, drawn=2),
            FIRST,
            "a round that asks 1 of 3 batches, and ours ask 2 of 3 batches",
        ),
    ],
    ids=["unasked", "everybody", "another split", "another number"],
)
def test_a_trainer_takes_part_in_rounds_with_the_batches_of_its_job_file_only(
    manner: Manner, config: RoundConfig, kind: str
) -> None:
    effects = announced_to(ASKED[0], config, Terms(manner=manner))

    assert [message.kind for message in messages_of(effects, Declined)] == [kind]
    assert not only(effects, Prepare)


# --- a share-holder ---------------------------------------------------------------------


def holder_with(*trainers: str, config: RoundConfig = FIRST) -> Holding:
    machine = Holding("holder-1", WIDE, ANYBODY, entropy=entropy_of("holder-1"))
    machine.receive(COORDINATOR, opening(config))
    for trainer in trainers:
        for chunk in chunks_of(config, trainer):
            machine.receive(trainer, chunk)
        machine.checked(share_stream(config.cid(), trainer), ok=True)
    return machine


def test_a_holder_takes_no_share_of_a_trainer_that_was_not_asked() -> None:
    machine = holder_with()
    (chunk, *_) = chunks_of(FIRST, AFTER[0])

    with pytest.raises(PeerViolation, match="a round that does not ask it"):
        machine.receive(AFTER[0], chunk)


def test_a_holder_votes_for_trainers_of_the_batch_that_is_drawn() -> None:
    machine = holder_with(*ASKED)

    effects = machine.receive(COORDINATOR, Propose(cid=FIRST.cid(), chosen=set_of(FIRST, *ASKED)))

    assert messages_of(effects, Vote)


@pytest.mark.parametrize("kind", [Propose, Freeze])
def test_a_holder_goes_along_with_no_set_outside_of_the_batches_that_are_drawn(
    kind: type[Propose | Freeze],
) -> None:
    config = sampled(checks=True)
    machine = holder_with(*ASKED, config=config)
    chosen = set_of(config, *sorted([*ASKED[1:], AFTER[0]]))

    with pytest.raises(PeerViolation, match=f"{AFTER[0]} is of no batch that the round asks"):
        machine.receive(COORDINATOR, kind(cid=config.cid(), chosen=chosen))


def test_a_holder_votes_for_no_part_of_a_batch_that_is_below_the_minimum() -> None:
    config = sampled(drawn=2)
    first, second = sorted(Asked.of(config, WIDE).batches, key=sorted)
    machine = holder_with(*sorted([*first, *second]), config=config)
    few = sorted([*first, *sorted(second)[:2]])

    with pytest.raises(PeerViolation, match="fewer than the minimum of 3"):
        machine.receive(COORDINATOR, Propose(cid=config.cid(), chosen=set_of(config, *few)))

    enough = set_of(config, *sorted([*first, *sorted(second)[:3]]))
    effects = machine.receive(COORDINATOR, Propose(cid=config.cid(), chosen=enough))
    assert messages_of(effects, Vote)


# --- the coordinator --------------------------------------------------------------------


def step_of(completed: int) -> JobStep:
    return JobStep(
        state=bytes([completed]) * 32,
        dimension=200,
        over=completed >= 9,
        reason="",
        metrics={},
    )


class Running(Head):
    """A coordinator of twelve trainers that is led through rounds of three batches."""

    def __init__(self, **changes: Any) -> None:
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
            "batches": 3,
            "drawn": 1,
        }
        super().__init__(Plan(**(usual | changes)), step_of(0), WIDE)
        self.start()

    def opened(self) -> list[Effect]:
        return [e for h in HOLDERS for e in self.hear(h, said_open(self.config, h))]

    def accepted(self, *trainers: str) -> list[Effect]:
        return [e for t in trainers for e in self.hear(t, Accepted(cid=self.config.cid()))]

    def asked(self) -> list[str]:
        return [name for batch in Asked.of(self.config, WIDE).batches for name in sorted(batch)]

    def collected(self, *trainers: str) -> list[Effect]:
        """Open a round, and have these trainers' contributions at all holders."""
        self.opened()
        self.accepted(*trainers)
        return self.have(*trainers)

    def chosen(self) -> list[str]:
        record = parse(self.disk.journal["round"], RoundRecord)
        return [one.trainer for one in record.chosen]

    def gives_up(self) -> list[Effect]:
        """Let the time pass until the round is abandoned."""
        effects: list[Effect] = []
        while not events(effects, RoundAbandoned):
            effects += self.at(self.wake_s())
        return effects

    def goes_on(self) -> list[Effect]:
        """Let the time pass until a set is chosen."""
        effects: list[Effect] = []
        while not self.chosen():
            effects += self.at(self.wake_s())
        return effects

    def wake_s(self) -> float:
        wake_s = self.machine.next_wake_s()
        assert wake_s is not None
        return wake_s


def announced(effects: list[Effect]) -> list[str]:
    return [to for to, message in sent(effects) if isinstance(message, Announce)]


def test_only_those_whose_batch_is_drawn_are_announced_to() -> None:
    head = Running()

    effects = head.opened()

    assert announced(effects) == ASKED


def test_a_round_says_whom_it_asks() -> None:
    machine = Head(Running().plan, step_of(0), WIDE)

    (began,) = events(machine.start(), RoundBegan)

    assert (began.asked, began.drawn, began.batches) == (4, (2,), 3)


def test_nobody_waits_for_those_who_were_not_asked() -> None:
    head = Running()

    effects = head.collected(*ASKED)

    assert messages_of(effects, Propose)
    assert head.chosen() == ASKED
    assert events(effects, TrainerLeft) == []
    seen = {name for event in events(effects, Progress) for name in event.waiting_for}
    assert seen <= {*ASKED, *HOLDERS}


def test_rounds_ask_one_batch_after_the_other_and_after_a_crash_the_same() -> None:
    head = Running()
    turns = [head.asked()]
    for completed in range(1, 4):
        head.opened()
        again = announced(head.crash())
        assert again == turns[-1]
        head.collected(*turns[-1])
        head.disk.keep(head.machine.opened(head.now_s, step_of(completed)))
        turns.append(head.asked())

    assert turns == [ASKED, AFTER, BEFORE, ASKED]


def test_a_crash_before_anything_was_announced_asks_the_same_batch() -> None:
    head = Running()

    head.crash()

    assert announced(head.opened()) == ASKED


def test_who_comes_back_in_anothers_turn_is_welcome_and_not_asked() -> None:
    head = Running()
    head.opened()

    effects = head.hear(AFTER[0], hello("trainer"))

    assert messages_of(effects, Welcome)
    assert announced(effects) == []


@pytest.mark.parametrize("message", [Accepted, Declined])
def test_who_was_not_asked_has_no_say(message: type[Any]) -> None:
    head = Running()
    head.opened()
    said = message(cid=head.config.cid(), **({"kind": "no"} if message is Declined else {}))

    effects = head.hear(AFTER[0], said)
    head.accepted(*ASKED)
    gone_on = head.have(*ASKED)

    assert effects == []
    assert events(gone_on, TrainerLeft) == []
    assert head.chosen() == ASKED


def test_a_holder_that_claims_to_have_what_nobody_asked_for_is_named() -> None:
    head = Running()
    head.opened()
    have = Have(cid=head.config.cid(), contributions=(contribution(head.config, AFTER[0]),))

    with pytest.raises(PeerViolation, match="who was not asked"):
        head.hear("holder-1", have)


def test_who_drops_out_of_a_batch_is_left_out_as_ever() -> None:
    head = Running()
    head.collected(*ASKED[1:])

    effects = head.goes_on()

    assert head.chosen() == ASKED[1:]
    assert [event.trainer for event in events(effects, TrainerLeft)] == [ASKED[0]]


def test_a_batch_below_the_minimum_is_left_out_of_a_sum_over_several() -> None:
    head = Running(drawn=2)
    batches = [sorted(batch) for batch in Asked.of(head.config, WIDE).batches]
    head.collected(*batches[0], *batches[1][:2])

    effects = head.goes_on()

    assert head.chosen() == batches[0]
    left = {event.trainer: event.reason for event in events(effects, TrainerLeft)}
    assert left == {
        **dict.fromkeys(
            batches[1][:2], "complete, and left out: of its batch there are fewer than the minimum"
        ),
        **dict.fromkeys(batches[1][2:], "no complete contribution in time"),
    }
    assert set_fault(head.config, WIDE, set_of(head.config, *head.chosen())) is None


def test_where_no_batch_has_enough_the_round_says_so() -> None:
    head = Running(drawn=2)
    batches = [sorted(batch) for batch in Asked.of(head.config, WIDE).batches]
    head.collected(*batches[0][:2], *batches[1][:2])

    (abandoned,) = events(head.gives_up(), RoundAbandoned)

    assert abandoned.reason == "4 survivors are of batches that have fewer than 3 each"


def test_after_abandoned_rounds_the_next_batch_is_asked_at_once_whoever_was_missing() -> None:
    head = Running()
    head.collected(*ASKED[:2])
    head.gives_up()
    assert head.config.number == 2
    head.collected(*AFTER[:2])

    effects = head.gives_up()

    # With the same owners asked again the third round would be put off.
    assert events(effects, RoundPutOff) == []
    assert head.config.number == 3
    head.collected(*BEFORE)
    assert head.chosen() == BEFORE  # over the same state, and far from what came before


def test_a_closed_round_is_told_to_everybody() -> None:
    head = Running()
    head.collected(*ASKED)

    effects = head.disk.keep(head.machine.opened(head.now_s, step_of(1)))

    closed = [to for to, message in sent(effects) if isinstance(message, CloseRound)]
    assert set(closed) == {*HOLDERS, *TWELVE}


# --- the choice of a set ------------------------------------------------------------------


@cache
def _parts(config: RoundConfig) -> dict[str, Contribution]:
    return {name: contribution(config, name) for name in TWELVE}


@given(data=st.data())
def test_a_set_that_is_chosen_has_enough_of_each_batch_and_is_far_from_earlier_ones(
    data: st.DataObject,
) -> None:
    config = sampled(drawn=2)
    asked = Asked.of(config, WIDE)
    trainers = asked.among(TWELVE)
    parts = _parts(config)
    some = st.frozensets(st.sampled_from(trainers), max_size=len(trainers))
    earlier = Apart(tuple(data.draw(st.lists(some, max_size=3))), config.minimum)
    collected = Collected(trainers, need=3, asked=asked)
    for holder in HOLDERS[:4]:
        collected.pledged(holder, earlier)
        for name in data.draw(some):
            collected.receive(holder, parts[name])

    chosen = collected.releasable(config.minimum)
    loose = data.draw(some)
    rest = tuple(one for one in chosen if one.trainer not in loose)
    kept = collected.apart(rest, config.minimum)

    for found in (chosen, kept):
        names = frozenset(one.trainer for one in found)
        assert not names or set_fault(config, WIDE, found) is None
        assert earlier.too_close(names) is None or not names
    assert set(kept) <= set(rest)


def test_who_is_left_out_of_a_check_may_cost_a_batch_and_not_the_sum() -> None:
    config = sampled(drawn=2)
    asked = Asked.of(config, WIDE)
    first, second = (sorted(batch) for batch in asked.batches)
    collected = Collected(asked.among(TWELVE), need=3, asked=asked)
    collected.earlier = Apart((frozenset([*first, *second[:3]]),), config.minimum)
    left = set_of(config, *sorted([*first[1:], *second[:3]]))

    kept = {one.trainer for one in collected.apart(left, config.minimum)}

    # Three of each are too close to what was proposed, and two of each are of no batch.
    assert kept in (set(first[1:]), set(second[:3]))


def test_the_most_of_what_may_be_summed_is_chosen() -> None:
    config = sampled(drawn=2)
    asked = Asked.of(config, WIDE)
    first, second = (sorted(batch) for batch in asked.batches)
    collected = Collected(asked.among(TWELVE), need=3, asked=asked)
    for holder in HOLDERS[:3]:
        for name in (*first, *second[:2]):
            collected.receive(holder, contribution(config, name))
    few = [one.trainer for one in collected.releasable(config.minimum)]

    for holder in HOLDERS[:3]:
        collected.receive(holder, contribution(config, second[2]))
    more = [one.trainer for one in collected.releasable(config.minimum)]

    assert few == first
    assert more == sorted([*first, *second[:3]])
