"""What no single key of a scenario shows: rules between keys, each with what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.chaos.cells import Moment, Party
from infra.config.problems import shown, suggestion
from infra.config.rules import with_cure
from infra.simulation.faults import Size
from protocols.round_config import majority, threshold_faults

from . import schema
from .actions import ACTIONS, Action
from .people import People, is_reserved
from .steps import has_sides


def cast(numbers: Mapping[str, Any], *, of_job: bool) -> list[str]:
    """Return what is wrong with who takes part, by the numbers that are known."""
    problems = []
    if too_many(numbers):
        problems.append(
            f"cast.job: {numbers['trainers']} owners and {numbers['holders']} holders; a scenario "
            f"has at most {schema.MAX_TRAINERS} and {schema.MAX_HOLDERS}: write smaller numbers "
            f"instead of job"
        )
    if {"holders", "threshold"} <= numbers.keys() and not of_job:
        holders, threshold = numbers["holders"], numbers["threshold"]
        vote = numbers.get("vote", True)
        found = threshold_faults(
            holders=holders, faults=0, threshold=threshold, quorum=majority(holders), vote=vote
        )
        problems += [f"cast.threshold: {with_cure(text, holders)}" for text in found]
    if {"minimum", "trainers"} <= numbers.keys() and numbers["minimum"] > numbers["trainers"]:
        problems.append(
            f"cast.minimum: {numbers['minimum']} is above the {numbers['trainers']} trainers, so "
            f"no sum would ever be opened; use {numbers['trainers']} or less"
        )
    return problems


def too_many(numbers: Mapping[str, Any]) -> bool:
    """Say whether these are more than a scenario may have."""
    trainers, holders = numbers.get("trainers", 0), numbers.get("holders", 0)
    return bool(trainers > schema.MAX_TRAINERS or holders > schema.MAX_HOLDERS)


def group(name: str, members: object, people: People) -> str | None:
    """Return what is wrong with a group, None if nothing is."""
    if is_reserved(name) or name in people.known:
        return "the name of somebody else; choose another"
    if not isinstance(members, list) or not members:
        return f'{shown(members)} is no list of names; write {name} = ["holder-1", "trainer-1"]'
    for member in members:
        if not isinstance(member, str) or member not in people.known:
            return (
                f"{shown(member)} is nobody of this cast; {suggestion(str(member), _few(people))}"
            )
    if "broker" in members:
        return "the broker belongs to no group; name it by itself"
    return None


def blow(
    read: schema.Blow, people: People | None, run: schema.Run | None, *, vote: bool
) -> list[str]:
    """Return what is wrong with a fault, each beginning with its key."""
    action = ACTIONS[read.do]
    whole = Party.BROKER in action.parties or not action.parties
    return [
        *(_whole(read, action) if whole else _who(read, action, people)),
        *_when(read),
        *([] if run is None else _beyond(read, run)),
        *_how(read, action),
        *([] if vote or read.step != "vote" else ["step: there is no vote in this cast; use open"]),
    ]


def strangers(who: object, people: People | None) -> list[str]:
    """Return which of these names are nobody's; `who` is as it stands in the file."""
    words = who if isinstance(who, list | tuple) else [who] if isinstance(who, str) else []
    return [
        f"who: {shown(word)} is nobody of this cast; {suggestion(str(word), _few(people))}"
        for word in words
        if people is not None and word not in people.known
    ]


def _whole(read: schema.Blow, action: Action) -> Iterator[str]:
    name, whom = ("broker", "the broker") if action.parties else ("everybody", "everybody")
    if read.who not in (None, (name,)):
        yield f'who: "{read.do}" is done to {whom}; leave who out'
    if read.count is not None or read.share is not None:
        yield f'who: "{read.do}" takes no part of anybody; leave count and share out'


def _who(read: schema.Blow, action: Action, people: People | None) -> Iterator[str]:
    if read.count is not None and read.share is not None:
        yield "count: share is given too; remove one of them"
    if read.who is None:
        yield 'who: missing; add for example who = "holder-2"'
    unknown = strangers(read.who, people)
    yield from unknown
    if read.who is None or people is None or unknown:
        return
    names = people.names(read.who)
    for name in names:
        if people.parties[name] not in action.parties:
            able = ", ".join(f"{party.value}s" for party in action.parties)
            yield f'who: "{read.do}" can\'t be done to {name}; it is for {able}'
    if read.count is not None and read.count > len(names):
        yield f"count: {read.count} of {len(names)}; use {len(names)} or less"
    if read.step is not None and read.side is not None:
        deaf = [n for n in names if not has_sides(people.parties[n], Moment(read.step))]
        yield from (f"side: in {read.step}, {name} only listens; remove side" for name in deaf)


def _when(read: schema.Blow) -> Iterator[str]:
    if (read.round is None) == (read.at_s is None):
        yield "round: say when, by round = 3 or by at_s = 30.0, and not by both"
    if read.at_s is not None:
        for key in ("after_s", "step", "side"):
            if getattr(read, key) is not None:
                yield f"{key}: belongs to round; remove it, or at_s"
    if read.every_s is not None and read.at_s is None:
        yield 'every_s: belongs to at_s; write round = "every" for all rounds'
    if read.after_s is not None and read.step is not None:
        yield "after_s: step says when already; remove one of them"
    if read.side is not None and read.step is None:
        yield "side: belongs to step; add step, or remove it"


def _beyond(read: schema.Blow, run: schema.Run) -> Iterator[str]:
    if read.at_s is not None and read.at_s >= run.limit_s:
        yield f"at_s: {read.at_s:g} is after the end, run.limit_s = {run.limit_s:g}; change one"
    if read.round and max(read.round) > run.rounds:
        yield f"round: {max(read.round)} is above run.rounds = {run.rounds}; change one of them"


def _how(read: schema.Blow, action: Action) -> Iterator[str]:
    if read.for_s is not None and action.for_s is None:
        yield f'for_s: "{read.do}" has no duration; remove it'
    if read.amount is not None and action.amount is None:
        yield f'amount: "{read.do}" has no strength; remove it'


def expectations(expect: schema.Expect, run: schema.Run | None, size: Size | None) -> list[str]:
    """Return what can't be, whatever happens."""
    problems = []
    least, most = expect.completed_at_least, expect.completed_at_most
    if least is not None and run is not None and least > run.rounds:
        problems.append(
            f"expect.completed_at_least: {least} of {run.rounds} rounds; use {run.rounds} or less"
        )
    if least is not None and most is not None and least > most:
        problems.append(f"expect.completed_at_most: below completed_at_least = {least}; change one")
    fewest = expect.survivors_at_least
    if fewest is not None and size is not None and fewest > size.trainers:
        problems.append(
            f"expect.survivors_at_least: {fewest} of {size.trainers} trainers; "
            f"use {size.trainers} or less"
        )
    return problems


def _few(people: People | None) -> list[str]:
    """Name everybody, but only the first and the last of a long list."""
    if people is None:
        return []
    known = list(people.known)
    return known if len(known) <= 24 else [*known[:12], *known[-12:]]
