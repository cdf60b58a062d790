"""By which of an owner's rules each kind of model is refused, before a round of it is computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from infra.table_task import TableTask
from infra.worker_frames import Option, WorkSpec
from protocols.errors import Unfit
from protocols.learning.algorithms import build
from protocols.learning.disclosure import NO_RULES, Rules
from protocols.learning.job import Opened

Columns = Mapping[str, Sequence[object]]

ROWS = 24
HALVES = ["f", "m"] * (ROWS // 2)
PEOPLE: Columns = {
    "weeks": [3, 6, 9, 12] * (ROWS // 4),
    "died": [1] * (ROWS // 2) + [0] * (ROWS // 2),
    "sex": HALVES,
    "age": range(20, 20 + ROWS),
    "dose": [(7 * n) % 11 + 0.5 for n in range(ROWS)],
    "place": [1.0, 2.0, 3.0] * 4 + [7.0, 8.0, 9.0] * 4,
}
TINY: Columns = {name: list(values)[9:15] for name, values in PEOPLE.items()}
SURVIVAL: dict[str, Option] = {"time": "weeks", "event": "died", "until": 12.0, "step": 3.0}
BY_SEX: dict[str, Option] = {**SURVIVAL, "group": "sex", "levels": ["f", "m"]}
POOLED: dict[str, Option] = {**SURVIVAL, "features": ["dose"], "pooled": True, "least": 4}
OWN_STRATUM: dict[str, Option] = {"time": "weeks", "event": "died", "features": ["dose"]}
CLASSES: dict[str, Option] = {"features": ["age"], "target": "sex", "levels": ["f", "m"]}
TWO_PLACES: dict[str, Option] = {"features": ["place"], "centres": [[2.0], [8.0]], "least": 1}
GROWN: dict[str, Option] = {
    "features": ["place"],
    "target": "dose",
    "loss": "squared",
    "edges": [[1.5, 5.0, 8.5]],
    "trees": 1,
    "depth": 2,
    "leaf_rows": 2,
    "node_rows": 1,
}


def changed(**columns: Sequence[object]) -> Columns:
    return {**PEOPLE, **columns}


def task_of(
    folder: Path, kind: str, options: Mapping[str, Option], columns: Columns, rules: Rules
) -> TableTask:
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    (folder / "own.csv").write_text("\n".join(lines) + "\n")
    data = str(folder / "own.csv")
    return TableTask(
        WorkSpec(kind=kind, options=dict(options), owner="ann", data=data, rules=rules)
    )


def refusals(
    folder: Path, kind: str, options: Mapping[str, Option], columns: Columns
) -> set[tuple[str, str]]:
    """Return in which phases of a fit an owner with default rules declines, and by which kind.

    The fit itself goes on as if it had none, so that its later rounds are asked for, too.
    """
    return set(_declined(folder, kind, options, columns))


def _declined(
    folder: Path, kind: str, options: Mapping[str, Option], columns: Columns
) -> Iterator[tuple[str, str]]:
    careful = task_of(folder, kind, options, columns, Rules())
    careless = task_of(folder, kind, options, columns, NO_RULES)
    algorithm, state = build(kind, options), careless.initial()
    while not algorithm.verdict(state).over:
        try:
            careful.compute(state)
        except Unfit as error:
            yield state.text("phase"), error.kind
        opened = Opened(total=careless.compute(state), survivors=("ann", "bob", "cem"))
        state = algorithm.update(state, opened)


FEW_F = changed(sex=["f"] * 2 + ["m"] * 22)
# In the groups of women five rows, of which two with an event.
FEW_F_DIED = changed(weeks=[3] * ROWS, sex=["f"] * 2 + ["m"] * 10 + ["f"] * 3 + ["m"] * 9)
FEW_CENSORED = changed(weeks=[3] * 12 + [6] * 12, died=[1] * 8 + [0] * 4 + [1] * 10 + [0] * 2)
FEW_EVENTS = changed(weeks=[3] * 12 + [6] * 12, died=[0] * 8 + [1] * 4 + [0] * 10 + [1] * 2)
FEW_AFTER = changed(weeks=[3] * 12 + [6] * 10 + [13] * 2)
EVERY_WEEK = changed(weeks=range(1, ROWS + 1))
FEW_FAR = changed(place=[1.0, 2.0] * 11 + [8.0, 9.0])
# The first split of a tree takes the last two rows apart. Only the others may be divided again.
FEW_ABOVE = changed(place=[1.0] * 10 + [3.0] * 12 + [9.0] * 2, dose=[0] * 10 + [1] * 12 + [99] * 2)


@pytest.mark.parametrize(
    ("kind", "options", "columns", "phases"),
    [
        ("kaplan_meier", SURVIVAL, PEOPLE, set()),
        ("kaplan_meier", SURVIVAL, EVERY_WEEK, set()),
        ("kaplan_meier", {**SURVIVAL, "step": 1.0}, EVERY_WEEK, {"life table"}),
        ("kaplan_meier", SURVIVAL, FEW_EVENTS, {"life table"}),
        ("kaplan_meier", SURVIVAL, FEW_CENSORED, {"life table"}),
        ("kaplan_meier", SURVIVAL, FEW_AFTER, {"life table"}),
        ("kaplan_meier", BY_SEX, FEW_F_DIED, {"life table"}),
        ("kaplan_meier", SURVIVAL, FEW_F_DIED, set()),
        ("cox", POOLED, PEOPLE, set()),
        ("cox", POOLED, FEW_EVENTS, {"cells", "mean", "scale", "newton"}),
        ("cox", OWN_STRATUM, FEW_EVENTS, set()),
        ("kmeans", TWO_PLACES, PEOPLE, set()),
        ("kmeans", TWO_PLACES, FEW_FAR, {"lloyd", "inertia"}),
        ("boosting", GROWN, PEOPLE, set()),
        ("boosting", GROWN, FEW_ABOVE, {"boost"}),
        ("boosting", {**GROWN, "depth": 1}, FEW_ABOVE, set()),
    ],
)
def test_an_owner_declines_rounds_that_count_one_or_two_of_its_rows(
    tmp_path: Path,
    kind: str,
    options: Mapping[str, Option],
    columns: Columns,
    phases: set[str],
) -> None:
    found = refusals(tmp_path, kind, options, columns)

    assert found == {(phase, "small cell") for phase in phases}


@pytest.mark.parametrize(
    ("kind", "options", "columns", "refused"),
    [
        ("cox", OWN_STRATUM, changed(died=[1] * 2 + [0] * 22), "rare category"),
        ("kaplan_meier", SURVIVAL, changed(died=[1] * 22 + [0] * 2), "rare category"),
        ("kaplan_meier", BY_SEX, FEW_F, "rare category"),
        ("naive_bayes", CLASSES, FEW_F, "rare category"),
        ("lda", CLASSES, FEW_F, "rare category"),
        ("t_test", {"target": "age", "by": "sex", "groups": ["f", "m"]}, FEW_F, "rare category"),
        ("cox", {**OWN_STRATUM, "features": ["age", "dose"]}, TINY, "too many parameters"),
        ("lda", CLASSES, TINY, "too many parameters"),
        ("pca", {"features": ["age", "dose"]}, TINY, "too many parameters"),
        ("boosting", {**GROWN, "depth": 3}, PEOPLE, "too many parameters"),
    ],
)
def test_an_owner_declines_a_whole_job_for_what_its_table_is(
    tmp_path: Path, kind: str, options: Mapping[str, Option], columns: Columns, refused: str
) -> None:
    task = task_of(tmp_path, kind, options, columns, Rules())

    for asked in (task.describe, lambda: task.compute(task.initial())):
        with pytest.raises(Unfit) as caught:
            asked()
        assert caught.value.kind == refused


def test_an_owner_is_told_at_the_start_of_cells_that_the_first_round_would_count(
    tmp_path: Path,
) -> None:
    task = task_of(tmp_path, "kaplan_meier", SURVIVAL, FEW_AFTER, Rules())

    with pytest.raises(Unfit, match="fewer than 3 rows, and more than none"):
        task.describe()
