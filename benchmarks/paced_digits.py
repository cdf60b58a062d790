"""Digits at ten owners of like data: the task of `buffered.py`.

Owners are `t01` to `t10`; `held-out` has the quarter of all rows that nobody trains on.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

OWNERS = tuple(f"t{place:02}" for place in range(1, 11))


def model() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(64, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 10),
    )


def data(owner: Any) -> tuple[np.ndarray, np.ndarray]:
    return divided()[owner.name]


@cache
def divided() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    pixels, digits = load_digits(return_X_y=True)
    x, held_out_x, y, held_out_y = train_test_split(
        (pixels / 16).astype(np.float32), digits, test_size=0.25, stratify=digits, random_state=0
    )
    # The split has shuffled the rows already.
    found = {
        name: (x[place :: len(OWNERS)], y[place :: len(OWNERS)])
        for place, name in enumerate(OWNERS)
    }
    return {**found, "held-out": (held_out_x, held_out_y)}
