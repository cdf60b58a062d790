"""Pictures of statistics of single columns and pairs: bins, correlations, curves of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from protocols.learning.auc import AucFit
from protocols.learning.correlation import CorrelationFit
from protocols.learning.fits import Fit
from protocols.learning.histogram import HistogramFit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NUMBERED = 12  # columns whose correlations are written into the picture


def statistic_drawn(figure: Figure, fit: Fit) -> bool:
    """Draw a statistic, and say whether it is one of those that are known here."""
    match fit:
        case HistogramFit():
            figure.set_size_inches(7.0, 4.0)
            _draw_bins(figure.subplots(), fit)
        case CorrelationFit():
            side = 2.5 + 0.45 * len(fit.features)
            figure.set_size_inches(side + 1, side)
            _draw_correlations(figure, fit)
        case AucFit():
            figure.set_size_inches(5.0, 5.0)
            _draw_curve(figure.subplots(), fit)
        case _:
            return False
    return True


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
