"""What `quorate chaos --seeds` keeps of a failing seed, and how `chaos replay` tells it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.planted_bugs import (
    holder_forgets_its_last_round,
    trainer_forgets_its_contribution,
    vote_leaves_before_it_is_written,
)
from typer.testing import CliRunner

from infra.chaos.reproduction import Reproduction
from infra.cli.main import app
from infra.simulation.faults import Plan
from infra.simulation.runner import run
from infra.simulation.spool import SimSpool
from infra.simulation.swarm import plan_of

KEPT = Path(__file__).parent / "reproductions" / "trainer-contributes-again.json"


def chaos(*words: str) -> tuple[int, str]:
    ended = CliRunner().invoke(app, ["chaos", *words])
    return ended.exit_code, ended.output


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_failing_seed_is_shrunk_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trainer_forgets_its_contribution(monkeypatch)
    monkeypatch.chdir(tmp_path)

    code, text = chaos("--seeds", "1", "--seed", "1", "--jobs", "1", "--json")

    kinds = [line["kind"] for line in lines_of(text)]
    _, kept, shrunk, _ = lines_of(text)
    assert code == 1
    assert kinds == ["violation", "kept", "shrunk", "summary"]
    assert kept == {
        "kind": "kept",
        "seed": 1,
        "file": "chaos-failures/seed-1.json",
        "note": "",
    }
    assert (shrunk["faults_before"], shrunk["faults"]) == (len(plan_of(1).faults), 1)
    assert len(Reproduction.read(tmp_path / kept["file"]).plan.faults) == 1


def test_of_seeds_that_fail_alike_one_is_shrunk_and_all_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    vote_leaves_before_it_is_written(monkeypatch)

    code, text = chaos("--seeds", "2", "--jobs", "1", "--keep", str(tmp_path / "them"))

    first, second = (Reproduction.read(tmp_path / f"them/seed-{seed}.json") for seed in (0, 1))
    assert code == 1
    assert text.count("shrinking seed") == 1
    assert (first.note, second.note) == ("", "fails like seed 0")
    assert (first.plan.faults, second.plan) == ((), plan_of(1))


def test_what_is_not_shrunk_is_kept_as_it_was_drawn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trainer_forgets_its_contribution(monkeypatch)

    words = ("--seeds", "1", "--seed", "1", "--jobs", "1", "--no-shrink")
    code, _ = chaos(*words, "--keep", str(tmp_path))

    kept = Reproduction.read(tmp_path / "seed-1.json")
    (first, *_) = run(plan_of(1), 1).violations
    assert code == 1
    assert (kept.seed, kept.plan, kept.said) == (1, plan_of(1), str(first))


def test_a_folder_that_can_not_be_written_is_told_and_hides_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trainer_forgets_its_contribution(monkeypatch)
    (tmp_path / "file").write_text("in the way")

    words = ("--seeds", "1", "--seed", "1", "--jobs", "1", "--no-shrink", "--json")
    code, text = chaos(*words, "--keep", str(tmp_path / "file" / "there"))

    assert code == 1
    assert [line["kind"] for line in lines_of(text)] == ["violation", "not kept", "summary"]


def test_a_mended_bug_is_told_so() -> None:
    code, text = chaos("replay", str(KEPT))

    assert code == 0
    assert "No rule was broken" in text
    assert " X t" not in text


def test_a_bug_that_is_still_there_is_told_as_a_story(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer_forgets_its_contribution(monkeypatch)

    code, text = chaos("replay", str(KEPT))

    assert code == 1
    steps = (
        "coordinator, holders h1 to h3, trainers t01 to t03",
        "= coordinator: round 1 began",
        "t01: writes job",
        "t01 > h1: a share (it never leaves)",
        "r1 collecting  ! t01: crash at send for 0.1 s, about to send ShareChunk",
        "* t01: crashes",
        "* t01: starts life 2",
        "X t01: a trainer contributes once a round (sent a second contribution)",
        "BROKEN: a trainer contributes once a round.",
        "in round 1, collecting: sent a second contribution.",
        "On the disk of t01 at that moment: job,",
    )
    places = [text.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


def test_another_failure_than_the_one_that_was_kept_is_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vote_leaves_before_it_is_written(monkeypatch)

    code, text = chaos("replay", str(KEPT))

    assert code == 1
    assert "BROKEN: durable before announced." in text
    assert "It was kept for another failure" in text


async def erase_nothing(self: SimSpool, prefix: str) -> None:
    pass


def test_what_was_found_broken_at_the_very_end_is_told_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(SimSpool, "erase", erase_nothing)
    short = Plan(
        size=Reproduction.read(KEPT).plan.size, faulty_s=0.1, healed_s=60.0, healed_rounds=1
    )
    replace(Reproduction.read(KEPT), plan=short).write(tmp_path / "it.json")

    code, text = chaos("replay", str(tmp_path / "it.json"), "--json")

    *_, broken, summary = lines_of(text)
    assert code == 1
    assert broken["kind"] == "broken"
    assert (summary["outcome"], summary["rule"]) == ("fails otherwise", "gone")


def test_machines_get_the_same_as_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    holder_forgets_its_last_round(monkeypatch)

    code, text = chaos("replay", str(KEPT.with_name("holder-opens-again.json")), "--json")

    cast, *moments, summary = lines_of(text)
    assert code == 1
    assert cast["kind"] == "cast"
    assert moments[-1]["kind"] == "broken"
    assert [line["who"] for line in moments if line["kind"] == "fault"] == [["h1"]]
    assert (summary["kind"], summary["outcome"], summary["rule"]) == (
        "summary",
        "fails",
        "monotone",
    )


def test_the_trace_of_a_replay_is_that_of_the_history(tmp_path: Path) -> None:
    code, text = chaos("replay", str(KEPT), "--json", "--trace", str(tmp_path / "it"))

    kept = Reproduction.read(KEPT)
    history = run(kept.plan, kept.seed, keep_trace=True)
    assert code == 0
    assert (tmp_path / "it").read_text() == history.trace
    # A witness changes nothing.
    assert lines_of(text)[-1]["digest"] == history.digest


@pytest.mark.parametrize("data", [None, "{}", "no json"])
def test_a_bad_file_is_told_by_its_name(data: str | None, tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    if data is not None:
        path.write_text(data)

    code, text = chaos("replay", str(path))

    assert code == 2
    assert "it.json" in text


def test_a_trace_that_can_not_be_written_is_no_success(tmp_path: Path) -> None:
    code, _ = chaos("replay", str(KEPT), "--trace", str(tmp_path / "missing" / "it"))

    assert code == 2
