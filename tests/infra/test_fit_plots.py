from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes.secure_fits import UNEQUAL, fit, owners_of

from infra.fit_plots import NoPlots, plot, save_plot
from protocols.learning.algorithms import TABULAR
from protocols.learning.auc import Auc
from protocols.learning.boosting import Boosting
from protocols.learning.contingency import Contingency
from protocols.learning.correlation import Correlation
from protocols.learning.cox import Cox
from protocols.learning.elastic_net import ElasticNet, Ridge
from protocols.learning.fits import Fit
from protocols.learning.glm import Glm
from protocols.learning.histogram import Histogram
from protocols.learning.kaplan_meier import KaplanMeier
from protocols.learning.kmeans import KMeans
from protocols.learning.lda import Lda
from protocols.learning.logistic import Logistic
from protocols.learning.moments import GroupedMoments, Moments
from protocols.learning.naive_bayes import NaiveBayes
from protocols.learning.pca import Pca
from protocols.learning.quantiles import Quantiles
from protocols.learning.softmax import Softmax
from protocols.learning.t_test import TTest
from protocols.learning.tabular import Tabular

RNG = np.random.default_rng(5)
A, B = RNG.normal(size=200), RNG.normal(size=200)
COLUMNS = {
    "a": A,
    "b": B,
    "y": 1 + 2 * A - B + RNG.normal(size=200),
    "high": (A + B > 0).astype(float),
    "kind": np.digitize(A + RNG.normal(size=200), [-0.5, 0.5]).astype(float),
    "time": np.ceil(20 * RNG.exponential(np.exp(-A))),
    "died": (RNG.random(200) < 0.7).astype(float),
}
FEATURES = ("a", "b")
ALGORITHMS: dict[str, Tabular] = {
    "glm": Glm(features=FEATURES, target="y", family="gaussian"),
    "elastic net": ElasticNet(features=FEATURES, target="y", alpha=0.1),
    "ridge": Ridge(features=FEATURES, target="y", alpha=0.1),
    "logistic": Logistic(features=FEATURES, target="high"),
    "histogram": Histogram(column="a", least=-1.0, most=1.0, bins=4),
    "correlation": Correlation(features=FEATURES),
    "auc": Auc(target="high", score="a", least=-3.0, most=3.0),
    "softmax": Softmax(features=FEATURES, target="kind", levels=("low", "mid", "high")),
    "softmax, penalised": Softmax(
        features=FEATURES, target="kind", levels=("low", "mid", "high"), alpha=1.0
    ),
    "cox": Cox(features=FEATURES, time="time", event="died"),
    "moments": Moments(features=FEATURES),
    "grouped moments": GroupedMoments(features=FEATURES, by="kind", groups=("low", "mid", "high")),
    "t-test": TTest(target="y", by="high", groups=("0", "1")),
    "quantiles": Quantiles(column="a", least=-9.0, most=9.0, precision=0.01, at=(0.75, 0.25, 0.5)),
    "contingency": Contingency(
        row="kind", row_levels=("low", "mid", "high"), column="high", column_levels=("0", "1")
    ),
    "boosting": Boosting(features=FEATURES, target="y", loss="squared", trees=4, bins=8),
    "pca": Pca(features=FEATURES),
    "kmeans": KMeans(features=FEATURES, clusters=3),
    "naive bayes": NaiveBayes(features=FEATURES, target="kind", levels=("low", "mid", "high")),
    "lda": Lda(features=FEATURES, target="kind", levels=("low", "mid", "high")),
    "kaplan-meier": KaplanMeier(
        time="time", event="died", until=50, group="kind", levels=("low", "mid", "high")
    ),
}


def found(name: str) -> Fit:
    algorithm = ALGORITHMS[name]
    result = algorithm.fit(fit(algorithm, owners_of(COLUMNS, UNEQUAL[3])))
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("name", "panels"),
    [("glm", 1), ("elastic net", 1), ("softmax", 2), ("softmax, penalised", 3), ("cox", 1)],
)
def test_every_coefficient_but_the_intercept_is_drawn(name: str, panels: int) -> None:
    figure = plot(found(name))

    assert len(figure.axes) == panels
    for axes in figure.axes:
        (points,) = [line for line in axes.lines if line.get_marker() == "o"]
        assert len(points.get_xdata()) == 2
    labels = [label.get_text().split()[0] for label in figure.axes[0].get_yticklabels()]
    assert labels == ["a", "b"]


def test_intervals_are_drawn_where_there_are_errors() -> None:
    spans = plot(found("glm")).axes[0].collections[0].get_segments()

    assert [len(span) for span in spans] == [2, 2]
    assert spans[0][0][0] < 2 < spans[0][1][0]
    assert not plot(found("elastic net")).axes[0].collections


@pytest.mark.parametrize("name", ["glm", "elastic net", "softmax", "cox"])
def test_units_of_a_column_do_not_hide_its_coefficient(name: str) -> None:
    algorithm = ALGORITHMS[name]
    small = {**COLUMNS, "a": 1e6 * COLUMNS["a"]}
    if name == "elastic net":  # its penalty is of the columns as they are
        algorithm = ElasticNet(features=FEATURES, target="y", alpha=0.1, scaled=True)

    drawn, same = (
        plot(result)
        for columns in (COLUMNS, small)
        if (result := algorithm.fit(fit(algorithm, owners_of(columns, UNEQUAL[3]))))
    )

    for axes, others in zip(drawn.axes, same.axes, strict=True):
        (here,), (there,) = (
            [line.get_xdata() for line in each.lines if line.get_marker() == "o"]
            for each in (axes, others)
        )
        np.testing.assert_allclose(here, there, rtol=1e-6)


def test_survival_has_a_curve_with_its_interval_for_each_group() -> None:
    (axes,) = plot(found("kaplan-meier")).axes

    assert [line.get_label() for line in axes.lines] == ["low", "mid", "high"]
    assert all(line.get_ydata()[0] == 1 for line in axes.lines)
    assert len(axes.collections) == 3
    assert "at risk at" in axes.get_xlabel()


def test_components_have_a_bar_each_and_columns_their_loadings() -> None:
    bars, plane = plot(found("pca")).axes

    assert len(bars.patches) == 2
    assert [text.get_text() for text in plane.texts] == ["a", "b"]


def test_centres_are_drawn_with_their_rows() -> None:
    axes = plot(found("kmeans")).axes[0]

    (image,) = axes.images
    assert image.get_array().shape == (3, 2)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert sum(int(label.split()[2]) for label in labels) == 200


def test_every_class_has_its_means() -> None:
    (axes,) = plot(found("naive bayes")).axes
    (plane,) = plot(found("lda")).axes

    assert len(axes.containers) == 3
    assert [text.get_text().split(":")[0] for text in axes.get_legend().texts] == [
        "low",
        "mid",
        "high",
    ]
    assert [text.get_text() for text in plane.get_legend().texts] == ["low", "mid", "high"]
    assert len(plane.lines) == 6


def test_trees_are_drawn_as_losses_and_importances() -> None:
    curve, bars = plot(found("boosting")).axes

    assert len(curve.lines[0].get_ydata()) == 5
    assert [label.get_text() for label in bars.get_yticklabels()] == ["a", "b"]


def test_a_histogram_has_a_bar_for_each_bin_and_says_what_is_outside() -> None:
    (axes,) = plot(found("histogram")).axes

    counts, _ = np.histogram(A, bins=4, range=(-1.0, 1.0))
    assert [bar.get_height() for bar in axes.patches] == counts.tolist()
    assert [bar.get_x() for bar in axes.patches] == [-1.0, -0.5, 0.0, 0.5]
    assert axes.get_title() == f"200 rows of 3 owners, {200 - counts.sum()} outside"


def test_correlations_are_written_into_their_fields() -> None:
    axes, _ = plot(found("correlation")).axes

    correlation = np.corrcoef(A, B)[0, 1]
    assert [text.get_text() for text in axes.texts] == [
        *("1.00", f"{correlation:.2f}", f"{correlation:.2f}", "1.00")
    ]


def test_a_roc_curve_goes_from_corner_to_corner() -> None:
    (axes,) = plot(found("auc")).axes

    x, y = axes.lines[1].get_data()
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()


@pytest.mark.parametrize("kind", sorted(TABULAR))
def test_whatever_a_job_over_tables_finds_has_a_picture(kind: str) -> None:
    name = next(name for name, made in ALGORITHMS.items() if type(made) is TABULAR[kind])

    assert plot(found(name)).axes


def test_means_stand_on_an_axis_for_each_column_with_their_groups() -> None:
    axes = plot(found("grouped moments")).axes

    assert [each.get_xlabel() for each in axes] == ["a", "b"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["low", "mid", "high"]
    means = [A[COLUMNS["kind"] == code].mean() for code in range(3)]
    assert axes[0].lines[0].get_xdata() == pytest.approx(means)


def test_two_means_are_drawn_with_what_the_test_says() -> None:
    (axes,) = plot(found("t-test")).axes

    above, below = COLUMNS["y"][COLUMNS["high"] == 1], COLUMNS["y"][COLUMNS["high"] == 0]
    assert axes.lines[0].get_xdata() == pytest.approx([below.mean(), above.mean()])
    assert axes.get_title().startswith("t -")


def test_quantiles_rise_from_left_to_right() -> None:
    (axes,) = plot(found("quantiles")).axes

    values, at = axes.lines[0].get_data()
    assert at.tolist() == [0.25, 0.5, 0.75]
    assert values == pytest.approx(np.quantile(A, at, method="inverted_cdf"), abs=0.011)


def test_counts_are_written_into_their_cells() -> None:
    (axes,) = plot(found("contingency")).axes

    counts = [
        int(((COLUMNS["kind"] == kind) & (COLUMNS["high"] == high)).sum())
        for kind in range(3)
        for high in range(2)
    ]
    assert [int(text.get_text()) for text in axes.texts] == counts


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_plot_is_a_file(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"fit{suffix}"

    save_plot(found("glm"), file)

    assert file.stat().st_size > 1000


def test_what_has_no_picture_says_so() -> None:
    class Other:
        def summary(self) -> str:
            return ""

        def to_json(self) -> dict[str, object]:
            return {}

    with pytest.raises(NoPlots, match="no plot of Other"):
        plot(Other())
