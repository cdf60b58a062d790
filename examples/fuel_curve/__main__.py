"""Fuel over nine makers: each alone, federated, pooled. `python -m examples.fuel_curve`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from statsmodels.regression.linear_model import OLS

from examples.fuel_curve.make_data import HEADER, write
from examples.side_by_side import alone, console, federated, read_table, show, stacked
from protocols.learning.fits import Fit
from protocols.learning.glm_fit import GlmFit

HERE = Path(__file__).parent
COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:brown", "tab:olive")
FEATURES, TARGET = HEADER[:-1], HEADER[-1]


def main() -> None:
    """Make the data, run the job, compare, draw."""
    write(HERE / "owners")
    held_out = read_table(HERE / "owners" / "held_out.csv")
    each = alone(HERE / "job.toml")
    fit = federated(HERE / "job.toml")
    if not isinstance(fit, GlmFit):
        raise TypeError("the job is not a linear model")
    tables = {name: read_table(HERE / "owners" / f"{name}.csv") for name in each}
    rows = []
    for name, one in each.items():
        size = str(len(tables[name][TARGET]))
        error = f"{miss(one, held_out):.2f}" if isinstance(one, GlmFit) else str(one)
        rows.append((f"{name} alone", size, error))
    whole = stacked(tables.values())
    pooled = OLS(whole[TARGET], design(whole)).fit()
    rows.append(("federated", str(fit.rows), f"{miss(fit, held_out):.2f}"))
    off = pooled.predict(design(held_out)) - held_out[TARGET]
    rows.append(("pooled", str(fit.rows), f"{np.sqrt(np.mean(off**2)):.2f}"))
    cars = len(held_out[TARGET])
    show(f"Error in l/100 km, on {cars} cars of other makers", ("who", "cars", "error"), rows)
    apart = np.abs(fit.estimates - pooled.params).max()
    console.print(f"federated and pooled coefficients differ by {apart:.0e} at most")
    draw(each, fit, tables, held_out).savefig(HERE / "curve.png", dpi=90)


def design(table: dict[str, np.ndarray]) -> np.ndarray:
    """Return the columns (n, 1 + p) with ones before them."""
    columns = [table[name] for name in FEATURES]
    return np.column_stack([np.ones(len(columns[0])), *columns])


def miss(fit: GlmFit, held_out: dict[str, np.ndarray]) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean((fit.predict(held_out) - held_out[TARGET]) ** 2)))


def draw(
    each: dict[str, Fit | str],
    fit: GlmFit,
    tables: dict[str, dict[str, np.ndarray]],
    held_out: dict[str, np.ndarray],
) -> Figure:
    """Draw litres over weight, for petrol cars of the usual power for their weight."""
    figure = Figure(figsize=(6.8, 4.2), layout="constrained")
    axes = figure.subplots()
    whole = stacked(tables.values())
    slope, level = np.polyfit(whole["tonnes"], whole["kilowatts"], 1)
    axes.plot(held_out["tonnes"], held_out[TARGET], ".", color="grey", label="other makers' cars")
    reach = np.linspace(0.65, 1.85, 50)
    usual = {"tonnes": reach, "kilowatts": level + slope * reach, "diesel": np.zeros(50)}
    axes.set_prop_cycle(color=COLORS)
    for name, one in each.items():
        if isinstance(one, GlmFit):
            axes.plot(reach, one.predict(usual), linewidth=1, alpha=0.6, label=f"{name} alone")
    axes.plot(reach, fit.predict(usual), color="tab:red", linewidth=2.5, label="federated")
    axes.set_xlabel("tonnes")
    axes.set_ylabel("litres for 100 km in town")
    axes.set_ylim(4, 20)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8)
    return figure


if __name__ == "__main__":
    main()
