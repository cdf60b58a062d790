"""FedYogi (Reddi et al., ICLR 2021, Algorithm 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .adaptive import Adaptive


@dataclass(frozen=True, slots=True, kw_only=True)
class FedYogi(Adaptive):
    """The second moment moves by no more than the square of the change itself."""

    def second(self, v: NDArray[np.float64], square: NDArray[np.float64]) -> NDArray[np.float64]:
        return v - (1 - self.beta2) * square * np.sign(v - square)
