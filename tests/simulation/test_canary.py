"""The canary: a planted failure that must come through all that a real one comes through."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.planted_bugs import vote_leaves_before_it_is_written
from typer.testing import CliRunner

from infra.chaos import canary
from infra.chaos.canary import HARMLESS, LIE, canary_plan
from infra.chaos.reproduction import Reproduction
from infra.cli import chaos_keeping
from infra.cli.main import app
from infra.simulation.faults import Kind
from infra.simulation.ghost import Ghost, Rule
from infra.simulation.runner import run, run_until_broken
from infra.simulation.swarm import plan_of

NAME = "coordinator"


def chaos(*words: str) -> tuple[int, list[dict[str, Any]]]:
    ended = CliRunner().invoke(app, ["chaos", "--jobs", "1", "--json", *words])
    return ended.exit_code, [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "chaos-failures"


# --- the plan -------------------------------------------------------------------------


def test_it_breaks_a_rule_whatever_the_seed() -> None:
    firsts = [run_until_broken(canary_plan(), seed).violations[0] for seed in range(8)]

    assert {first.host for first in firsts} == {NAME}
    assert run_until_broken(canary_plan(), canary.SEED).violations[0].rule is Rule.MONOTONE


def test_without_the_lie_it_breaks_none() -> None:
    tame = replace(canary_plan(), faults=HARMLESS)

    history = run(tame, canary.SEED)

    assert history.violations == ()
    assert {fault.kind.value for fault in HARMLESS} <= history.fired.keys()


def test_no_seed_draws_its_lie() -> None:
    liars = {
        fault.target
        for seed in range(300)
        for fault in plan_of(seed).faults
        if fault.kind in (Kind.OLD_BACKUP, Kind.FSYNC_LIES)
    }

    assert (LIE.kind, LIE.target) == (Kind.OLD_BACKUP, NAME)
    assert len(liars) > 10
    assert NAME not in liars


# --- the alarm ------------------------------------------------------------------------


def test_it_is_told_kept_shrunk_and_replayed_and_counts_as_no_failure(folder: Path) -> None:
    code, lines = chaos("--seeds", "2", "--canary")

    violation, kept, shrunk, summary = lines
    assert code == 0
    assert (violation["kind"], violation["canary"]) == ("violation", True)
    assert violation["rule"] == Rule.MONOTONE.value
    assert (kept["kind"], kept["file"]) == ("kept", "chaos-failures/canary.json")
    assert (shrunk["kind"], shrunk["faults_before"]) == ("shrunk", 5)
    assert shrunk["faults"] in (1, 2)  # the lie, and what makes it come to light
    assert summary["outcome"] == "survived"
    assert summary["canary"] == "reported"
    assert (summary["seeds"], summary["violations"], summary["failing_seeds"]) == (2, 0, [])

    kept_faults = Reproduction.read(folder / "canary.json").plan.faults
    assert (LIE.kind, LIE.target) in [(fault.kind, fault.target) for fault in kept_faults]
    ended = CliRunner().invoke(app, ["chaos", "replay", "chaos-failures/canary.json"])
    assert ended.exit_code == 1
    assert "! coordinator: old backup" in ended.stdout
    assert f"BROKEN: {Rule.MONOTONE.value}." in ended.stdout


def test_the_other_histories_do_not_know_of_it(folder: Path) -> None:
    alone, beside = (chaos("--seeds", "3", *words)[1][-1] for words in ((), ("--canary",)))

    assert alone["canary"] is None
    same = ("seeds", "rounds", "faults", "seeds_with_fault", "messages", "digest")
    assert [alone[name] for name in same] == [beside[name] for name in same]


def test_several_processes_report_it_too(folder: Path) -> None:
    words = ["chaos", "--seeds", "9", "--jobs", "2", "--canary", "--no-shrink", "--quiet"]

    ended = CliRunner().invoke(app, words)

    assert ended.exit_code == 0
    assert ended.stdout.count("! canary: ") == 1
    assert "canary: reported" in ended.stdout.splitlines()[-1]


def test_a_real_failure_is_one_with_the_canary_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vote_leaves_before_it_is_written(monkeypatch)

    code, lines = chaos("--seeds", "1", "--canary", "--no-shrink")

    assert code == 1
    assert [line.get("canary") for line in lines] == [None, True, None, True, "reported"]
    assert (lines[-1]["outcome"], lines[-1]["failing_seeds"]) == ("failed", [0])
    assert sorted(path.name for path in folder.iterdir()) == ["canary.json", "seed-0.json"]


# --- an alarm that does not work ------------------------------------------------------


def silenced(*words: str) -> str:
    """Run a campaign that survives but for its canary; return why that was not heard."""
    code, lines = chaos("--seeds", "1", "--canary", *words)
    told = CliRunner().invoke(app, ["chaos", "--seeds", "1", "--canary", "--quiet", *words])
    assert (code, told.exit_code) == (1, 1)
    assert (lines[-1]["outcome"], lines[-1]["violations"]) == ("failed", 0)
    assert "! the alarm does not work: the canary was not reported: " in told.stdout
    return str(lines[-1]["canary"])


def test_rules_that_nobody_checks_are_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ghost, "violated", lambda *_: None)

    assert silenced() == "its history broke no rule"


def test_faults_that_never_strike_are_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canary, "LIE", replace(LIE, aim=None, at_s=1e6))

    assert silenced() == "its history broke no rule"


def test_a_failure_that_can_not_be_kept_is_noticed(folder: Path) -> None:
    folder.write_text("in the way")

    assert silenced("--no-shrink") == "chaos-failures/canary.json was not written"


def test_a_file_of_an_earlier_campaign_is_no_report(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chaos("--seeds", "1", "--canary", "--no-shrink")
    monkeypatch.setattr(Reproduction, "write", _refuse)

    assert silenced("--no-shrink") == "chaos-failures/canary.json was not written"


def _refuse(self: Reproduction, path: Path) -> None:
    raise PermissionError(13, "Permission denied")


def test_a_shrinker_that_shrinks_nothing_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaos_keeping, "shrink", lambda *_: None)

    assert silenced() == "chaos-failures/canary.json was not shrunk"


def test_a_file_that_does_not_fail_again_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Reproduction.write

    def write(self: Reproduction, path: Path) -> None:
        whole(replace(self, plan=replace(self.plan, faults=())), path)

    monkeypatch.setattr(Reproduction, "write", write)

    assert silenced("--no-shrink") == "chaos-failures/canary.json, run again, is told as: mended"
