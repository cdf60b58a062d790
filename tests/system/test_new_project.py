"""What `quorate new` writes runs as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from system.commands import quorate


def test_a_new_project_runs_and_its_model_is_used_as_its_readme_says(tmp_path: Path) -> None:
    project = tmp_path / "My first project"
    written = quorate("new", project, "--json")

    ended = quorate("run", project / "job.toml", "--plot", tmp_path / "went.svg", "--json")

    assert written.code == 0, written.err
    assert {str(file.relative_to(project)) for file in project.rglob("*") if file.is_file()} >= {
        "job.toml",
        "task.py",
        "README.md",
        ".gitignore",
        "data/north.csv",
    }
    assert ended.code == 0, ended.err
    assert ended.summary["job"] == "my-first-project"
    assert ended.summary["metrics"]["accuracy"] > 0.85
    assert any("lowest loss" in note for note in ended.summary["notes"])
    assert "<svg" in (tmp_path / "went.svg").read_text()
    model = project / ".quorate" / "my-first-project" / "model.safetensors"
    assert ended.summary["model"] == str(model)
    card = model.with_name("MODEL_CARD.md").read_text()
    assert "owners contributed: middle, north, south" in card
    readme = (project / "README.md").read_text()
    code = readme.split("```python\n")[1].split("```")[0]
    code = f"import torch\n{code}print(network(torch.zeros(1, 2)).shape)"
    used = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert used.stdout.strip() == "torch.Size([1, 2])", used.stderr


def test_a_users_own_loop_has_five_lines() -> None:
    import infra.new_project  # noqa: PLC0415

    task = Path(infra.new_project.__file__).with_name("task.py.template").read_text()

    body = task.split("def train(model, data, settings):\n")[1].strip().splitlines()
    assert len(body) <= 5


@pytest.mark.parametrize("there", ["file", "folder"])
def test_nothing_is_written_over(tmp_path: Path, there: str) -> None:
    project = tmp_path / "there"
    if there == "file":
        project.write_text("mine")
    else:
        project.mkdir()
        (project / "job.toml").write_text("mine")

    ended = quorate("new", project)

    assert ended.code == 2
    assert "something is there already; name a new folder" in ended.err + ended.out


def test_a_folder_that_gives_no_name_is_refused(tmp_path: Path) -> None:
    ended = quorate("new", tmp_path / "§§")

    assert ended.code == 2
    assert "no name for a job" in ended.err + ended.out
    assert not (tmp_path / "§§").exists()
