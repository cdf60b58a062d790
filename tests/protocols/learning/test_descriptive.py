"""Descriptive statistics at their edges; beside other implementations in `reference/`."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest
from fakes.secure_fits import UNEQUAL, fit, one_round, owners_of
from numpy.typing import NDArray

from protocols.learning.algorithms import TABULAR
from protocols.learning.auc import Auc
from protocols.learning.contingency import Contingency
from protocols.learning.correlation import Correlation
from protocols.learning.fits import WIDTH, Fit
from protocols.learning.histogram import Histogram
from protocols.learning.job import JobFailed
from protocols.learning.moments import GroupedMoments, Moments
from protocols.learning.quantiles import Quantiles
from protocols.learning.t_test import TTest
from protocols.learning.tabular import Tabular

RNG = np.random.default_rng(11)
COLUMNS: dict[str, NDArray[np.float64]] = {
    "age": RNG.integers(20, 90, 300).astype(np.float64),
    "weight": RNG.normal(70, 12, 300),
    "sex": RNG.integers(0, 2, 300).astype(np.float64),
    "died": RNG.integers(0, 2, 300).astype(np.float64),
}
ALGORITHMS: Mapping[str, Tabular] = {
    "moments": Moments(features=("age", "weight")),
    "grouped_moments": GroupedMoments(features=("age",), by="sex", groups=("f", "m")),
    "correlation": Correlation(features=("age", "weight")),
    "histogram": Histogram(column="age", least=0.0, most=100.0),
    "quantiles": Quantiles(column="age", least=0.0, most=120.0, precision=0.4),
    "contingency": Contingency(
        row="sex", row_levels=("f", "m"), column="died", column_levels=("no", "yes")
    ),
    "auc": Auc(target="died", score="age", least=0.0, most=100.0),
    "t_test": TTest(target="age", by="sex", groups=("f", "m")),
}


def found(algorithm: Tabular, columns: Mapping[str, NDArray[np.float64]] = COLUMNS) -> Fit:
    result = algorithm.fit(fit(algorithm, owners_of(columns, UNEQUAL[3])))
    assert result is not None
    return result


def facts(algorithm: Tabular, **columns: list[float]) -> dict[str, object]:
    arrays = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    return found(algorithm, arrays).to_json()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_statistic_has_a_summary_and_json_that_say_the_same_owners(name: str) -> None:
    algorithm = ALGORITHMS[name]

    fitted = found(algorithm)

    assert TABULAR[name] is type(algorithm)
    lines = fitted.summary().splitlines()
    assert "over 3 Owners" in lines[0]
    assert max(len(line) for line in lines) <= WIDTH
    told = fitted.to_json()
    assert told["model"] == name
    assert told["owners"] == ["owner-1", "owner-2", "owner-3"]
    assert json.loads(json.dumps(told, allow_nan=False)) == told


@pytest.mark.parametrize("name", ALGORITHMS)
def test_before_its_end_there_is_no_result(name: str) -> None:
    algorithm = ALGORITHMS[name]

    assert algorithm.fit(algorithm.start()) is None


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_statistic_begins_again_over_those_who_are_left(name: str) -> None:
    algorithm = ALGORITHMS[name]
    owners = owners_of(COLUMNS, UNEQUAL[5])
    state = one_round(algorithm, algorithm.start(), owners)
    left = {name: owners[name] for name in list(owners)[1:]}
    if algorithm.verdict(state).over:
        return  # one round is all it takes

    after = algorithm.fit(fit(algorithm, left, state=state))

    alone = algorithm.fit(fit(algorithm, left))
    assert after is not None
    assert alone is not None
    apart = {"notes", "rounds"}
    told, fresh = after.to_json(), alone.to_json()
    assert {k: v for k, v in told.items() if k not in apart} == {
        k: v for k, v in fresh.items() if k not in apart
    }
    assert "owner-1 left" in str(told["notes"])


def test_a_group_without_rows_has_no_mean_and_one_row_no_variance() -> None:
    algorithm = GroupedMoments(features=("a",), by="g", groups=("u", "v", "w"))

    told = facts(algorithm, a=[1, 2, 3, 9], g=[0, 0, 0, 2])

    assert told["rows"] == [3, 0, 1]
    assert told["mean"] == [[2.0], [None], [9.0]]
    assert told["variance"] == [[1.0], [None], [None]]


def test_means_of_groups_far_from_zero_keep_their_digits() -> None:
    spread = (np.arange(3000) ** 2 % 1009).astype(np.float64)
    columns = {"a": 1e15 + spread, "g": np.arange(3000) % 2.0}

    told = found(GroupedMoments(features=("a",), by="g", groups=("u", "v")), columns).to_json()

    groups = [[Fraction(value) for value in spread[g::2]] for g in (0, 1)]
    means = [float(10**15 + statistics.mean(group)) for group in groups]
    variances = [float(statistics.variance(group)) for group in groups]
    assert told["mean"] == [[mean] for mean in means]
    assert told["variance"] == [[pytest.approx(variance, rel=1e-12)] for variance in variances]


@pytest.mark.parametrize("rows", [0, 1])
def test_a_t_test_needs_two_rows_in_each_group(rows: int) -> None:
    algorithm = TTest(target="a", by="g", groups=("u", "v"))

    with pytest.raises(JobFailed, match="the group 'v' has fewer than 2 rows"):
        facts(algorithm, a=[1, 2, 3, *[4] * rows], g=[0, 0, 0, *[1] * rows])


def test_groups_that_do_not_vary_have_no_p_value_that_misleads() -> None:
    algorithm = TTest(target="a", by="g", groups=("u", "v"))

    apart = facts(algorithm, a=[1, 1, 2, 2], g=[0, 0, 1, 1])
    alike = facts(algorithm, a=[1, 1, 1, 1], g=[0, 0, 1, 1])

    assert (apart["statistic"], apart["p_value"]) == (None, 0.0)
    assert (alike["statistic"], alike["p_value"]) == (None, None)


def test_a_constant_column_has_no_correlation() -> None:
    told = facts(Correlation(features=("a", "b")), a=[1, 2, 3, 4], b=[5, 5, 5, 5])

    assert told["correlations"] == [[1.0, None], [None, None]]
    assert "'b' is constant" in str(told["notes"])


def test_a_column_and_its_mirror_are_correlated_by_minus_one() -> None:
    told = facts(Correlation(features=("a", "b")), a=[1, 2, 4], b=[-1, -2, -4])

    assert told["correlations"] == [[1.0, -1.0], [-1.0, 1.0]] or np.allclose(
        np.array(told["correlations"]), [[1, -1], [-1, 1]], atol=1e-12
    )


def test_edges_belong_to_the_bin_on_their_right_but_the_last() -> None:
    algorithm = Histogram(column="a", least=0.0, most=3.0, bins=3)

    told = facts(algorithm, a=[-0.1, 0, 0.9, 1, 2, 3, 3.1, 4])

    assert (told["below"], told["counts"], told["above"]) == (1, [2, 1, 2], 2)


@pytest.mark.parametrize(
    ("q", "values", "expected"),
    [
        (0.5, [1, 2, 3, 4], 2),
        (0.5, [1, 2, 3], 2),
        (0.55, list(range(1, 101)), 55),
        (0.25, [5, 5, 5, 9], 5),
        (0.999, [0, 10], 10),
        (0.001, [0, 10], 0),
    ],
)
def test_a_quantile_is_a_row_of_its_rank(q: float, values: list[float], expected: float) -> None:
    algorithm = Quantiles(column="a", least=0.0, most=100.0, precision=0.01, at=(q,))

    told = facts(algorithm, a=values)

    assert np.asarray(told["values"]) == pytest.approx([expected], abs=0.01)


@pytest.mark.parametrize(("values", "side"), [([1, 2, 3], "below"), ([50, 60, 70], "above")])
def test_a_quantile_beyond_the_public_range_is_no_result(values: list[float], side: str) -> None:
    algorithm = Quantiles(column="a", least=10.0, most=40.0, precision=0.1, at=(0.5,))

    with pytest.raises(JobFailed, match=f"lies {side} the public range 10 to 40"):
        facts(algorithm, a=values)


def test_rows_beyond_the_range_count_as_long_as_the_quantile_is_within() -> None:
    algorithm = Quantiles(column="a", least=10.0, most=40.0, precision=0.1, at=(0.5,))

    told = facts(algorithm, a=[1, 2, 20, 30, 99])

    assert np.asarray(told["values"]) == pytest.approx([20], abs=0.1)


def test_levels_without_rows_are_left_out_of_the_test() -> None:
    levels = {"row_levels": ("u", "v", "w"), "column_levels": ("no", "yes")}
    three = Contingency(row="r", column="c", **levels)
    two = Contingency(row="r", row_levels=("u", "v"), column="c", column_levels=("no", "yes"))
    rows = {"r": [0.0] * 12 + [1.0] * 9, "c": [0.0] * 8 + [1.0] * 8 + [0.0] * 5}

    wide, narrow = facts(three, **rows), facts(two, **rows)

    same = ("chi_squared", "degrees", "p_value", "cramers_v", "corrected")
    assert [wide[key] for key in same] == [narrow[key] for key in same]


def test_a_table_of_one_row_has_nothing_to_test() -> None:
    algorithm = Contingency(row="r", row_levels=("u", "v"), column="c", column_levels=("n", "y"))

    told = facts(algorithm, r=[0, 0, 0, 0], c=[0, 1, 1, 0])

    assert (told["degrees"], told["p_value"], told["cramers_v"]) == (0, None, None)


@pytest.mark.parametrize(
    ("scores", "area"), [([0.1, 0.2, 0.8, 0.9], 1.0), ([0.9, 0.8, 0.2, 0.1], 0.0)]
)
def test_scores_that_are_told_apart_have_an_exact_area(scores: list[float], area: float) -> None:
    told = facts(Auc(target="y", score="s", bins=10), s=scores, y=[0, 0, 1, 1])

    assert (told["auc"], told["bound"]) == (area, 0.0)


def test_scores_that_share_a_cell_are_ties_and_the_bound_says_what_they_may_hide() -> None:
    told = facts(Auc(target="y", score="s", bins=1), s=[0.1, 0.2, 0.8, 0.9], y=[0, 0, 1, 1])

    assert (told["auc"], told["bound"]) == (0.5, 0.5)


def test_scores_beyond_the_grid_keep_their_side() -> None:
    algorithm = Auc(target="y", score="s", least=0.0, most=1.0, bins=2)

    told = facts(algorithm, s=[-math.pi, 0.2, 0.8, 7.0], y=[0, 0, 1, 1])

    assert told["auc"] == 1.0


def test_one_outcome_only_has_no_area() -> None:
    with pytest.raises(JobFailed, match="same in all rows of all owners"):
        facts(Auc(target="y", score="s"), s=[0.1, 0.2, 0.3], y=[1, 1, 1])


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        (Histogram, {"column": "a", "least": 1.0, "most": 1.0}, "least must be below most"),
        (Histogram, {"column": "a", "least": 0.0, "most": math.inf}, "finite"),
        (Histogram, {"column": "a", "least": 0.0, "most": 1.0, "bins": 0}, "bins must be"),
        (Quantiles, {"column": "a", "least": 0.0, "most": 1.0, "precision": 0.0}, "precision"),
        (
            Quantiles,
            {"column": "a", "least": 0.0, "most": 1.0, "precision": 0.1, "at": (0.0,)},
            "at",
        ),
        (Quantiles, {"column": "a", "least": 0.0, "most": 1.0, "precision": 0.1, "at": ()}, "at"),
        (TTest, {"target": "a", "by": "g", "groups": ("u", "v", "w")}, "two groups; name two"),
        (TTest, {"target": "a", "by": "a", "groups": ("u", "v")}, "divides the rows"),
        (GroupedMoments, {"features": ("a",), "by": "g", "groups": ("u",)}, "two groups or more"),
        (Correlation, {"features": ("a",)}, "two columns or more"),
        (Auc, {"target": "a", "score": "a"}, "the same column"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    kind: type[Tabular], options: dict[str, object], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        kind(**options)
