"""FedAdam (Reddi et al., ICLR 2021, Algorithm 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .adaptive import Adaptive


@dataclass(frozen=True, slots=True, kw_only=True)
class FedAdam(Adaptive):
    """The second moment is a running mean: it forgets a large change slowly."""

    def second(self, v: NDArray[np.float64], square: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.beta2 * v + (1 - self.beta2) * square
