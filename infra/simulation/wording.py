"""Faults, messages and rules in words."""

from __future__ import annotations

import re

from protocols.messages import (
    Accepted,
    Announce,
    AnswerChunk,
    Ask,
    CheckValues,
    CloseRound,
    CoinOpening,
    Contribution,
    Declined,
    Excluded,
    Freeze,
    Frozen,
    Goodbye,
    Grant,
    Have,
    Hello,
    OpenRound,
    Pledged,
    Propose,
    Refused,
    Release,
    Reveal,
    RoundOpened,
    ShareChunk,
    Toss,
    Tossed,
    Vote,
    Welcome,
    Wire,
    Working,
)

from .faults import ANYBODY, Aim, Fault, Kind, Plan, Point, Rates
from .ghost import Rule
from .liars.moments import MOMENTS

_PLAIN: dict[type, str] = {
    Hello: "hello",
    Goodbye: "goodbye",
    Welcome: "welcome",
    RoundOpened: "the round is open here",
    Pledged: "went along with sets over this state",
    Accepted: "takes part",
    Declined: "declines",
    Working: "working",
    Frozen: "the set is frozen here",
    Reveal: "shows commitments",
    CoinOpening: "opens its commitment",
    Toss: "shows openings",
    Tossed: "has tossed the coin",
    Ask: "asks for check values",
    CheckValues: "check values",
    Grant: "asks for chunks",
    ShareChunk: "a share",
}
# What its target is doing when a fault that is aimed strikes.
POINTS = {
    Point.BEFORE_COMMIT: "about to write",
    Point.AFTER_COMMIT: "having just written",
    Point.BEFORE_SEND: "about to send",
    Point.AFTER_SEND: "having just sent",
    Point.RECEIVED: "just receiving",
}
# What `amount` says, where it says anything.
_AMOUNTS = {
    Kind.FLAPPING: "{:.0f} times",
    Kind.SWIZZLE: "to {:.0%} of the hosts",
    Kind.BLOBS_SLOW: "by {:g} s",
    Kind.DISK_SLOW: "{:g} s a commit",
    Kind.FSYNC_LIES: "the power fails after {:g} s",
    Kind.OLD_BACKUP: "{:g} s old",
    Kind.SPOOL_DAMAGED: "{:.0%} of the chunks",
    Kind.CLOCK_JUMP: "by {:g} s",
    Kind.FALSE_MASK: "in {:.0%} of the rounds",
    Kind.CLOCK_DRIFT: "{:g} times as fast",
    Kind.SLOW: "{:g} times as slow",
    Kind.BABBLE: "{:.0f} messages",
    Kind.REPLAY: "of {:.0f} messages",
}
_RULES = {
    Rule.DURABLE: "What a message tells must be on its sender's disk when it leaves.",
    Rule.ONE_VOTE: "Once a holder has voted for a set, it votes for no other in that round.",
    Rule.ONE_ANSWER: "A holder answers once a round, always with the same bytes.",
    Rule.MINIMUM: "A sum of fewer contributions than the minimum must never exist.",
    Rule.CERTIFICATE: "Without a quorum of votes for exactly this set nobody may answer.",
    Rule.THRESHOLD: "A sum may be opened only from t whole answers.",
    Rule.EXACT: "A sum must be that of what its survivors computed, to the last bit.",
    Rule.TURN: "Sums over ever-changing sets can be solved for single owners.",
    Rule.DISTINCT: "Each trainer may be in a sum once.",
    Rule.GENUINE: "What is in a set must have been contributed.",
    Rule.ONE_COIN: "Two coins under the same masks show a combination of single vectors.",
    Rule.CONSISTENT: "A trainer with shares of no vector is left out before the vote.",
    Rule.SHORT: "A trainer whose vector is longer than the bound is left out before the vote.",
    Rule.ONE_SUM: "The difference of two sums may be one owner's vector.",
    Rule.APART: "The difference of two sums over one state tells of the few who are in one only.",
    Rule.ONE_CONTRIBUTION: "A trainer sends one contribution a round, always the same.",
    Rule.ONE_RESULT: "One result in two sums, or two over one state, show what is one owner's.",
    Rule.ADDRESSED: "Each share belongs to one holder; anybody else would learn too much.",
    Rule.SECRET: "Seeds and vectors stay with their owner.",
    Rule.MONOTONE: "A round's number is used once, and the next is one higher.",
    Rule.JOURNALLED: "A new state and the round that it came from are written down together.",
    Rule.ENDINGS: "Everybody must hear the same ending of a round, and it must be true.",
    Rule.BOUNDED: "No queue and no store may grow beyond its limit.",
    Rule.GONE: "When a round is over, nothing of it may be left on a disk.",
    Rule.NAMED: "Up to f false answers are told from the true ones, and left out.",
    Rule.HONEST: "Faults of the world must not look like lies of somebody.",
    Rule.QUIET: "A task that dies must be noticed, and an actor may die of the world only.",
    Rule.ALIVE: "With enough healthy hosts rounds must complete again.",
}
_NAMES = re.compile(r"\b(?:h\d+|t\d{2,})\b")
_NUMBERS = re.compile(r"\b[0-9a-f]{8,}\b|\d+(?:\.\d+)?")


def meaning(rule: Rule) -> str:
    """Say why a rule is one."""
    return _RULES[rule]


def wording(text: str) -> str:
    """Return what is the same in all cases of one failure: without numbers and names."""
    return _NUMBERS.sub("#", _NAMES.sub("@", text))


def planned(fault: Fault) -> str:
    """Say what a fault is: `crash at send for 2 s, about to send Vote the 2nd time`."""
    text = fault.kind.value
    if fault.kind in MOMENTS and fault.amount:
        text += f", to {fault.amount:.0%} of those who may hear it"
    elif fault.kind in _AMOUNTS:
        text += f" {_AMOUNTS[fault.kind].format(fault.amount)}"
    if fault.duration_s and fault.kind is not Kind.DEATH:
        text += f" for {fault.duration_s:g} s"
    return text if fault.aim is None else f"{text}, {_aimed(fault.aim, fault.at_s)}"


def _aimed(aim: Aim, at_s: float) -> str:
    what = aim.what or "anything"
    times = f", number {aim.nth}" if aim.nth > 1 else ""
    since = f" after {at_s:g} s" if at_s else ""
    others = {"": "", ANYBODY: "with somebody "}.get(aim.by, f"with {aim.by} ")
    return f"{others}{POINTS[aim.point]} {what}{times}{since}"


def said(message: Wire) -> tuple[str, str]:  # noqa: PLR0911 - one for each message
    """Say what a message says, and what is special to this one."""
    match message:
        case OpenRound() | Announce():
            verb = "opens" if isinstance(message, OpenRound) else "announces"
            return f"{verb} round {message.config.number}", ""
        case Have():
            return "receipt", f"of {_members(message.contributions)}"
        case Excluded():
            return f"excludes {message.trainer}", message.reason
        case Refused():
            return f"refuses {message.what}", message.reason
        case Freeze() | Propose():
            verb = "freezes" if isinstance(message, Freeze) else "proposes"
            return f"{verb} {_members(message.chosen)}", ""
        case Vote():
            return f"votes for set {message.set_digest.hex()[:8]}", ""
        case Release():
            text = f"asks for the sum of {_members(message.chosen)}"
            return text, f"with votes of {' '.join(vote.holder for vote in message.votes)}"
        case AnswerChunk():
            return f"answers for set {message.header.set_digest.hex()[:8]}", ""
        case CloseRound():
            how = "complete" if message.complete else f"abandoned: {message.reason}"
            return f"closes round {message.number}", how
        case _:
            return _PLAIN.get(type(message), type(message).__name__), ""


def _members(chosen: tuple[Contribution, ...]) -> str:
    return " ".join(contribution.trainer for contribution in chosen) or "nobody"


def cast(plan: Plan) -> list[str]:
    """Say who takes part in a plan, and under what weather, a line each."""
    size = plan.size
    votes = "with votes" if size.vote else "without votes"
    lying = f", {size.faults} of the holders may lie" if size.faults else ""
    lying += ", shares are checked" if size.checks else ""
    lying += ", norms are bound" if size.norms else ""
    lying += f", {size.packing} numbers share a polynomial" if size.packing else ""
    if size.batches:
        lying += f", a round asks {size.drawn} of {size.batches} batches"
    lines = [
        f"coordinator, holders h1 to h{size.holders}, trainers t01 to t{size.trainers:02}",
        f"threshold {size.threshold}, minimum {size.minimum}, {votes}{lying}; training takes "
        f"{size.training_s:g} s",
        f"messages: {_weather(plan.rates)}",
        f"faults for {plan.faulty_s:g} s: {len(plan.faults)} planned",
    ]
    if plan.healed_s:
        core = " ".join(plan.core) if plan.core else "everybody"
        lines.append(f"then healed: {core}; {plan.healed_rounds} rounds in {plan.healed_s:g} s")
    return lines


def _weather(rates: Rates) -> str:
    names = ("lost", "unconfirmed", "doubled", "delayed", "overtaken", "unacked")
    some = [f"{name} {rate:.1%}" for name in names if (rate := getattr(rates, name))]
    return ", ".join(some) or "nothing happens to them"
