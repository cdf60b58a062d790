"""What is common to finished fits: a summary to read, JSON to keep, predictions to use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from protocols.errors import Misuse

from .table import Vector

Columns: TypeAlias = Mapping[str, Vector]
"""Columns (n,) by name, for predictions."""

WIDTH = 78
_NAME = 11  # of a name so much is shown, however wide the cells are
_LOOSE = 6  # cells stand no farther apart than that, so that the eye finds their row


class Fit(Protocol):
    """What a job has found, apart from its state."""

    def summary(self) -> str:
        """Return the fit as a table of text, `WIDTH` characters wide."""
        ...

    def to_json(self) -> dict[str, object]:
        """Return all numbers of the fit, ready for JSON; what is not finite is None."""
        ...


def design(columns: Columns, names: Sequence[str]) -> Vector:
    """Return the columns (n, 1 + p) with ones before them. Raises `Misuse` where one is missing."""
    missing = [name for name in names if name not in columns]
    if missing:
        raise Misuse(f"a prediction needs the columns {', '.join(missing)}")
    arrays = [np.asarray(columns[name], dtype=np.float64) for name in names]
    rows = len(next(iter(columns.values()))) if columns else 0
    return np.column_stack([np.ones(rows), *arrays])


def plain(value: object) -> object:
    """Return a value as JSON has it: lists for arrays and tuples, None for what is not finite."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def heading(title: str, left: Sequence[tuple[str, str]], right: Sequence[tuple[str, str]]) -> str:
    """Return facts in two columns under a title, with a double line before and after."""
    empty = ("", "")
    rows = max(len(left), len(right))
    padded = zip(
        [*left, *[empty] * (rows - len(left))],
        [*right, *[empty] * (rows - len(right))],
        strict=True,
    )
    lines = [
        f"{_pair(*one, WIDTH // 2 - 2)}   {_pair(*other, WIDTH // 2 - 1)}" for one, other in padded
    ]
    return "\n".join([title.center(WIDTH), "=" * WIDTH, *lines, "=" * WIDTH])


def coefficients(names: Sequence[str], heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of coefficients: a name and cells each, under heads.

    Cells never touch; names are cut where there is no room for them.
    """
    columns = zip(heads, *rows, strict=True)
    cells = [1 + max(len(text) for text in column) for column in columns]
    room = max(_NAME, WIDTH - sum(cells) - 1)
    width = min(room, max(_NAME, *(len(name) for name in names)))
    apart = min(_LOOSE, max(0, WIDTH - width - sum(cells)) // len(cells))

    def line(name: str, texts: Sequence[str]) -> str:
        padded = (text.rjust(cell + apart) for text, cell in zip(texts, cells, strict=True))
        return shortened(name, width).ljust(width) + "".join(padded)

    lines = [line(name, texts) for name, texts in zip(names, rows, strict=True)]
    return "\n".join([line("", heads), "-" * WIDTH, *lines, "=" * WIDTH])


def short(value: float) -> str:
    """Return a number with four decimals, or digits."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.3e}"
    return f"{value:.4f}"


def brief(value: float) -> str:
    """Return a number with three decimals, as statsmodels shows errors and bounds."""
    if not math.isfinite(value):
        return short(value)
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.2e}"
    return f"{value:.3f}"


def shortened(text: str, width: int) -> str:
    """Return a text that fits a width."""
    return text if len(text) <= width else text[: width - 1] + "…"


def probability(value: float) -> str:
    """Return a p-value with three decimals, as statsmodels does."""
    return f"{value:.3f}"


def _pair(name: str, value: str, width: int) -> str:
    left = width - len(name)
    return name + shortened(value, left - 1).rjust(left)
