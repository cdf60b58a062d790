"""What a process prints of an event is what its parent takes."""

from __future__ import annotations

import dataclasses
import json
from math import inf, isnan, nan
from typing import Any, get_args, get_type_hints

import pytest

from infra.cli.display import JsonDisplay
from infra.event_lines import read_event, read_line
from infra.rabbitmq.link import LinkChange, LinkState
from protocols.reports import Event, OwnerTrouble, Progress, StateUpdated, Step

_VALUES: dict[Any, Any] = {
    str: "text",
    int: 7,
    float: 0.5,
    Step: Step.VOTING,
    tuple[str, ...]: ("one", "two"),
    tuple[int, ...]: (1, 2),
    tuple[tuple[str, tuple[str, ...]], ...]: (("one", ("two", "three")),),
    tuple[tuple[str, ...], ...]: (("one", "two"), ("three",)),
    dict[str, float]: {"loss": 0.25},
}


def example(kind: type[Any]) -> Event:
    hints = get_type_hints(kind)
    values = {
        field.name: _VALUES.get(hints[field.name]) or get_args(hints[field.name])[0]
        for field in dataclasses.fields(kind)
    }
    made: Event = kind(**values)
    return made


def printed(event: Event, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    JsonDisplay(whole=True).emit(event)
    found = read_line(capsys.readouterr().out.encode())
    assert found is not None
    return found


@pytest.mark.parametrize("kind", get_args(Event))
def test_every_event_comes_back_as_it_was(
    kind: type[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    event = example(kind)

    assert read_event(printed(event, capsys)) == event


@pytest.mark.parametrize("state", LinkState)
def test_a_change_of_the_link_comes_back_as_it_was(
    state: LinkState, capsys: pytest.CaptureFixture[str]
) -> None:
    change = LinkChange(state, "because", 3)

    JsonDisplay().link_changed(change)

    line = read_line(capsys.readouterr().out.encode())
    assert line is not None
    assert read_event(line) == change


def test_an_owners_trouble_keeps_its_kind(capsys: pytest.CaptureFixture[str]) -> None:
    trouble = OwnerTrouble(actor="north", kind="missing value", text="line 3")

    assert read_event(printed(trouble, capsys)) == trouble


def test_a_metric_that_was_not_finite_is_nan(capsys: pytest.CaptureFixture[str]) -> None:
    event = StateUpdated(job="j", number=1, completed=1, metrics={"a": nan, "b": inf, "c": 1.0})

    found = read_event(printed(event, capsys))

    assert isinstance(found, StateUpdated)
    assert isnan(found.metrics["a"])
    assert isnan(found.metrics["b"])
    assert found.metrics["c"] == 1.0


def test_all_progress_is_told_to_a_process_that_reads_along(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = JsonDisplay(whole=True)
    event = example(Progress)

    display.emit(event)
    display.emit(event)

    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("line", [b"", b"hello", b"[1]", b'{"kind": 3}', b"[" * 100_000, b"\xff"])
def test_a_line_that_is_none_of_ours_is_none(line: bytes) -> None:
    assert read_line(line) is None


def test_lines_of_other_kinds_are_no_events() -> None:
    assert read_event({"kind": "summary", "outcome": "converged"}) is None
    assert read_event({"kind": "error", "problems": []}) is None


def test_an_event_that_is_not_whole_is_refused() -> None:
    whole = json.loads('{"kind": "round_began", "job": "j", "number": 1, "dimension": 3}')

    for key in ("job", "number", "dimension"):
        with pytest.raises(ValueError, match=key):
            read_event({name: value for name, value in whole.items() if name != key})
