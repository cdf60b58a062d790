"""Signals and sudden death: what was begun goes on in the same round, to the same result."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from system.commands import began, left_behind, pause, quorate, running, updated
from system.jobs import BREAST_CANCER, logistic, tables


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summary of a run that nobody disturbed."""
    home = tmp_path_factory.mktemp("whole") / "home"
    return quorate("run", BREAST_CANCER, "--home", home, "--json").summary


def resumed(home: Path) -> tuple[list[int], dict[str, Any]]:
    """Go on with a run; return the numbers of the rounds that it still ran, and its summary."""
    ended = quorate("run", BREAST_CANCER, "--home", home, "--resume", "--json")
    assert ended.code == 0
    assert "Traceback" not in ended.err
    numbers = [event["number"] for event in ended.lines if event["kind"] == "state_updated"]
    return numbers, ended.summary


def assert_same(found: dict[str, Any], whole: dict[str, Any]) -> None:
    assert found["rounds"] == whole["rounds"]
    assert found["coefficients"] == pytest.approx(whole["coefficients"], abs=1e-12)
    assert found["intercept"] == pytest.approx(whole["intercept"], abs=1e-12)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_its_round_and_resume_finishes_it(
    tmp_path: Path, whole: dict[str, Any], number: signal.Signals
) -> None:
    with running("run", BREAST_CANCER, "--home", tmp_path / "home") as run:
        run.until(began(6))
        children = run.children()
        run.signal(number)
        ended = run.ended()

    assert ended.code == 130
    assert ended.summary["outcome"] == "stopped"
    assert "--resume" in ended.summary["resume"]
    assert "a second signal ends at once" in ended.err
    assert len(children) == 3
    assert left_behind(children) == set()

    numbers, summary = resumed(tmp_path / "home")

    assert numbers == list(range(ended.summary["rounds"] + 1, whole["rounds"] + 1))
    assert_same(summary, whole)


def test_a_second_signal_ends_at_once_and_the_home_stays_whole(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    with running("run", BREAST_CANCER, "--home", tmp_path / "home") as run:
        run.until(began(6))
        children = run.children()
        pause(min(children))
        run.signal(signal.SIGINT)
        run.told("a second signal ends at once")
        asked_s = time.monotonic()
        run.signal(signal.SIGINT)
        ended = run.ended()

    assert ended.code == 130
    assert time.monotonic() - asked_s < 25.0  # the round that can't end would have 30 s
    assert ended.summary["outcome"] == "stopped"
    assert left_behind(children) == set()

    _, summary = resumed(tmp_path / "home")

    assert_same(summary, whole)


@pytest.mark.parametrize("delay_s", [0.0, 0.5, 0.8])
def test_a_signal_while_a_run_starts_is_not_lost(tmp_path: Path, delay_s: float) -> None:
    with running("run", BREAST_CANCER, "--home", tmp_path / "home") as run:
        run.listens()
        time.sleep(delay_s)
        run.signal(signal.SIGTERM)
        ended = run.ended()

    assert ended.code == 130
    assert "Traceback" not in ended.err


def test_a_killed_process_goes_on_in_the_same_round_to_the_same_result(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    home, done, rests = tmp_path / "home", 0, (0.0, 0.13, 0.05, 0.17, 0.09)
    for rest_s in rests:
        first = ("--resume",) if done else ()
        with running("run", BREAST_CANCER, "--home", home, *first) as run:
            begun = run.until(lambda event: event["kind"] == "round_began")
            # At most one round was done that nobody could be told of.
            assert begun["number"] in (done + 1, done + 2)
            run.until(updated(begun["number"]))
            done = begun["number"]
            time.sleep(rest_s)
            children = run.children()
            run.signal(signal.SIGKILL)
            run.ended()
        assert left_behind(children) == set()

    numbers, summary = resumed(home)

    assert numbers == list(range(numbers[0], whole["rounds"] + 1))
    assert numbers[0] in (done + 1, done + 2)
    assert_same(summary, whole)


def _collecting(event: dict[str, Any]) -> bool:
    return event["kind"] == "progress" and event["step"] == "collecting"


def test_a_stop_in_a_round_that_waits_too_long_drains_within_its_bound(tmp_path: Path) -> None:
    job = logistic(tmp_path, tables())
    with running("drain", job, tmp_path / "home") as run:
        run.until(updated(2))
        children = run.children()
        pause(min(children))
        run.until(_collecting)
        asked_s = time.monotonic()
        run.signal(signal.SIGINT)
        ended = run.ended()

    assert ended.code == 130
    assert time.monotonic() - asked_s < 15.0  # a second of draining; the round would have 20 s
    assert "in the middle of a round" in ended.summary["reason"]
    assert ended.summary["rounds"] >= 2
    assert left_behind(children) == set()


def test_a_stop_in_a_round_that_is_abandoned_is_still_a_stop(tmp_path: Path) -> None:
    limits: dict[str, object] = {"compute_s": 4.0}
    with running("run", logistic(tmp_path, tables(3), limits=limits)) as run:
        run.until(updated(2))
        pause(min(run.children()))
        run.until(_collecting)
        run.signal(signal.SIGTERM)
        ended = run.ended()

    assert ended.code == 130
    assert ended.summary["outcome"] == "stopped"
    assert len(ended.summary["abandoned_rounds"]) == 1


def test_a_second_process_in_the_same_home_is_refused(tmp_path: Path) -> None:
    with running("run", BREAST_CANCER, "--home", tmp_path / "home") as run:
        run.until(began(1))
        pause(min(run.children()))

        ended = quorate("run", BREAST_CANCER, "--home", tmp_path / "home", "--resume")

    assert ended.code == 2
    assert "another process is running" in ended.err
