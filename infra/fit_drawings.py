"""Pictures of what is no regression: curves, spectra, clusters, classes, trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from protocols.learning.boosting_fit import BoostingFit
from protocols.learning.fits import Fit
from protocols.learning.kaplan_meier_fit import KaplanMeierFit
from protocols.learning.kmeans_fit import KMeansFit
from protocols.learning.lda_fit import LdaFit
from protocols.learning.naive_bayes_fit import NaiveBayesFit
from protocols.learning.pca_fit import PcaFit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def drawn(figure: Figure, fit: Fit) -> bool:
    """Draw a fit that is no regression, and say whether it is one of those that are known here."""
    match fit:
        case KaplanMeierFit():
            draw_survival(figure, fit)
        case PcaFit():
            draw_components(figure, fit)
        case KMeansFit():
            draw_clusters(figure, fit)
        case NaiveBayesFit():
            draw_classes(figure, fit)
        case LdaFit():
            draw_plane(figure, fit)
        case BoostingFit():
            draw_trees(figure, fit)
        case _:
            return False
    return True


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


def draw_components(figure: Figure, fit: PcaFit) -> None:
    """Draw how much each component explains, and the loadings of the first two."""
    figure.set_size_inches(11.0, 4.6)
    bars, plane = figure.subplots(1, 2)
    numbers = np.arange(1, len(fit.variances) + 1)
    bars.bar(numbers, fit.ratios)
    bars.plot(numbers, np.cumsum(fit.ratios), "o-", color="tab:orange", markersize=4)
    bars.set_xlabel("component")
    bars.set_ylabel("part of the variance; line: together")
    bars.set_ylim(0, 1.02)
    first = fit.components[0]
    second = fit.components[1] if len(fit.components) > 1 else np.zeros(len(first))
    plane.axhline(0, color="grey", linewidth=1, linestyle=":")
    plane.axvline(0, color="grey", linewidth=1, linestyle=":")
    for name, x, y in zip(fit.names, first, second, strict=True):
        plane.plot([0, x], [0, y], color="tab:blue", linewidth=1)
        plane.annotate(name, (x, y), fontsize=8)
    plane.set_xlabel("loading on component 1")
    plane.set_ylabel("loading on component 2")
    figure.suptitle(f"{len(fit.components)} components of {fit.rows} rows")


def draw_clusters(figure: Figure, fit: KMeansFit) -> None:
    """Draw the centres in deviations from the mean of all rows."""
    # The names stand upright below.
    below = 0.08 * max(len(name) for name in fit.names)
    height = 2.2 + 0.4 * len(fit.centres) + below
    figure.set_size_inches(min(16.0, 5.0 + 0.45 * len(fit.names)), height)
    axes = figure.subplots()
    shown = (fit.centres - fit.mean) / fit.scale
    reach = max(1e-9, float(np.abs(shown).max()))
    image = axes.imshow(shown, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
    axes.set_xticks(np.arange(len(fit.names)), labels=list(fit.names), rotation=90)
    sizes = [f"cluster {place}: {int(n)} rows" for place, n in enumerate(fit.sizes)]
    axes.set_yticks(np.arange(len(fit.centres)), labels=sizes)
    figure.colorbar(image, label="deviations from the mean")
    axes.set_title(f"{len(fit.centres)} clusters, inertia {fit.inertia:.5g}")


def draw_classes(figure: Figure, fit: NaiveBayesFit) -> None:
    """Draw mean and deviation of every column in each class, in deviations of all rows."""
    figure.set_size_inches(7.0, 1.8 + 0.5 * len(fit.names))
    axes = figure.subplots()
    middle = fit.priors @ fit.means
    unit = np.sqrt(fit.priors @ (fit.variances + (fit.means - middle) ** 2))
    places = np.arange(len(fit.names))[::-1]
    offsets = np.linspace(0.25, -0.25, len(fit.levels))
    for place, level in enumerate(fit.levels):
        axes.errorbar(
            (fit.means[place] - middle) / unit,
            places + offsets[place],
            xerr=np.sqrt(fit.variances[place]) / unit,
            fmt="o",
            markersize=4,
            label=f"{level}: {int(fit.sizes[place])} rows",
        )
    axes.set_yticks(places, labels=list(fit.names))
    axes.set_xlabel("mean ± deviation, in deviations of all rows")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    axes.set_title(f"{fit.target}: naive Bayes")


def draw_plane(figure: Figure, fit: LdaFit) -> None:
    """Draw the classes along the directions that tell them apart, each a circle of deviation 1."""
    figure.set_size_inches(6.4, 6.0)
    axes = figure.subplots()
    points = (fit.means - fit.mean) @ fit.directions
    x, y = points[:, 0], points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
    turn = np.linspace(0, 2 * np.pi, 100)
    for place, level in enumerate(fit.levels):
        (line,) = axes.plot(x[place] + np.cos(turn), y[place] + np.sin(turn), linewidth=1)
        axes.plot(x[place], y[place], "o", color=line.get_color(), label=level)
    axes.set_aspect("equal")
    axes.set_xlabel(f"direction 1 ({100 * fit.ratios[0]:.0f} % of the separation)")
    axes.set_ylabel("direction 2")
    axes.legend()
    axes.set_title(f"{fit.target}: discriminant analysis, {int(fit.sizes.sum())} rows")


def draw_trees(figure: Figure, fit: BoostingFit) -> None:
    """Draw the loss after each tree, and the columns by importance."""
    order = np.argsort(-fit.importances, kind="stable")[:20]
    figure.set_size_inches(10.0, max(3.6, 1.4 + 0.25 * len(order)))
    curve, bars = figure.subplots(1, 2)
    curve.plot(np.arange(len(fit.losses)), fit.losses)
    curve.set_xlabel("trees")
    curve.set_ylabel(f"{fit.loss} loss per row")
    curve.grid(visible=True, alpha=0.3)
    places = np.arange(len(order))[::-1]
    bars.barh(places, fit.importances[order])
    bars.set_yticks(places, labels=[fit.names[place] for place in order])
    bars.set_xlabel("part of all gains")
    figure.suptitle(f"{fit.target}: {len(fit.values)} trees, {fit.rows} rows")
