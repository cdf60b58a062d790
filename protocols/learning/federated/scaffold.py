"""SCAFFOLD (Karimireddy et al., ICML 2020, Algorithm 1), weighted by rows.

Every owner keeps a control variate c_i, the mean of its own gradients, at home; the public c is
the mean of all c_i. Local steps are corrected by c - c_i, so that they go where the average of
all owners goes. With its change of the model an owner adds its change of c_i, and only their sum
is opened.

The paper's second option for c_i, c_i - c + (x - y) / (K·η), is the mean of the gradients of
the K local steps; here it is taken of the gradients themselves, which is the same for plain SGD
and holds for any other optimiser of the owner's loop. With weights w the paper's c += Σ Δc_i / N
reads c += Σ w·Δc_i / W, where W sums the rows of all owners that ever took part. An owner that
comes for the first time begins from c_i = c, which in the first round is the paper's zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Unfit
from protocols.learning.layout import Part, Shape, Sums
from protocols.learning.state import State

from .federated import Federated
from .model_arrays import learnt
from .trainable import Floats, LocalResult, Order

_C, _NEW_ROWS = "[c] ", "[new rows]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffold(Federated):
    """FedAvg whose local gradients are corrected for how this owner differs from all.

    An owner's vector is twice as long. A change of c_i is clipped as one of the model is.
    """

    @property
    def remembers(self) -> bool:
        return True

    def begun(self, state: State) -> State:
        zeros = {n: np.zeros(state.arrays[n].shape, dtype=np.float32) for n in learnt(state)}
        return state.evolved({f"{_C}{n}": zero for n, zero in zeros.items()}, rows=0.0)

    def order(self, state: State, kept: State) -> Order:
        shift = {n: state.floats(f"{_C}{n}") - kept.floats(f"{_C}{n}") for n in learnt(state)}
        return replace(Federated.order(self, state, kept), shift=shift, gradients=True)

    def own_parts(self, state: State) -> dict[str, Shape]:
        controls = {f"{_C}{n}": state.arrays[n].shape for n in learnt(state)}
        return {**controls, _NEW_ROWS: ()}

    def own_values(self, state: State, kept: State, result: LocalResult) -> dict[str, Part]:
        change = self._control_change(kept, result)
        new_rows = result.weight - (kept.number("rows") if "rows" in kept.facts else 0.0)
        weighted: dict[str, Part] = {n: result.weight * change[n] for n in change}
        return {**weighted, _NEW_ROWS: new_rows}

    def moved(self, state: State, mean: Floats, sums: Sums) -> State:
        rows = state.number("rows") + float(sums[_NEW_ROWS])
        controls = {
            f"{_C}{n}": state.floats(f"{_C}{n}") + sums[f"{_C}{n}"] / rows for n in learnt(state)
        }
        moved = Federated.moved(self, state, mean, sums)
        return moved.evolved({n: c.astype(np.float32) for n, c in controls.items()}, rows=rows)

    def kept(self, kept: State, result: LocalResult) -> State:
        change = self._control_change(kept, result)
        controls = {name: kept.floats(name) + change[name] for name in change}
        return State(arrays={**result.own, **controls}, facts={"rows": float(result.weight)})

    def lost(self, state: State, mark: str) -> State:
        if mark:
            # Its c_i is in the public c: with another one here the sums would stay wrong.
            raise Unfit(
                "nothing kept",
                "the control variate that SCAFFOLD keeps in this trainer's home is not there any "
                "more; restore the folder from a copy, or begin the job anew",
            )
        return State(arrays={f"{_C}{n}": state.floats(f"{_C}{n}") for n in learnt(state)})

    def _control_change(self, kept: State, result: LocalResult) -> dict[str, NDArray[np.float64]]:
        before = {n: kept.floats(n) for n in kept.arrays if n.startswith(_C)}
        return {
            n: self.clipped(result.gradients[n.removeprefix(_C)] - c) for n, c in before.items()
        }
