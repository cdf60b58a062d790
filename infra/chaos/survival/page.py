"""A survivability report as one page of HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .charts import histogram, timeline
from .figures import COLUMNS, Lost, Spread, Square
from .layout import counted, document, seconds
from .markup import Html, joined, tag
from .report import Report
from .story import Story

_TIMELINES = 8
_UNMET = 30
TIMELINE = (
    "Each box is a round: filled with its number where a sum was opened, struck through where "
    "it was abandoned. Each triangle is a fault."
)


def page_of(report: Report, stories: Sequence[Story]) -> str:
    """Return the page. Its figures are those of `Report.plain`."""
    return document(
        f"{report.title}: survivability", tag("h1", report.title), *sections_of(report, stories)
    )


def sections_of(report: Report, stories: Sequence[Story]) -> list[Html]:
    """Return all that a page says of a scenario but its title."""
    return [
        *_head(report),
        _verdict(report),
        _tiles(report),
        *_matrix(report.matrix),
        *_recovery(report),
        *_timelines(report, stories),
        *_lost(report.lost),
        *_reasons(report),
        *_again(report),
    ]


def _head(report: Report) -> list[Html]:
    cast = report.cast
    vote = "with a vote" if cast["vote"] else "without a vote"
    return [
        tag("p", report.shows),
        tag(
            "p",
            f"{cast['trainers']} trainers, of whom a sum needs {cast['minimum']}; "
            f"{cast['holders']} share-holders, of whom {cast['threshold']} open a sum, {vote}. "
            f"{_histories(report)} {report.venue.text}.",
            class_="quiet",
        ),
    ]


def _histories(report: Report) -> str:
    if report.seeds == 1:
        return f"One history, of seed {report.first_seed},"
    return f"{report.seeds} histories, from seed {report.first_seed} on,"


def _verdict(report: Report) -> Html:
    if report.passed:
        text = "Survived: every history came to what is expected, and no rule was broken."
        return tag("div", tag("strong", text), class_="verdict")
    found = [*report.violations, *report.unmet]
    items = [tag("li", f"seed {each.seed}: {each.text}") for each in found[:_UNMET]]
    if len(found) > _UNMET:
        items.append(tag("li", f"and {len(found) - _UNMET} more, all in the JSON"))
    text = f"Failed: {counted(len(found), 'finding')}."
    return tag("div", tag("strong", text), tag("ul", *items), class_="verdict failed")


def _tiles(report: Report) -> Html:
    tiles = [
        ("completed", "rounds complete", str(report.completed)),
        ("abandoned", "rounds abandoned", str(report.abandoned)),
        ("strikes", "faults that struck", str(sum(report.strikes.values()))),
        ("violations", "rules broken", str(len(report.violations))),
        ("sums.median_s", "until a sum, median", seconds(report.sums.median_s)),
        ("sums.p99_s", "until a sum, p99", seconds(report.sums.p99_s)),
        ("sums.max_s", "until a sum, longest", seconds(report.sums.max_s)),
        ("everybody.max_s", "until everybody, longest", seconds(report.everybody.max_s)),
    ]
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value, data_figure=key))
            for key, name, value in tiles
        ),
        class_="tiles",
    )


def _matrix(squares: Sequence[Square]) -> list[Html]:
    if not squares:
        return []
    steps = [step for step in COLUMNS if any(square.step == step for square in squares)]
    by_place = {(square.party, square.action, square.step): square for square in squares}
    rows = []
    for party, action in dict.fromkeys((square.party, square.action) for square in squares):
        cells = [_cell(by_place.get((party, action, step))) for step in steps]
        rows.append(tag("tr", tag("th", f"{party}: {action}", scope="row"), *cells))
    head = tag("tr", *(tag("th", name, scope="col") for name in ("party: fault", *steps)))
    text = (
        "How the round ended in which the fault struck: with the exact sum of its survivors "
        "(sum), or abandoned with none. Open: still under way at the end, or between rounds."
    )
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    title = tag("h2", "Who was hurt, in which step, how")
    return [title, tag("p", text, class_="quiet"), tag("div", table, class_="wide")]


def _cell(square: Square | None) -> Html:
    if square is None:
        return tag("td", "")
    counts = (("sum", square.complete), ("none", square.abandoned), ("open", square.open))
    said = [f"{count} {name}" for name, count in counts if count]
    kinds = [name for name, count in counts if count]
    kind = kinds[0] if len(kinds) == 1 else "mixed" if "none" in kinds else kinds[0]
    place = f"{square.party}/{square.step}/{square.action}"
    return tag("td", ", ".join(said), class_=kind, data_cell=place)


def _recovery(report: Report) -> list[Html]:
    parts: list[Html] = []
    if not report.strikes:
        return parts
    parts.append(tag("h2", "Time to recover"))
    for spread, what in ((report.sums, "a sum"), (report.everybody, "everybody")):
        parts.append(_spread(spread, what))
    note = (
        "Counted from the moment a fault strikes, so that it includes how long it lasts. "
        "A sum: the next one that was opened. Everybody: the end of the first round that began "
        "afterwards and had every trainer that was not dead."
    )
    return [*parts, tag("p", note, class_="quiet")]


def _spread(spread: Spread, what: str) -> Html:
    figures = ", ".join(
        f"{name} {seconds(value)}"
        for name, value in (
            ("median", spread.median_s),
            ("p99", spread.p99_s),
            ("longest", spread.max_s),
        )
    )
    caption = f"Until {what}: {figures}; {spread.open} not before the end"
    return tag("figure", tag("figcaption", caption), histogram(spread, what))


def _timelines(report: Report, stories: Sequence[Story]) -> list[Html]:
    failing = {each.seed for each in (*report.unmet, *report.violations)}
    chosen = sorted(stories, key=lambda story: (story.seed not in failing, story.seed))
    figures = [
        tag(
            "figure",
            tag("h3", f"Seed {story.seed}"),
            timeline(story),
        )
        for story in chosen[:_TIMELINES]
    ]
    left = len(stories) - len(figures)
    note = f" {left} more histories are not drawn." if left else ""
    return [
        tag("h2", "Rounds and faults in time"),
        tag("p", TIMELINE + note, class_="quiet"),
        *figures,
    ]


def _lost(lost: Sequence[Lost]) -> list[Html]:
    if not lost:
        return []
    rows = [[each.name, str(each.rounds), _counted(each.reasons), _which(each)] for each in lost]
    head = ("who", "rounds", "why", "which (seed/round)")
    return [tag("h2", "Who was left out"), _table(head, rows, number=1)]


def _which(lost: Lost) -> str:
    more = lost.rounds - len(lost.which)
    return ", ".join(lost.which) + (f" and {more} more" if more else "")


def _reasons(report: Report) -> list[Html]:
    if not report.reasons:
        return []
    rows = [[reason, str(count)] for reason, count in report.reasons.items()]
    return [tag("h2", "Why rounds were abandoned"), _table(("reason", "rounds"), rows, number=1)]


def _counted(counts: dict[str, int]) -> str:
    return "; ".join(f"{name} ({count})" for name, count in counts.items())


def _table(head: Iterable[str], rows: Iterable[Sequence[str]], *, number: int) -> Html:
    """Return a plain table; `number` is the place of its column of numbers."""
    body = [
        tag("tr", *(_plain_cell(place, value, number) for place, value in enumerate(row)))
        for row in rows
    ]
    top = tag("tr", *(tag("th", name, scope="col") for name in head))
    return tag("div", tag("table", tag("thead", top), tag("tbody", *body)), class_="wide")


def _plain_cell(place: int, value: str, number: int) -> Html:
    if place == 0:
        return tag("th", value, scope="row")
    return tag("td", value, class_="number" if place == number else None)


def _again(report: Report) -> list[Html]:
    seeds = f"--seeds {report.seeds} --seed {report.first_seed}"
    command = f"quorate chaos {report.scenario} {seeds}{report.venue.options}"
    note = Html(
        "Real processes never take the same time twice: what a seed draws is the same again, "
        "the history is another one."
    )
    if report.venue.repeatable:
        note = joined(
            "The same scenario and seeds give the same histories; the digest of these is ",
            tag("code", report.digest),
            ".",
        )
    return [
        tag("h2", "Once more"),
        tag("p", tag("code", command)),
        tag("p", note, class_="quiet"),
    ]
