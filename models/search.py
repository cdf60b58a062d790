"""Every state that share-holders of one round can be in together, searched breadth first.

The coordinator is whoever asks any holder for anything at any time: that covers messages that
are lost, doubled, late or out of order, and a coordinator that forgets or lies. Two sets are
enough: they stand for any two that differ. Holders that break the rule have always voted for
and answered for both, as nothing that they could do counts for more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .table import OTHER, Cell, Table, holder

# What may be true of a state; all but the last never should be.
FACTS = ("two votes", "two answers", "other answer", "two sums", "no quorum", "one sum")
NEVER = FACTS[:-1]
VOTED, ANSWERED = (1, 2), (4, 8)  # bits of what a holder has said, for set A and for set B


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How many there are, what is asked of them, and how it may be broken.

    Attributes:
        holders: n, the liars among them.
        liars: f, holders that vote and answer for every set.
        threshold: t, answers that open a sum.
        quorum: q, votes without which nobody may release.
        asked: votes that a holder asks for; not `quorum` only where the rule is broken.
        invented: whether a coordinator may name voters that never voted.
        hasty: whether something may be said before it is durable.
        table: what an honest holder does.
    """

    holders: int
    liars: int
    threshold: int
    quorum: int
    asked: int
    invented: bool = False
    hasty: bool = False
    vote: bool = True
    table: Table = field(default_factory=lambda: holder(vote=True))

    @property
    def honest(self) -> int:
        """How many holders keep the rule."""
        return self.holders - self.liars


@dataclass(frozen=True, slots=True)
class Local:
    """One honest holder: its state, its set (0 for A, 1 for B, None) and what it ever said."""

    state: str
    own: int | None = None
    said: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """How many states were visited, and which of `FACTS` are true in some of them."""

    states: int
    facts: frozenset[str]


def moves(rule: Rule, local: Local, released: tuple[bool, bool]) -> list[Local]:
    """Return what can become of a holder in one step; `released` are the sets it may answer.

    A step is one decision: durable, then said, or a crash before, between or after.
    """
    after: dict[Local, None] = {}
    for given in rule.table.inputs:
        if given.endswith(OTHER):
            continue
        sets: Iterable[int] = (0, 1) if given in ("propose", "release") else (0,)
        for wanted in sets:
            if given == "release" and not released[wanted]:
                continue
            cell = rule.table.cell(local.state, given, other=local.own not in (None, wanted))
            if cell is not None:
                after.update(dict.fromkeys(_ends(rule, local, cell, wanted)))
    after.pop(local, None)
    return list(after)


def _ends(rule: Rule, local: Local, cell: Cell, wanted: int) -> Iterator[Local]:
    chosen = wanted if local.own is None else local.own
    own = chosen if rule.table.owns(cell.next) else None
    said = local.said | _bit(cell.says, chosen)
    yield Local(cell.next, own, said)
    # A crash after the commit and before the sending.
    yield _restarted(rule, Local(cell.next, own, local.said))
    if rule.hasty:
        yield _restarted(rule, Local(local.state, local.own, said))


def _restarted(rule: Rule, local: Local) -> Local:
    cell = rule.table.rows[local.state]["restart"]
    bound = local.own is not None and rule.table.owns(cell.next)
    return Local(cell.next, local.own if bound else None, local.said)


def _bit(says: str, chosen: int) -> int:
    bits = {"vote": VOTED, "answer": ANSWERED}.get(says)
    return 0 if bits is None else bits[chosen]


def explore(rule: Rule, *, until: str | None = None) -> Found:
    """Visit every state that can be reached from holders that have all shares of the round.

    Holders are alike, so a state is how many are in which; `states` counts those. States that
    differ only in which set is called A are visited once and counted twice. With `until` the
    search ends where this fact is true.
    """
    search = _Search(rule)
    first = (search.number(Local("ready")),) * rule.honest
    seen = {first}
    frontier = [first]
    states, facts = 0, set[str]()
    while frontier and until not in facts:
        ahead = []
        for state in frontier:
            states += 1 if state == search.swapped(state) else 2
            votes, answers = search.counts(state)
            facts |= search.facts(state, votes, answers)
            for after in search.successors(state, votes):
                if after not in seen:
                    seen.add(after)
                    ahead.append(after)
        frontier = ahead
    return Found(states, frozenset(facts))


State = tuple[int, ...]  # sorted numbers of locals
Pair = tuple[int, int]


class _Search:
    """Numbers the states of one holder, and remembers what can become of each."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._numbers: dict[Local, int] = {}
        self._locals: list[Local] = []
        self._swap: list[int] = []
        self._moves: dict[tuple[int, tuple[bool, bool]], list[int]] = {}

    def number(self, local: Local) -> int:
        known = self._numbers.get(local)
        if known is not None:
            return known
        mirrored = _mirror(local)
        number = self._add(local)
        self._swap.append(number if mirrored == local else number + 1)
        if mirrored != local:
            self._add(mirrored)
            self._swap.append(number)
        return number

    def _add(self, local: Local) -> int:
        number = self._numbers[local] = len(self._locals)
        self._locals.append(local)
        return number

    def swapped(self, state: State) -> State:
        return tuple(sorted(self._swap[number] for number in state))

    def counts(self, state: State) -> tuple[Pair, Pair]:
        said = [self._locals[number].said for number in state]
        liars = self._rule.liars
        votes, answers = (
            (liars + sum(bool(s & a) for s in said), liars + sum(bool(s & b) for s in said))
            for a, b in (VOTED, ANSWERED)
        )
        return votes, answers

    def successors(self, state: State, votes: Pair) -> Iterator[State]:
        rule = self._rule
        released = tuple(rule.invented or count >= rule.asked for count in votes)
        for place, number in enumerate(state):
            if place and state[place - 1] == number:
                continue
            rest = state[:place] + state[place + 1 :]
            for after in self._after(number, (released[0], released[1])):
                reached = tuple(sorted((*rest, after)))
                yield min(reached, self.swapped(reached))

    def _after(self, number: int, released: tuple[bool, bool]) -> list[int]:
        key = (number, released)
        if key not in self._moves:
            found = moves(self._rule, self._locals[number], released)
            self._moves[key] = [self.number(local) for local in found]
        return self._moves[key]

    def facts(self, state: State, votes: Pair, answers: Pair) -> set[str]:
        rule, said = self._rule, [self._locals[number].said for number in state]
        answered = [any(s & bit for s in said) for bit in ANSWERED]
        short = [a and v < rule.quorum for a, v in zip(answered, votes, strict=True)]
        values = (
            any(s & 3 == 3 for s in said),
            any(s & 12 == 12 for s in said),
            any(s & 9 == 9 or s & 6 == 6 for s in said),
            min(answers) >= rule.threshold,
            rule.vote and any(short),
            max(answers) >= rule.threshold,
        )
        return {name for name, true in zip(FACTS, values, strict=True) if true}


def _mirror(local: Local) -> Local:
    said = (local.said & 5) << 1 | (local.said & 10) >> 1
    return Local(local.state, None if local.own is None else 1 - local.own, said)
