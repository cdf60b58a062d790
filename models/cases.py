"""Which rules are searched: those that must hold, and weakened ones that must not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from .search import NEVER, Found, Rule
from .table import holder

MOST_HOLDERS = 5

# Journals that forget, as what a restart finds.
FORGETS_VOTES: Mapping[tuple[str, str], str] = {
    ("voted", "restart"): "ready/-",
    ("summing", "restart"): "bare-summing/sum",
    ("stuck", "restart"): "bare-summing/sum",
    ("answered", "restart"): "bare-answered/-",
}
FORGETS_SETS = dict.fromkeys(
    ((state, "restart") for state in holder(vote=True).states if holder(vote=True).owns(state)),
    "ready/-",
)
FORGETS_NUMBERS: Mapping[tuple[str, str], str] = {("over", "restart"): "unopened/-"}


@dataclass(frozen=True, slots=True)
class Case:
    """A rule and what it must show: `never` stays untrue, or `reached` becomes true."""

    name: str
    rule: Rule
    never: tuple[str, ...] = NEVER
    reached: str = ""

    def fault(self, found: Found, *, spin_holds: bool, spin_states: int) -> str:
        """Say what is not as it must be after both searches, empty if all is."""
        if self.reached:
            by = {"Spin": not spin_holds, "Python": self.reached in found.facts}
            missed = [name for name, reached in by.items() if not reached]
            return f"no {self.reached} by {' and '.join(missed)}" if missed else ""
        broken = ", ".join(fact for fact in self.never if fact in found.facts)
        if broken or not spin_holds:
            return broken or "a violation that Spin alone found"
        # Only whole searches have the same number of states.
        return "" if spin_states == found.states else "the searches differ in their states"


def quorum_of(holders: int, liars: int = 0) -> int:
    """Return the smallest quorum two of which share a holder that is no liar."""
    return (holders + liars) // 2 + 1


def _voted(holders: int, threshold: int, liars: int = 0) -> Rule:
    quorum = quorum_of(holders, liars)
    return Rule(holders=holders, liars=liars, threshold=threshold, quorum=quorum, asked=quorum)


def _one_phase(holders: int, threshold: int, liars: int = 0) -> Rule:
    return replace(
        _voted(holders, threshold, liars), quorum=0, asked=0, vote=False, table=holder(vote=False)
    )


def _sizes() -> Iterator[tuple[int, int, int]]:
    """Yield n, t and f; t liars would open everything by themselves."""
    for holders in range(2, MOST_HOLDERS + 1):
        for liars in range((holders - 1) // 2 + 1):
            for threshold in range(max(2, liars + 1), holders + 1):
                yield holders, threshold, liars


def sound() -> Iterator[Case]:
    """Yield the rules of which all that is promised must hold."""
    for n, t, f in _sizes():
        name = "vote, then release" if f == 0 else "signed votes, liars among the holders"
        yield Case(name, _voted(n, t, f))
    for n, t, f in _sizes():
        if 2 * t > n + f:
            yield Case("one phase", _one_phase(n, t, f))
    for n, t, f in _sizes():
        # The smallest threshold that keeps two sums apart; with a larger one fewer sums open.
        if t == max(2, (n + f) // 2 + 1):
            # Without its votes a quorum is no promise; the threshold alone keeps sums apart.
            kept = tuple(fact for fact in NEVER if fact != "no quorum")
            yield Case("votes are invented", replace(_voted(n, t, f), invented=True), kept)


def useful() -> Iterator[Case]:
    """Yield rules that must open a sum: one that never does would break no promise."""
    for n in range(2, MOST_HOLDERS + 1):
        yield Case("vote, then release", _voted(n, n), (), "one sum")
        yield Case("one phase", _one_phase(n, n), (), "one sum")


def weakened() -> Iterator[Case]:
    """Yield rules that must break the promise named in `reached`."""
    for n, t, f in _sizes():
        if 2 * t <= n + f:
            yield Case("one phase, threshold too small", _one_phase(n, t, f), (), "two sums")
            claimed = replace(_voted(n, t, f), invented=True)
            yield Case("votes are invented, threshold too small", claimed, (), "two sums")
        weak = replace(_voted(n, t, f), quorum=quorum_of(n), asked=quorum_of(n))
        if f and 2 * weak.quorum <= n + f and 2 * t <= n + f:
            yield Case("liars, and a quorum that counts on none", weak, (), "two sums")
    for n in range(3, MOST_HOLDERS + 1):
        yield from _weakened(_voted(n, 2))


def _weakened(rule: Rule) -> Iterator[Case]:
    fewer = replace(rule, asked=rule.quorum - 1)
    yield Case("release with a vote too few", fewer, (), "no quorum")
    if 2 * rule.threshold <= rule.holders:
        yield Case("release with a vote too few", fewer, (), "two sums")
    yield Case("a vote is sent before it is durable", replace(rule, hasty=True), (), "two votes")
    for name, changes, reached in (
        ("a vote is not in the journal", FORGETS_VOTES, "two votes"),
        ("a second set after a restart", FORGETS_SETS, "two answers"),
        ("a closed round opens again", FORGETS_NUMBERS, "two votes"),
    ):
        table = rule.table.changed(changes)
        yield Case(name, replace(rule, table=table), (), reached)
