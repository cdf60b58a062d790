"""Data at the edge of what can be fitted: every algorithm says what is wrong, or copes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from fakes.secure_fits import UNEQUAL, fit, owners_of

from protocols.errors import Unfit
from protocols.learning.cox import Cox
from protocols.learning.elastic_net import ElasticNet, Ridge
from protocols.learning.glm import Glm
from protocols.learning.job import JobFailed
from protocols.learning.kaplan_meier import KaplanMeier
from protocols.learning.kmeans import KMeans
from protocols.learning.lda import Lda
from protocols.learning.logistic import Logistic
from protocols.learning.moments import Moments
from protocols.learning.naive_bayes import NaiveBayes
from protocols.learning.pca import Pca
from protocols.learning.softmax import Softmax
from protocols.learning.table import Table, Vector
from protocols.learning.tabular import Tabular

RNG = np.random.default_rng(1)
ROWS = 120
A, B = RNG.normal(size=ROWS), RNG.normal(size=ROWS)
COLUMNS = {
    "weight": A,
    "income": B,
    "spent": 1 + A + RNG.normal(size=ROWS),
    "sick": (A + RNG.normal(size=ROWS) > 0).astype(float),
    "kind": np.digitize(A + RNG.normal(size=ROWS), [-0.5, 0.5]).astype(float),
    "time": np.ceil(10 * RNG.exponential(np.exp(-A))),
    "died": (RNG.random(ROWS) < 0.7).astype(float),
}
FEATURES = ("weight", "income")
CLASSES = {"features": FEATURES, "target": "kind", "levels": ("low", "mid", "high")}
UNPENALISED: dict[str, Tabular] = {
    "linear": Glm(features=FEATURES, target="spent", family="gaussian"),
    "binomial": Glm(features=FEATURES, target="sick", family="binomial"),
    "softmax": Softmax(**CLASSES),  # type: ignore[arg-type]
    "cox": Cox(features=FEATURES, time="time", event="died"),
    "lda": Lda(**CLASSES),  # type: ignore[arg-type]
}
OTHERS: dict[str, Tabular] = {
    "ridge": Ridge(features=FEATURES, target="spent"),
    "elastic net": ElasticNet(features=FEATURES, target="spent", alpha=0.1),
    "logistic": Logistic(features=FEATURES, target="sick"),
    "pca": Pca(features=FEATURES),
    "kmeans": KMeans(features=FEATURES, clusters=2),
    "naive bayes": NaiveBayes(**CLASSES),  # type: ignore[arg-type]
    "moments": Moments(features=FEATURES),
}
ALL = {**UNPENALISED, **OTHERS}


def spoiled(**columns: float) -> dict[str, Table]:
    """Return three owners, of whom one has such a value in its last row."""
    owners = owners_of(COLUMNS, UNEQUAL[3])
    table = {name: values.copy() for name, values in owners["owner-1"].columns.items()}
    for name, value in columns.items():
        table[name][-1] = value
    return {**owners, "owner-1": Table(table)}


def with_columns(changes: Mapping[str, Vector]) -> dict[str, Table]:
    return owners_of({**COLUMNS, **changes}, UNEQUAL[3])


def numbers(result: dict[str, object]) -> Vector:
    """Return what an algorithm has found as one array."""
    kinds = {"model", "target", "names", "levels", "features", "owners", "notes"}
    kept = [value for name, value in sorted(result.items()) if name not in {*kinds, "rounds"}]
    flat = [np.ravel(np.array(v, dtype=float)) for v in kept if not isinstance(v, str)]
    return np.concatenate(flat)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("value", "kind", "place"),
    [
        (np.nan, "not finite", "sum[income]"),
        (np.inf, "not finite", "sum[income]"),
        (1e31, "too large", "sum[income]"),
        (1e20, "too large", "squares[income]"),  # fits, but its square does not
    ],
)
def test_an_owner_is_told_in_which_column_a_number_can_not_be_summed(
    name: str, value: float, kind: str, place: str
) -> None:
    with pytest.raises(Unfit) as refused, np.errstate(invalid="ignore"):
        fit(ALL[name], spoiled(income=value))

    assert refused.value.kind == kind
    assert f"this owner's {place} is {kind}" in str(refused.value)


def test_an_outcome_that_can_not_be_summed_is_named_too() -> None:
    with pytest.raises(Unfit, match=r"totals\[spent\] is too large"):
        fit(ALL["linear"], spoiled(spent=1e300))


@pytest.mark.parametrize("name", ALL)
def test_an_owner_of_one_row_counts_like_any_row(name: str) -> None:
    algorithm = ALL[name]
    rest = owners_of({k: column[:-1] for k, column in COLUMNS.items()}, (1, 2))
    single = Table({k: column[-1:] for k, column in COLUMNS.items()})
    if name == "cox":  # a row alone is compared with nobody
        algorithm = Cox(
            features=FEATURES, time="time", event="died", pooled=True, until=50, least=5
        )

    alone = algorithm.result(fit(algorithm, {**rest, "single": single}))

    within = algorithm.result(fit(algorithm, owners_of(COLUMNS, (1,))))
    np.testing.assert_allclose(numbers(alone), numbers(within), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", UNPENALISED)
@pytest.mark.parametrize(
    ("income", "names"),
    [(2 * A + 1, ("weight", "income")), (np.full(ROWS, 3.0), ("income",))],
)
def test_columns_that_depend_on_each_other_are_named(
    name: str, income: Vector, names: tuple[str, ...]
) -> None:
    with pytest.raises(JobFailed, match="linearly dependent") as refused:
        fit(ALL[name], with_columns({"income": income}))

    involved = str(refused.value).partition("(")[2].partition(")")[0]
    assert {part.partition(":")[2] or part for part in involved.split(", ")} == set(names)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("income", [2 * A + 1, np.full(ROWS, 3.0)], ids=["twice", "constant"])
def test_columns_that_depend_on_each_other_are_no_trouble_elsewhere(
    name: str, income: Vector
) -> None:
    algorithm = ALL[name]

    state = fit(algorithm, with_columns({"income": income}))

    assert algorithm.verdict(state).reason == "converged"
    assert np.isfinite(numbers(algorithm.result(state))).all()


@pytest.mark.parametrize("name", ["binomial", "softmax", "cox"])
def test_columns_that_tell_all_outcomes_apart_are_named(name: str) -> None:
    leak = {"binomial": COLUMNS["sick"], "softmax": COLUMNS["kind"], "cox": -COLUMNS["time"]}

    with pytest.raises(JobFailed, match=r"grow without bound.*income"):
        fit(ALL[name], with_columns({"income": leak[name]}))


@pytest.mark.parametrize("name", ["logistic", "naive bayes", "lda"])
def test_columns_that_tell_all_outcomes_apart_are_no_trouble_elsewhere(name: str) -> None:
    algorithm = ALL[name]
    leak = COLUMNS["sick" if name == "logistic" else "kind"] + 0.1 * B

    state = fit(algorithm, with_columns({"income": leak}))

    assert algorithm.verdict(state).reason == "converged"
    assert np.isfinite(numbers(algorithm.result(state))).all()


@pytest.mark.parametrize("name", ["binomial", "softmax", "logistic", "naive bayes", "lda"])
def test_owners_of_one_class_are_as_good_as_any(name: str) -> None:
    algorithm = ALL[name]
    outcome = COLUMNS["kind" if name not in ("binomial", "logistic") else "sick"]
    owners = {
        f"class-{level:g}": Table({k: column[outcome == level] for k, column in COLUMNS.items()})
        for level in np.unique(outcome)
    }

    apart = algorithm.result(fit(algorithm, owners))

    together = algorithm.result(fit(algorithm, owners_of(COLUMNS, (1,))))
    np.testing.assert_allclose(numbers(apart), numbers(together), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("time", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize(
    "algorithm",
    [ALL["cox"], KaplanMeier(time="time", event="died", until=50)],
    ids=["cox", "kaplan-meier"],
)
def test_a_time_that_nobody_was_observed_for_is_its_owners_trouble(
    algorithm: Tabular, time: float
) -> None:
    with pytest.raises(Unfit, match="'time' must be above 0") as refused:
        fit(algorithm, spoiled(time=time))

    assert refused.value.kind == "bad times"
