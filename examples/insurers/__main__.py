"""Claims at five insurers: each alone, federated, pooled. `python -m examples.insurers`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.insurers.make_data import FEATURES, write
from examples.side_by_side import alone, console, federated, read_table, show, stacked
from protocols.learning.penalised_fit import PenalisedFit

HERE = Path(__file__).parent
NAMES = tuple(FEATURES.values())


def main() -> None:
    """Make the data, run the job, compare, draw."""
    write(HERE / "owners")
    held_out = read_table(HERE / "owners" / "held_out.csv")
    chances, rows_of = {}, {}
    for name, fit in alone(HERE / "job.toml").items():
        if isinstance(fit, PenalisedFit):
            chances[f"{name} alone"], rows_of[f"{name} alone"] = fit.predict(held_out), fit.rows
    fit = federated(HERE / "job.toml")
    if not isinstance(fit, PenalisedFit):
        raise TypeError("the job is not a penalised regression")
    chances["federated"], rows_of["federated"] = fit.predict(held_out), fit.rows
    chances["pooled"], rows_of["pooled"] = pooled(held_out), fit.rows
    seen = held_out["claim"]
    found = {who: (roc_auc_score(seen, p), log_loss(seen, p)) for who, p in chances.items()}
    rows = [
        (who, str(rows_of[who]), f"{auc:.4f}", f"{loss:.4f}") for who, (auc, loss) in found.items()
    ]
    heads = ("who", "person-years", "AUC", "log loss")
    show(f"On {len(seen)} person-years of all plans that nobody fitted on", heads, rows)
    apart = np.abs(chances["federated"] - chances["pooled"]).max()
    console.print(f"federated and pooled chances differ by {apart:.0e} at most")
    draw({who: auc for who, (auc, _) in found.items()}).savefig(HERE / "auc.png", dpi=90)


def pooled(held_out: dict[str, np.ndarray]) -> np.ndarray:
    """Return the chances (n,) that scikit-learn gives after a fit on all rows in one place."""
    whole = stacked(read_table(file) for file in sorted((HERE / "owners").glob("pays-*.csv")))
    x, new = (np.column_stack([table[name] for name in NAMES]) for table in (whole, held_out))
    solver = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12)
    chances: np.ndarray = (
        make_pipeline(StandardScaler(), solver).fit(x, whole["claim"]).predict_proba(new)[:, 1]
    )
    return chances


def draw(reached: dict[str, float]) -> Figure:
    """Draw a bar for each."""
    figure = Figure(figsize=(6.4, 2.8), layout="constrained")
    axes = figure.subplots()
    names = list(reversed(reached))
    colors = ["tab:red" if name == "federated" else "tab:blue" for name in names]
    bars = axes.barh(names, [reached[name] for name in names], color=colors)
    axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.set_xlim(0.5, 0.7)
    axes.set_xlabel("AUC on person-years that nobody fitted on; 0.5 is guessing")
    return figure


if __name__ == "__main__":
    main()
