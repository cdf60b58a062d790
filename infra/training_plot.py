"""How the measurements of a model went, round by round, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from protocols.learning.federated.federated import Federated
from protocols.learning.state import State

from .fit_plots import NoPlots, empty_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_training(algorithm: Federated, state: State) -> Figure:
    """Return a picture of each metric over the rounds behind the model that was measured.

    Raises `NoPlots`: matplotlib is missing, or nothing was measured.
    """
    measured = [values for values in state.items("history") if isinstance(values, list)]
    if not algorithm.metric_names or not measured:
        raise NoPlots("there is no plot of a model that was never measured")
    history = np.array(measured, dtype=np.float64)
    figure = empty_figure()
    figure.set_size_inches(7.0, 0.6 + 2.2 * len(algorithm.metric_names))
    places = figure.subplots(len(algorithm.metric_names), sharex=True, squeeze=False)[:, 0]
    for axes, name, values in zip(places, algorithm.metric_names, history.T, strict=True):
        # What is measured in the first round is the model that nobody has trained.
        axes.plot(np.arange(len(values)), values, marker=".")
        axes.set_ylabel(name)
        axes.grid(visible=True, alpha=0.3)
    places[-1].set_xlabel("rounds behind the model")
    places[-1].locator_params(axis="x", integer=True)
    return figure


def save_training_plot(algorithm: Federated, state: State, file: Path) -> None:
    """Draw it into a file. Raises `NoPlots` as `plot_training`, and `OSError`."""
    plot_training(algorithm, state).savefig(file, dpi=150)
