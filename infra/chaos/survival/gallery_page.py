"""The survivability of many scenarios as one page: a table of all, and the report of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .charts import timeline
from .figures import Spread
from .layout import counted, document, seconds
from .markup import Html, tag
from .page import TIMELINE, sections_of
from .report import Report
from .story import Story
from .venue import Venue

_HEAD = (
    "scenario",
    "verdict",
    "sums",
    "abandoned",
    "faults",
    "rules broken",
    "a sum within",
    "all within",
    "took",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A scenario of the gallery that was played; `took_s` is real time, all of it."""

    report: Report
    stories: tuple[Story, ...]
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplayable:
    """A scenario that can't be played in this theatre, with the reasons."""

    scenario: str
    title: str
    reasons: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Return it as it stands in JSON."""
        return {"outcome": "not playable", **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """What became of a whole gallery."""

    venue: Venue
    played: tuple[Played, ...]
    unplayable: tuple[Unplayable, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """The scenarios that did not end as expected."""
        return tuple(each.report.scenario for each in self.played if not each.report.passed)


def gallery_page(programme: Programme) -> str:
    """Return the page."""
    failing = [each for each in programme.played if not each.report.passed]
    said = f"{counted(len(programme.played), 'scenario')}, played {programme.venue.text}."
    return document(
        "Scenarios: survivability",
        tag("h1", "What the federation survives"),
        tag("p", said, class_="quiet"),
        _verdict(failing),
        _tiles(programme),
        tag("h2", "All scenarios"),
        _overview(programme.played),
        *_unplayable(programme.unplayable),
        tag("h2", "Each scenario"),
        tag("p", TIMELINE, class_="quiet"),
        *(_scenario(each) for each in programme.played),
    )


def _verdict(failing: Sequence[Played]) -> Html:
    if not failing:
        text = "Survived: every scenario came to what it expects, and no rule was broken."
        return tag("div", tag("strong", text), class_="verdict")
    items = [tag("li", each.report.scenario) for each in failing]
    text = f"Failed: {counted(len(failing), 'scenario')}."
    return tag("div", tag("strong", text), tag("ul", *items), class_="verdict failed")


def _tiles(programme: Programme) -> Html:
    reports = [each.report for each in programme.played]
    broken = sum(len(report.violations) for report in reports)
    tiles = (
        ("scenarios", "scenarios as expected", _of(reports)),
        ("completed", "exact sums opened", str(sum(report.completed for report in reports))),
        ("abandoned", "rounds abandoned", str(sum(report.abandoned for report in reports))),
        ("strikes", "faults that struck", str(sum(map(_strikes, reports)))),
        ("violations", "rules broken", str(broken)),
        ("sums.max_s", "until a sum, longest", _longest([r.sums for r in reports])),
        ("everybody.max_s", "until everybody, longest", _longest([r.everybody for r in reports])),
        ("took", "real time", _minutes(sum(each.took_s for each in programme.played))),
    )
    return tag(
        "dl",
        *(tag("div", tag("dt", n), tag("dd", v, data_figure=f"all.{k}")) for k, n, v in tiles),
        class_="tiles",
    )


def _of(reports: Sequence[Report]) -> str:
    return f"{sum(report.passed for report in reports)} of {len(reports)}"


def _longest(spreads: Sequence[Spread]) -> str:
    known = [each.max_s for each in spreads if each.max_s is not None]
    return seconds(max(known, default=None))


def _strikes(report: Report) -> int:
    return sum(report.strikes.values())


def _minutes(seconds_: float) -> str:
    return f"{seconds_ / 60:.1f} min" if seconds_ >= 60 else f"{seconds_:.0f} s"


def _overview(played: Sequence[Played]) -> Html:
    rows = [_row(each) for each in played]
    head = tag("tr", *(tag("th", name, scope="col") for name in _HEAD))
    return tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="wide")


def _row(each: Played) -> Html:
    report = each.report
    name = tag("a", report.scenario, href=f"#{report.scenario}")
    verdict, kind = ("as expected", "sum") if report.passed else ("failed", "none")
    numbers = (
        str(report.completed),
        str(report.abandoned),
        str(_strikes(report)),
        str(len(report.violations)),
        seconds(report.sums.max_s),
        seconds(report.everybody.max_s),
        f"{each.took_s:.0f} s",
    )
    return tag(
        "tr",
        tag("th", name, scope="row"),
        tag("td", verdict, class_=kind, data_figure=f"{report.scenario}.verdict"),
        *(tag("td", number, class_="number") for number in numbers),
    )


def _unplayable(unplayable: Sequence[Unplayable]) -> list[Html]:
    if not unplayable:
        return []
    rows = [
        tag(
            "tr",
            tag("th", each.scenario, scope="row"),
            tag("td", *(tag("div", reason) for reason in each.reasons)),
        )
        for each in unplayable
    ]
    head = tag("tr", tag("th", "scenario", scope="col"), tag("th", "why", scope="col"))
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    return [tag("h2", "Not playable for real"), tag("div", table, class_="wide")]


def _scenario(each: Played) -> Html:
    """Show the first history of a scenario, and its report below, open where it failed."""
    report = each.report
    title = tag("h3", f"{report.title} ", tag("code", report.scenario))
    details = tag(
        "details",
        tag("summary", report.shows),
        *sections_of(report, each.stories),
        open=None if report.passed else "",
    )
    picture = tag("figure", timeline(each.stories[0]))
    return tag("section", title, picture, details, id=report.scenario)
