"""The model is one table: what Spin reads is made from it, and a table can't contradict itself."""

from __future__ import annotations

import re

import pytest

from models.promela import GENERATED, source
from models.search import ANSWERED, FACTS, VOTED
from models.table import FOLDER, holder, parsed


@pytest.mark.parametrize("vote", [True, False])
def test_the_promela_of_a_table_is_what_the_table_makes(vote: bool) -> None:
    name = GENERATED[vote]

    kept = (FOLDER / name).read_text(encoding="utf-8")

    assert kept == source(holder(vote=vote), name.replace(".pml", ".txt")), (
        "the tables have changed: python -m models --write"
    )


def test_every_cell_stands_in_the_promela_with_its_next_state_and_what_binds() -> None:
    text = (FOLDER / "two_phases.pml").read_text(encoding="utf-8")
    rows = re.split(r"\n  :: now == s_(\w+) ->", text)[1:]
    found = {
        (state, given): (follows, says)
        for state, body in zip(rows[::2], rows[1::2], strict=True)
        for given, follows, says in re.findall(
            r":: input == i_(\w+) -> next = s_(\w+); says = say_(\w+)", body
        )
    }

    wanted = {
        (state.replace("-", "_"), given.replace("-", "_")): (
            cell.next.replace("-", "_"),
            cell.says if cell.says in ("vote", "answer") else "none",
        )
        for state, given, cell in holder(vote=True).cells()
    }

    assert found == wanted


def test_spin_and_python_mean_the_same_by_each_fact() -> None:
    text = (FOLDER / "release.pml").read_text(encoding="utf-8")

    facts = dict(re.findall(r"#define IS_(\w+) (\d+)", text))
    said = dict(re.findall(r"#define ((?:VOTED|ANSWERED)_[AB]) (\d+)", text))

    assert facts == {
        fact.upper().replace(" ", "_"): str(1 << place) for place, fact in enumerate(FACTS)
    }
    assert [said[f"VOTED_{x}"] for x in "AB"] == [str(bit) for bit in VOTED]
    assert [said[f"ANSWERED_{x}"] for x in "AB"] == [str(bit) for bit in ANSWERED]


@pytest.mark.parametrize("vote", [True, False])
def test_after_a_restart_another_one_changes_nothing(vote: bool) -> None:
    table = holder(vote=vote)

    for state in table.states:
        once = table.rows[state]["restart"].next
        assert table.rows[once]["restart"].next == once


@pytest.mark.parametrize(
    "text",
    [
        "state open\nidle gone/-",
        "state open\nidle ./shout",
        "state open close\nidle ./-",
        "state open\nidle ./-\nidle ./-",
    ],
)
def test_a_table_that_contradicts_itself_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="idle"):
        parsed(text)


def test_a_cell_that_is_not_there_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="no cell ready, unable"):
        holder(vote=True).changed({("ready", "unable"): "./-"})
