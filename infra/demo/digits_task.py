"""Handwritten digits (8x8 pixels) at five owners of unequal size: a task file as a user writes it.

`site-1` to `site-5` share three quarters of scikit-learn's bundled digits; `pooled` is all of
these rows in one place, and `held-out` the other quarter, which nobody trains on.
"""

from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SHARES = (0.10, 0.15, 0.20, 0.25, 0.30)


def model() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(64, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 10),
    )


def data(owner: Any) -> tuple[np.ndarray, np.ndarray]:
    pixels, digits = load_digits(return_X_y=True)
    x, held_out_x, y, held_out_y = train_test_split(
        (pixels / 16).astype(np.float32), digits, test_size=0.25, stratify=digits, random_state=0
    )
    if owner.name == "held-out":
        return held_out_x, held_out_y
    if owner.name == "pooled":
        return x, y
    site = int(owner.name.removeprefix("site-")) - 1
    ends = np.round(np.cumsum((0.0, *SHARES)) * len(y)).astype(int)
    rows = slice(ends[site], ends[site + 1])
    return x[rows], y[rows]
