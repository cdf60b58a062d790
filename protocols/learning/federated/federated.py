"""What every federated optimiser does: a round of local training, and what becomes of the sum.

The vector of an owner is its change of the model times its rows, then its rows, then its metrics
times the rows that they were measured on. Arrays of the state whose names begin with a bracket
are no part of the model. What a subclass may change: `begun`, `order`, `own_parts`,
`own_values`, `moved`, `kept` and `lost`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse, Unfit
from protocols.learning.job import Algorithm, JobFailed, Opened, Verdict, finite, require
from protocols.learning.layout import Layout, Part, Shape, Sums
from protocols.learning.staleness import ages, fresh, mean_age, noted
from protocols.learning.state import Array, Fact, State

from .attending import attended, mark_after, mark_of
from .model_arrays import (
    buffer_names,
    learnt,
    model_of,
    norm,
    part_of,
    shifted,
    summed_names,
)
from .results import check_result
from .schedules import Schedule, ScheduleName
from .trainable import Floats, InitialModel, LocalResult, Order, Trainable
from .watching import Watch, as_best, best_of

# In brackets, as a parameter of a model may well be called `weight`.
WEIGHT, MEASURED = "[weight]", "[measured]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Federated(Algorithm[Trainable]):
    """Trains a model at its owners and averages the changes, weighted by rows.

    No coordinate of a parameter's change is above `clip` and no weight above `largest_weight`,
    so their product bounds what an owner adds. Buffers are no gradient's business and have no
    clip: floating ones are averaged, whole ones too and then rounded, from exact sums.

    Attributes:
        tolerance: converged when the L2 norm of the averaged change is below; 0 is never.
        metric_names: what is summed beside the model, measured on the model that comes in.
        local_epochs: passes over the owner's rows in a round.
        schedule: how the learning rate goes down, see `Schedule`.
        held_out: the part of every owner's rows that is measured on and not trained on.
        personal: patterns of the names of parameters that stay at home.
        watch: `highest accuracy`, for example: keep the best model. After `patience` rounds
            without a better one the job is over; 0 waits for ever.
        max_staleness: how many rounds old a change may be, where rounds are buffered (FedBuff,
            Nguyen et al., AISTATS 2022, Algorithm 1): then Σ w·change / √(1 + age) / Σ w. What is
            measured is then measured on models as old. 0 where a round waits for everybody.
    """

    max_rounds: int = 40
    tolerance: float = 0.0
    metric_names: tuple[str, ...] = ("loss", "accuracy")
    clip: float = 8.0
    largest_weight: float = 1e6
    local_epochs: int = 2
    batch_size: int = 32
    learning_rate: float = 0.1
    schedule: ScheduleName = "constant"
    step_rounds: int = 10
    step_factor: float = 0.5
    lowest_rate: float = 0.0
    held_out: float = 0.0
    personal: tuple[str, ...] = ()
    watch: str = ""
    patience: int = 0
    max_staleness: int = 0

    def __post_init__(self) -> None:
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")
        require(self.tolerance >= 0, "tolerance must be 0 (off) or more")
        require(0 < self.clip < np.inf, "clip must be a positive number")
        require(0 < self.largest_weight < np.inf, "largest_weight must be a positive number")
        require(len(set(self.metric_names)) == len(self.metric_names), "a metric named twice")
        require(self.local_epochs >= 1, "local_epochs must be 1 or more")
        require(self.batch_size >= 1, "batch_size must be 1 or more")
        require(0 < self.learning_rate < np.inf, "learning_rate must be a positive number")
        require(self.step_rounds >= 1, "step_rounds must be 1 or more")
        require(0 < self.step_factor <= 1, "step_factor must be above 0, and 1 at most")
        require(
            0 <= self.lowest_rate <= self.learning_rate,
            "lowest_rate must be 0 or more, and learning_rate at most",
        )
        require(0 <= self.held_out <= 0.9, "held_out must be from 0 to 0.9")
        require(self.patience >= 0, "patience must be 0 (off) or more")
        require(self.patience == 0 or bool(self.watch), "patience needs a metric to watch")
        if self.watch:
            Watch.of(self.watch, self.metric_names)
        require(self.max_staleness >= 0, "max_staleness must be 0 (off) or more")
        if self.max_staleness:
            self._require_bufferable()

    def _require_bufferable(self) -> None:
        require(
            not self.remembers,
            "rounds can't be buffered here: what owners keep from round to round (personal "
            "parameters, SCAFFOLD's c_i) belongs to sums over one state",
        )
        require(
            not self.watch,
            "rounds can't be buffered with watch: what is measured is of models of several ages, "
            "so none of them is known to be the best",
        )

    # --- what a subclass may change ---------------------------------------------------

    @property
    def remembers(self) -> bool:
        """Return whether an owner keeps something at home from round to round."""
        return bool(self.personal)

    def begun(self, state: State) -> State:
        """Return the first state with all arrays that it will ever hold: its size is checked."""
        return state

    def order(self, state: State, kept: State) -> Order:
        """Return what an owner is to do that has this at home."""
        number = state.count("round")
        return Order(
            arrays=model_of(state),
            own={name: kept.arrays[name] for name in kept.arrays if self.is_personal(name)},
            number=number,
            learning_rate=self._schedule().rate(number),
        )

    def own_parts(self, state: State) -> dict[str, Shape]:
        """Return what is summed besides the model, the weight and the metrics."""
        return {}

    def own_values(self, state: State, kept: State, result: LocalResult) -> dict[str, Part]:
        """Return what this owner adds to `own_parts`."""
        return {}

    def moved(self, state: State, mean: Floats, sums: Sums) -> State:
        """Return the state with its new model; `mean` are the averaged changes."""
        return state.evolved({n: shifted(n, state.arrays[n], mean[n]) for n in mean})

    def kept(self, kept: State, result: LocalResult) -> State:
        """Return what an owner keeps at home once its contribution is in a sum."""
        return State(arrays=result.own)

    def lost(self, state: State, mark: str) -> State:
        """Return what an owner has at home that has nothing; with a mark it once had something."""
        return State()

    # --- a job ------------------------------------------------------------------------

    def start(self, model: InitialModel) -> State:
        """Return the state before the first round.

        Raises `Unfit` where `personal` names nothing, or leaves nothing to learn together.
        """
        if any(name.startswith("[") for name in model.arrays):
            raise Misuse("the name of a parameter begins with a bracket")
        for pattern in self.personal:
            if not any(fnmatchcase(name, pattern) for name in model.arrays):
                known = ", ".join(sorted(model.arrays)[:10])
                raise Unfit("bad options", f"personal: {pattern!r} fits no parameter: {known}, …")
        arrays = {n: array for n, array in model.arrays.items() if not self.is_personal(n)}
        if not arrays.keys() - model.fixed - model.buffers:
            raise Unfit("bad options", "the model has no parameter that is trained together")
        mark = hashlib.sha256(State(arrays=arrays).to_bytes()).hexdigest()[:32]
        facts: dict[str, Fact] = {
            "buffers": sorted(model.buffers & arrays.keys()),
            "fixed": sorted(model.fixed & arrays.keys()),
            "types": [[n, kind] for n, kind in sorted(model.types.items()) if n in arrays],
            "owners": [],
            "survivors": [],
            "taken": [],
        }
        state = State(arrays=arrays, facts={"round": 0, "history": [], "mark": mark, **facts})
        return self.begun(state.evolved(as_best(arrays) if self.watch else {}))

    def layout(self, state: State) -> Layout:
        buffers = buffer_names(state)
        names = summed_names(state)
        if self.max_staleness:  # what shrinks with age comes first
            names = [*learnt(state), *(name for name in names if name in buffers)]
        model = {n: part_of(state.arrays[n], buffer=n in buffers) for n in names}
        measured = {f"[measured*{name}]": () for name in self.metric_names}
        last = ages(self.max_staleness)
        own = self.own_parts(state)
        return Layout({**model, **own, WEIGHT: (), MEASURED: (), **measured, **last})

    def discounted(self, state: State) -> int:
        sizes = [state.arrays[name].size for name in learnt(state)]
        return sum(sizes) if self.max_staleness else 0

    def local(self, state: State, data: Trainable) -> NDArray[np.float64]:
        mark = mark_of(state, data.name) if self.remembers else ""
        kept = data.recall(mark) if mark else None
        if kept is None:
            kept = self.lost(state, mark)
        result = data.train(self.order(state, kept))
        check_result(state, result, self.metric_names, self.largest_weight)
        summed, buffers = set(summed_names(state)), buffer_names(state)
        w, m = float(result.weight), float(result.measured)
        values: dict[str, Part] = {
            name: w * (change if name in buffers else self.clipped(change))
            for name, change in result.change.items()
            if name in summed
        }
        values |= self.own_values(state, kept, result)
        for name in self.metric_names:
            values[f"[measured*{name}]"] = m * float(result.metrics[name]) if m else 0.0
        values |= fresh(self.max_staleness)
        vector = self.layout(state).pack({**values, WEIGHT: w, MEASURED: m})
        if self.remembers:
            data.keep(state.text("mark"), self.kept(kept, result), beside=mark)
        return vector

    def update(self, state: State, opened: Opened) -> State:
        sums = self.layout(state).unpack(finite(opened))
        weight, measured = float(sums[WEIGHT]), float(sums[MEASURED])
        if weight <= 0:
            raise JobFailed("the summed weight is not above 0: there is nothing to average")
        if measured <= 0 and self.metric_names:
            raise JobFailed("nobody has rows to measure on; lower held_out")
        mean = {name: sums[name] / weight for name in summed_names(state)}
        metrics = [float(sums[f"[measured*{name}]"]) / measured for name in self.metric_names]
        after = self.moved(state, mean, sums).evolved(
            round=state.count("round") + 1,
            weight=weight,
            shift=norm(state, mean),
            history=[*state.items("history"), metrics],
            mark=mark_after(state, opened),
        )
        after = attended(noted(state, after, sums), state, opened)
        if self.watch:
            watch = Watch.of(self.watch, self.metric_names)
            value = metrics[self.metric_names.index(watch.metric)]
            after = watch.taken(after, value, model_of(state))
        return self._noted(after)

    def verdict(self, state: State) -> Verdict:
        settled = "shift" in state.facts and state.number("shift") < self.tolerance
        if settled or self._patience_over(state):
            return Verdict(over=True, reason="converged")
        if state.count("round") >= self.max_rounds:
            return Verdict(over=True, reason="max rounds")
        return Verdict(over=False)

    def metrics(self, state: State) -> dict[str, float]:
        history = state.items("history")
        latest = history[-1] if history else []
        values = latest if isinstance(latest, (list, tuple)) else []
        named = zip(self.metric_names, values, strict=False)
        return {**{name: float(value) for name, value in named}, **mean_age(state)}

    def model(self, state: State) -> dict[str, Array]:
        """Return the arrays of the trained model: the best one where a metric is watched."""
        return best_of(state) if "best" in state.facts else model_of(state)

    def is_personal(self, name: str) -> bool:
        """Return whether a parameter stays at home."""
        return any(fnmatchcase(name, pattern) for pattern in self.personal)

    # --- parts ------------------------------------------------------------------------

    def _schedule(self) -> Schedule:
        return Schedule(
            kind=self.schedule,
            first=self.learning_rate,
            rounds=self.max_rounds,
            step_rounds=self.step_rounds,
            step_factor=self.step_factor,
            lowest=self.lowest_rate,
        )

    def clipped(self, change: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a change (any shape) with no coordinate above `clip`."""
        # What is not finite stays so: the encoder refuses it and names the coordinate.
        return np.where(np.isfinite(change), np.clip(change, -self.clip, self.clip), change)

    def _patience_over(self, state: State) -> bool:
        watch = Watch.of(self.watch, self.metric_names) if self.patience else None
        return watch is not None and watch.waited(state) >= self.patience

    def _noted(self, state: State) -> State:
        if not self.watch or not self.verdict(state).over:
            return state
        early = (
            f"no better model for {self.patience} rounds; " if self._patience_over(state) else ""
        )
        best = Watch.of(self.watch, self.metric_names).sentence(state)
        return state.evolved(notes=[f"{early}{best}"])
