"""A folder that carries the name of one of our packages must never take its place unnoticed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.origins import check_origins

# Our own folder stands last, as it does for an installed package; the user's come first.
START = """
import sys
sys.path.append({ours!r})
from infra.origins import check_origins
check_origins()
print("all ours")
"""
OURS = Path(__file__).parents[2]


def started(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "-c", START.format(ours=str(OURS))],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def package(folder: Path, name: str) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("")
    return folder


def test_our_packages_come_from_one_folder() -> None:
    check_origins()


def test_start_in_a_folder_of_others_is_fine(tmp_path: Path) -> None:
    done = started(package(tmp_path, "somebody"))

    assert (done.returncode, done.stdout) == (0, "all ours\n")


@pytest.mark.parametrize("name", ["actors", "protocols"])
def test_package_in_the_working_directory_that_hides_ours_is_named(
    tmp_path: Path, name: str
) -> None:
    done = started(package(tmp_path, name))

    assert done.returncode == 1
    assert "ImportError: Quorate is installed in" in done.stderr
    assert f"its package '{name}' was found in {tmp_path / name}" in done.stderr
    assert "PYTHONSAFEPATH=1" in done.stderr


def test_package_on_the_python_path_that_hides_ours_is_named(tmp_path: Path) -> None:
    other = package(tmp_path / "other", "actors")

    done = started(tmp_path, PYTHONPATH=str(other))

    assert done.returncode == 1
    assert f"was found in {other / 'actors'}" in done.stderr


def test_single_module_that_hides_our_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "actors.py").write_text("")

    done = started(tmp_path)

    assert done.returncode == 1
    assert "its package 'actors' was found in" in done.stderr


def test_safe_path_keeps_the_working_directory_out(tmp_path: Path) -> None:
    done = started(package(tmp_path, "actors"), PYTHONSAFEPATH="1")

    assert done.returncode == 0


def test_folder_without_init_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "actors").mkdir()

    done = started(tmp_path)

    assert done.returncode == 0
