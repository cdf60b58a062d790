"""What all regressions share: standardise the columns, then Newton's method on a likelihood."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from .linear_predictor import LinearPredictor
from .newton import Newton, raw, warm
from .penalised_fit import PenalisedFit
from .penalties import Penalty
from .phases import Phase
from .standardising import FreshScale, Mean
from .state import State
from .table import Column, Table, numbers
from .tabular import Tabular


class Regression(Tabular):
    """A generalised linear model, maybe penalised; a subclass says which by `model`, `penalty`.

    When owners leave, an unpenalised fit goes on from where it is, and a penalised one measures
    the scale of the columns again; neither begins from nothing.
    """

    tolerance: float

    @abstractmethod
    def model(self) -> LinearPredictor:
        """Return the likelihood."""

    def penalty(self) -> Penalty:
        """Return what keeps the coefficients small; by default nothing does."""
        return Penalty()

    def columns(self) -> tuple[Column, ...]:
        model = self.model()
        outcome = Column(name=model.target, kind=model.outcome)
        size = () if model.size is None else (Column(name=model.size, kind="positive"),)
        return (*numbers(model.features), outcome, *size)

    def parameters(self) -> int:
        return len(self.model().names)

    def phases(self) -> Sequence[Phase[Table]]:
        model = self.model()
        return (
            Mean(model.features, model.totalled),
            FreshScale(model.features, others=model.totalled),
            Newton(model, self.penalty(), self.tolerance),
        )

    def kept(self, state: State) -> State:
        return warm(state)

    def metrics(self, state: State) -> dict[str, float]:
        names = ("deviance", "max_step")
        return {name: state.number(name) for name in names if name in state.facts}


def penalised_fit(name: str, algorithm: Regression, state: State) -> PenalisedFit | None:
    """Return what a penalised regression has found; None before its end."""
    if state.facts.get("converged") is not True:
        return None
    model, penalty = algorithm.model(), algorithm.penalty()
    return PenalisedFit(
        model=name,
        target=model.target,
        family=model.family.name,
        link=model.family.link,
        names=model.names,
        estimates=raw(state.floats("beta"), state),
        deviations=state.floats("scale"),
        l1=penalty.l1,
        l2=penalty.l2,
        rows=int(state.floats("n")),
        deviance=state.number("deviance"),
        null_deviance=float(state.floats("null")),
        rounds=state.count("round"),
        owners=tuple(str(owner) for owner in state.items("cohort")),
        notes=tuple(str(text) for text in state.items("notes")),
    )
