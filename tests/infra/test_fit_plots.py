from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes.secure_fits import UNEQUAL, fit, owners_of

from infra.fit_plots import NoPlots, plot, save_plot
from protocols.learning.auc import Auc
from protocols.learning.correlation import Correlation
from protocols.learning.elastic_net import ElasticNet
from protocols.learning.fits import Fit
from protocols.learning.glm import Glm
from protocols.learning.histogram import Histogram
from protocols.learning.softmax import Softmax
from protocols.learning.tabular import Tabular

RNG = np.random.default_rng(5)
A, B = RNG.normal(size=200), RNG.normal(size=200)
COLUMNS = {
    "a": A,
    "b": B,
    "y": 1 + 2 * A - B + RNG.normal(size=200),
    "high": (A + B > 0).astype(float),
    "kind": np.digitize(A + RNG.normal(size=200), [-0.5, 0.5]).astype(float),
}
FEATURES = ("a", "b")
ALGORITHMS: dict[str, Tabular] = {
    "glm": Glm(features=FEATURES, target="y", family="gaussian"),
    "elastic net": ElasticNet(features=FEATURES, target="y", alpha=0.1),
    "histogram": Histogram(column="a", least=-1.0, most=1.0, bins=4),
    "correlation": Correlation(features=FEATURES),
    "auc": Auc(target="high", score="a", least=-3.0, most=3.0),
    "softmax": Softmax(features=FEATURES, target="kind", levels=("low", "mid", "high")),
    "softmax, penalised": Softmax(
        features=FEATURES, target="kind", levels=("low", "mid", "high"), alpha=1.0
    ),
}


def found(name: str) -> Fit:
    algorithm = ALGORITHMS[name]
    result = algorithm.fit(fit(algorithm, owners_of(COLUMNS, UNEQUAL[3])))
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("name", "panels"),
    [("glm", 1), ("elastic net", 1), ("softmax", 2), ("softmax, penalised", 3)],
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
