"""Stories of scenarios, made up, and the script that they belong to."""

from __future__ import annotations

from typing import Any, Literal

from infra.chaos.scenario import People, Script
from infra.chaos.scenario.schema import Expect
from infra.chaos.survival.story import Absence, Fate, Round, Story, Strike
from infra.simulation.faults import Rates, Size

SIZE = Size(trainers=4, holders=3, threshold=2, minimum=3)
EVERYBODY = ("trainer-1", "trainer-2", "trainer-3", "trainer-4")


def script(title: str = "Made up", **expect: Any) -> Script:
    return Script(
        name="made-up",
        title=title,
        shows="Nothing.",
        size=SIZE,
        people=People.of(SIZE),
        rounds=3,
        limit_s=100.0,
        rates=Rates(),
        blows=(),
        expect=Expect(**expect),
    )


def complete(number: int, *survivors: str, why: str = "away") -> Round:
    left = [name for name in EVERYBODY if survivors and name not in survivors]
    return Round(
        number=number,
        began_s=10.0 * number,
        ended_s=10.0 * number + 9.0,
        fate="complete",
        survivors=survivors or EVERYBODY,
        left_out=tuple(Absence(name=name, step="collecting", reason=why) for name in left),
        reason="",
    )


def abandoned(number: int, reason: str = "too few") -> Round:
    return Round(
        number=number,
        began_s=10.0 * number,
        ended_s=10.0 * number + 9.0,
        fate="abandoned",
        survivors=(),
        left_out=(),
        reason=reason,
    )


def strike(
    at_s: float,
    fate: Fate | Literal[""] = "complete",
    *,
    sum_s: float | None = 5.0,
    everybody_s: float | None = 9.0,
    **other: Any,
) -> Strike:
    plain = {"action": "kill", "target": "holder-1", "party": "holder", "step": "vote"}
    return Strike(
        place=1,
        at_s=at_s,
        round=int(at_s / 10),
        fate=fate,
        sum_s=sum_s,
        everybody_s=everybody_s,
        **(plain | other),
    )


def story(
    *happened: Round | Strike, seed: int = 0, missed: tuple[int, ...] = (), **other: Any
) -> Story:
    return Story(
        seed=seed,
        rounds=tuple(each for each in happened if isinstance(each, Round)),
        strikes=tuple(each for each in happened if isinstance(each, Strike)),
        missed=missed,
        end_s=other.get("end_s", 50.0),
        violations=other.get("violations", ()),
        digest=f"digest of {seed}",
    )
