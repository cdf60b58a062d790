"""A survivability report: what the histories of a scenario add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from infra.chaos.scenario import Script

from .expectations import unmet_by
from .figures import ANY_TIME, Lost, Spread, Square, Unmet
from .story import Story
from .venue import VIRTUAL, Venue

_WHICH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All figures of a scenario's histories; the terminal, the JSON and the page show these.

    `lasted_s` is how long all of them lasted, by the clock of their theatre; `digest` is empty
    where histories can't be repeated.
    """

    venue: Venue
    scenario: str
    title: str
    shows: str
    cast: dict[str, Any]
    first_seed: int
    seeds: int
    completed: int
    abandoned: int
    reasons: dict[str, int]
    strikes: dict[str, int]
    sums: Spread
    everybody: Spread
    matrix: tuple[Square, ...]
    lost: tuple[Lost, ...]
    unmet: tuple[Unmet, ...]
    violations: tuple[Unmet, ...]
    missed: dict[str, int]
    lasted_s: float
    digest: str

    @property
    def passed(self) -> bool:
        """Whether every history came to what was expected and broke no rule."""
        return not self.unmet and not self.violations

    def plain(self) -> dict[str, Any]:
        """Return the report as it stands in JSON."""
        return {"outcome": "as expected" if self.passed else "failed", **asdict(self)}


def report_of(script: Script, stories: Sequence[Story], venue: Venue = VIRTUAL) -> Report:
    """Add up what the histories of a script came to, as it was played. Needs at least one."""
    rounds = [each for story in stories for each in story.rounds]
    strikes = [each for story in stories for each in story.strikes]
    size = script.size
    return Report(
        venue=venue,
        scenario=script.name,
        title=script.title,
        shows=script.shows,
        cast={
            name: getattr(size, name)
            for name in ("trainers", "holders", "threshold", "minimum", "vote")
        },
        first_seed=stories[0].seed,
        seeds=len(stories),
        completed=sum(each.fate == "complete" for each in rounds),
        abandoned=sum(each.fate == "abandoned" for each in rounds),
        reasons=_sorted(
            Counter(each.reason or "not told" for each in rounds if each.fate == "abandoned")
        ),
        strikes=_sorted(Counter(each.action for each in strikes)),
        sums=Spread.of([each.sum_s for each in strikes]),
        everybody=Spread.of([each.everybody_s for each in strikes]),
        matrix=_matrix(stories),
        lost=_lost(script, stories),
        unmet=tuple(each for story in stories for each in unmet_by(script, story)),
        violations=tuple(
            Unmet(seed=story.seed, expectation="rule", text=text)
            for story in stories
            for text in story.violations
        ),
        missed=_missed(stories),
        lasted_s=round(sum(story.end_s for story in stories), 3),
        digest=_digest(stories) if venue.repeatable else "",
    )


def _digest(stories: Iterable[Story]) -> str:
    return sha256("".join(story.digest for story in stories).encode()).hexdigest()


def _missed(stories: Iterable[Story]) -> dict[str, int]:
    missed = Counter(place for story in stories for place in story.missed)
    return {f"fault[{place}]": count for place, count in sorted(missed.items())}


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def _matrix(stories: Iterable[Story]) -> tuple[Square, ...]:
    fates: dict[tuple[str, str, str], Counter[str]] = {}
    for story in stories:
        for strike in story.strikes:
            key = (strike.party, strike.action, strike.step or ANY_TIME)
            fates.setdefault(key, Counter())[strike.fate] += 1
    return tuple(
        Square(
            party=party,
            step=step,
            action=action,
            struck=count.total(),
            complete=count["complete"],
            abandoned=count["abandoned"],
            open=count[""],
        )
        for (party, action, step), count in sorted(fates.items())
    )


def _lost(script: Script, stories: Iterable[Story]) -> tuple[Lost, ...]:
    which: dict[str, list[str]] = {}
    reasons: dict[str, Counter[str]] = {}
    for story in stories:
        for each in story.rounds:
            for absence in each.left_out:
                which.setdefault(absence.name, []).append(f"{story.seed}/{each.number}")
                reasons.setdefault(absence.name, Counter())[absence.reason] += 1
    return tuple(
        Lost(
            name=name,
            rounds=len(which[name]),
            which=tuple(which[name][:_WHICH]),
            reasons=_sorted(reasons[name]),
        )
        for name in script.people.groups["everybody"]
        if name in which
    )
