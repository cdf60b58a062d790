from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.secure_fits import UNEQUAL, fit, one_round, owners_of

from protocols.errors import Unfit
from protocols.learning.boosting import Boosting
from protocols.learning.boosting_fit import BoostingFit
from protocols.learning.job import JobFailed
from protocols.learning.state import State
from protocols.learning.table import Table
from protocols.learning.trees import Totals, best_split, binned, histograms, reached

EXAMPLE = Path(__file__).parents[3] / "examples" / "boosted_trees" / "boosted_trees.py"
RNG = np.random.default_rng(9)
ROWS = 600
A, B = RNG.normal(size=ROWS), RNG.exponential(size=ROWS)
C = (RNG.random(ROWS) < 0.3).astype(float)
LINE = np.where(A > 0, 2.0, -1.0) + C * (B > 1) + 0.3 * RNG.normal(size=ROWS)
COLUMNS = {
    "a": A,
    "b": B,
    "c": C,
    "line": LINE,
    "yes": (RNG.random(ROWS) < 1 / (1 + np.exp(-LINE))).astype(float),
}
FEATURES = ("a", "b", "c")
X = {name: COLUMNS[name] for name in FEATURES}


def trees(loss: str = "squared", **options: Any) -> Boosting:
    target = "yes" if loss == "logistic" else "line"
    small: dict[str, Any] = {"trees": 6, "bins": 8, "features": FEATURES, "target": target}
    return Boosting(**{**small, "loss": loss, **options})


def grown(algorithm: Boosting, owners: dict[str, Table]) -> BoostingFit:
    found = algorithm.fit(fit(algorithm, owners))
    assert found is not None
    return found


def assert_same(one: BoostingFit, other: BoostingFit) -> None:
    assert one.columns.tolist() == other.columns.tolist()
    np.testing.assert_allclose(one.thresholds, other.thresholds, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.values, other.values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-9)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_it_does_not_matter_how_rows_are_divided(loss: str) -> None:
    owners = {**owners_of(COLUMNS, (1, 1, 598)), "none": Table({k: np.zeros(0) for k in COLUMNS})}

    found = grown(trees(loss), owners)

    assert_same(found, grown(trees(loss), owners_of(COLUMNS, (1,))))
    assert found.rows == ROWS


def test_owners_of_one_class_take_part() -> None:
    yes = COLUMNS["yes"] == 1
    parts = {"sick": yes, "well": ~yes & (A > 0), "rest": ~yes & (A <= 0)}
    owners = {name: Table({k: v[rows] for k, v in COLUMNS.items()}) for name, rows in parts.items()}

    found = grown(trees("logistic"), owners)

    assert_same(found, grown(trees("logistic"), owners_of(COLUMNS, (1,))))


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_trees_learn_what_columns_say(loss: str) -> None:
    found = grown(trees(loss, trees=40), owners_of(COLUMNS, UNEQUAL[5]))

    assert (np.diff(found.losses) < 0).all()
    assert found.losses[-1] < 0.8 * found.losses[0]
    assert found.importances.argmax() == 0
    assert found.importances.sum() == pytest.approx(1)
    predicted = found.predict(X)
    if loss == "squared":
        left = ((predicted - LINE) ** 2).mean() / LINE.var()
        assert 2 * found.losses[-1] == pytest.approx(left, rel=1e-12)
    else:
        assert ((predicted > 0) & (predicted < 1)).all()
        assert ((predicted > 0.5) == (COLUMNS["yes"] == 1)).mean() > 0.7


@pytest.mark.parametrize("edges", [(), ((0.0,), (1.0,), (0.5,))])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused_and_not_put_into_a_bin(
    value: float, edges: tuple[tuple[float, ...], ...]
) -> None:
    owners = owners_of(COLUMNS, UNEQUAL[3])
    spoiled = owners["owner-1"].columns | {"b": np.full(owners["owner-1"].rows, value)}

    with pytest.raises(Unfit) as caught:
        fit(trees(edges=edges), {**owners, "owner-1": Table(spoiled)})

    assert caught.value.kind == "not finite"


@pytest.mark.parametrize("column", ["a", "line"])
def test_numbers_that_cannot_be_summed_are_refused(column: str) -> None:
    owners = owners_of(COLUMNS, UNEQUAL[3])
    spoiled = owners["owner-1"].columns | {column: np.full(owners["owner-1"].rows, 1e31)}

    with pytest.raises(Unfit) as caught:
        fit(trees(), {**owners, "owner-1": Table(spoiled)})

    assert caught.value.kind == "too large"


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_units_do_not_matter(unit: float) -> None:
    other = COLUMNS | {"a": unit * A, "line": unit * LINE}

    found = grown(trees(), owners_of(other, UNEQUAL[3]))

    same = grown(trees(), owners_of(COLUMNS, UNEQUAL[3]))
    rows = X | {"a": unit * A}
    np.testing.assert_allclose(found.predict(rows) / unit, same.predict(X), rtol=1e-9)


def opened_sizes(algorithm: Boosting) -> list[int]:
    """Return of all nodes whose histograms were opened, and of the other halves, the rows."""
    owners, state, sizes = owners_of(COLUMNS, UNEQUAL[3]), algorithm.start(), []
    while not algorithm.verdict(state).over:
        if state.text("phase") == "boost" and state.arrays["open"].tolist() != [0]:
            nodes = rows_by_node(state)
            for node in state.arrays["open"].tolist():
                sizes += [nodes.get(node, 0), nodes.get(node + 1 if node % 2 else node - 1, 0)]
        state = one_round(algorithm, state, owners)
    return sizes


def rows_by_node(state: State) -> dict[int, int]:
    bins, tree = binned(np.column_stack([A, B, C]), state.floats("edges")), state.count("grown")
    columns, cuts = state.arrays["columns"][tree], state.arrays["cuts"][tree]
    nodes = reached(bins, columns.astype(np.int64), cuts.astype(np.int64))
    places, sizes = np.unique(nodes, return_counts=True)
    return dict(zip(places.tolist(), sizes.tolist(), strict=True))


def test_histograms_are_opened_of_crowds_whose_other_half_is_one_too() -> None:
    assert min(opened_sizes(trees())) >= 80  # ten for each of 8 bins
    assert min(opened_sizes(trees(node_rows=150))) >= 150
    assert min(opened_sizes(trees(node_rows=1))) < 80


def test_nodes_that_show_single_rows_are_said_to() -> None:
    owners = owners_of(COLUMNS, UNEQUAL[3])

    assert grown(trees(), owners).notes == ()
    (text,) = grown(trees(node_rows=40), owners).notes
    assert "with node_rows = 40" in text
    assert "single rows can be read off" in text


def test_training_that_diverges_is_no_result() -> None:
    with pytest.raises(JobFailed, match="training diverges; lower learning_rate"):
        fit(trees(learning_rate=5.0), owners_of(COLUMNS, UNEQUAL[3]))


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_an_outcome_that_is_always_the_same_is_refused(loss: str) -> None:
    alike = COLUMNS | {"line": np.ones(ROWS), "yes": np.ones(ROWS)}

    with pytest.raises(JobFailed, match="the outcome is the same in all rows"):
        fit(trees(loss), owners_of(alike, UNEQUAL[3]))


def test_too_few_rows_are_refused() -> None:
    few = {name: column[:70] for name, column in COLUMNS.items()}

    with pytest.raises(JobFailed, match="70 rows are too few: 80 are needed"):
        fit(trees(), owners_of(few, UNEQUAL[3]))


def test_constant_columns_are_never_asked() -> None:
    with_constant = COLUMNS | {"c": np.full(ROWS, 7.0)}

    found = grown(trees(), owners_of(with_constant, UNEQUAL[3]))

    assert found.importances[2] == 0
    flat = {name: np.full(ROWS, 7.0) for name in FEATURES}
    with pytest.raises(JobFailed, match="every column is constant"):
        fit(trees(), owners_of(COLUMNS | flat, UNEQUAL[3]))


def test_where_no_split_is_allowed_there_are_no_trees_and_the_mean_is_predicted() -> None:
    rare = {"c": (np.arange(ROWS) < 5).astype(float), "line": LINE}
    algorithm = trees(features=("c",), leaf_rows=20)

    found = grown(algorithm, owners_of(rare, UNEQUAL[3]))

    assert found.notes == ("no split helps after 0 trees",)
    assert found.predict({"c": np.zeros(2)}) == pytest.approx(LINE.mean())
    assert found.losses == pytest.approx([0.5])


def test_bins_end_near_the_quantiles() -> None:
    algorithm, owners = trees(), owners_of(COLUMNS, UNEQUAL[3])
    state = algorithm.start()
    for _ in range(3):
        state = one_round(algorithm, state, owners)

    edges = state.floats("edges")

    for column, values in enumerate((A, B)):
        below = [(values <= edge).mean() for edge in edges[column][np.isfinite(edges[column])]]
        np.testing.assert_allclose(below, np.arange(1, 8) / 8, atol=0.07)
    assert [edge for edge in edges[2] if 0 <= edge < 1]


def test_a_rare_value_gets_a_bin_of_its_own() -> None:
    rare = {"c": (np.arange(ROWS) < 12).astype(float)}
    rare["line"] = 3 * rare["c"]
    algorithm = trees(features=("c",), leaf_rows=5, trees=60, learning_rate=0.5)

    found = grown(algorithm, owners_of(rare, UNEQUAL[3]))

    np.testing.assert_allclose(found.predict(rare), rare["line"], atol=1e-6)


def test_trees_go_on_without_an_owner_that_leaves() -> None:
    algorithm, owners = trees(trees=4), owners_of(COLUMNS, UNEQUAL[5])
    left = {k: v for k, v in owners.items() if k != "owner-2"}
    state = algorithm.start()
    for _ in range(8):
        state = one_round(algorithm, state, owners)
    before = state

    state = fit(algorithm, left, state=state)

    found = algorithm.fit(state)
    assert found is not None
    kept = before.count("grown")
    assert kept >= 1
    assert state.arrays["columns"][:kept].tolist() == before.arrays["columns"][:kept].tolist()
    assert found.rows == ROWS - owners["owner-2"].rows
    assert "owner-2 left, nobody came; went on from here with who is left" in found.notes[0]


def test_progress_is_told_as_trees_and_loss() -> None:
    algorithm, owners = trees(), owners_of(COLUMNS, UNEQUAL[3])

    state = fit(algorithm, owners)

    found = algorithm.fit(state)
    assert found is not None
    assert algorithm.metrics(state) == {"grown": 6, "loss_per_row": found.losses[-1]}
    assert algorithm.metrics(algorithm.start()) == {}


def test_what_has_not_ended_is_no_result() -> None:
    hasty = trees(max_rounds=9)

    state = fit(hasty, owners_of(COLUMNS, UNEQUAL[3]))

    assert hasty.fit(state) is None
    assert hasty.result(state) == {}


def example() -> Any:
    spec = importlib.util.spec_from_file_location("boosted_trees", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_json_is_enough_to_predict_without_us(loss: str) -> None:
    found = grown(trees(loss, depth=4), owners_of(COLUMNS, UNEQUAL[3]))
    model = json.loads(json.dumps(found.to_json(), allow_nan=False))

    alone = example().BoostedTrees(model)

    rows = np.column_stack([A, B, C]).tolist()
    np.testing.assert_allclose(alone.decision_function(rows), found.scores(X), rtol=1e-12)
    if loss == "squared":
        np.testing.assert_allclose(alone.predict(rows), found.predict(X), rtol=1e-12)
        with pytest.raises(ValueError, match="no chances"):
            alone.predict_proba(rows)
    else:
        chances = np.array(alone.predict_proba(rows))
        np.testing.assert_allclose(chances[:, 1], found.predict(X), rtol=1e-12)
        assert (np.array(alone.predict(rows)) == (found.predict(X) > 0.5)).all()


def test_the_predictor_runs_by_itself(tmp_path: Path) -> None:
    found = grown(trees(), owners_of(COLUMNS, UNEQUAL[3]))
    (tmp_path / "model.json").write_text(json.dumps(found.to_json()))
    (tmp_path / "rows.csv").write_text("c,b,a\n" + f"{C[0]},{B[0]},{A[0]}\n")

    command = [sys.executable, "-I", EXAMPLE, tmp_path / "model.json", tmp_path / "rows.csv"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)

    head, value = ran.stdout.split()
    assert head == "prediction"
    assert float(value) == pytest.approx(found.predict(X)[0], rel=1e-12)


def test_a_summary_has_columns_by_importance() -> None:
    text = grown(trees(), owners_of(COLUMNS, UNEQUAL[3])).summary()

    assert all(len(line) <= 78 for line in text.splitlines())
    names = [line.split()[0] for line in text.splitlines()[-4:-1]]
    assert names[0] == "a"
    assert set(names) == set(FEATURES)
    assert "R-squared:" in text


def test_histograms_are_sums_over_rows() -> None:
    bins, weights = RNG.integers(0, 4, (50, 3)), RNG.normal(size=50)
    nodes = RNG.integers(-1, 2, 50)

    found = histograms(bins, nodes, weights, (2, 3, 4))

    for node, column, place in np.ndindex(2, 3, 4):
        inside = (nodes == node) & (bins[:, column] == place)
        assert found[node, column, place] == pytest.approx(weights[inside].sum())


def test_of_splits_that_are_alike_the_first_is_taken() -> None:
    rows = np.array([[4.0, 4.0], [4.0, 4.0]])
    gradient = np.array([[1.0, -1.0], [1.0 + 1e-15, -1.0]])

    split = best_split(Totals(rows, gradient, rows), leaf_rows=1, l2=0.0)

    assert split is not None
    assert split.column == 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"loss": "absolute"}, "loss must be squared or logistic"),
        ({"trees": 0}, "trees must be 1 to 10000"),
        ({"depth": 9}, "depth must be 1 to 8"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"l2": -1.0}, "l2 must be 0 or more"),
        ({"leaf_rows": 0}, "leaf_rows must be 1 or more"),
        ({"bins": 1}, "bins must be 2 to 1024"),
        ({"node_rows": 0}, "node_rows must be 1 or more"),
        ({"edges": ((1.0,),)}, "edges needs a list for each column"),
        ({"edges": ((1.0,), (2.0, 2.0), (1.0,))}, "finite and ascending"),
        ({"edges": ((1.0,), (), (1.0,))}, "finite and ascending, one or more"),
    ],
)
def test_what_makes_no_trees_is_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        trees(**{"loss": "squared", **options})  # type: ignore[arg-type]
