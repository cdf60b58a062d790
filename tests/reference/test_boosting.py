"""Boosted trees over unequal owners, beside scikit-learn on the pooled rows, binned beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.references import Record
from fakes.secure_fits import UNEQUAL, Vector, fit, owners_of
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, roc_auc_score

from protocols.learning.boosting import Boosting
from protocols.learning.boosting_fit import BoostingFit

pytestmark = pytest.mark.reference

CANCER = datasets.load_breast_cancer(return_X_y=True)
DIABETES = datasets.load_diabetes(return_X_y=True)
Y = "outcome"
PART = np.linspace(0, 1, 33)[1:-1]


def quantiles(x: Vector) -> list[Vector]:
    return [np.unique(np.quantile(column, PART)) for column in x.T]


def binned(x: Vector) -> Vector:
    """Return the numbers of 32 bins; a value at an end is above."""
    pairs = zip(quantiles(x), x.T, strict=True)
    return np.column_stack([np.searchsorted(q, c, side="right") for q, c in pairs]).astype(float)


def columns(x: Vector) -> dict[str, Vector]:
    return {f"x{place}": column for place, column in enumerate(x.T)}


def found(x: Vector, y: Vector, owners: int, **options: object) -> BoostingFit:
    algorithm = Boosting(features=tuple(columns(x)), target=Y, node_rows=1, **options)  # type: ignore[arg-type]
    parts = owners_of({**columns(x), Y: y.astype(float)}, UNEQUAL[owners])
    result = algorithm.fit(fit(algorithm, parts))
    assert result is not None
    return result


def between(x: Vector) -> tuple[tuple[float, ...], ...]:
    """Return the points in the middle of whole numbers."""
    return tuple(tuple(np.arange(column.max()) + 0.5) for column in x.T)


@pytest.mark.parametrize("owners", [3, 5])
def test_logistic_loss(reference: Record, owners: int) -> None:
    x, y = binned(CANCER[0]), CANCER[1]
    theirs = HistGradientBoostingClassifier(
        max_iter=50, max_depth=3, learning_rate=0.1, min_samples_leaf=20, early_stopping=False
    ).fit(x, y)

    ours = found(x, y, owners, loss="logistic", trees=50, edges=between(x))

    scores, chances = ours.scores(columns(x)), ours.predict(columns(x))
    what = "breast cancer boosting"
    reference.compare(f"{what}: scores", owners, scores, theirs.decision_function(x), within=1e-5)
    chance = theirs.predict_proba(x)[:, 1]
    reference.compare(f"{what}: chances", owners, chances, chance, within=1e-5)
    reference.compare(
        f"{what}: log loss, pinned", owners, log_loss(y, chances), 0.03404046, within=1e-7
    )
    reference.compare(
        f"{what}: AUC, pinned", owners, roc_auc_score(y, chances), 0.99994715, within=1e-8
    )
    reference.compare(
        f"{what}: its own loss", owners, ours.losses[-1], log_loss(y, chances), within=1e-12
    )


@pytest.mark.parametrize(("l2", "depth"), [(0.0, 3), (5.0, 2), (1.0, 5)])
@pytest.mark.parametrize("owners", [3, 5])
def test_squared_loss(reference: Record, l2: float, depth: int, owners: int) -> None:
    x, y = DIABETES
    edges = tuple(tuple(q) for q in quantiles(x))
    inside = np.column_stack(
        [np.searchsorted(q, c, side="left") for q, c in zip(edges, x.T, strict=True)]
    ).astype(float)
    theirs = HistGradientBoostingRegressor(
        max_iter=60,
        max_depth=depth,
        max_leaf_nodes=None,
        min_samples_leaf=10,
        l2_regularization=l2,
        early_stopping=False,
    ).fit(inside, y)

    ours = found(
        x, y, owners, loss="squared", trees=60, depth=depth, l2=l2, leaf_rows=10, edges=edges
    )

    what = f"diabetes boosting, depth {depth}"
    mine, other = ours.predict(columns(x)), theirs.predict(inside)
    unit = y.std()
    reference.compare(f"{what}: predictions / sd", owners, mine / unit, other / unit, within=1e-5)
    error = float(((mine - y) ** 2).mean() / y.var())
    reference.compare(f"{what}: its own loss", owners, 2 * ours.losses[-1], error, within=1e-12)


def test_edges_that_owners_count_themselves_do_about_as_well(reference: Record) -> None:
    x, y = CANCER
    given = tuple(tuple(q) for q in quantiles(x))

    own = found(x, y, 5, loss="logistic", trees=50, bins=32)
    best = found(x, y, 5, loss="logistic", trees=50, edges=given)

    counted, exact = own.losses[-1], best.losses[-1]
    reference.compare("breast cancer, counted bins: loss", 5, counted, exact, within=5e-3)
