"""What a scenario file may hold, section by section."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from infra.config.problems import shown, suggestion
from infra.config.schema import ExistingPath, Section, fault
from protocols.round_config import MINIMUM_FLOOR

from .actions import ACTIONS

MAX_ROUNDS = 1000
MAX_HOLDERS = 15
MAX_TRAINERS = 200
EVERY = (0,)  # stands for all rounds of a run
_DAY_S = 86_400.0

Step = Literal["announce", "compute", "upload", "receipt", "vote", "release", "open", "checkpoint"]
Rate = Annotated[float, Field(ge=0, le=0.9, examples=[0.05])]
Duration = Annotated[float, Field(gt=0, le=_DAY_S, examples=[20.0])]


def _action(word: object) -> str:
    if word not in ACTIONS:
        advice = suggestion(str(word), ACTIONS)
        raise fault(f"{shown(word)} is nothing that can be done; {advice}")
    return str(word)


def _names(who: object) -> tuple[str, ...]:
    names = [who] if isinstance(who, str) else who
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise fault(
            f"{shown(who)} names nobody; write for example who = "
            f'"holder-2", "trainers" or ["holder-1", "west"]'
        )
    return tuple(dict.fromkeys(names))


def _rounds(value: object) -> tuple[int, ...]:
    if value == "every":
        return EVERY
    if isinstance(value, str) and (found := re.fullmatch(r"(\d{1,4})-(\d{1,4})", value)):
        value = list(range(int(found[1]), int(found[2]) + 1))
    numbers = value if isinstance(value, list) else [value]
    if not numbers or not all(_is_round(number) for number in numbers):
        raise fault(
            f"{shown(value)} is no round; write round = 3, [3, 5], "
            f'"5-8" or "every"; rounds are counted from 1'
        )
    return tuple(sorted(dict.fromkeys(numbers)))


def _is_round(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 1


Rounds = Annotated[tuple[int, ...], PlainValidator(_rounds)]
Names = Annotated[tuple[str, ...], PlainValidator(_names)]


class Head(Section):
    """`[scenario]`: what it is called, and what it shows, in a sentence."""

    title: str = Field(min_length=1, max_length=80, examples=['"A holder dies in the vote"'])
    shows: str = Field(min_length=1, max_length=400, examples=['"The round opens without it."'])


class Cast(Section):
    """`[cast]`: who takes part and what a round needs; numbers of its own, or a job file's."""

    job: ExistingPath | None = Field(None, examples=['"job.toml"'])
    trainers: int | None = Field(None, ge=MINIMUM_FLOOR, le=MAX_TRAINERS, examples=[8])
    holders: int | None = Field(None, ge=2, le=MAX_HOLDERS, examples=[5])
    threshold: int | None = Field(None, examples=[3])
    minimum: int | None = Field(None, ge=MINIMUM_FLOOR, le=MAX_TRAINERS, examples=[4])
    vote: bool | None = Field(None, examples=["true"])
    training_s: float = Field(2.0, gt=0, le=20, examples=[2.0])
    queue_messages: int = Field(2000, ge=24, le=100_000, examples=[2000])


class Run(Section):
    """`[run]`: how many rounds, and after how much virtual time it ends in any case."""

    rounds: int = Field(ge=1, le=MAX_ROUNDS, examples=[12])
    limit_s: Duration = 3600.0


class Messages(Section):
    """`[messages]`: what befalls each message, as probabilities; times are means."""

    lost: Rate = 0.0
    unconfirmed: Rate = 0.0
    doubled: Rate = 0.0
    delayed: Rate = 0.0
    overtaken: float = Field(0.0, ge=0, le=1, examples=[0.5])
    unacked: Rate = 0.0
    hop_s: float = Field(0.003, gt=0, le=2, examples=[0.003])
    delay_s: float = Field(1.0, gt=0, le=60, examples=[1.0])


class Blow(Section):
    """`[[fault]]`: what is done to whom, when, and for how long."""

    do: Annotated[str, PlainValidator(_action)] = Field(examples=['"kill"'])
    who: Names | None = Field(None, examples=['"holder-2"'])
    count: int | None = Field(None, ge=1, le=MAX_TRAINERS, examples=[2])
    share: float | None = Field(None, gt=0, le=1, examples=[0.3])
    chance: float = Field(1.0, gt=0, le=1, examples=[0.5])
    round: Rounds | None = Field(None, examples=[3])
    step: Step | None = Field(None, examples=['"vote"'])
    side: Literal["before", "after"] | None = Field(None, examples=['"before"'])
    after_s: float | None = Field(None, ge=0, le=_DAY_S, examples=[1.0])
    at_s: float | None = Field(None, ge=0, le=_DAY_S, examples=[30.0])
    every_s: Duration | None = None
    for_s: Duration | None = None
    amount: float | None = Field(None, gt=0, le=10_000, examples=[10.0])


class Expect(Section):
    """`[expect]`: what every history must come to, beside breaking no rule."""

    completed_at_least: int | None = Field(None, ge=0, le=MAX_ROUNDS, examples=[10])
    completed_at_most: int | None = Field(None, ge=0, le=MAX_ROUNDS, examples=[0])
    abandoned_at_most: int | None = Field(None, ge=0, le=MAX_ROUNDS, examples=[1])
    survivors_at_least: int | None = Field(None, ge=1, le=MAX_TRAINERS, examples=[5])
    recovered_within_s: Duration | None = None
    everybody_within_s: Duration | None = None
    all_strike: bool = Field(True, examples=["true"])


SECTIONS: dict[str, type[Section]] = {
    "scenario": Head,
    "cast": Cast,
    "run": Run,
    "messages": Messages,
    "fault": Blow,
    "expect": Expect,
}
