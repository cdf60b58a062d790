"""A finished penalised regression: coefficients without errors, as the penalty biases them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .families import FamilyName, LinkName, mean_of
from .fits import Columns, coefficients, design, heading, plain, short
from .table import Vector

_TITLES = {"logistic": "L2 Logistic", "ridge": "Ridge", "elastic_net": "Elastic Net"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PenalisedFit:
    """A model in units of the columns as they are; the first name is `const`.

    `estimates` has shape (k,), `deviations` (k - 1,) are those of the columns; `l1` and `l2` are
    the weights of the penalty as the job gave them.
    """

    model: str
    target: str
    family: FamilyName
    link: LinkName
    names: tuple[str, ...]
    estimates: Vector = field(repr=False)
    deviations: Vector = field(repr=False)
    l1: float
    l2: float
    rows: int
    deviance: float
    null_deviance: float
    rounds: int
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def chosen(self) -> tuple[str, ...]:
        """Return the columns whose coefficients are not zero."""
        pairs = zip(self.names[1:], self.estimates[1:], strict=True)
        return tuple(name for name, value in pairs if value != 0)

    def predict(self, columns: Columns) -> Vector:
        """Return the expected outcome (n,) of each row."""
        return mean_of(self.link, design(columns, self.names[1:]) @ self.estimates)

    def summary(self) -> str:
        """Return a table of the coefficients."""
        left = [
            ("Dep. Variable:", self.target),
            ("Model Family:", self.family.capitalize()),
            ("Owners:", str(len(self.owners))),
            ("L1 Penalty:", f"{self.l1:g}"),
            ("L2 Penalty:", f"{self.l2:g}"),
            ("Rounds:", str(self.rounds)),
        ]
        right = [
            ("No. Observations:", str(self.rows)),
            ("Coefficients not 0:", f"{len(self.chosen)} of {len(self.names) - 1}"),
            ("Deviance:", f"{self.deviance:.5g}"),
            ("Null Deviance:", f"{self.null_deviance:.5g}"),
            ("Deviance Explained:", f"{100 * (1 - self.deviance / self.null_deviance):.1f} %"),
        ]
        name = _TITLES.get(self.model, "Penalised")
        title = f"{name} Regression over {len(self.owners)} Owners"
        rows = [(short(float(value)),) for value in self.estimates]
        table = coefficients(self.names, ("coef",), rows)
        return "\n".join([heading(title, left, right), table, *self.notes])

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: Mapping[str, object] = {
            "model": self.model,
            "target": self.target,
            "family": self.family,
            "link": self.link,
            "names": self.names,
            "coefficients": self.estimates,
            "deviations": self.deviations,
            "l1": self.l1,
            "l2": self.l2,
            "rows": self.rows,
            "deviance": self.deviance,
            "null_deviance": self.null_deviance,
            "rounds": self.rounds,
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}
