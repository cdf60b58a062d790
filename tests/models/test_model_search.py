"""What the rule promises, in every state that honest holders, liars and crashes can lead to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from models.cases import Case, quorum_of, sound, useful, weakened
from models.search import FACTS, NEVER, Found, Local, Rule, explore, moves
from models.table import holder
from protocols.round_config import majority, threshold_faults


def name_of(case: Case) -> str:
    rule = case.rule
    words = f"{case.name} {case.reached}".strip().replace(",", "").replace(" ", "-")
    return f"{words}-n{rule.holders}-t{rule.threshold}-f{rule.liars}"


def small(cases: Iterable[Case]) -> list[Case]:
    """Leave out the large ones, of which one takes half a minute; `make model` has them."""
    return [case for case in cases if not (case.rule.invented and case.rule.honest > 4)]


@pytest.mark.parametrize("case", small(sound()), ids=name_of)
def test_a_sound_rule_keeps_all_its_promises(case: Case) -> None:
    found = explore(case.rule)

    assert not found.facts.intersection(case.never)
    assert "one sum" in found.facts


@pytest.mark.parametrize("case", [*useful(), *small(weakened())], ids=name_of)
def test_a_weakened_rule_breaks_a_promise_and_a_useful_one_opens_a_sum(case: Case) -> None:
    assert case.reached in explore(case.rule, until=case.reached).facts


def test_every_promise_is_broken_by_some_weakened_rule() -> None:
    reached = {case.reached for case in weakened()}
    # A holder that forgets its vote also answers for another set than it voted for.
    forgetful = next(
        case.rule for case in weakened() if case.name == "a vote is not in the journal"
    )

    assert reached | (explore(forgetful).facts & {"other answer"}) == set(NEVER)


@pytest.mark.parametrize(
    ("holders", "liars"), [(2, 0), (3, 0), (4, 0), (5, 0), (3, 1), (4, 1), (5, 1), (5, 2)]
)
def test_the_code_takes_a_threshold_where_the_search_finds_it_safe(
    holders: int, liars: int
) -> None:
    quorum = quorum_of(holders, liars)
    for threshold in range(2, holders + 1):
        for vote in (True, False):
            rule = Rule(
                holders=holders,
                liars=liars,
                threshold=threshold,
                quorum=quorum,
                asked=quorum,
                vote=vote,
                table=holder(vote=vote),
            )
            # Of no concern to the search: t liars open everything by themselves, and rounds
            # need votes and answers that go without those of the liars.
            secret = threshold > liars
            live = quorum <= holders - liars and threshold <= holders - 2 * liars

            faults = threshold_faults(
                holders=holders,
                faults=liars,
                threshold=threshold,
                quorum=majority(holders, liars),
                vote=vote,
            )

            safe = not explore(rule).facts.intersection(NEVER)
            assert bool(faults) != (safe and secret and live), (threshold, vote)


@pytest.mark.parametrize("holders", [3, 4, 5])
def test_a_smaller_quorum_than_the_code_takes_is_not_safe(holders: int) -> None:
    fewer = majority(holders) - 1
    rule = Rule(holders=holders, liars=0, threshold=2, quorum=fewer, asked=fewer)

    refused = threshold_faults(holders=holders, faults=0, threshold=2, quorum=fewer, vote=True)

    assert refused
    # Both sets have their votes, and the holders that answer are apart where 2t is not above n.
    assert ("two sums" in explore(rule).facts) == (holders >= 4)


@pytest.mark.parametrize(("holders", "liars"), [(4, 1), (5, 1)])
def test_a_quorum_that_counts_on_no_liars_is_not_safe_where_there_are(
    holders: int, liars: int
) -> None:
    fewer = majority(holders, liars) - 1
    rule = Rule(holders=holders, liars=liars, threshold=2, quorum=fewer, asked=fewer)

    refused = threshold_faults(holders=holders, faults=liars, threshold=2, quorum=fewer, vote=True)

    assert refused
    assert "two sums" in explore(rule, until="two sums").facts


def test_states_that_are_counted_together_are_alike() -> None:
    rule = Rule(holders=3, liars=0, threshold=2, quorum=2, asked=2)

    apart = plainly(rule)

    assert {tuple(sorted(state, key=repr)) for state in apart} != apart
    assert explore(rule).states == len({tuple(sorted(state, key=repr)) for state in apart})


def plainly(rule: Rule) -> set[tuple[Local, ...]]:
    """Visit every state with each holder in its own place, as simply as can be."""
    seen = {(Local("ready"),) * rule.honest}
    waiting = list(seen)
    while waiting:
        state = waiting.pop()
        votes = [sum(bool(local.said & bit) for local in state) for bit in (1, 2)]
        released = (votes[0] >= rule.asked, votes[1] >= rule.asked)
        for place, local in enumerate(state):
            for after in moves(rule, local, released):
                reached = (*state[:place], after, *state[place + 1 :])
                if reached not in seen:
                    seen.add(reached)
                    waiting.append(reached)
    return seen


A_CASE = Case("a rule", Rule(holders=3, liars=0, threshold=2, quorum=2, asked=2))
BROKEN = replace(A_CASE, never=(), reached="two sums")


@pytest.mark.parametrize(
    ("case", "facts", "holds", "states", "fault"),
    [
        (A_CASE, {"one sum"}, True, 9, ""),
        (A_CASE, {"two sums"}, True, 9, "two sums"),
        (A_CASE, set(), False, 9, "a violation that Spin alone found"),
        (A_CASE, set(), True, 8, "the searches differ in their states"),
        (BROKEN, {"two sums"}, False, 4, ""),
        (BROKEN, set(), False, 9, "no two sums by Python"),
        (BROKEN, {"two sums"}, True, 9, "no two sums by Spin"),
        (BROKEN, set(), True, 9, "no two sums by Spin and Python"),
    ],
)
def test_a_weakened_rule_that_passes_is_a_fault_as_is_a_sound_one_that_fails(
    case: Case, facts: set[str], holds: bool, states: int, fault: str
) -> None:
    found = Found(9, frozenset(facts))
    assert facts <= set(FACTS)

    assert case.fault(found, spin_holds=holds, spin_states=states) == fault
