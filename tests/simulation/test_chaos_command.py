"""`quorate chaos --seeds`: its lines, its exit codes, and a seed that broke a rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.planted_bugs import vote_leaves_before_it_is_written
from typer.testing import CliRunner

from infra.chaos import campaign
from infra.cli.main import app
from infra.simulation.faults import Kind
from infra.simulation.ghost import Rule
from infra.simulation.runner import run, run_until_broken
from infra.simulation.swarm import plan_of
from protocols.secagg.contributing import Contributing


def chaos(*words: str) -> tuple[int, list[dict[str, Any]]]:
    ended = CliRunner().invoke(app, ["chaos", "--json", *words])
    return ended.exit_code, [json.loads(line) for line in ended.stdout.splitlines()]


def test_seeds_that_break_no_rule_are_summed_up() -> None:
    code, lines = chaos("--seeds", "4", "--seed", "20", "--jobs", "1")

    histories = [run(plan_of(seed), seed) for seed in range(20, 24)]
    (summary,) = lines
    assert code == 0
    assert summary["outcome"] == "survived"
    assert (summary["first_seed"], summary["seeds"]) == (20, 4)
    assert summary["completed"] == sum(history.completed for history in histories)
    assert summary["abandoned"] == sum(history.abandoned for history in histories)
    assert summary["rounds"] == summary["completed"] + summary["abandoned"]
    assert summary["simulated_hours"] == pytest.approx(
        sum(history.simulated_s for history in histories) / 3600, abs=0.001
    )
    assert summary["faults"] == {
        name: sum(history.fired.get(name, 0) for history in histories)
        for name in sorted({name for history in histories for name in history.fired})
    }
    struck = set(summary["faults"])
    assert summary["never"] == [kind.value for kind in Kind if kind.value not in struck]
    assert (summary["violations"], summary["failing_seeds"]) == (0, [])


def test_several_processes_tell_the_same_as_one() -> None:
    spent = ("cpu_seconds", "rounds_per_cpu_second", "times_real_time")

    told = []
    for jobs in ("1", "2"):
        code, lines = chaos("--seeds", "9", "--jobs", jobs)
        assert code == 0
        told.append({name: value for name, value in lines[-1].items() if name not in spent})

    assert told[0] == told[1]


def test_a_seed_that_breaks_a_rule_is_told_with_its_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Seed 57 has a coordinator that dies before its welcome leaves.
    monkeypatch.setattr(Contributing, "_greet", lambda self: [])
    told: list[int] = []

    total = campaign.campaign(range(57, 58), 1, lambda tally: told.append(tally.seeds))
    monkeypatch.chdir(tmp_path)
    code, lines = chaos("--seeds", "1", "--seed", "57", "--jobs", "1", "--no-shrink")

    assert [(failing.seed, failing.rule) for failing in total.failing] == [(57, Rule.ALIVE)]
    assert told == [1]
    assert code == 1
    assert [line["kind"] for line in lines] == ["violation", "kept", "summary"]
    assert (lines[0]["seed"], lines[0]["rule"]) == (57, Rule.ALIVE.value)
    assert (lines[-1]["outcome"], lines[-1]["failing_seeds"]) == ("failed", [57])


def test_the_trace_of_one_seed_goes_to_a_file(tmp_path: Path) -> None:
    code, _ = chaos("--seeds", "1", "--seed", "3", "--jobs", "1", "--trace", str(tmp_path / "it"))

    assert code == 0
    assert (tmp_path / "it").read_text() == run(plan_of(3), 3, keep_trace=True).trace


def test_a_trace_is_that_of_one_seed_without_saying_so(tmp_path: Path) -> None:
    code, lines = chaos("--seed", "10", "--jobs", "1", "--trace", str(tmp_path / "it"))

    assert code == 0
    assert (lines[-1]["first_seed"], lines[-1]["seeds"]) == (10, 1)
    assert (tmp_path / "it").read_text() == run(plan_of(10), 10, keep_trace=True).trace


def test_a_history_ends_with_the_first_rule_that_it_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vote_leaves_before_it_is_written(monkeypatch)

    whole, short = run(plan_of(0), 0), run_until_broken(plan_of(0), 0)

    first = whole.violations[0]
    assert {violation.at_s for violation in short.violations} == {first.at_s}
    assert short.violations == whole.violations[: len(short.violations)]
    assert len(short.violations) < len(whole.violations)
    assert short.simulated_s == first.at_s < whole.simulated_s


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--real", "--seeds", "3"),
        ("--seeds", "0"),
        ("--seeds", "2", "--trace", "it"),
        ("--seeds", "2", "--cluster"),
        ("--seeds", "2", "--minutes", "3"),
        ("--real", "--jobs", "2"),
        ("--real", "--keep", "there"),
        ("--real", "--canary"),
        ("power-cut", "--canary"),
        ("--canary", "gallery"),
        ("--real", "--no-shrink"),
        ("--seeds", "2", "replay", "it"),
    ],
)
def test_words_that_make_no_sense_together_are_refused(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["chaos", *words]).exit_code == 2
