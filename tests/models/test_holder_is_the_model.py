"""The code's share-holder does in every state with every input what the model's table says."""

from __future__ import annotations

import random
from collections import deque

import pytest
from fakes.driven_holder import DrivenHolder

from models.table import OTHER, Table, holder

Step = tuple[str, int]  # an input, and the set that it is about


def followed(
    table: Table, now: tuple[str, int | None], step: Step
) -> tuple[str, int | None] | None:
    """Return where the table leads, None where it says that this can't come to pass."""
    (state, own), (given, chosen) = now, step
    cell = table.cell(state, given, other=own not in (None, chosen))
    if cell is None:
        return None
    return cell.next, (chosen if own is None else own) if table.owns(cell.next) else None


def spoken(table: Table, now: tuple[str, int | None], step: Step) -> str:
    (state, own), (given, chosen) = now, step
    cell = table.cell(state, given, other=own not in (None, chosen))
    assert cell is not None
    return cell.says


def steps(table: Table, own: int | None) -> list[Step]:
    """Return all inputs; those that are about no set stand for the holder's own."""
    plain = [given for given in table.inputs if not given.endswith(OTHER)]
    about_sets = [given for given in plain if f"{given}{OTHER}" in table.inputs]
    fixed = 0 if own is None else own
    return [(given, chosen) for given in about_sets for chosen in (0, 1)] + [
        (given, fixed) for given in plain if given not in about_sets
    ]


def paths(table: Table) -> dict[tuple[str, int | None], list[Step]]:
    """Return for each state that can be reached, with each set, a shortest way to it."""
    start: tuple[str, int | None] = ("unopened", None)
    found: dict[tuple[str, int | None], list[Step]] = {start: []}
    waiting = deque([start])
    while waiting:
        now = waiting.popleft()
        for step in steps(table, now[1]):
            after = followed(table, now, step)
            if after is not None and after not in found:
                found[after] = [*found[now], step]
                waiting.append(after)
    return found


def check_step(
    table: Table, driven: DrivenHolder, now: tuple[str, int | None], step: Step
) -> tuple[str, int | None]:
    after = followed(table, now, step)
    assert after is not None

    said = driven.give(*step)

    assert (said, driven.state()) == (spoken(table, now, step), after), f"{now} after {step}"
    restarted = followed(table, after, ("restart", 0 if after[1] is None else after[1]))
    assert driven.after_a_crash() == restarted, f"{now} after {step} and a crash"
    return after


BOTH_PHASES = pytest.mark.parametrize(
    ("vote", "quorum"), [(True, 3), (True, 4), (True, 5), (False, 3)]
)


@BOTH_PHASES
def test_the_code_does_in_every_state_what_the_table_says(vote: bool, quorum: int) -> None:
    table = holder(vote=vote)
    ways = paths(table)
    assert {state for state, _ in ways} == set(table.states)

    for now, way in ways.items():
        for step in steps(table, now[1]):
            if followed(table, now, step) is None:
                continue
            driven = DrivenHolder(vote=vote, quorum=quorum)
            for earlier in way:
                driven.give(*earlier)
            assert driven.state() == now
            check_step(table, driven, now, step)


@BOTH_PHASES
def test_long_histories_never_leave_the_table(vote: bool, quorum: int) -> None:
    table, dice = holder(vote=vote), random.Random(7)
    usual = [given for given in table.inputs if given not in ("close", "newer")]

    for _ in range(30):
        driven = DrivenHolder(vote=vote, quorum=quorum)
        now: tuple[str, int | None] = ("unopened", None)
        for _ in range(40):
            possible = [s for s in steps(table, now[1]) if followed(table, now, s) is not None]
            # Over at few of the steps: most histories should be long.
            liked = [s for s in possible if s[0] in usual or dice.random() < 0.15]
            now = check_step(table, driven, now, dice.choice(liked))
