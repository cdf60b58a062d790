"""Training that remembers something at home, through a sudden death of everything."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from system.commands import began, quorate, running
from system.jobs import TASK, Text

from infra.kept_at_home import KeptAtHome
from protocols.learning.state import State

OWNERS = ("one", "two", "three", "four")


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "task.py").write_text(TASK)
    sections: dict[str, dict[str, object]] = {
        "model": {"task": "task.py", "personal": ["bias"]},
        "training": {"schedule": "cosine", "learning_rate": 0.5},
        # Everybody is waited for: who is in a sum would else depend on this machine.
        "limits": {"opening_s": 25.0, "patience_s": 25.0},
    }
    names: dict[str, str | None] = dict.fromkeys(OWNERS)
    return Text("scaffold", names, {"max_rounds": 4}, sections).written(tmp_path)


def test_a_run_that_was_killed_ends_at_the_very_model_of_one_that_was_not(
    job: Path, tmp_path: Path
) -> None:
    whole = quorate("run", job, "--home", tmp_path / "whole", "--json")

    with running("run", job, "--home", tmp_path / "killed") as run:
        run.until(began(3))
        run.signal(signal.SIGKILL)
    again = quorate("run", job, "--home", tmp_path / "killed", "--resume", "--json")

    assert (whole.code, again.code) == (0, 0), whole.err + again.err
    expected = tmp_path / "whole" / "model.safetensors"
    assert load_file(expected).keys() == {"weight"}
    assert (tmp_path / "killed" / "model.safetensors").read_bytes() == expected.read_bytes()
    for owner in OWNERS:
        kept, same = (_kept(tmp_path / home / owner) for home in ("whole", "killed"))
        assert len(kept) == 2
        assert kept == same


def _kept(home: Path) -> dict[str, bytes]:
    """Return what an owner kept: after the last round but one, and after the last."""
    shelf = KeptAtHome(home / "kept")
    found = {file.stem: shelf.recall(file.stem) for file in (home / "kept").iterdir()}
    assert all(state and {"bias", "[c] weight"} <= state.arrays.keys() for state in found.values())
    return {mark: state.to_bytes() for mark, state in found.items() if isinstance(state, State)}
