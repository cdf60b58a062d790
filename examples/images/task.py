"""Handwritten digits at five owners who write different ones: a task file as a user writes it.

scikit-learn's bundled digits (1797 pictures of 8 x 8 pixels, UCI Optical Recognition of Handwritten
Digits). `held-out` is a quarter that nobody trains on. Of the rest each digit is divided among the
owners at random but unevenly, by a Dirichlet distribution: the smaller `ALPHA`, the more they
differ. `pooled` are all of these rows in one place.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

OWNERS = ("ann", "bob", "cem", "dora", "eli")
ALPHA = 0.2


def model() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(64, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 10),
    )


def data(owner: Any) -> tuple[np.ndarray, np.ndarray]:
    return divided()[owner.name]


def validation(owner: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return a fifth of the held-out pictures, so that the sum over all owners is of all."""
    x, y = divided()["held-out"]
    place = OWNERS.index(owner.name) if owner.name in OWNERS else 0
    return x[place :: len(OWNERS)], y[place :: len(OWNERS)]


@cache
def divided() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    pixels, digits = load_digits(return_X_y=True)
    x, held_out_x, y, held_out_y = train_test_split(
        (pixels / 16).astype(np.float32), digits, test_size=0.25, stratify=digits, random_state=0
    )
    rng = np.random.default_rng(3)
    rows: dict[str, list[int]] = {name: [] for name in OWNERS}
    for digit in range(10):
        of_digit = rng.permutation(np.flatnonzero(y == digit))
        shares = rng.dirichlet([ALPHA] * len(OWNERS))
        ends = np.rint(np.cumsum(shares) * len(of_digit)).astype(int)
        for name, part in zip(OWNERS, np.split(of_digit, ends[:-1]), strict=True):
            rows[name].extend(part.tolist())
    found = {name: (x[part], y[part]) for name, part in rows.items()}
    return {**found, "pooled": (x, y), "held-out": (held_out_x, held_out_y)}
