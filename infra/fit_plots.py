"""What jobs have found as pictures; of regressions each coefficient with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from protocols.learning.cox_fit import CoxFit
from protocols.learning.fits import Fit
from protocols.learning.glm_fit import GlmFit
from protocols.learning.penalised_fit import PenalisedFit
from protocols.learning.softmax_fit import SoftmaxFit
from protocols.learning.table import Vector

from .fit_drawings import drawn
from .group_drawings import group_drawn
from .statistic_drawings import statistic_drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
_ROW_INCHES = 0.32
_UNIT = "for one deviation of the column"


class NoPlots(Exception):
    """There is no picture of this; the text says why, and what to do."""


def plot(fit: Fit) -> Figure:
    """Return a picture of a fit; of a regression its coefficients, where known with intervals.

    So that columns in different units can be compared, a coefficient is drawn times the deviation
    of its column, and z or t values stand beside the names.

    Raises `NoPlots`: matplotlib is missing, or there is no picture of such a fit.
    """
    figure = empty_figure()
    if not any(draw(figure, fit) for draw in (_drawn, drawn, statistic_drawn, group_drawn)):
        raise NoPlots(f"there is no plot of {type(fit).__name__}")
    return figure


def empty_figure() -> Figure:
    """Return a figure to draw into. Raises `NoPlots` where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise NoPlots("a plot needs matplotlib: pip install 'quorate[plots]'") from None
    return Figure(layout="constrained")


def save_plot(fit: Fit, file: Path) -> None:
    """Draw a fit into a file, whose suffix is one of `FORMATS`.

    Raises:
        NoPlots: as `plot`.
        OSError: the file can't be written.
    """
    plot(fit).savefig(file, dpi=150)


def _drawn(figure: Figure, fit: Fit) -> bool:
    """Draw a regression, and say whether it is one."""
    match fit:
        case GlmFit(deviations=unit):
            axes = _forest(figure, fit.names)
            labels = _labels(fit.names[1:], fit.statistics[1:])
            _draw(axes, labels, fit.estimates[1:] * unit, fit.interval()[1:] * unit[:, None])
            axes.set_title(f"{fit.target}: {fit.family}, {fit.rows} rows, 95 % intervals")
        case PenalisedFit(deviations=unit):
            axes = _forest(figure, fit.names)
            _draw(axes, fit.names[1:], fit.estimates[1:] * unit, None)
            axes.set_title(f"{fit.target}: penalised {fit.family}, {fit.rows} rows")
        case SoftmaxFit():
            _draw_classes(figure, fit)
        case CoxFit(deviations=unit):
            axes = _forest(figure, fit.names)
            labels = _labels(fit.names, fit.statistics)
            _draw(axes, labels, fit.estimates * unit, fit.interval() * unit[:, None])
            axes.set_xlabel(f"log hazard ratio {_UNIT}")
            axes.set_title(f"{fit.event}: Cox, {fit.events} events of {fit.rows} rows")
        case _:
            return False
    return True


def _forest(figure: Figure, names: Sequence[str]) -> Axes:
    figure.set_size_inches(_size(names))
    return figure.subplots()


def _size(names: Sequence[str]) -> tuple[float, float]:
    return 7.0, 1.4 + _ROW_INCHES * len(names)


def _labels(names: Sequence[str], statistics: Vector) -> list[str]:
    pairs = zip(names, statistics, strict=True)
    return [f"{name}  ({value:.1f})" for name, value in pairs]


def _draw(axes: Axes, names: Sequence[str], values: Vector, intervals: Vector | None) -> None:
    places = np.arange(len(names))[::-1]
    axes.axvline(0, color="grey", linewidth=1, linestyle=":")
    if intervals is not None:
        axes.hlines(places, intervals[:, 0], intervals[:, 1], color="tab:blue", linewidth=1.6)
    axes.plot(values, places, "o", color="tab:blue", markersize=5)
    axes.set_yticks(places, labels=list(names))
    axes.set_xlabel(f"coefficient {_UNIT}")
    axes.grid(visible=True, axis="x", alpha=0.3)


def _draw_classes(figure: Figure, fit: SoftmaxFit) -> None:
    width, height = _size(fit.names)
    figure.set_size_inches(0.7 * width * len(fit.estimates), height)
    panels = figure.subplots(1, len(fit.estimates), sharey=True, squeeze=False)[0]
    own = fit.levels[len(fit.levels) - len(fit.estimates) :]
    for number, axes in enumerate(panels):
        bounds = fit.interval()
        intervals = None if bounds is None else bounds[number, 1:] * fit.deviations[:, None]
        _draw(axes, fit.names[1:], fit.estimates[number, 1:] * fit.deviations, intervals)
        axes.set_title(f"{fit.target} = {own[number]}")
