"""The gallery, each scenario with a few seeds; and `quorate chaos SCENARIO`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infra.chaos import gallery
from infra.chaos.survival.report import report_of
from infra.chaos.survival.theatre import VirtualTime, play_all
from infra.cli.main import app
from infra.simulation.job import TIMING
from protocols.secagg.contributing import Contributing

SEEDS = 2
SMALL = """
[scenario]
title = "Small"
shows = "A kill."

[cast]
trainers = 4
holders = 3
threshold = 2
minimum = 3
training_s = 0.5

[run]
rounds = 3

[[fault]]
do = "kill"
who = "holder-2"
round = 2
step = "vote"
"""


def chaos(*words: str) -> tuple[int, list[dict[str, Any]]]:
    ended = CliRunner().invoke(app, ["chaos", *words])
    return ended.exit_code, [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    return path


# --- the gallery ----------------------------------------------------------------------


@pytest.mark.parametrize("name", gallery.names())
def test_each_scenario_of_the_gallery_is_as_it_says(name: str) -> None:
    script = gallery.scenario(name)

    report = report_of(script, play_all(VirtualTime(), script, range(SEEDS), lambda _: None))

    assert [each.text for each in (*report.violations, *report.unmet)] == []
    assert report.completed + report.abandoned >= SEEDS * script.rounds
    assert (sum(report.strikes.values()) > 0) == bool(script.blows)


def test_the_gallery_has_no_scenario_without_an_expectation_or_with_the_name_of_a_command() -> None:
    assert len(gallery.names()) >= 12
    assert not {"gallery", "odds", "replay"} & set(gallery.names())
    for name in gallery.names():
        expect = gallery.scenario(name).expect.model_dump(exclude_defaults=True)
        assert {"completed_at_least", "completed_at_most"} & expect.keys(), name


def test_a_kill_in_the_vote_of_round_3_is_in_the_vote_of_round_3() -> None:
    story = VirtualTime().play(gallery.scenario("holder-dies-in-vote"), 5)

    (strike,) = story.strikes
    assert (strike.target, strike.step, strike.round) == ("holder-2", "vote", 3)
    assert strike.fate == "complete"
    assert strike.sum_s is not None
    assert strike.sum_s < TIMING.grace_s


def test_the_same_seed_is_the_same_story_in_one_process_and_in_several() -> None:
    script = gallery.scenario("trainers-drop")

    alone = play_all(VirtualTime(), script, range(2), lambda _: None)
    together = play_all(VirtualTime(2), script, range(2), lambda _: None)

    assert alone == together
    assert alone[0].digest != alone[1].digest


def test_trainers_that_do_not_greet_after_a_restart_fail_the_scenario_that_needs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Contributing, "_greet", lambda self: [])
    script = gallery.scenario("trainers-drop")

    report = report_of(script, play_all(VirtualTime(), script, range(1), lambda _: None))

    assert not report.passed
    assert report.lost


# --- as it is typed -------------------------------------------------------------------


def test_a_scenario_from_a_file_is_played_and_summed_up(small: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"

    code, lines = chaos(str(small), "--seeds", "2", "--seed", "4", "--json", "--html", str(page))

    *histories, summary = lines
    assert code == 0
    assert [(line["kind"], line["seed"]) for line in histories] == [("history", 4), ("history", 5)]
    assert summary["kind"] == "summary"
    assert summary["scenario"] == "small.toml"
    assert summary["outcome"] == "as expected"
    assert summary["completed"] == sum(
        each["fate"] == "complete" for line in histories for each in line["rounds"]
    )
    assert summary["strikes"] == {"kill": 2}
    assert summary["digest"] in page.read_text(encoding="utf-8")


def test_options_may_stand_before_the_scenario_and_after_it(small: Path) -> None:
    before = chaos("--json", "--seed", "3", str(small))
    after = chaos(str(small), "--seed", "3", "--json")

    assert before == after
    assert before[1][-1]["first_seed"] == 3


def test_what_was_not_as_expected_is_an_exit_code_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "it.toml"
    path.write_text(SMALL + "\n[expect]\ncompleted_at_most = 1\n", encoding="utf-8")

    ended = CliRunner().invoke(app, ["chaos", str(path)])

    assert ended.exit_code == 1
    assert "! seed 0: 3 rounds complete, not 1 or fewer" in ended.stdout


def test_mistakes_of_a_file_are_wrong_usage(small: Path, tmp_path: Path) -> None:
    small.write_text(SMALL.replace("holder-2", "holder-7"), encoding="utf-8")

    code, lines = chaos(str(small), "--json")

    assert code == 2
    assert lines[0]["problems"] == [
        'fault[1].who: "holder-7" is nobody of this cast; did you mean "holder-3"?'
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("power-cutt",),
        ("power-cut", "calm"),
        ("power-cut", "--real", "--jobs", "2"),
        ("power-cut", "--trace", "it"),
        ("power-cut", "--html", "/nowhere/at/all.html"),
        ("--seeds", "2", "gallery"),
        ("--seeds", "2", "--html", "it.html"),
        ("gallery", "--seeds", "none"),
    ],
)
def test_words_that_make_no_sense_are_refused(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["chaos", *words]).exit_code == 2


def test_the_gallery_is_listed_with_a_sentence_each() -> None:
    code, lines = chaos("gallery", "--json")

    assert code == 0
    assert tuple(line["scenario"] for line in lines[:-1]) == gallery.names()
    assert all(line["shows"].endswith(".") for line in lines[:-1])
    assert lines[-1] == {"kind": "summary", "scenarios": len(gallery.names())}


def test_the_whole_gallery_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "names", lambda: ("calm", "power-cut"))

    code, lines = chaos("gallery", "--run", "--seeds", "1", "--json")

    assert code == 0
    assert [line["scenario"] for line in lines[:-1]] == ["calm", "power-cut"]
    assert all(line["outcome"] == "as expected" for line in lines)
