"""Algorithms in phases: `local(state, data)` gives sums, `update(state, sums)` a state, `done`.

A phase is one kind of round; it is repeated until it is done, and then the next one begins. When
the last is done the job has converged. What every algorithm needs besides is here, once: the
rounds are counted, sums are laid out with the digits they need, and all sums are over one cohort.

The facts of the state that this keeps: `phase`, `round`, `restarts`, `cohort`, `bound`, `notes`,
`converged`; a phase adds what it wants, and may add to `notes`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse

from .job import Algorithm, Opened, Verdict, finite
from .layout import Layout, Part, Sums
from .state import Fact, State

# So often all owners may come again when a job begins again. After that it does so with who is
# left: where owners come and go all the time, it would else never get beyond its first phases.
_SECOND_CHANCES = 3

Data_contra = TypeVar("Data_contra", contravariant=True)


class Phase(Protocol, Generic[Data_contra]):
    """One kind of round: what an owner adds, and what becomes of the sum. Subclass it.

    `name` is how the state says that the phase is under way.
    """

    name: str

    @abstractmethod
    def layout(self, state: State) -> Layout:
        """Return what is summed, by name; may depend on the state, never on data."""

    @abstractmethod
    def local(self, state: State, data: Data_contra) -> Mapping[str, Part]:
        """Return what this owner adds; runs beside the data.

        Raises `Unfit` where the data can't be used.
        """

    @abstractmethod
    def update(self, state: State, sums: Sums) -> State:
        """Take in the sums over all owners. Raises `JobFailed` where there is no way on."""

    def largest(self, state: State) -> int:
        """Return the largest d of its rounds, as far as is known before the job begins.

        To be overridden where `layout` depends on what earlier sums brought.
        """
        return self.layout(state).size

    def begin(self, state: State) -> State:
        """Return the state with which the first round of this phase begins."""
        return state

    def done(self, state: State) -> bool:
        """Say whether the phase needs no further round; by default it has one."""
        return True

    def regrouped(self, state: State) -> State | None:
        """Return the state that can take in sums over fewer owners than before.

        None, the default, is for phases whose state would be wrong for those who are left: the
        job then begins again. An iteration that may go on from any point returns the state
        without what it remembers of earlier sums.
        """
        return None


class Phased(Algorithm[Data_contra]):
    """An algorithm that is a sequence of phases; a subclass is a frozen dataclass of options.

    `one_cohort` is False where each round stands alone, and any owners will do for it.
    """

    max_rounds: int
    one_cohort: ClassVar[bool] = True

    @abstractmethod
    def phases(self) -> Sequence[Phase[Data_contra]]:
        """Return the phases in their order; cheap, as it is asked for often."""

    def started(self) -> State:
        """Return what the state holds before the first round; most algorithms need nothing."""
        return State()

    def kept(self, state: State) -> State:
        """Return what the state holds when the job begins again with another cohort.

        By default what it held at the start; an iteration may keep where it has got to.
        """
        return self.started()

    def start(self) -> State:
        """Return the state before the first round."""
        facts = {"round": 0, "restarts": 0, "converged": False}
        state = self.started().evolved(cohort=[], bound=[], notes=[], **facts)
        return self._at_the_first(state)

    def layout(self, state: State) -> Layout:
        return self._phase(state).layout(state)

    def largest_dimension(self, state: State) -> int:
        return max(phase.largest(state) for phase in self.phases())

    def local(self, state: State, data: Data_contra) -> NDArray[np.float64]:
        phase = self._phase(state)
        return phase.layout(state).pack(phase.local(state, data))

    def update(self, state: State, opened: Opened) -> State:
        phase = self._phase(state)
        sums = phase.layout(state).unpack(finite(opened))
        cohort = sorted(opened.survivors) if self.one_cohort else []
        state = state.evolved(round=state.count("round") + 1)
        if _before(state) not in ([], cohort):
            # Where the job has just begun again, there is no sum yet that would be of others.
            regrouped = phase.regrouped(state) if state.items("cohort") else state
            if regrouped is None:
                return self._begun_again(state, cohort)
            state = self._noted(state, cohort, "went on from here with who is left")
            state = regrouped.evolved(**{k: state.facts[k] for k in ("notes", "restarts")})
        state = phase.update(state.evolved(cohort=cohort), sums)
        return self._noted_end(self._followed(state, phase) if phase.done(state) else state)

    def verdict(self, state: State) -> Verdict:
        if state.facts.get("converged") is True:
            return Verdict(over=True, reason="converged")
        if state.count("round") >= self.max_rounds:
            return Verdict(over=True, reason="max rounds")
        return Verdict(over=False)

    def metrics(self, state: State) -> dict[str, float]:
        return {}

    def _phase(self, state: State) -> Phase[Data_contra]:
        name = state.text("phase")
        for phase in self.phases():
            if phase.name == name:
                return phase
        raise Misuse(f"no phase {name!r}")

    def _followed(self, state: State, phase: Phase[Data_contra]) -> State:
        phases = self.phases()
        place = [each.name for each in phases].index(phase.name) + 1
        if place == len(phases):
            return state.evolved(converged=True)
        return phases[place].begin(state.evolved(phase=phases[place].name))

    def _noted_end(self, state: State) -> State:
        if self.verdict(state).reason != "max rounds":
            return state
        return note(state, f"not at its end after {self.max_rounds} rounds; allow more max_rounds")

    def _at_the_first(self, state: State) -> State:
        first = self.phases()[0]
        return first.begin(state.evolved(phase=first.name))

    def _noted(self, state: State, cohort: list[str], then: str) -> State:
        before = _before(state)
        left = ", ".join(sorted(str(name) for name in before if name not in cohort)) or "nobody"
        came = ", ".join(name for name in cohort if name not in before) or "nobody"
        note = f"round {state.count('round')}: {left} left, {came} came; {then}"
        return state.evolved(
            notes=[*state.items("notes"), note], restarts=state.count("restarts") + 1
        )

    def _begun_again(self, state: State, cohort: list[str]) -> State:
        bound = cohort if state.count("restarts") >= _SECOND_CHANCES else []
        then = "began again with who is left" if bound else "began again"
        state = self._noted(state, cohort, then)
        facts = {name: state.facts[name] for name in ("round", "restarts", "notes")}
        begun = self.kept(state).evolved(cohort=[], bound=bound, converged=False, **facts)
        return self._at_the_first(begun)


def _before(state: State) -> list[Fact]:
    """Return the owners of which a sum is expected; none where anybody may come."""
    return state.items("cohort") or state.items("bound")


def note(state: State, *texts: str) -> State:
    """Return the state with these sentences among those that are shown at the end."""
    return state.evolved(notes=[*state.items("notes"), *texts])
