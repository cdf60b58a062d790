"""Generalised linear models by Fisher's scoring: linear, logistic, Poisson and gamma regression."""

from __future__ import annotations

from dataclasses import dataclass

from .families import FamilyName, LinkName, family_of
from .glm_fit import GlmFit
from .job import require
from .linear_predictor import LinearPredictor
from .newton import raw, raw_covariance
from .regression import Regression
from .state import State
from .tabular import require_features

# A deviance that small, relative to the null model's, is what rounding leaves of none.
_PERFECT = 1e-20


@dataclass(frozen=True, slots=True, kw_only=True)
class Glm(Regression):
    """Fits without a penalty; coefficients with standard errors, as on the pooled rows.

    Attributes:
        link: by default the family's usual one; gamma has `inverse` and `log`.
        size: column of trials (binomial; the target then counts successes) or of exposures
            (poisson).
        tolerance: converged when no coefficient of the standardised columns moves by more.
    """

    features: tuple[str, ...]
    target: str
    family: FamilyName
    link: LinkName | None = None
    size: str | None = None
    tolerance: float = 1e-10
    max_rounds: int = 100

    def __post_init__(self) -> None:
        others = (self.target,) if self.size is None else (self.target, self.size)
        require_features(self.features, *others)
        require(self.tolerance > 0, "tolerance must be above 0")
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")
        family_of(self.family, self.link)
        sized = self.family in ("binomial", "poisson")
        require(self.size is None or sized, f"{self.family} has no trials or exposures")

    def model(self) -> LinearPredictor:
        return LinearPredictor(
            family_of(self.family, self.link), self.features, self.target, self.size
        )

    def fit(self, state: State) -> GlmFit | None:
        if state.facts.get("converged") is not True:
            return None
        model = self.model()
        rows, k = int(state.floats("n")), len(model.names)
        pearson, deviance = float(state.floats("pearson")), state.number("deviance")
        scale = 1.0 if model.family.known_scale else pearson / max(rows - k, 1)
        return GlmFit(
            target=self.target,
            family=self.family,
            link=model.family.link,
            names=model.names,
            estimates=raw(state.floats("beta"), state),
            covariance=scale * raw_covariance(state),
            deviations=state.floats("scale"),
            rows=rows,
            scale=scale,
            deviance=deviance,
            null_deviance=float(state.floats("null")),
            pearson=pearson,
            log_likelihood=model.family.log_likelihood(
                rows=rows, deviance=deviance, base=float(state.floats("base")), scale=scale
            ),
            rounds=state.count("round"),
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=_notes(state),
        )


def _notes(state: State) -> tuple[str, ...]:
    notes = [str(text) for text in state.items("notes")]
    if state.number("deviance") <= _PERFECT * float(state.floats("null")):
        notes.append("the columns explain the outcome perfectly: errors and tests mean nothing")
    return tuple(notes)
