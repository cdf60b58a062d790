"""Statistics over unequal owners, beside numpy, scipy and scikit-learn on the pooled rows."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pandas as pd
import pytest
from fakes.references import Record
from fakes.secure_fits import UNEQUAL, Vector, fit, owners_of
from scipy import stats
from sklearn import datasets, metrics

from protocols.learning.auc import Auc, AucFit
from protocols.learning.contingency import Contingency
from protocols.learning.correlation import Correlation, CorrelationFit
from protocols.learning.fits import Fit
from protocols.learning.histogram import Histogram, HistogramFit
from protocols.learning.moments import GroupedMoments, Moments
from protocols.learning.moments_fit import MomentsFit
from protocols.learning.quantiles import Quantiles, QuantilesFit
from protocols.learning.t_test import TTest, TTestFit
from protocols.learning.tabular import Tabular

pytestmark = pytest.mark.reference

FEATURES = ("radius", "texture", "area", "smoothness")
LEVELS = ("malignant", "benign")
SIZES = ("small", "middle", "large")


def columns() -> dict[str, Vector]:
    data = datasets.load_breast_cancer()
    x = data.data[:, [0, 1, 3, 4]].astype(np.float64)
    found = dict(zip(FEATURES, x.T, strict=True))
    size = np.digitize(found["radius"], np.quantile(found["radius"], [0.4, 0.8]))
    score = 1 / (1 + np.exp((found["radius"] - 14.5) / 2 + (found["texture"] - 19) / 8))
    return {**found, "kind": data.target.astype(np.float64), "size": size, "score": score}


COLUMNS = columns()
Found = TypeVar("Found", bound=Fit)


def found(kind: type[Found], algorithm: Tabular, owners: int) -> Found:
    result = algorithm.fit(fit(algorithm, owners_of(COLUMNS, UNEQUAL[owners])))
    assert isinstance(result, kind)
    assert result.to_json()["owners"] == [f"owner-{n}" for n in range(1, owners + 1)]
    return result


def group(name: str, level: int) -> Vector:
    return COLUMNS[name][COLUMNS["kind"] == level]


@pytest.mark.parametrize("owners", [3, 5])
def test_moments(reference: Record, owners: int) -> None:
    ours = found(MomentsFit, Moments(features=FEATURES), owners)

    matrix = np.column_stack([COLUMNS[name] for name in FEATURES])
    theirs = stats.describe(matrix)
    reference.compare("moments: mean", owners, ours.mean[0], theirs.mean, within=1e-12)
    reference.compare(
        "moments: variance", owners, ours.variance[0], theirs.variance, within=1e-12, relative=True
    )
    reference.compare(
        "moments: standard error", owners, ours.errors[0], stats.sem(matrix), within=1e-12
    )


@pytest.mark.parametrize("owners", [3, 5])
def test_moments_by_group(reference: Record, owners: int) -> None:
    ours = found(MomentsFit, GroupedMoments(features=FEATURES, by="kind", groups=LEVELS), owners)

    table = pd.DataFrame({name: COLUMNS[name] for name in (*FEATURES, "kind")}).groupby("kind")
    assert ours.rows.tolist() == table.size().tolist()
    reference.compare("grouped: mean", owners, ours.mean, table.mean(), within=1e-12)
    reference.compare(
        "grouped: variance", owners, ours.variance, table.var(), within=1e-12, relative=True
    )


@pytest.mark.parametrize("owners", [3, 5])
def test_correlation(reference: Record, owners: int) -> None:
    ours = found(CorrelationFit, Correlation(features=FEATURES), owners)

    theirs = np.corrcoef([COLUMNS[name] for name in FEATURES])
    reference.compare("correlation", owners, ours.matrix, theirs, within=1e-12)
    pair = stats.pearsonr(COLUMNS["radius"], COLUMNS["smoothness"])
    reference.compare(
        "correlation: p", owners, ours.p_values[0, 3], pair.pvalue, within=1e-9, relative=True
    )


@pytest.mark.parametrize("owners", [3, 5])
def test_histogram(reference: Record, owners: int) -> None:
    ours = found(HistogramFit, Histogram(column="radius", least=8.0, most=24.0, bins=16), owners)

    theirs, edges = np.histogram(COLUMNS["radius"], bins=16, range=(8.0, 24.0))
    reference.compare("histogram: counts", owners, ours.counts, theirs, within=0)
    reference.compare("histogram: edges", owners, ours.edges, edges, within=0)
    assert (ours.below, ours.above) == (
        (COLUMNS["radius"] < 8).sum(),
        (COLUMNS["radius"] > 24).sum(),
    )


@pytest.mark.parametrize("owners", [3, 5])
def test_quantiles(reference: Record, owners: int) -> None:
    at = (0.01, 0.25, 0.5, 0.9)
    algorithm = Quantiles(column="area", least=0.0, most=5000.0, precision=1e-9, at=at)

    ours = found(QuantilesFit, algorithm, owners)

    theirs = np.quantile(COLUMNS["area"], at, method="inverted_cdf")
    reference.compare("quantiles: inverted_cdf", owners, ours.values, theirs, within=1e-9)
    assert ours.errors.max() <= 1e-9
    assert (ours.lower <= theirs).all()
    assert (theirs <= ours.upper).all()


@pytest.mark.parametrize("owners", [3, 5])
@pytest.mark.parametrize("row", ["kind", "size"])
def test_contingency(reference: Record, row: str, owners: int) -> None:
    levels = LEVELS if row == "kind" else SIZES
    columns = {**COLUMNS, "dense": (COLUMNS["texture"] > 19).astype(np.float64)}
    algorithm = Contingency(row=row, row_levels=levels, column="dense", column_levels=("no", "yes"))

    ours = algorithm.fit(fit(algorithm, owners_of(columns, UNEQUAL[owners])))

    assert ours is not None
    table = stats.contingency.crosstab(columns[row], columns["dense"]).count
    theirs = stats.chi2_contingency(table)
    title = f"contingency {len(levels)} x 2"
    reference.compare(f"{title}: counts", owners, ours.counts, table, within=0)
    reference.compare(
        f"{title}: chi-squared", owners, ours.chi_squared, theirs.statistic, within=1e-9
    )
    reference.compare(
        f"{title}: p", owners, ours.p_value, theirs.pvalue, within=1e-9, relative=True
    )
    reference.compare(
        f"{title}: expected", owners, ours.expected, theirs.expected_freq, within=1e-9
    )
    strength = stats.contingency.association(table, method="cramer")
    reference.compare(f"{title}: Cramer's V", owners, ours.cramers_v, strength, within=1e-12)


@pytest.mark.parametrize("owners", [3, 5])
def test_auc_on_the_grid(reference: Record, owners: int) -> None:
    """Scores that the grid tells apart are in their true order, so the area is exact."""
    rounded = {"kind": COLUMNS["kind"], "score": np.floor(COLUMNS["score"] * 64) / 64}
    algorithm = Auc(target="kind", score="score", bins=64)

    ours = algorithm.fit(fit(algorithm, owners_of(rounded, UNEQUAL[owners])))

    assert ours is not None
    theirs = metrics.roc_auc_score(rounded["kind"], rounded["score"])
    reference.compare("auc: on the grid", owners, ours.area, theirs, within=1e-12)
    error = delong(rounded["score"], rounded["kind"])
    reference.compare("auc: DeLong's error", owners, ours.error, error, within=1e-12)
    rates = metrics.roc_curve(rounded["kind"], rounded["score"])
    area = np.trapezoid(ours.curve[:, 1], ours.curve[:, 0])
    reference.compare("auc: under the curve", owners, area, metrics.auc(*rates[:2]), within=1e-12)


@pytest.mark.parametrize("owners", [3, 5])
@pytest.mark.parametrize("bins", [10, 50, 1000])
def test_auc_within_its_bound(reference: Record, bins: int, owners: int) -> None:
    ours = found(AucFit, Auc(target="kind", score="score", bins=bins), owners)

    theirs = metrics.roc_auc_score(COLUMNS["kind"], COLUMNS["score"])
    reference.compare(f"auc: {bins} cells", owners, ours.area, theirs, within=ours.bound)
    assert 0 < ours.bound < 0.5 / bins**0.5


def delong(scores: Vector, outcomes: Vector) -> float:
    """Return the standard error by all pairs of a positive and a negative."""
    positives, negatives = scores[outcomes == 1], scores[outcomes == 0]
    wins = np.sign(positives[:, None] - negatives) / 2 + 0.5
    v10, v01 = wins.mean(axis=1), wins.mean(axis=0)
    return float(np.sqrt(v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01)))


@pytest.mark.parametrize("owners", [3, 5])
@pytest.mark.parametrize("equal", [False, True])
def test_t_test(reference: Record, equal: bool, owners: int) -> None:
    algorithm = TTest(target="texture", by="kind", groups=LEVELS, equal_variances=equal)

    ours = found(TTestFit, algorithm, owners)

    theirs = stats.ttest_ind(group("texture", 0), group("texture", 1), equal_var=equal)
    title = "t-test, Student" if equal else "t-test, Welch"
    reference.compare(f"{title}: t", owners, ours.statistic, theirs.statistic, within=1e-9)
    reference.compare(f"{title}: df", owners, ours.degrees, theirs.df, within=1e-9)
    reference.compare(
        f"{title}: p", owners, ours.p_value, theirs.pvalue, within=1e-9, relative=True
    )
    interval = theirs.confidence_interval()
    reference.compare(f"{title}: interval", owners, ours.interval(), interval, within=1e-9)
