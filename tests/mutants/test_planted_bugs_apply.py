"""Every planted bug still finds its place, stays Python, and names tests that exist."""

from __future__ import annotations

import ast
import os
from functools import cache
from pathlib import Path

import pytest

from mutants.mutant import FOLDER, ROOT, SIMULATION, BadMutant, Mutant, read, read_all

GOOD = """\
title = "a lock that locks nothing"
why = "Two may come in."
file = "actors/door.py"
find = '''
    locked = True
'''
replace = '''
    locked = False
'''
caught_by = ["simulation"]
"""
DOOR = "def shut():\n    locked = True\n    return locked\n"


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.stem)
def test_each_planted_bug_can_be_planted_and_names_tests_that_exist(path: Path) -> None:
    mutant = read(path)

    assert mutant.mutated(ROOT)
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert name.partition("[")[0] in functions_of(file), test


def test_there_are_many_all_different_and_most_in_reach_of_the_simulator() -> None:
    mutants = read_all()

    assert len(mutants) >= 40
    assert len({(m.file, m.find, m.replace) for m in mutants}) == len(mutants)
    assert len({m.title for m in mutants}) == len(mutants)
    # The simulator has adapters of its own: what is planted in those of infra/ it never runs.
    run = [mutant for mutant in mutants if not str(mutant.file).startswith("infra/")]
    assert sum(SIMULATION in mutant.caught_by for mutant in run) > len(run) / 2


def planted(tmp_path: Path, text: str, code: str = DOOR) -> Mutant:
    (tmp_path / "actors").mkdir()
    (tmp_path / "actors" / "door.py").write_text(code)
    file = tmp_path / "open-door.toml"
    file.write_text(text)
    return read(file)


def test_planting_changes_the_one_place_and_drops_what_was_compiled(tmp_path: Path) -> None:
    mutant = planted(tmp_path, GOOD)
    cache_folder = tmp_path / "actors" / "__pycache__"
    cache_folder.mkdir()
    for name in ("door.cpython-311.pyc", "door.shut-1.py311.nbi", "window.cpython-311.pyc"):
        (cache_folder / name).touch()

    mutant.plant(tmp_path)

    assert mutant.name == "open-door"
    assert (tmp_path / "actors" / "door.py").read_text() == DOOR.replace("True", "False")
    assert os.listdir(cache_folder) == ["window.cpython-311.pyc"]


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (DOOR.replace("True", "1"), "stands 0 times in actors/door.py, not once"),
        (DOOR + DOOR, "stands 2 times in actors/door.py, not once"),
        ("    locked = True\n", "no Python any more"),
    ],
)
def test_a_bug_without_its_place_is_told_with_its_file(
    tmp_path: Path, code: str, what: str
) -> None:
    mutant = planted(tmp_path, GOOD, code)

    with pytest.raises(BadMutant, match=rf"open-door\.toml: .*{what}"):
        mutant.mutated(tmp_path)


@pytest.mark.parametrize(
    ("good", "bad", "what"),
    [
        ("    locked = False", "    locked = True  # still", "it changes nothing"),
        ("actors/door.py", "actors/gate.py", "there is no file actors/gate.py"),
    ],
)
def test_a_bug_that_is_none_is_told_with_its_file(
    tmp_path: Path, good: str, bad: str, what: str
) -> None:
    mutant = planted(tmp_path, GOOD.replace(good, bad))

    with pytest.raises(BadMutant, match=rf"open-door\.toml: {what}"):
        mutant.mutated(tmp_path)


@pytest.mark.parametrize(
    ("good", "bad", "what"),
    [
        ("why =", "whence =", "unknown field `whence`"),
        ('"actors/door.py"', '"tests/door.py"', "tests/door.py is in none of actors"),
        ('["simulation"]', "[]", "neither what should catch it nor why nothing could"),
        ("'''", "''", "Invalid value"),
    ],
)
def test_a_file_that_describes_no_bug_is_told(
    tmp_path: Path, good: str, bad: str, what: str
) -> None:
    with pytest.raises(BadMutant, match=rf"open-door\.toml: .*{what}"):
        planted(tmp_path, GOOD.replace(good, bad))
