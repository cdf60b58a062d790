"""Digits at five owners whose classes differ: a task file; `owner.data` is "ALPHA SEED".

The smaller alpha of the Dirichlet distribution, the more the owners' classes differ. Owners are
`site-1` to `site-5`; `held-out` has the quarter of all rows that nobody trains on.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SITES = tuple(f"site-{number}" for number in range(1, 6))


def model() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(64, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 10),
    )


def data(owner: Any) -> tuple[np.ndarray, np.ndarray]:
    alpha, seed = owner.data.split()
    return divided(float(alpha), int(seed))[owner.name]


@cache
def divided(alpha: float, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    pixels, digits = load_digits(return_X_y=True)
    x, held_out_x, y, held_out_y = train_test_split(
        (pixels / 16).astype(np.float32), digits, test_size=0.25, stratify=digits, random_state=0
    )
    rng = np.random.default_rng(seed)
    rows: list[list[int]] = [[] for _ in SITES]
    for digit in range(10):
        of_digit = rng.permutation(np.flatnonzero(y == digit))
        ends = np.rint(np.cumsum(rng.dirichlet([alpha] * len(SITES))) * len(of_digit)).astype(int)
        for site, part in enumerate(np.split(of_digit, ends[:-1])):
            rows[site].extend(part.tolist())
    found = {name: (x[part], y[part]) for name, part in zip(SITES, rows, strict=True)}
    return {**found, "held-out": (held_out_x, held_out_y)}
