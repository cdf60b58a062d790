"""What was found as pictures: coefficients with their intervals, bins, correlations, ROC."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from protocols.learning.auc import AucFit
from protocols.learning.correlation import CorrelationFit
from protocols.learning.distributions import normal_quantile
from protocols.learning.fits import Fit
from protocols.learning.glm_fit import GlmFit
from protocols.learning.histogram import HistogramFit
from protocols.learning.penalised_fit import PenalisedFit
from protocols.learning.softmax_fit import SoftmaxFit
from protocols.learning.table import Vector

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
_ROW_INCHES = 0.32
_NUMBERED = 12  # columns whose correlations are written into the picture


class NoPlots(Exception):
    """There is no picture of this; the text says why, and what to do."""


def plot(fit: Fit) -> Figure:
    """Return a picture of a fit: of a regression its coefficients without the intercept.

    So that columns in different units can be compared, z or t values stand beside the names.

    Raises `NoPlots`: matplotlib is missing, or there is no picture of such a fit.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise NoPlots("a plot needs matplotlib: pip install 'quorate[plots]'") from None
    match fit:
        case GlmFit():
            figure = Figure(figsize=_size(fit.names), layout="constrained")
            axes = figure.subplots()
            labels = [
                f"{name}  ({value:.1f})"
                for name, value in zip(fit.names[1:], fit.statistics[1:], strict=True)
            ]
            _draw(axes, labels, fit.estimates[1:], fit.interval()[1:])
            axes.set_title(f"{fit.target}: {fit.family}, {fit.rows} rows, 95 % intervals")
        case PenalisedFit():
            figure = Figure(figsize=_size(fit.names), layout="constrained")
            axes = figure.subplots()
            _draw(axes, fit.names[1:], fit.estimates[1:], None)
            axes.set_title(f"{fit.target}: penalised {fit.family}, {fit.rows} rows")
        case SoftmaxFit():
            width, height = _size(fit.names)
            figure = Figure(figsize=(0.7 * width * len(fit.estimates), height))
            figure.set_layout_engine("constrained")
            _draw_classes(figure, fit)
        case HistogramFit():
            figure = Figure(figsize=(7.0, 4.0), layout="constrained")
            _draw_bins(figure.subplots(), fit)
        case CorrelationFit():
            side = 2.5 + 0.45 * len(fit.features)
            figure = Figure(figsize=(side + 1, side), layout="constrained")
            _draw_correlations(figure, fit)
        case AucFit():
            figure = Figure(figsize=(5.0, 5.0), layout="constrained")
            _draw_curve(figure.subplots(), fit)
        case _:
            raise NoPlots(f"there is no plot of {type(fit).__name__}")
    return figure


def save_plot(fit: Fit, file: Path) -> None:
    """Draw a fit into a file, whose suffix is one of `FORMATS`.

    Raises:
        NoPlots: as `plot`.
        OSError: the file can't be written.
    """
    plot(fit).savefig(file, dpi=150)


def _size(names: Sequence[str]) -> tuple[float, float]:
    return 7.0, 1.4 + _ROW_INCHES * len(names)


def _draw(axes: Axes, names: Sequence[str], values: Vector, intervals: Vector | None) -> None:
    places = np.arange(len(names))[::-1]
    axes.axvline(0, color="grey", linewidth=1, linestyle=":")
    if intervals is not None:
        axes.hlines(places, intervals[:, 0], intervals[:, 1], color="tab:blue", linewidth=1.6)
    axes.plot(values, places, "o", color="tab:blue", markersize=5)
    axes.set_yticks(places, labels=list(names))
    axes.set_xlabel("coefficient")
    axes.grid(visible=True, axis="x", alpha=0.3)


def _draw_classes(figure: Figure, fit: SoftmaxFit) -> None:
    panels = figure.subplots(1, len(fit.estimates), sharey=True, squeeze=False)[0]
    own = fit.levels[len(fit.levels) - len(fit.estimates) :]
    for number, axes in enumerate(panels):
        values, intervals = fit.estimates[number, 1:], None
        if fit.errors is not None:
            half = normal_quantile(0.975) * fit.errors[number, 1:]
            intervals = np.column_stack([values - half, values + half])
        _draw(axes, fit.names[1:], values, intervals)
        axes.set_title(f"{fit.target} = {own[number]}")


def _draw_bins(axes: Axes, fit: HistogramFit) -> None:
    widths = np.diff(fit.edges)
    axes.bar(fit.edges[:-1], fit.counts, width=widths, align="edge", edgecolor="white")
    axes.set_xlabel(fit.column)
    axes.set_ylabel("rows")
    outside = fit.below + fit.above
    more = f", {outside} outside" if outside else ""
    axes.set_title(f"{fit.rows} rows of {len(fit.owners)} owners{more}")


def _draw_correlations(figure: Figure, fit: CorrelationFit) -> None:
    axes = figure.subplots()
    image = axes.imshow(fit.matrix, vmin=-1, vmax=1, cmap="RdBu_r")
    places = np.arange(len(fit.features))
    axes.set_xticks(places, labels=list(fit.features), rotation=45, ha="right")
    axes.set_yticks(places, labels=list(fit.features))
    if len(places) <= _NUMBERED:
        for row, column in np.ndindex(fit.matrix.shape):
            value = fit.matrix[row, column]
            colour = "white" if abs(value) > 0.6 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour)
    figure.colorbar(image, ax=axes, shrink=0.8)
    axes.set_title(f"correlations, {fit.rows} rows")


def _draw_curve(axes: Axes, fit: AucFit) -> None:
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle=":")
    axes.plot(fit.curve[:, 0], fit.curve[:, 1], "o-", markersize=3, color="tab:blue")
    axes.set_xlabel("false positives")
    axes.set_ylabel("true positives")
    axes.set_aspect("equal")
    axes.set_title(f"{fit.score} for {fit.target}: AUC {fit.area:.3f}")
