"""Survival over 18 hospitals: each alone, federated, and pooled. `python -m examples.hospitals`."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from matplotlib.figure import Figure

from examples.hospitals.make_data import write
from examples.side_by_side import alone, console, federated, show
from protocols.learning.cox_fit import CoxFit

HERE = Path(__file__).parent
SHOWN = "ecog"
# lifelines stops some 1e-8 before the maximum by itself.
TIGHT = {"precision": 1e-14, "r_precision": 1e-16}


def main() -> None:
    """Make the data, run both jobs, compare, draw."""
    write(HERE / "owners")
    one = {name: fit for name, fit in alone(HERE / "job.toml").items() if isinstance(fit, CoxFit)}
    fit = federated(HERE / "job.toml")
    if not isinstance(fit, CoxFit):
        raise TypeError("the job is not about Cox's model")
    pooled = pooled_fit()
    rows = [(f"{name} alone", *cells(each)) for name, each in one.items() if _tells(each)]
    rows += [("federated", *cells(fit))]
    estimates, errors = pooled.params_, pooled.standard_errors_
    figures = zip(estimates, errors, strict=True)
    rows += [("pooled", str(fit.rows), *(f"{b:.3f} ±{se:.3f}" for b, se in figures))]
    show("Log hazard ratio ± standard error", ("who", "patients", *fit.names), rows)
    silent = len(fit.owners) - len(rows) + 2
    console.print(f"{silent} hospitals have too few patients for any answer of their own.")
    apart = np.abs(fit.estimates - estimates.to_numpy()).max()
    console.print(f"federated and pooled differ by {apart:.0e} at most")
    draw(one, fit).savefig(HERE / "alone_and_together.png", dpi=90)
    federated(HERE / "curves.toml", plot=HERE / "curves.png")


def pooled_fit() -> CoxPHFitter:
    """Return what lifelines finds on all rows in one place, with hospitals as strata."""
    files = sorted((HERE / "owners").glob("*.csv"))
    rows = pd.concat([pd.read_csv(file).assign(hospital=file.stem) for file in files])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitter = CoxPHFitter()
        columns = rows.drop(columns="sex")
        return fitter.fit(columns, "days", "died", strata=["hospital"], fit_options=TIGHT)


def cells(fit: CoxFit) -> tuple[str, ...]:
    """Return what a row of the table says."""
    figures = zip(fit.estimates, fit.errors, strict=True)
    return str(fit.rows), *(f"{b:.3f} ±{se:.3f}" for b, se in figures)


def draw(one: dict[str, CoxFit], fit: CoxFit) -> Figure:
    """Draw what each step of the performance score does to the hazard, with 95 % intervals."""
    place = fit.names.index(SHOWN)
    told = {**{name: each for name, each in one.items() if _tells(each)}, "federated": fit}
    figure = Figure(figsize=(6.4, 1.2 + 0.32 * len(told)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(1, color="grey", linewidth=1, linestyle=":")
    for height, (name, each) in enumerate(reversed(told.items())):
        low, high = np.exp(each.interval()[place])
        color = "tab:red" if name == "federated" else "tab:blue"
        axes.hlines(height, low, high, color=color, linewidth=1.8)
        axes.plot(np.exp(each.estimates[place]), height, "o", color=color)
    labels = [f"{name} ({each.rows})" for name, each in reversed(told.items())]
    axes.set_yticks(range(len(told)), labels=labels)
    axes.set_xscale("log")
    axes.set_xlim(0.05, 30)
    axes.set_xlabel("hazard ratio for one step of the ECOG score, 95 % interval")
    axes.grid(visible=True, axis="x", alpha=0.3)
    return figure


def _tells(fit: CoxFit) -> bool:
    """Say whether the errors are small enough to be a statement at all."""
    return bool(fit.errors.max() < 2)


if __name__ == "__main__":
    main()
