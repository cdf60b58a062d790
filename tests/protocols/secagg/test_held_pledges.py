"""What a share-holder went along with over a model state, and which sets it refuses for that."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.round_parts import (
    COORDINATOR,
    ROSTER,
    Disk,
    answer_of,
    chunks_of,
    config_of,
    entropy_of,
    first,
    messages_of,
    opening,
    set_of,
)
from fakes.signatures import ANYBODY, release_of

from protocols.codec import parse
from protocols.effects import Effect, Record, Send, SumShares
from protocols.messages import (
    MAX_PLEDGED,
    CloseRound,
    Pledged,
    Propose,
    Refused,
    RoundOpened,
    Vote,
)
from protocols.records import TrainerSets
from protocols.round_config import Roster, RoundConfig
from protocols.secagg.chunks import share_stream
from protocols.secagg.differencing import bitmap
from protocols.secagg.holding import Holding
from protocols.secagg.pledges import HeldPledges

ALL = ("ann", "bob", "cat", "dan", "eve")
ALL_BUT_EVE = ALL[:4]
VOTERS = ("holder-1", "holder-2", "holder-3")
LARGER_ROSTER = Roster(
    federation="test",
    coordinator=COORDINATOR,
    holders=ROSTER.holders,
    trainers=(*ROSTER.trainers, "fay"),
)
KEY = f"pledged/sum/{bytes(32).hex()}"


class Desk:
    """A share-holder that has all contributions of each round that it opens."""

    def __init__(self, name: str = "holder-1") -> None:
        self.name = name
        self.disk = Disk()
        self.machine = Holding(name, ROSTER, ANYBODY, entropy=entropy_of(name))

    def crash(self, roster: Roster = ROSTER) -> None:
        self.machine = Holding(self.name, roster, ANYBODY, entropy=entropy_of(self.name))
        self.machine.restore(self.disk.journal, self.disk.stored())
        self.disk.keep(self.machine.start())

    def hear(self, message: Any, sender: str = COORDINATOR) -> list[Effect]:
        return self.disk.keep(self.machine.receive(sender, message))

    def open(self, config: RoundConfig) -> list[Effect]:
        effects = self.hear(opening(config))
        for trainer in ALL if messages_of(effects, RoundOpened) else ():
            for chunk in chunks_of(config, trainer, self.name):
                self.hear(chunk, trainer)
            self.disk.keep(self.machine.checked(share_stream(config.cid(), trainer), ok=True))
        return effects

    def propose(self, config: RoundConfig, *trainers: str) -> list[Effect]:
        return self.hear(Propose(cid=config.cid(), chosen=set_of(config, *trainers)))

    def release(self, config: RoundConfig, *trainers: str) -> list[Effect]:
        return self.hear(release_of(config.cid(), set_of(config, *trainers), VOTERS))

    def answer(self, config: RoundConfig, *trainers: str) -> None:
        header = answer_of(config, set_of(config, *trainers))[0].header
        self.disk.keep(self.machine.summed(header))

    def close(self, config: RoundConfig) -> None:
        ends = {"cid": config.cid(), "job": config.job, "number": config.number}
        self.hear(CloseRound(**ends, complete=False, reason=""))


def rounds(**changes: Any) -> tuple[RoundConfig, RoundConfig]:
    """Return a round of five trainers over a state, and the next one over the same."""
    return config_of(number=1), config_of(**{"number": 2} | changes)


def desk_after(*trainers: str, released: bool = True) -> Desk:
    desk, (one, _) = Desk(), rounds()
    desk.open(one)
    desk.propose(one, *trainers)
    if released:
        desk.release(one, *trainers)
        desk.answer(one, *trainers)
    desk.close(one)
    return desk


def refusals(effects: list[Effect]) -> list[str]:
    return [message.reason for message in messages_of(effects, Refused)]


CLOSE = (
    "the set differs by 1 trainer from one of a set that this holder went along with over this "
    "model state; 3 are needed"
)


@pytest.mark.parametrize("released", [True, False], ids=["released", "only voted for"])
def test_a_set_that_differs_by_one_trainer_is_refused_in_a_later_round(released: bool) -> None:
    desk, (_, two) = desk_after(*ALL, released=released), rounds()
    desk.open(two)

    effects = desk.propose(two, *ALL_BUT_EVE)

    assert refusals(effects) == [CLOSE]
    assert messages_of(effects, Vote) == []
    assert f"round/{two.cid().hex()}/vote" not in desk.disk.journal


def test_a_release_is_refused_as_well_where_the_others_voted() -> None:
    desk, (_, two) = desk_after(*ALL), rounds()
    desk.open(two)

    effects = desk.release(two, *ALL_BUT_EVE)

    assert refusals(effects) == [CLOSE]
    assert not [effect for effect in effects if isinstance(effect, SumShares)]


def test_without_a_vote_the_proposal_is_the_release_and_is_refused() -> None:
    desk, one, two = Desk(), config_of(vote=False), config_of(vote=False, number=2)
    desk.open(one)
    desk.propose(one, *ALL)
    desk.close(one)
    desk.open(two)

    assert refusals(desk.propose(two, *ALL_BUT_EVE)) == [CLOSE]


def test_the_same_set_again_is_fine() -> None:
    desk, (_, two) = desk_after(*ALL), rounds()
    desk.open(two)

    assert len(messages_of(desk.propose(two, *ALL), Vote)) == 1
    assert [e for e in desk.release(two, *ALL) if isinstance(e, SumShares)]
    assert len(parse(desk.disk.journal[KEY], TrainerSets).sets) == 1


def test_a_set_that_differs_by_the_minimum_is_fine_and_one_less_is_not() -> None:
    pledges = HeldPledges(ROSTER)
    config = config_of()
    pledges.keep(config, set_of(config, *ALL))

    # Sets below the minimum are refused elsewhere; here only the distance counts.
    assert pledges.refusal(config, set_of(config, "ann", "bob")) is None
    assert "differs by 2 trainers" in (pledges.refusal(config, set_of(config, *ALL[:3])) or "")


def test_another_state_or_another_job_has_sums_of_its_own() -> None:
    for changes in ({"state": b"s" * 32}, {"job": "other"}):
        desk, (_, two) = desk_after(*ALL), rounds(**changes)
        desk.open(two)

        assert len(messages_of(desk.propose(two, *ALL_BUT_EVE), Vote)) == 1


def test_the_larger_minimum_of_both_rounds_counts() -> None:
    desk, one, two = Desk(), config_of(minimum=4), config_of(number=2, minimum=3)
    desk.open(one)
    desk.propose(one, *ALL_BUT_EVE)
    desk.close(one)
    desk.open(two)

    # They differ by bob, cat, dan and eve: 3 would be too few for the first round's owners.
    assert "3 trainers" in refusals(desk.propose(two, "ann", "bob", "eve"))[0]
    assert "4 are needed" in refusals(desk.propose(two, "ann", "bob", "eve"))[0]


def test_a_set_is_durable_in_the_commit_of_the_vote_and_of_the_answer() -> None:
    desk, (one, _) = Desk(), rounds()
    desk.open(one)

    voted = desk.propose(one, *ALL)

    record = first(voted, Record, key="pledged/")
    assert record < first(voted, Send)
    assert first(voted, Record, key="/vote") < first(voted, Send)

    other = Desk()
    other.open(one)
    answered = other.release(one, *ALL)
    assert first(answered, Record, key="pledged/") < first(answered, SumShares)
    assert first(answered, Record, key="/answer") < first(answered, SumShares)


def test_what_was_pledged_outlives_its_round_and_a_restart() -> None:
    desk, (_, two) = desk_after(*ALL), rounds()
    assert sorted(desk.disk.journal) == ["last/sum", KEY]

    desk.crash()
    desk.open(two)

    assert refusals(desk.propose(two, *ALL_BUT_EVE)) == [CLOSE]
    assert len(messages_of(desk.propose(two, *ALL), Vote)) == 1


def test_the_guard_holds_in_a_round_that_was_open_at_the_restart() -> None:
    desk, (_, two) = desk_after(*ALL), rounds()
    desk.open(two)

    desk.crash()

    assert refusals(desk.release(two, *ALL_BUT_EVE)) == [CLOSE]


def test_an_old_backup_forgets_what_was_pledged_which_nothing_here_can_notice() -> None:
    desk, (_, two) = Desk(), rounds()
    backup = dict(desk.disk.journal)
    desk.open(rounds()[0])
    desk.propose(rounds()[0], *ALL)

    desk.disk.journal = backup
    desk.crash()
    desk.open(two)

    assert len(messages_of(desk.propose(two, *ALL_BUT_EVE), Vote)) == 1


def test_a_coordinator_is_told_what_a_holder_is_bound_to_before_it_is_open() -> None:
    desk, (_, two) = desk_after(*ALL), rounds()

    effects = desk.open(two)

    sent = [effect.message for effect in effects if isinstance(effect, Send)]
    bits = bitmap(ALL, ROSTER.trainers)
    assert sent[0] == Pledged(cid=two.cid(), apart=3, sets=(bits,))
    assert isinstance(sent[1], RoundOpened)
    assert len(sent) == 2
    assert messages_of(Desk().open(two), Pledged) == []


def test_sums_under_another_roster_can_not_be_compared_and_so_none_is_given() -> None:
    desk = desk_after(*ALL)
    desk.crash(LARGER_ROSTER)
    changed = {"roster": LARGER_ROSTER.digest(), "trainers": len(LARGER_ROSTER.trainers)}

    refused = desk.hear(opening(config_of(number=2, **changed)))
    later = desk.hear(opening(config_of(number=2, state=b"s" * 32, **changed)))

    reason = (
        "this holder went along with a set over this model state under another roster, with "
        "which none can be compared"
    )
    assert refusals(refused) == [reason]
    assert len(messages_of(later, RoundOpened)) == 1


@pytest.mark.parametrize("asked", ["vote", "answer"])
def test_one_with_another_roster_goes_along_with_no_set_of_an_older_round(asked: str) -> None:
    desk, (one, two) = Desk(), rounds()
    desk.open(one)
    desk.crash(LARGER_ROSTER)

    ask = desk.propose if asked == "vote" else desk.release
    refused = ask(one, *ALL)
    desk.crash()
    desk.close(one)

    assert refusals(refused) == ["this holder has another roster than the round"]
    assert KEY not in desk.disk.journal
    assert messages_of(desk.open(two), RoundOpened)
    assert messages_of(desk.propose(two, *ALL), Vote)


def test_a_set_of_another_roster_is_refused_wherever_it_is_asked_for() -> None:
    other = Roster(
        federation="test", coordinator=COORDINATOR, holders=ROSTER.holders, trainers=ALL[::-1]
    )
    pledges, config = HeldPledges(ROSTER), config_of()
    (record,) = HeldPledges(other).keep(config, set_of(config, *ALL))
    assert record.value is not None
    pledges.restore({record.key: record.value})

    assert "another roster" in (pledges.refusal(config, set_of(config, *ALL)) or "")


def test_after_so_many_sets_a_holder_goes_along_with_none_that_is_new() -> None:
    trainers = tuple(f"t{place:03}" for place in range(4 * (MAX_PLEDGED + 1)))
    roster = Roster(
        federation="test", coordinator=COORDINATOR, holders=ROSTER.holders, trainers=trainers
    )
    pledges, config = HeldPledges(roster), config_of(trainers=len(trainers))
    sets = [set_of(config, *trainers[4 * k : 4 * k + 4]) for k in range(MAX_PLEDGED + 1)]
    for chosen in sets[:-1]:
        assert pledges.refusal(config, chosen) is None
        pledges.keep(config, chosen)

    refusal = pledges.refusal(config, sets[-1])

    assert refusal == f"this holder went along with {MAX_PLEDGED} sets over this model state"
    assert pledges.refusal(config, sets[0]) is None
