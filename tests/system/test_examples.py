"""Every example runs with one command, and its table shows what federation is good for."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from system.commands import LIMIT_S

from infra.config import load_job

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
NAMES = sorted(file.parent.name for file in EXAMPLES.glob("*/__main__.py"))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Return a copy of the examples, as they leave files beside themselves."""
    ignored = shutil.ignore_patterns("__pycache__", ".quorate", "owners", "*.png")
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=ignored)
    return tmp_path


def printed(name: str, folder: Path, *words: str) -> str:
    """Run an example of a copy, or a module of one, and return what it printed."""
    paths = [str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        [sys.executable, "-m", f"examples.{name}", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=folder,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(text: str) -> dict[str, list[str]]:
    """Return the cells of the tables that stand alone, federated and pooled beside each other."""
    lines = [line.strip("│ ").split("│") for line in text.splitlines() if line.startswith("│")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def apart(text: str) -> float:
    (found,) = re.findall(r"differ by (\S+) at most", text)
    return float(found)


def pictures(folder: Path, name: str) -> set[str]:
    """Return the pictures that were made, none of them empty, and none too large to be kept."""
    made = list((folder / "examples" / name).glob("*.png"))
    assert all(2_000 < file.stat().st_size < 150_000 for file in made)
    return {file.name for file in made}


@pytest.mark.slow
def test_hospitals_know_together_what_hardly_one_knows_alone(copied: Path) -> None:
    text = printed("hospitals", copied)

    table = rows(text)
    assert (
        table["federated"]
        == table["pooled"]
        == [*("226", "0.010 ±0.010", "-0.547 ±0.182", "0.597 ±0.138")]
    )
    assert apart(text) < 1e-9
    assert sum(name.endswith("alone") for name in table) == 11
    assert "Kaplan-Meier Curves over 18 Owners" in text
    assert pictures(copied, "hospitals") == {"alone_and_together.png", "curves.png"}


@pytest.mark.slow
def test_insurers_predict_claims_better_together(copied: Path) -> None:
    text = printed("insurers", copied)

    table = rows(text)
    assert table["federated"] == table["pooled"] == ["15254", "0.6537", "0.5871"]
    alone = [float(cells[1]) for name, cells in table.items() if name.endswith("alone")]
    assert len(alone) == 5
    assert max(alone) < 0.63
    assert apart(text) < 1e-9
    assert pictures(copied, "insurers") == {"auc.png"}


@pytest.mark.slow
def test_a_curve_of_which_each_owner_sees_a_part(copied: Path) -> None:
    text = printed("fuel_curve", copied)

    table = rows(text)
    assert table["federated"] == table["pooled"] == ["139", "0.98"]
    assert table["honda alone"][1].endswith("linearly dependent (diesel)")
    assert float(table["volvo alone"][1]) > 3
    assert apart(text) < 1e-9
    assert pictures(copied, "fuel_curve") == {"curve.png"}


@pytest.mark.slow
def test_owners_who_write_different_digits_learn_all_of_them(copied: Path) -> None:
    (copied / "examples" / "images" / "fedavg.toml").unlink()
    job = copied / "examples" / "images" / "scaffold.toml"
    job.write_text(job.read_text().replace("max_rounds = 30", "max_rounds = 6"))

    table = rows(printed("images", copied))

    reached = {name: float(cells[-1]) for name, cells in table.items()}
    alone = [value for name, value in reached.items() if name.endswith("alone")]
    assert len(alone) == 5
    assert max(alone) < reached["federated, scaffold"] < reached["pooled"]
    assert pictures(copied, "images") == {"accuracy.png"}


def hospitals_in_one_table(file: Path) -> None:
    """Write a table with a column that says whose each row is; each tenth row lacks a value."""
    lines, noise = ["center,age,chol,num,split"], random.Random(5)
    for center in ("Cleveland", "Hungarian", "Switzerland", "VA"):
        for place in range(50):
            age, chol = noise.randint(30, 80), noise.randint(150, 300)
            ill = noise.randint(1, 4) if noise.random() < (age - 20) / 70 else 0
            lines.append(f"{center},{age},{'?' if place % 10 == 0 else chol},{ill},train")
    file.write_text("\n".join(lines) + "\n")


@pytest.mark.slow
def test_a_table_is_divided_and_its_owners_are_compared(copied: Path) -> None:
    hospitals_in_one_table(copied / "heart.csv")
    folder = copied / "examples" / "your_table"
    rest = ("--by", "center", "--drop", "split", "--binary", "num")

    told = printed("your_table.divide", copied, "heart.csv", f"{folder}/owners/heart", *rest)
    held_out = f"{folder}/owners/heart/held_out.csv"
    text = printed("your_table.compare", copied, f"{folder}/heart.toml", held_out)

    assert (folder / "owners" / "heart" / "va.csv").read_text().startswith("age,chol,num\n")
    assert told.count("40 rows") == 5  # four owners and what is held out
    assert "On 40 rows that nobody fitted on" in text  # of each owner ten, none without a value
    table = rows(text)
    assert table["federated"] == table["pooled"]
    assert sum(name.endswith("alone") for name in table) == 4
    assert apart(text) < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_a_readme_says_how_to_run_it_and_shows_its_pictures(name: str) -> None:
    folder = EXAMPLES / name
    text = (folder / "README.md").read_text()

    assert f"python -m examples.{name}" in text
    shown = set(re.findall(r"!\[[^]]+\]\(([^)]+)\)", text))
    assert shown == {file.name for file in folder.glob("*.png")}
    for word in ("**Question.**", "**Who owns what.**", "**What leaves.**"):
        assert word in text
    assert f"examples/{name})" in (ROOT / "README.md").read_text()


JOBS = [str(file.relative_to(ROOT)) for file in sorted(EXAMPLES.glob("*/*.toml"))]


@pytest.mark.parametrize("name", JOBS)
def test_every_job_of_an_example_is_a_job(name: str, copied: Path) -> None:
    job = copied / name
    for owner in tomllib.loads(job.read_text())["owner"]:
        data = job.parent / owner.get("data", "nothing")
        data.parent.mkdir(parents=True, exist_ok=True)
        data.touch()

    assert len(load_job(job).owners) >= 3
