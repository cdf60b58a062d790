from __future__ import annotations

from pathlib import Path

import numpy as np

from infra.kept_at_home import KeptAtHome
from protocols.learning.state import State


def a_state(value: float) -> State:
    return State(arrays={"c": np.array([value])})


def value(state: State | None) -> float | None:
    return None if state is None else float(state.floats("c")[0])


def test_what_is_kept_is_there_for_the_next_process_and_only_two_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "kept"
    for number, mark in enumerate("abcd"):
        before = "" if number == 0 else "abcd"[number - 1]
        KeptAtHome(folder).keep(mark, a_state(number), beside=before)

    found = [value(KeptAtHome(folder).recall(mark)) for mark in "abcd"]

    assert found == [None, None, 2.0, 3.0]


def test_what_is_in_a_sum_stays_however_often_the_next_is_computed_again(tmp_path: Path) -> None:
    shelf = KeptAtHome(tmp_path)
    shelf.keep("first", a_state(1), beside="")

    for mark in ("x", "y", "z"):
        shelf.keep(mark, a_state(2), beside="first")

    assert value(shelf.recall("first")) == 1.0
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_damaged_is_not_there(tmp_path: Path) -> None:
    shelf = KeptAtHome(tmp_path)
    shelf.keep("first", a_state(1), beside="")
    (tmp_path / "first.safetensors").write_bytes(b"half")

    assert shelf.recall("first") is None
    assert shelf.recall("never") is None
