"""`quorate chaos odds`: as a table, as JSON, as a plot; and `quorate chaos` stays what it was."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from system.commands import Ended, quorate

JOB = """
[job]
name = "odds"
algorithm = "probe"
max_rounds = 20

[federation]
broker = "memory"
holders = 5
threshold = 3
minimum = 4

[limits]
patience_s = 30.0
abandoned_rounds = 2
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    file = tmp_path / "job.toml"
    owners = "".join(f'\n[[owner]]\nname = "owner-{i}"\n' for i in range(6))
    file.write_text(JOB + owners, encoding="utf-8")
    return file


def odds(job: Path, *words: object) -> Ended:
    return quorate("chaos", "odds", job, "--drop", 0.3, "--holder-loss", 0.1, *words)


def test_the_table_marks_the_setting_and_shows_what_may_be_changed(job: Path) -> None:
    ended = odds(job)

    lines = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    # 0.74431 for four of six, 0.99144 for three of five.
    assert " ".join(lines[2].split()) == "> as it is 5 3 3 3 4 73.8 % 0.2 % 75.9 %"
    assert [line[2:15].strip() for line in lines[3:9]] == [
        "holders - 1",
        "holders + 1",
        "threshold - 1",
        "threshold + 1",
        "minimum - 1",
        "minimum + 1",
    ]
    assert "2 rounds in a row" in ended.out


def test_each_line_of_json_is_a_setting_and_the_last_the_summary(job: Path) -> None:
    ended = odds(job, "--json", "--rounds", 3, "--slow-share", 0.2, "--slow-by", 30)

    *settings, summary = ended.lines
    assert [line["change"] for line in settings][-2:] == ["patience / 2", "patience * 2"]
    assert {key: summary[key] for key in ("job", "quorum", "holders_needed", "rounds")} == {
        "job": "odds",
        "quorum": 3,
        "holders_needed": 3,
        "rounds": 3,
    }
    assert summary["completes"] == settings[0]["completes"]
    assert summary["completes"] + summary["lost"] == pytest.approx(1)
    assert settings[-2]["completes"] < summary["completes"] < settings[-1]["completes"]
    assert summary["at_most_lost"]["0"] == pytest.approx(summary["completes"] ** 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--slow-share", 0.1), "--slow-share and --slow-by go together"),
        (("--slow-share", 0.1, "--slow-by", 0), "--slow-by must be above 0 seconds"),
        (("--plot", "odds.pdf"), "must end in .png or .svg"),
        (("--plot", "/dev/null/odds.svg"), "name another file"),
    ],
)
def test_what_makes_no_sense_is_refused(job: Path, words: tuple[object, ...], said: str) -> None:
    ended = odds(job, *words)

    assert ended.code == 2
    assert said in ended.err


def test_the_plot_is_a_picture_in_the_form_that_its_name_says(job: Path, tmp_path: Path) -> None:
    svg, png = tmp_path / "odds.svg", tmp_path / "odds.png"

    assert [odds(job, "--plot", file).code for file in (svg, png)] == [0, 0]

    # Two axes; a curve for the setting, its neighbours, and the line of what was asked.
    ids = [element.get("id", "") for element in ET.fromstring(svg.read_text()).iter()]  # noqa: S314
    assert sum(name.startswith("axes_") for name in ids) == 2
    assert png.read_bytes().startswith(b"\x89PNG\r\n")


def test_without_matplotlib_the_plot_says_what_to_install(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "absent" / "matplotlib.py"
    absent.parent.mkdir()
    absent.write_text('raise ModuleNotFoundError("none here", name="matplotlib")\n')
    known = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(absent.parent), *filter(None, [known])]))

    ended = odds(job, "--plot", tmp_path / "odds.svg")

    assert ended.code == 2
    assert "pip install 'quorate[plots]'" in ended.err
    assert not (tmp_path / "odds.svg").exists()
    assert odds(job).code == 0


def test_the_drill_is_still_the_command_itself() -> None:
    without, unknown = quorate("chaos"), quorate("chaos", "--real", "--cells", "nobody/*/kill")

    assert (without.code, unknown.code) == (2, 2)
    assert "say SCENARIO or --seeds" in without.err
    assert "--cells" in unknown.err


def test_options_of_the_drill_before_odds_are_refused(job: Path) -> None:
    ended = quorate("chaos", "--seed", 3, "odds", job, "--drop", 0, "--holder-loss", 0)

    assert ended.code == 2
    assert "--seed before odds" in ended.err
