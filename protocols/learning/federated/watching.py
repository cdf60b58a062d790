"""The best model so far, by a metric of all owners, and when to stop looking for a better one.

What is measured in a round is the model that came in, so a model is judged one round after it
was made, and the last one never.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocols.learning.state import Array, State

_BEST = "[best] "


@dataclass(frozen=True, slots=True)
class Watch:
    """A metric, and whether more of it is better; in a job file `highest accuracy`."""

    metric: str
    highest: bool

    @staticmethod
    def of(text: str, metrics: tuple[str, ...]) -> Watch:
        """Read `lowest NAME` or `highest NAME`. Raises `ValueError` for anything else."""
        way, _, metric = text.partition(" ")
        if not metrics:
            raise ValueError("watch needs a metric, and this job has none; name one in metrics")
        if way not in ("lowest", "highest") or metric not in metrics:
            raise ValueError(
                f'watch is "{text}": write lowest or highest and a metric of this job '
                f'({", ".join(metrics)}), such as "lowest {metrics[0]}" or "highest {metrics[0]}"'
            )
        return Watch(metric, way == "highest")

    def taken(self, state: State, value: float, model: Mapping[str, Array]) -> State:
        """Return the state after a round, with the model from before it if it is the best so far.

        `model` got `value`, and `state` has one round more behind it.
        """
        best = state.items("best") if "best" in state.facts else []
        if best and not self._better(value, _number(best[1])):
            return state
        return state.evolved(as_best(model), best=[state.count("round") - 1, value])

    def waited(self, state: State) -> int:
        """Return for how many measured models there was no better one."""
        if "best" not in state.facts:
            return 0
        return state.count("round") - 1 - int(_number(state.items("best")[0]))

    def sentence(self, state: State) -> str:
        """Say which model is the best."""
        made, value = (_number(fact) for fact in state.items("best"))
        way = "highest" if self.highest else "lowest"
        return f"kept: the model after round {made:.0f}, with the {way} {self.metric}, {value:.6g}"

    def _better(self, value: float, best: float) -> bool:
        return value > best if self.highest else value < best


def as_best(model: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays of a state that keep this model as the best one."""
    return {f"{_BEST}{name}": array for name, array in model.items()}


def best_of(state: State) -> dict[str, Array]:
    """Return the arrays of the best model; empty where none is kept."""
    return {
        name.removeprefix(_BEST): array
        for name, array in state.arrays.items()
        if name.startswith(_BEST)
    }


def _number(fact: object) -> float:
    return float(fact) if isinstance(fact, int | float) else float("nan")
