"""The page of a report: well-formed, safe, and with the figures of the JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import pytest
from fakes.stories import abandoned, complete, script, story, strike

from infra.chaos.survival.figures import Spread
from infra.chaos.survival.gallery_page import Played, Programme, Unplayable, gallery_page
from infra.chaos.survival.markup import Html, joined, tag
from infra.chaos.survival.page import page_of
from infra.chaos.survival.report import Report, report_of
from infra.chaos.survival.story import Story
from infra.chaos.survival.venue import Venue

EVIL = "<script>alert(\"x\")</script> & 'more'"
VOID = ("meta", "link", "br", "hr")


@dataclass
class Parsed(HTMLParser):
    """Every element that was opened is closed in its turn; texts by `data-` attribute."""

    open: list[str] = field(default_factory=list)
    seen: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    _key: str | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs), f"an attribute twice in {name}"
        self.seen.append((name, given))
        if name not in VOID:
            self.open.append(name)
        self._key = given.get("data-figure") or given.get("data-cell")

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name
        self._key = None

    def handle_data(self, text: str) -> None:
        self.texts.append(text)
        if self._key is not None:
            self.figures[self._key] = text


def parsed(page: str) -> Parsed:
    parser = Parsed()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture
def stories() -> list[Story]:
    return [
        story(
            complete(1),
            complete(2, "trainer-1", "trainer-2", "trainer-3", why=EVIL),
            abandoned(3, EVIL),
            strike(11.0, sum_s=7.25),
            strike(12.0),
            strike(21.0, "abandoned", sum_s=None, everybody_s=None),
            strike(31.0, "", party="broker", step="", action="restart", target="broker"),
            seed=seed,
            violations=(EVIL,) if seed else (),
        )
        for seed in range(3)
    ]


@pytest.fixture
def report(stories: list[Story]) -> Report:
    return report_of(script(EVIL, completed_at_least=3), stories)


def test_the_page_is_well_formed_and_complete_in_itself(
    report: Report, stories: list[Story]
) -> None:
    page = page_of(report, stories)

    found = parsed(page)
    names = {name for name, _ in found.seen}
    assert page.startswith("<!doctype html>")
    assert {"html", "head", "title", "main", "h1", "table", "svg"} <= names
    assert not names & {"script", "link", "img", "iframe", "object"}
    for _, attributes in found.seen:
        assert not {"src", "href", "style", "onclick"} & attributes.keys()
    assert not re.search(r"url\(|@import|https?:", page)


def test_no_text_of_a_scenario_becomes_markup(report: Report, stories: list[Story]) -> None:
    page = page_of(report, stories)

    assert "<script" not in page
    texts = parsed(page).texts
    assert EVIL in texts, "the title, as it was written"
    assert any(EVIL in text for text in texts if text.startswith("seed 1"))


def test_the_figures_are_those_of_the_json(report: Report, stories: list[Story]) -> None:
    plain = json.loads(json.dumps(report.plain()))

    figures = parsed(page_of(report, stories)).figures

    assert figures["completed"] == str(plain["completed"]) == "6"
    assert figures["abandoned"] == str(plain["abandoned"]) == "3"
    assert figures["strikes"] == str(sum(plain["strikes"].values())) == "12"
    assert figures["violations"] == str(len(plain["violations"])) == "2"
    for kind in ("median_s", "p99_s", "max_s"):
        assert figures[f"sums.{kind}"] == f"{plain['sums'][kind]:.1f} s"
    assert figures["everybody.max_s"] == f"{plain['everybody']['max_s']:.1f} s"
    cells = {key: text for key, text in figures.items() if "/" in key}
    assert len(cells) == len(plain["matrix"]) == 2
    for square in plain["matrix"]:
        text = cells[f"{square['party']}/{square['step']}/{square['action']}"]
        counts = {name: int(count) for count, name in re.findall(r"(\d+) (\w+)", text)}
        assert counts == {
            name: square[key]
            for name, key in (("sum", "complete"), ("none", "abandoned"), ("open", "open"))
            if square[key]
        }


def test_every_round_and_fault_is_drawn_and_can_be_read_without_the_picture(
    report: Report, stories: list[Story]
) -> None:
    found = parsed(page_of(report, stories))

    pictures = [attributes for name, attributes in found.seen if name == "svg"]
    assert len(pictures) == 2 + len(stories)
    assert all(each.get("role") == "img" and each.get("aria-label") for each in pictures)
    classes = [attributes.get("class") for _, attributes in found.seen]
    assert classes.count("complete") == 6
    assert classes.count("abandoned") == 3
    assert classes.count("mark") == 12
    scopes = [attributes.get("scope") for name, attributes in found.seen if name == "th"]
    assert scopes
    assert set(scopes) == {"row", "col"}


def test_a_recovery_histogram_has_a_bar_for_each_bucket_with_its_count() -> None:
    stories = [story(complete(1), *(strike(11.0, sum_s=at_s) for at_s in (0.5, 0.7, 4.0, None)))]

    page = page_of(report_of(script(), stories), stories)

    assert Spread.of([0.5, 0.7, 4.0, None]).buckets[:3] == (2, 0, 1)
    assert (
        "Faults by time until a sum: 0 to 1 s: 2, 1 to 2 s: 0, 2 to 5 s: 1, not before the end: 1"
    ) in page


def test_a_history_without_faults_has_a_page_too() -> None:
    stories = [story(complete(1))]

    found = parsed(page_of(report_of(script(), stories), stories))

    assert found.figures["sums.median_s"] == "-"
    assert "table" not in {name for name, _ in found.seen}


def test_markup_escapes_what_is_not_markup() -> None:
    assert tag("p", EVIL, title=EVIL) == (
        '<p title="&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#x27;more&#x27;">'
        "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#x27;more&#x27;</p>"
    )
    assert joined(tag("b", "1"), "<") == "<b>1</b>\n&lt;"
    assert isinstance(joined("a"), Html)


# --- a whole gallery ------------------------------------------------------------------

REAL = Venue(text="by real processes", options=" --real --pace 4", repeatable=False)


def programme(stories: list[Story]) -> Programme:
    good = [story(complete(1), strike(11.0, sum_s=3.5))]
    return Programme(
        venue=REAL,
        played=(
            Played(
                report=replace(report_of(script(), good, REAL), scenario="good"),
                stories=tuple(good),
                took_s=40.0,
            ),
            Played(
                report=replace(report_of(script(EVIL), stories, REAL), scenario="bad"),
                stories=tuple(stories),
                took_s=50.0,
            ),
        ),
        unplayable=(Unplayable(scenario="never", title="Never", reasons=(EVIL, "no clock")),),
    )


def test_a_gallery_has_a_line_for_each_scenario_and_the_sums_of_all(stories: list[Story]) -> None:
    page = gallery_page(programme(stories))

    found = parsed(page)
    assert found.figures["good.verdict"] == "as expected"
    assert found.figures["bad.verdict"] == "failed"
    assert found.figures["all.scenarios"] == "1 of 2"
    assert found.figures["all.completed"] == "7"
    assert found.figures["all.strikes"] == "13"
    assert found.figures["all.took"] == "1.5 min"
    assert found.figures["all.sums.max_s"] == "7.2 s"
    assert "<script" not in page
    assert {"never", "no clock", EVIL} <= set(found.texts)


def test_links_of_a_gallery_lead_to_its_own_parts_and_what_failed_is_open(
    stories: list[Story],
) -> None:
    found = parsed(gallery_page(programme(stories)))

    links = [given["href"] for name, given in found.seen if name == "a"]
    parts = [given["id"] for name, given in found.seen if name == "section"]
    good, bad = (given for name, given in found.seen if name == "details")
    assert links == ["#good", "#bad"]
    assert parts == ["good", "bad"]
    assert "open" in bad
    assert "open" not in good


def test_a_page_says_where_it_was_played_and_promises_no_repetition_where_there_is_none(
    stories: list[Story],
) -> None:
    virtual = page_of(report_of(script(), stories), stories)
    real = page_of(report_of(script(), stories[:1], REAL), stories[:1])

    assert "3 histories, from seed 0 on, in virtual time." in virtual
    assert "The same scenario and seeds give the same histories" in virtual
    assert "One history, of seed 0, by real processes." in real
    assert "quorate chaos made-up --seeds 1 --seed 0 --real --pace 4" in real
    assert "The same scenario and seeds" not in real
