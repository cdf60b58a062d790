"""A finished Gaussian naive Bayes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .fits import Columns, brief, coefficients, design, heading, plain
from .table import Vector

_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveBayesFit:
    """Rows (c,) of classes, and means and smoothed variances (c, p) of the columns as they are."""

    target: str
    levels: tuple[str, ...]
    names: tuple[str, ...]
    sizes: Vector = field(repr=False)
    means: Vector = field(repr=False)
    variances: Vector = field(repr=False)
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def priors(self) -> Vector:
        """Return the share (c,) of each class."""
        return np.asarray(self.sizes / self.sizes.sum())

    def chances(self, columns: Columns) -> Vector:
        """Return the chance (n, c) of each class, for each row."""
        x = design(columns, self.names)[:, None, 1:]
        terms = np.log(2 * np.pi * self.variances) + (x - self.means) ** 2 / self.variances
        return softmaxed(np.log(self.priors) - terms.sum(axis=2) / 2)

    def predict(self, columns: Columns) -> tuple[str, ...]:
        """Return the most likely class of each row."""
        return tuple(self.levels[place] for place in self.chances(columns).argmax(axis=1))

    def summary(self) -> str:
        """Return mean ± deviation of each column in each class, a few beside each other."""
        left = [("Dep. Variable:", self.target), ("Owners:", str(len(self.owners)))]
        right = [
            ("No. Observations:", str(int(self.sizes.sum()))),
            ("Classes:", str(len(self.levels))),
        ]
        title = f"Gaussian Naive Bayes over {len(self.owners)} Owners"
        deviations, tables = np.sqrt(self.variances), []
        for first in range(0, len(self.levels), _SHOWN):
            block = slice(first, first + _SHOWN)
            cells = [
                [f"{brief(float(m))} ±{brief(float(s))}" for m, s in zip(mean, spread, strict=True)]
                for mean, spread in zip(self.means[block].T, deviations[block].T, strict=True)
            ]
            shares = [f"{share:.3f}" for share in self.priors[block]]
            tables.append(
                coefficients(("share", *self.names), self.levels[block], [shares, *cells])
            )
        return "\n".join([heading(title, left, right), *tables, *self.notes])

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: Mapping[str, object] = {
            "model": "naive_bayes",
            "target": self.target,
            "levels": self.levels,
            "names": self.names,
            "sizes": self.sizes,
            "means": self.means,
            "variances": self.variances,
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}


def softmaxed(scores: Vector) -> Vector:
    """Return chances (n, c) that are proportional to exp(score)."""
    parts: Vector = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))
