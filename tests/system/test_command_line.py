"""What the command says and returns before any job runs."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from system.commands import QUORATE, quorate
from system.jobs import logistic, tables

HEAVY = ("numpy", "numba", "torch", "pydantic", "msgspec", "asyncio", "cryptography")


def test_help_names_the_commands_and_the_exit_codes() -> None:
    ended = quorate("--help")

    assert ended.code == 0
    assert all(word in ended.out for word in ("run", "demo", "--version", "Exit codes", "130"))


def test_help_of_run_explains_where_a_run_lives_and_how_to_go_on() -> None:
    ended = quorate("run", "--help")

    assert ended.code == 0
    assert all(word in ended.out for word in (".quorate/NAME", "--resume", "--json", "--quiet"))


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    code = f"import sys, infra.cli.main; print([m for m in {HEAVY!r} if m in sys.modules])"

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "[]"


def test_version_is_that_of_the_package() -> None:
    assert quorate("--version").out.strip() == f"quorate {version('quorate')}"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((), "Usage"),
        (("frob",), "No such command 'frob'"),
        (("run",), "Missing argument"),
        (("run", "x.toml", "--bogus"), "No such option"),
        (("run", "x.toml", "--json", "--quiet"), "exclude each other"),
    ],
)
def test_wrong_usage_is_refused_with_a_hint(words: tuple[str, ...], hint: str) -> None:
    ended = quorate(*words)

    assert ended.code == 2
    assert hint in ended.out + ended.err
    assert "Traceback" not in ended.err


def test_quiet_shows_nothing_but_the_result(tmp_path: Path) -> None:
    ended = quorate("run", logistic(tmp_path, tables()), "--quiet")

    assert ended.code == 0
    assert "tiny: converged" in ended.out
    assert "survivors" not in ended.out
    assert ended.err == ""


def test_without_a_terminal_the_rounds_scroll_by_and_the_checkpoint_is_named_in_full(
    tmp_path: Path,
) -> None:
    ended = quorate("run", logistic(tmp_path, tables()))

    (line,) = [line for line in ended.out.splitlines() if line.startswith("checkpoint")]
    assert ended.out.count("4 survivors") == 8
    assert Path(line.split()[1]).is_file()
    assert "\x1b" not in ended.out


@pytest.mark.parametrize("how", ["--json", "--quiet"])
def test_a_reader_that_goes_away_does_not_end_the_run(tmp_path: Path, how: str) -> None:
    job = logistic(tmp_path, tables())

    done = subprocess.run(
        ["bash", "-c", f"'{QUORATE}' run '{job}' {how} | head -n 0; echo ${{PIPESTATUS[0]}}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout.strip() == "0"
    assert "Traceback" not in done.stderr


def test_a_finished_run_is_set_aside_by_the_next(tmp_path: Path) -> None:
    job = logistic(tmp_path, tables())
    quorate("run", job, "--quiet")

    ended = quorate("run", job)

    assert ended.code == 0
    assert "moved to" in ended.out
    assert (tmp_path / ".quorate" / "tiny.old" / "run.json").exists()


def test_a_finished_run_that_is_resumed_tells_its_result_again(tmp_path: Path) -> None:
    job = logistic(tmp_path, tables())
    first = quorate("run", job, "--json").summary

    again = quorate("run", job, "--json", "--resume").summary

    same = ("outcome", "rounds", "metrics", "coefficients", "checkpoint")
    assert {key: again[key] for key in same} == {key: first[key] for key in same}


@pytest.mark.parametrize(
    ("home", "hint"),
    [
        ("file/below", "Not a directory"),
        ("file", "Not a directory"),
        ("foreign", "no run of ours"),
    ],
)
def test_a_home_that_can_not_be_used_is_refused(tmp_path: Path, home: str, hint: str) -> None:
    job = logistic(tmp_path, tables())
    (tmp_path / "file").touch()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").touch()

    ended = quorate("run", job, "--home", tmp_path / home)

    assert ended.code == 2
    assert hint in ended.err
    assert "--home" in ended.err
    assert "Traceback" not in ended.err


def test_resuming_what_never_began_is_refused(tmp_path: Path) -> None:
    ended = quorate("run", logistic(tmp_path, tables()), "--resume")

    assert ended.code == 2
    assert "no run to resume" in ended.err
