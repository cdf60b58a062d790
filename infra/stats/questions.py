"""What `quorate stats` is asked, as the algorithm of a job and its options.

What divides or bounds a statistic is public, so it comes from the schema or from the command,
never from the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.config import ConfigError
from infra.config.problems import nearest
from infra.config.schema import AgreedColumn


@dataclass(frozen=True, slots=True)
class Question:
    """An algorithm, its options in `[data]`, and those in its own section."""

    statistic: str
    algorithm: str
    data: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that it reads, as far as they are named."""
        named = [self.data[key] for key in _NAMING if key in self.data]
        return tuple(dict.fromkeys([*self.data.get("features", ()), *named]))


_NAMING = ("column", "row", "target", "score", "by")


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns that owners agreed on, or none."""

    columns: tuple[AgreedColumn, ...] = ()

    def column(self, name: str, option: str) -> AgreedColumn | None:
        """Return what was agreed on a column, None without a schema. Raises `ConfigError`."""
        found = {column.name: column for column in self.columns}
        if name in found or not found:
            return found.get(name)
        near = nearest(name, found)
        cure = f'did you mean "{near}"?' if near else f"it has {', '.join(found)}"
        raise ConfigError([f"{option}: the schema has no column {name!r}; {cure}"])

    def levels(self, name: str, option: str, given: Sequence[str]) -> list[str]:
        """Return the levels of a column, those given before those agreed on."""
        agreed = self.column(name, option)
        if given:
            return list(given)
        if agreed is not None and agreed.kind in ("class", "0 or 1"):
            return list(agreed.levels) or ["0", "1"]
        raise ConfigError(
            [
                f"{option}: which values {name!r} may have is public and not read from data; name "
                f"them (a,b), or give a --schema with its levels"
            ]
        )

    def bounds(self, name: str, given: str | None) -> dict[str, float]:
        """Return `least` and `most` of a column, those given before those agreed on.

        `given` is as `LEAST:MOST`. Raises `ConfigError`.
        """
        agreed = self.column(name, "--column")
        if given is not None:
            return _range(given)
        if agreed is None or agreed.least is None or agreed.most is None:
            raise ConfigError(
                [
                    f"--range: which range {name!r} has is public and not read from data; write "
                    f"--range LEAST:MOST, or give a --schema with its least and most"
                ]
            )
        return {"least": agreed.least, "most": agreed.most}

    def features(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the columns that are named, or all numbers of the schema, or none to be open."""
        for name in names:
            self.column(name, "--column")
        chosen = list(names) or [c.name for c in self.columns if c.kind != "class"]
        return {"features": chosen} if chosen else {}


def moments(
    statistic: str, schema: Schema, names: Sequence[str], by: str | None, groups: Sequence[str]
) -> Question:
    """Ask for means and variances, maybe by groups."""
    if by is None:
        return Question(statistic, "moments", schema.features(names))
    data = schema.features(names)
    if "features" in data:
        data["features"] = [name for name in data["features"] if name != by]
    levels = schema.levels(by, "--groups", groups)
    return Question(statistic, "grouped_moments", {**data, "by": by, "groups": levels})


def correlation(schema: Schema, names: Sequence[str]) -> Question:
    """Ask for the correlations of all pairs of columns."""
    return Question("corr", "correlation", schema.features(names))


def histogram(schema: Schema, name: str, bounds: str | None, bins: int) -> Question:
    """Ask for the rows in bins of equal width."""
    own = {**schema.bounds(name, bounds), "bins": bins}
    return Question("histogram", "histogram", {"column": name}, own)


def quantile(
    schema: Schema, name: str, at: Sequence[float], bounds: str | None, precision: float | None
) -> Question:
    """Ask for quantiles; to a thousandth of the range where no precision is named."""
    own: dict[str, Any] = schema.bounds(name, bounds)
    own["precision"] = precision or (own["most"] - own["least"]) / 1000
    own |= {"at": list(at)} if at else {}
    return Question("quantile", "quantiles", {"column": name}, own)


def table(schema: Schema, row: str, column: str, levels: Mapping[str, Sequence[str]]) -> Question:
    """Ask for a contingency table; `levels` has those that are given for `row` and `column`."""
    data = {
        "row": row,
        "row_levels": schema.levels(row, "--row-levels", levels["row"]),
        "column": column,
        "column_levels": schema.levels(column, "--column-levels", levels["column"]),
    }
    return Question("table", "contingency", data)


def auc(schema: Schema, target: str, score: str, bounds: str | None, bins: int) -> Question:
    """Ask for the area under the ROC curve of a score; its range is 0 to 1 if nobody says else."""
    for name, option in ((target, "--target"), (score, "--score")):
        schema.column(name, option)
    agreed = schema.column(score, "--score")
    known = agreed is not None and None not in (agreed.least, agreed.most)
    own = schema.bounds(score, bounds if bounds or known else "0:1")
    return Question("auc", "auc", {"target": target, "score": score}, {**own, "bins": bins})


def t_test(
    schema: Schema, name: str, by: str, groups: Sequence[str], *, equal_variances: bool
) -> Question:
    """Ask whether two groups have the same mean."""
    schema.column(name, "--column")
    levels = schema.levels(by, "--groups", groups)
    data = {"target": name, "by": by, "groups": levels}
    return Question("ttest", "t_test", data, {"equal_variances": equal_variances})


def _range(text: str) -> dict[str, float]:
    least, _, most = text.partition(":")
    try:
        return {"least": float(least), "most": float(most)}
    except ValueError:
        raise ConfigError(
            [f"--range: {text!r} is no range; write LEAST:MOST, as --range 0:120"]
        ) from None
