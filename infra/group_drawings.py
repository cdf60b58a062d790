"""Pictures of means, quantiles and tables of counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from protocols.learning.contingency import ContingencyFit
from protocols.learning.fits import Fit
from protocols.learning.moments_fit import MomentsFit
from protocols.learning.quantiles import QuantilesFit
from protocols.learning.t_test import TTestFit
from protocols.learning.table import Vector

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE = 1.96  # standard errors on either side of a mean, in 95 of 100 such pictures


def group_drawn(figure: Figure, fit: Fit) -> bool:
    """Draw one of these, and say whether it is one."""
    match fit:
        case MomentsFit():
            # Each column has an axis of its own: they have units of their own.
            columns = len(fit.features)
            figure.set_size_inches(7.0, 0.9 + columns * (0.5 + 0.3 * max(1, len(fit.groups))))
            places = np.atleast_1d(figure.subplots(columns, squeeze=False)[:, 0])
            for place, (axes, name) in enumerate(zip(places, fit.features, strict=True)):
                spread = (fit.deviation[:, place], fit.errors[:, place])
                _draw_means(axes, fit.groups or ("all",), fit.mean[:, place], spread)
                axes.set_xlabel(name)
            places[0].set_title("means with 95% intervals, and one deviation of the rows")
        case TTestFit():
            figure.set_size_inches(7.0, 2.4)
            deviations = np.sqrt(fit.variances)
            spread = (deviations, deviations / np.sqrt(fit.rows))
            axes = figure.subplots()
            _draw_means(axes, fit.groups, np.array(fit.means), spread)
            axes.set_xlabel(fit.target)
            axes.set_title(f"t {fit.statistic:.3f}, p {fit.p_value:.3g}")
        case QuantilesFit():
            figure.set_size_inches(7.0, 4.0)
            _draw_quantiles(figure.subplots(), fit)
        case ContingencyFit():
            figure.set_size_inches(3 + 0.8 * len(fit.column_levels), 2 + 0.5 * len(fit.row_levels))
            _draw_counts(figure.subplots(), fit)
        case _:
            return False
    return True


def _draw_means(
    axes: Axes, names: tuple[str, ...], means: Vector, spread: tuple[Vector, Vector]
) -> None:
    """Draw means (g,) with one deviation and, thicker, the interval of the mean."""
    deviations, errors = spread
    heights = np.arange(len(names))[::-1]
    axes.errorbar(means, heights, xerr=deviations, fmt="none", ecolor="tab:gray", linewidth=1)
    axes.errorbar(means, heights, xerr=_WIDE * errors, fmt="o", color="tab:blue", linewidth=3)
    axes.set_yticks(heights, names)
    axes.set_ylim(-0.6, len(names) - 0.4)


def _draw_quantiles(axes: Axes, fit: QuantilesFit) -> None:
    order = np.argsort(fit.at)
    values, at = fit.values[order], np.array(fit.at)[order]
    axes.errorbar(values, at, xerr=fit.errors[order], fmt="o-", capsize=3)
    axes.set_ylim(0, 1)
    axes.set_xlabel(fit.column)
    axes.set_ylabel("fraction of the rows")
    axes.set_title(f"{fit.rows} rows of {len(fit.owners)} owners")


def _draw_counts(axes: Axes, fit: ContingencyFit) -> None:
    """Draw a field for each cell, darker where it has more of its row."""
    shares = fit.counts / np.maximum(fit.counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(fit.counts):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=color)
    axes.set_xticks(range(len(fit.column_levels)), fit.column_levels)
    axes.set_yticks(range(len(fit.row_levels)), fit.row_levels)
    axes.set_xlabel(fit.column)
    axes.set_ylabel(fit.row)
