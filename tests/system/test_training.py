"""Training that remembers something at home, through a sudden death of everything."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from brokers import Vhost
from safetensors.numpy import load_file
from system.commands import began, quorate, running
from system.jobs import TASK, Text

from infra.kept_at_home import KeptAtHome
from protocols.learning.state import State

OWNERS = ("one", "two", "three", "four")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    (folder / "task.py").write_text(TASK)
    sections: dict[str, dict[str, object]] = {
        "model": {"task": "task.py", "personal": ["bias"]},
        "training": {"schedule": "cosine", "learning_rate": 0.5},
        # Everybody is waited for: who is in a sum would else depend on this machine.
        "limits": {"opening_s": 25.0, "patience_s": 25.0},
    }
    names: dict[str, str | None] = dict.fromkeys(OWNERS)
    return Text("scaffold", names, {"max_rounds": 4}, sections).written(folder)


@pytest.fixture(scope="module")
def whole(job: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a run that nobody disturbed."""
    home = tmp_path_factory.mktemp("whole") / "home"
    ended = quorate("run", job, "--home", home, "--json")
    assert ended.code == 0, ended.err
    return home


def assert_same(home: Path, whole: Path) -> None:
    expected = whole / "model.safetensors"
    assert load_file(expected).keys() == {"weight"}
    assert (home / "model.safetensors").read_bytes() == expected.read_bytes()
    for owner in OWNERS:
        kept, same = _kept(home / owner), _kept(whole / owner)
        assert len(kept) == 2
        assert kept == same


def test_a_run_that_was_killed_ends_at_the_very_model_of_one_that_was_not(
    job: Path, whole: Path, tmp_path: Path
) -> None:
    with running("run", job, "--home", tmp_path / "killed") as run:
        run.until(began(3))
        run.signal(signal.SIGKILL)
    again = quorate("run", job, "--home", tmp_path / "killed", "--resume", "--json")

    assert again.code == 0, again.err
    assert_same(tmp_path / "killed", whole)


def test_with_a_process_for_each_actor_it_ends_at_the_same_model(
    job: Path, whole: Path, tmp_path: Path, vhost: Vhost
) -> None:
    ended = quorate("run", job, "--broker", vhost.url, "--home", tmp_path / "home", "--json")

    assert ended.code == 0, ended.err
    assert_same(tmp_path / "home", whole)
    card = tmp_path / "home" / "coordinator" / "MODEL_CARD.md"
    assert "4 owners contributed: four, one, three, two." in card.read_text()


def _kept(home: Path) -> dict[str, bytes]:
    """Return what an owner kept: after the last round but one, and after the last."""
    shelf = KeptAtHome(home / "kept")
    found = {file.stem: shelf.recall(file.stem) for file in (home / "kept").iterdir()}
    assert all(state and {"bias", "[c] weight"} <= state.arrays.keys() for state in found.values())
    return {mark: state.to_bytes() for mark, state in found.items() if isinstance(state, State)}
