"""Pictures of what is no regression: curves, spectra, clusters, classes, trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from protocols.learning.kaplan_meier_fit import KaplanMeierFit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_survival(figure: Figure, fit: KaplanMeierFit) -> None:
    """Draw a step curve for each group, with its interval and how many are at risk below."""
    figure.set_size_inches(7.0, 4.4 + 0.2 * len(fit.groups))
    axes = figure.subplots()
    times, ones = np.append(0, fit.points), np.ones((1, len(fit.groups)))
    curves = np.vstack([ones, fit.survival])
    low, high = (np.vstack([ones, bound]) for bound in fit.interval())
    for place, group in enumerate(fit.groups):
        (line,) = axes.step(times, curves[:, place], where="post", label=group)
        axes.fill_between(
            times,
            low[:, place],
            high[:, place],
            step="post",
            alpha=0.15,
            color=line.get_color(),
        )
    shown = np.unique(np.linspace(0, len(fit.points) - 1, 6).astype(int))
    rows = [" ".join(f"{int(n):>6}" for n in fit.at_risk[shown, g]) for g in range(len(fit.groups))]
    at = " ".join(f"{fit.points[place]:>6g}" for place in shown)
    table = [f"{'at risk at':>14} {at}"]
    table += [f"{group[:14]:>14} {row}" for group, row in zip(fit.groups, rows, strict=True)]
    axes.set_xlabel(fit.time + "\n\n" + "\n".join(table), family="monospace", fontsize=8)
    axes.set_ylabel("without event")
    axes.set_ylim(0, 1.02)
    axes.grid(visible=True, alpha=0.3)
    if len(fit.groups) > 1:
        axes.legend()
    axes.set_title(f"Kaplan-Meier, {int(fit.rows.sum())} rows, 95 % intervals")
