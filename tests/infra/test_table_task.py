"""An owner's rules and agreements are held where its rows are, before anything is computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actors.ports import WorkFailed
from infra.table_task import TableTask
from infra.tables import Agreement
from infra.worker_frames import Option, WorkSpec
from protocols.errors import Unfit
from protocols.learning.disclosure import NO_RULES, Rules
from protocols.learning.table import Column

NOTHING = Agreement()
AGES = [*range(20, 40), 95]
HISTOGRAM: dict[str, Option] = {"column": "age", "least": 0.0, "most": 100.0, "bins": 2}


def task_of(
    folder: Path,
    kind: str,
    options: dict[str, Option],
    rules: Rules,
    *,
    agreement: Agreement = NOTHING,
) -> TableTask:
    rows = [f"{age},{age % 7},{'f' if age < 90 else 'm'}" for age in AGES]
    (folder / "own.csv").write_text("\n".join(["age,stay,sex", *rows]) + "\n")
    data = str(folder / "own.csv")
    return TableTask(
        WorkSpec(
            kind=kind, options=options, owner="ann", data=data, rules=rules, agreement=agreement
        )
    )


@pytest.mark.parametrize(
    ("kind", "options", "refused"),
    [
        ("histogram", HISTOGRAM, "small cell"),
        ("moments", {"features": ["age"]}, None),
        (
            "grouped_moments",
            {"features": ["age"], "by": "sex", "groups": ["f", "m"]},
            "rare category",
        ),
        ("glm", {"features": ["age"], "target": "stay", "family": "gaussian"}, None),
    ],
)
def test_an_owner_computes_nothing_that_its_rules_refuse(
    tmp_path: Path, kind: str, options: dict[str, Option], refused: str | None
) -> None:
    task = task_of(tmp_path, kind, options, Rules())
    state = task.initial()

    if refused is None:
        assert task.compute(state).size > 0
    else:
        with pytest.raises(Unfit) as caught:
            task.compute(state)
        assert caught.value.kind == refused
        assert "95" not in str(caught.value)
    assert task_of(tmp_path, kind, options, NO_RULES).compute(state).size > 0


def test_rules_hold_in_every_round_and_not_only_in_the_first(tmp_path: Path) -> None:
    options: dict[str, Option] = {"features": ["age"], "target": "stay", "family": "gaussian"}
    task = task_of(tmp_path, "glm", options, Rules(parameters_per_row=0.01))

    for _ in range(2):
        with pytest.raises(Unfit) as caught:
            task.compute(task.initial())
        assert caught.value.kind == "too many parameters"


def test_an_owner_is_told_at_the_start_what_it_will_refuse(tmp_path: Path) -> None:
    task = task_of(tmp_path, "moments", {"features": ["age"]}, Rules(smallest_cell=30))

    with pytest.raises(Unfit, match="fewer than 30 rows"):
        task.describe()


def test_a_table_is_checked_by_what_was_agreed(tmp_path: Path) -> None:
    agreed = Agreement(schema=(Column(name="age", most=90.0),))
    task = task_of(tmp_path, "moments", {"features": ["age"]}, NO_RULES, agreement=agreed)

    with pytest.raises(WorkFailed, match="line 22, column 'age': it must be"):
        task.compute(task.initial())


def test_a_column_that_the_schema_knows_otherwise_is_refused(tmp_path: Path) -> None:
    agreed = Agreement(schema=(Column(name="age", kind="class", levels=("a", "b")),))
    task = task_of(tmp_path, "moments", {"features": ["age"]}, NO_RULES, agreement=agreed)

    with pytest.raises(WorkFailed, match="'age' is a class by the schema") as caught:
        task.compute(task.initial())

    assert caught.value.kind == "bad options"


def test_counts_are_those_of_the_table(tmp_path: Path) -> None:
    task = task_of(tmp_path, "histogram", HISTOGRAM, NO_RULES)

    counts = task.compute(task.initial()) * 2.0**20

    np.testing.assert_array_equal(counts, [0, 20, 1, 0])
