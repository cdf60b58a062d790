"""Write a file for each insurer from statsmodels' bundled RAND Health Insurance Experiment.

20,190 person-years, 1974 to 1982: families were put at random into plans in which they paid 0, 25,
50, 95 or 100 % of their bills themselves. Each plan is an insurer here; that is our division. A
quarter of all rows, chosen at random, nobody fits on. One person may have rows on both sides.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from statsmodels.datasets import randhie

from examples.side_by_side import write_table

# The names of statsmodels, and what they mean.
FEATURES = {
    "lncoins": "log_copayment",
    "idp": "deductible",
    "lpi": "log_incentive",
    "fmde": "log_most_expense",
    "physlm": "physical_limit",
    "disea": "chronic_diseases",
    "hlthg": "health_good",
    "hlthf": "health_fair",
    "hlthp": "health_poor",
}
HEADER = (*FEATURES.values(), "claim")


def write(folder: Path) -> None:
    """Write `pays-PERCENT.csv` for each insurer, and `held_out.csv`."""
    people = randhie.load_pandas().data
    x = people[list(FEATURES)].to_numpy()
    rows = np.column_stack([x, people["mdvis"].to_numpy() > 0])
    percent = np.rint(np.exp(people["lncoins"].to_numpy()) - 1).astype(int)
    held_out = np.random.default_rng(0).random(len(rows)) < 0.25
    write_table(folder / "held_out.csv", HEADER, rows[held_out].tolist())
    for plan in np.unique(percent):
        own = rows[(percent == plan) & ~held_out]
        write_table(folder / f"pays-{plan:03}.csv", HEADER, own.tolist())
