"""The coordinator chooses sets that holders can release beside those of earlier rounds."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.coordinator_rig import Head
from fakes.round_parts import (
    HOLDERS,
    ROSTER,
    TIMING,
    TRAINERS,
    messages_of,
    only,
    said_open,
)

from protocols.codec import parse
from protocols.effects import Effect, Report
from protocols.errors import PeerViolation
from protocols.messages import (
    Accepted,
    Contribution,
    Declined,
    Pledged,
    Propose,
    Vote,
)
from protocols.records import RoundRecord, TrainerSets
from protocols.reports import RoundAbandoned, TrainerLeft
from protocols.round_config import Roster
from protocols.secagg.collected import Collected
from protocols.secagg.coordinating import JobStep, Plan
from protocols.secagg.differencing import Apart, bitmap
from protocols.secagg.pledges import proposed_apart, with_set
from protocols.secagg.sets import set_digest

LEFT_OUT = (
    "complete, and left out: with it the sum would differ by fewer than 3 trainers from that of "
    "an earlier round over the same state"
)


def plan_of(minimum: int) -> Plan:
    return Plan(
        job="sum",
        suite="shamir",
        field="p61",
        fraction_bits=0,
        threshold=3,
        vote=True,
        quorum=3,
        minimum=minimum,
        chunk_bytes=1024,
        sealing="x25519",
        abandoned_rounds=10,
        timing=TIMING,
    )


def step_of(state: int) -> JobStep:
    return JobStep(state=bytes([state]) * 32, dimension=200, over=False, reason="", metrics={})


class Choosing(Head):
    """A coordinator whose trainers are named by their first letters."""

    def __init__(self, minimum: int = 3, roster: Roster = ROSTER) -> None:
        super().__init__(plan_of(minimum), step_of(0), roster)
        self.start()

    def patience(self) -> list[Effect]:
        """Let so much time pass that nobody is waited for any more."""
        return self.at(self.now_s + TIMING.patience_s)

    @property
    def chosen(self) -> str:
        """The first letters of those who are in the set of the round."""
        record = parse(self.disk.journal["round"], RoundRecord)
        return "".join(one.trainer[0] for one in record.chosen)

    def opened(self, **pledged: tuple[str, ...]) -> list[Effect]:
        """Have all holders open the round; some tell of sets, by number of the holder."""
        cid, effects = self.config.cid(), []
        for place, holder in enumerate(HOLDERS, start=1):
            sets = tuple(bitmap(named(s), TRAINERS) for s in pledged.get(f"h{place}", ()))
            if sets:
                effects += self.hear(holder, Pledged(cid=cid, apart=3, sets=sets))
            effects += self.hear(holder, said_open(self.config, holder))
        return effects

    def vote(self, *holders: str) -> list[Effect]:
        cid = self.config.cid()
        chosen = parse(self.disk.journal["round"], RoundRecord).chosen
        vote = Vote(cid=cid, set_digest=set_digest(cid, chosen))
        return [e for holder in holders for e in self.hear(holder, vote)]

    def abandoned_with(self, letters: str, **pledged: tuple[str, ...]) -> None:
        """Let a round be proposed over these, and nobody vote."""
        self.opened(**pledged)
        self.have(*named(letters))
        if "round" in self.disk.journal and not self.chosen:
            self.patience()
        assert self.chosen == letters
        self.patience()
        assert not self.chosen


def named(letters: str) -> tuple[str, ...]:
    return tuple(name for name in TRAINERS if name[0] in letters)


def events(effects: list[Effect], kind: type[Any]) -> list[Any]:
    return [report.event for report in only(effects, Report) if isinstance(report.event, kind)]


def test_a_set_that_was_proposed_is_remembered_with_the_end_of_its_round() -> None:
    head = Choosing()

    head.abandoned_with("abcde")

    sets = (bitmap(TRAINERS, TRAINERS),)
    assert head.run.proposed == TrainerSets(roster=ROSTER.digest(), apart=3, sets=sets)
    assert head.run.number == 2


def test_a_round_that_never_had_a_set_is_forgotten() -> None:
    head = Choosing()
    head.opened()
    head.have(*named("ab"))

    head.patience()

    assert (head.run.number, head.run.proposed) == (2, None)


@pytest.mark.parametrize("crash", [False, True])
def test_the_same_set_is_proposed_again_where_all_its_members_are_there(crash: bool) -> None:
    head = Choosing()
    head.abandoned_with("abcd")
    if crash:
        head.crash()

    head.opened()
    head.hear("eve", Accepted(cid=head.config.cid()))
    effects = head.have(*named("abcde"))

    assert head.chosen == "abcd"
    left = events(effects, TrainerLeft)
    assert [(event.trainer, event.reason) for event in left] == [("eve", LEFT_OUT)]


def test_without_a_member_no_set_can_be_had_and_the_round_waits_for_it() -> None:
    head = Choosing()
    head.abandoned_with("abcde")
    head.opened()

    head.have(*named("abcd"))
    assert not head.chosen
    head.now_s += 1.0
    head.have(*named("e"))

    assert head.chosen == "abcde"


def test_a_round_that_nobody_completes_is_abandoned_and_says_what_helps() -> None:
    head = Choosing()
    head.abandoned_with("abcde")
    head.opened(**{f"h{place}": ("abcde",) for place in range(1, 6)})
    head.have(*named("abcd"))

    effects = head.patience()

    (abandoned,) = events(effects, RoundAbandoned)
    assert abandoned.reason == (
        "4 contributions are complete, but any sum of 3 or more of them would differ by fewer than "
        "3 trainers from one that holders went along with in an earlier round over the same model "
        "state, and give those trainers away. 1 of that set are missing (eve): the job goes on "
        "when they are back"
    )
    assert len(abandoned.reason) <= 500
    assert messages_of(effects, Propose) == []


def test_after_the_wait_a_set_is_proposed_that_these_holders_say_they_are_free_for() -> None:
    """Nobody had voted for the first set: then it binds nobody but the coordinator's caution."""
    head = Choosing()
    head.abandoned_with("abcde")
    head.opened()
    head.have(*named("abcd"))

    head.patience()
    assert head.chosen == "abcd"

    # It is what holders are bound to from now on: nobody waits for the first set any more.
    head.patience()
    head.opened(h1=("abcd",))
    head.have(*named("abcd"))
    assert head.chosen == "abcd"


def test_holders_that_are_bound_are_passed_over_where_others_are_enough() -> None:
    head = Choosing()
    head.opened(h1=("abcde",), h2=("abcde",))

    head.have(*named("abcd"))
    head.patience()

    assert head.chosen == "abcd"


def test_what_holders_are_bound_to_counts_without_a_memory_of_ones_own() -> None:
    """As after the coordinator's own record was lost, or somebody else spoke in its name."""
    head = Choosing()
    head.opened(**{f"h{place}": ("abcd",) for place in range(1, 6)})

    head.have(*named("abcde"))

    assert head.chosen == "abcd"


def test_one_holders_word_does_not_hold_the_others_up() -> None:
    head = Choosing()
    head.opened(h3=("abcd", "abce", "abde"))

    head.have(*named("abcde"))

    assert head.chosen == "abcde"


def test_who_is_enough_after_all_is_waited_for_only_a_grace() -> None:
    head = Choosing()
    head.abandoned_with("abcd")
    head.opened()
    head.have(*named("abcde"), holders=HOLDERS[:4])
    assert not head.chosen

    head.now_s += TIMING.grace_s
    head.disk.keep(head.machine.advance(head.now_s))

    assert head.chosen == "abcd"


def test_a_new_state_forgets_the_sets_of_the_old_one() -> None:
    head = Choosing()
    head.abandoned_with("abcde")
    head.opened()
    head.have(*named("abcde"))
    head.vote(*HOLDERS)
    head.disk.keep(head.machine.opened(head.now_s, step_of(1)))
    assert head.run.proposed is None

    head.opened()
    head.have(*named("abcd"))
    head.patience()

    assert head.chosen == "abcd"


def test_a_sum_that_leaves_the_state_as_it_was_is_remembered_too() -> None:
    head = Choosing()
    head.opened()
    head.have(*named("abcde"))
    head.vote(*HOLDERS)

    head.disk.keep(head.machine.opened(head.now_s, step_of(0)))

    assert head.run.proposed is not None
    assert head.run.proposed.sets == (bitmap(TRAINERS, TRAINERS),)


def test_a_set_of_another_roster_is_dropped_when_one_of_this_roster_comes() -> None:
    other = Roster(
        federation="test", coordinator="coordinator", holders=HOLDERS, trainers=TRAINERS[::-1]
    )
    old = with_set(None, TRAINERS[:3], other, 3)

    assert proposed_apart(old, ROSTER).sets == ()
    new = with_set(old, TRAINERS[:4], ROSTER, 3)
    assert proposed_apart(new, ROSTER).sets == (frozenset(TRAINERS[:4]),)


def test_a_larger_minimum_is_kept_when_the_next_one_is_smaller() -> None:
    first = with_set(None, TRAINERS, ROSTER, 5)

    assert with_set(first, TRAINERS, ROSTER, 3).apart == 5


def test_bits_that_are_no_set_of_these_trainers_are_the_holders_fault() -> None:
    head = Choosing()

    with pytest.raises(PeerViolation, match="not a set of so many trainers"):
        head.hear("holder-1", Pledged(cid=head.config.cid(), apart=3, sets=(b"\xff\xff",)))
    with pytest.raises(PeerViolation, match="may not send"):
        head.hear("ann", Pledged(cid=head.config.cid(), apart=3, sets=()))


def test_what_comes_after_the_choice_changes_nothing() -> None:
    head = Choosing()
    head.opened()
    head.have(*named("abcde"))

    sets = (bitmap(named("abcd"), TRAINERS),)
    effects = head.hear("holder-1", Pledged(cid=head.config.cid(), apart=3, sets=sets))

    assert effects == [] or messages_of(effects, Propose) == []
    assert head.chosen == "abcde"


def test_who_declined_is_told_that_and_not_the_guard() -> None:
    head = Choosing()
    head.abandoned_with("abcd")
    head.opened()
    head.hear("eve", Accepted(cid=head.config.cid()))
    head.hear("eve", Declined(cid=head.config.cid(), kind="code failed"))

    effects = head.have(*named("abcd"))

    left = events(effects, TrainerLeft)
    assert [(event.trainer, event.reason) for event in left] == [("eve", "code failed")]


# --- when some of a chosen set are left out after all -----------------------------------


def collected_with(earlier: Apart, **pledged: Apart) -> Collected:
    collected = Collected(tuple("abcdefg"), need=3)
    collected.earlier = earlier
    for holder, apart in pledged.items():
        collected.pledged(holder, apart)
    return collected


def some(letters: str) -> tuple[Contribution, ...]:
    return tuple(Contribution(trainer=letter, digest=bytes(32)) for letter in letters)


def letters_of(chosen: tuple[Contribution, ...]) -> str:
    return "".join(contribution.trainer for contribution in chosen)


def test_of_those_who_are_left_the_most_that_are_apart_from_earlier_sets_stay() -> None:
    earlier = Apart((frozenset("abcde"),), 3)

    left = letters_of(collected_with(earlier).apart(some("abcdefg"), 3))

    assert len(left) == 6
    assert earlier.too_close(frozenset(left)) is None


def test_what_holders_say_counts_more_than_what_was_proposed() -> None:
    earlier, pledged = Apart((frozenset("abc"),), 3), Apart((frozenset("def"),), 3)

    assert letters_of(collected_with(earlier).apart(some("abd"), 3)) == "abd"
    assert collected_with(Apart(), one=earlier).apart(some("abd"), 3) == ()
    assert letters_of(collected_with(earlier, one=pledged).apart(some("def"), 3)) == "def"


def test_fewer_than_the_minimum_are_never_chosen() -> None:
    assert collected_with(Apart()).apart(some("ab"), 3) == ()
