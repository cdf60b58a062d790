"""What the benchmark of rounds says of event loops, and how it writes figures down."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
MODULES = ("stalls", "machine", "round_plots", "round_hub", "round_role", "trust_ports", "rounds")


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def busy(seconds: float, enough: Callable[[], object] = lambda: False) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until and not enough():
        pass


async def test_a_step_that_keeps_the_loop_is_counted_and_named_and_waiting_is_not() -> None:
    from stalls import stalls  # noqa: PLC0415

    async def works() -> None:
        await asyncio.sleep(0.05)  # others' time is no step of ours
        busy(0.03)

    with stalls() as found:
        await asyncio.create_task(works(), name="a hog")

    assert found.long_steps == 1
    assert found.step_of == "a hog"
    assert found.step_ms >= 30
    assert found.gap_ms >= 29


async def test_where_a_long_step_was_is_said_when_asked_for() -> None:
    from stalls import stalls  # noqa: PLC0415

    async def works() -> None:
        busy(5, lambda: found.stacks)  # whoever looks needs the interpreter to itself for it

    with stalls(blame=True) as found:
        await asyncio.create_task(works())

    assert any("busy" in where for where in found.stacks)


def row(values: int, cpu_ms: float) -> dict[str, Any]:
    figures = {"trainer_cpu_ms": cpu_ms, "coordinator_cpu_ms": 1.0, "coordinator_mb": 3.0}
    sizes = {"trainer_sent_kb": 9.0, "holder_received_kb": 1.0, "coordinator_received_kb": 5.0}
    case = {"suite": "masked", "trainers": 10, "values": values}
    return {**case, **figures, **sizes, "holder_mb": 2.0}


def test_a_new_figure_takes_the_place_of_the_same_cases_and_others_stay(tmp_path: Path) -> None:
    from rounds import _add  # noqa: PLC0415

    file = tmp_path / "rounds.json"
    for values, cpu_ms in ((100, 1.0), (10, 2.0), (100, 3.0)):
        _add(file, row(values, cpu_ms))

    rows = json.loads(file.read_text())["rows"]
    assert [(one["values"], one["trainer_cpu_ms"]) for one in rows] == [(10, 2.0), (100, 3.0)]


def test_slopes_and_bytes_are_drawn_twice_each(tmp_path: Path) -> None:
    from round_plots import draw  # noqa: PLC0415

    draw(
        [{**row(10_000, 1.0), "suite": suite} for suite in ("masked", "shamir", "packed")], tmp_path
    )

    drawn = {"rounds-cpu", "rounds-memory", "rounds-bytes"}
    assert {file.name for file in tmp_path.iterdir()} == {
        name + suffix for name in drawn for suffix in (".png", ".svg")
    }
