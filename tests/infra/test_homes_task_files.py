"""A trainer's home has the modules that its task imports from beside it, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.config import ConfigError
from infra.homes.task_files import task_files


def written(folder: Path, **files: str) -> Path:
    for name, text in {"task": "", **files}.items():
        file = folder / (name.replace("__in", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "task.py"


def named(task: Path) -> set[str]:
    return set(task_files(task))


def test_neighbours_come_along_and_so_do_theirs(tmp_path: Path) -> None:
    task = written(
        tmp_path,
        task="import os, layers\ndef model():\n    from losses import entropy\n",
        layers="import tensors.shapes as s\n",
        losses="import layers\n",
        tensors="",
        stranger="",
    )

    assert named(task) == {"task.py", "layers.py", "losses.py", "tensors.py"}


def test_a_package_comes_whole_and_with_what_it_imports(tmp_path: Path) -> None:
    task = written(tmp_path, task="from net.deep import model\n", helper="")
    package = tmp_path / "net"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "deep" / "model.py").write_text("import helper\nfrom . import other\n")
    (package / "deep" / "other.py").write_text("")
    (package / "weights.bin").write_bytes(b"x")

    assert named(task) == {
        "task.py",
        "helper.py",
        "net/__init__.py",
        "net/deep/model.py",
        "net/deep/other.py",
    }


def test_imports_that_are_not_beside_it_are_nobodys_affair(tmp_path: Path) -> None:
    assert named(written(tmp_path, task="import torch\nimport numpy.linalg\n")) == {"task.py"}


@pytest.mark.parametrize("text", ["def f(:", "x = '\0'"])
def test_code_that_is_none_is_named_with_its_file(tmp_path: Path, text: str) -> None:
    task = written(tmp_path, task="import layers", layers=text)

    with pytest.raises(ConfigError, match=r"model.task: .*layers.py.*: no valid Python"):
        task_files(task)


def test_a_package_named_as_a_folder_of_a_home_is_refused(tmp_path: Path) -> None:
    task = written(tmp_path, task="import spool.reader")
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "reader.py").write_text("")

    with pytest.raises(ConfigError, match="'spool'"):
        task_files(task)


def test_a_whole_library_beside_the_task_is_refused(tmp_path: Path) -> None:
    task = written(tmp_path, task="import many")
    (tmp_path / "many").mkdir()
    for number in range(1001):
        (tmp_path / "many" / f"m{number}.py").touch()

    with pytest.raises(ConfigError, match="more than 1000 files"):
        task_files(task)
