"""Regressions over unequal owners, beside statsmodels and scikit-learn on the pooled rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import pytest
from fakes.references import Record
from fakes.secure_fits import UNEQUAL, Vector, fit, owners_of
from sklearn import datasets, linear_model
from sklearn.preprocessing import StandardScaler

from protocols.learning.elastic_net import ElasticNet, Ridge
from protocols.learning.families import FamilyName
from protocols.learning.glm import Glm
from protocols.learning.glm_fit import GlmFit
from protocols.learning.logistic import Logistic
from protocols.learning.moments import Moments
from protocols.learning.softmax import Softmax

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import statsmodels.api as sm

pytestmark = pytest.mark.reference

Y = "outcome"
FAMILIES: Mapping[FamilyName, Any] = {
    "gaussian": sm.families.Gaussian,
    "binomial": sm.families.Binomial,
    "poisson": sm.families.Poisson,
    "gamma": sm.families.Gamma,
}


@pytest.fixture(autouse=True)
def _calm() -> Iterator[None]:
    """Keep what the references warn of (links, iterations) out of our warnings as errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def of(x: Vector, y: Vector) -> dict[str, Vector]:
    return {**{f"x{i}": column for i, column in enumerate(x.T)}, Y: y.astype(np.float64)}


def bundled(name: str) -> dict[str, Vector]:
    """Return a data set of statsmodels as columns."""
    data = getattr(sm.datasets, name).load_pandas()
    x = data.exog.drop(columns=["const"], errors="ignore").to_numpy(np.float64)
    y = data.endog.to_numpy(np.float64)
    return of(x, (y > 0) if name == "fair" else y[:, 0] if y.ndim > 1 else y)


def features(columns: Mapping[str, Vector]) -> tuple[str, ...]:
    return tuple(name for name in columns if name.startswith("x"))


def matrix(columns: Mapping[str, Vector], *, const: bool = True) -> Vector:
    x = np.column_stack([columns[name] for name in features(columns)])
    return np.column_stack([np.ones(len(x)), x]) if const else x


def found(algorithm: Glm, columns: Mapping[str, Vector], owners: int) -> GlmFit:
    result = algorithm.fit(fit(algorithm, owners_of(columns, UNEQUAL[owners])))
    assert result is not None
    return result


GLMS: tuple[tuple[str, FamilyName, Literal["log"] | None], ...] = (
    ("spector", "binomial", None),
    ("fair", "binomial", None),
    ("randhie", "poisson", None),
    ("cpunish", "poisson", None),
    ("scotland", "gamma", None),
    ("scotland", "gamma", "log"),
)


@pytest.mark.parametrize("owners", [3, 5])
@pytest.mark.parametrize(("name", "family", "link"), GLMS)
def test_glm(
    reference: Record, name: str, family: FamilyName, link: Literal["log"] | None, owners: int
) -> None:
    columns = bundled(name)
    theirs = FAMILIES[family](sm.families.links.Log()) if link else FAMILIES[family]()
    pooled = sm.GLM(columns[Y], matrix(columns), family=theirs).fit(tol=1e-15, maxiter=300)

    ours = found(
        Glm(features=features(columns), target=Y, family=family, link=link), columns, owners
    )

    title = f"{name} {family}{' log' if link else ''}"
    reference.compare(f"{title}: coefficients", owners, ours.estimates, pooled.params, within=1e-8)
    reference.compare(f"{title}: standard errors", owners, ours.errors, pooled.bse, within=1e-8)
    reference.compare(f"{title}: z", owners, ours.statistics, pooled.tvalues, within=1e-6)
    reference.compare(f"{title}: p-values", owners, ours.p_values, pooled.pvalues, within=1e-8)
    reference.compare(
        f"{title}: intervals", owners, ours.interval(), pooled.conf_int(), within=1e-7
    )
    reference.compare(f"{title}: deviance", owners, ours.deviance, pooled.deviance, within=1e-8)
    null = pooled.null_deviance
    reference.compare(f"{title}: null deviance", owners, ours.null_deviance, null, within=1e-8)
    reference.compare(
        f"{title}: log-likelihood", owners, ours.log_likelihood, pooled.llf, within=1e-8
    )
    reference.compare(f"{title}: scale", owners, ours.scale, pooled.scale, within=1e-10)


PINNED = (
    ("spector", "binomial", "log_likelihood", -12.889634222, 1e-9),
    ("spector", "binomial", "deviance", 25.779268444, 1e-9),
    ("fair", "binomial", "log_likelihood", -3471.471423, 1e-6),
    ("randhie", "poisson", "log_likelihood", -62419.588564, 1e-6),
    ("cpunish", "poisson", "deviance", 18.988182, 1e-6),
    ("scotland", "gamma", "deviance", 0.08738852, 1e-8),
    ("scotland", "gamma", "scale", 0.0035842832, 1e-10),
)


@pytest.mark.parametrize(("name", "family", "fact", "value", "within"), PINNED)
def test_pinned_numbers(
    reference: Record, name: str, family: FamilyName, fact: str, value: float, within: float
) -> None:
    columns = bundled(name)

    ours = found(Glm(features=features(columns), target=Y, family=family), columns, 5)

    reference.compare(f"{name}, pinned: {fact}", 5, getattr(ours, fact), value, within=within)


@pytest.mark.parametrize("owners", [3, 5])
def test_trials_and_exposures(reference: Record, owners: int) -> None:
    data = sm.datasets.star98.load_pandas()
    won, lost = data.endog.to_numpy(np.float64).T
    trials = {**of(data.exog.to_numpy(np.float64)[:, :8], won), "n": won + lost}
    pooled = sm.GLM(np.column_stack([won, lost]), matrix(trials), sm.families.Binomial()).fit(
        tol=1e-15
    )
    rate = bundled("cpunish") | {"n": np.linspace(0.5, 7, 17)}
    exposed = sm.GLM(rate[Y], matrix(rate), sm.families.Poisson(), exposure=rate["n"]).fit(
        tol=1e-15
    )
    names = features(trials)

    ours = found(Glm(features=names, target=Y, family="binomial", size="n"), trials, owners)
    counted = found(
        Glm(features=features(rate), target=Y, family="poisson", size="n"), rate, owners
    )

    reference.compare(
        "star98 trials: coefficients", owners, ours.estimates, pooled.params, within=1e-8
    )
    reference.compare(
        "star98 trials: standard errors", owners, ours.errors, pooled.bse, within=1e-8
    )
    reference.compare(
        "star98 trials: deviance", owners, ours.deviance, pooled.deviance, within=1e-7
    )
    reference.compare(
        "star98 trials: log-lik.", owners, ours.log_likelihood, pooled.llf, within=1e-7
    )
    reference.compare(
        "exposure: coefficients", owners, counted.estimates, exposed.params, within=1e-8
    )
    reference.compare(
        "exposure: null", owners, counted.null_deviance, exposed.null_deviance, within=1e-8
    )
    reference.compare(
        "exposure: log-lik.", owners, counted.log_likelihood, exposed.llf, within=1e-8
    )


def test_all_of_star98(reference: Record) -> None:
    data = sm.datasets.star98.load_pandas()
    won, lost = data.endog.to_numpy(np.float64).T
    columns = {**of(data.exog.to_numpy(np.float64), won), "n": won + lost}

    ours = found(Glm(features=features(columns), target=Y, family="binomial", size="n"), columns, 5)

    reference.compare("star98, pinned: deviance", 5, ours.deviance, 4078.765418, within=1e-5)


@pytest.mark.parametrize("owners", [3, 5])
@pytest.mark.parametrize("name", ["longley", "diabetes"])
def test_linear_regression(reference: Record, name: str, owners: int) -> None:
    columns = bundled(name) if name == "longley" else of(*datasets.load_diabetes(return_X_y=True))
    pooled = sm.OLS(columns[Y], matrix(columns)).fit()

    ours = found(Glm(features=features(columns), target=Y, family="gaussian"), columns, owners)

    near = {"within": 1e-9, "relative": True}
    reference.compare(
        f"{name} OLS: coefficients, rel.", owners, ours.estimates, pooled.params, **near
    )
    reference.compare(f"{name} OLS: standard errors, rel.", owners, ours.errors, pooled.bse, **near)
    reference.compare(f"{name} OLS: t", owners, ours.statistics, pooled.tvalues, within=1e-8)
    reference.compare(f"{name} OLS: p-values", owners, ours.p_values, pooled.pvalues, within=1e-9)
    reference.compare(f"{name} OLS: R²", owners, ours.r_squared, pooled.rsquared, within=1e-10)
    reference.compare(f"{name} OLS: F, rel.", owners, ours.f_statistic, pooled.fvalue, **near)
    reference.compare(
        f"{name} OLS: log-likelihood", owners, ours.log_likelihood, pooled.llf, within=1e-8
    )


def test_published_coefficients_of_longley(reference: Record) -> None:
    columns = bundled("longley")
    published = (
        *(-3482258.63459582, 15.0618722713733, -0.358191792925910e-1, -2.02022980381683),
        *(-1.03322686717359, -0.511041056535807e-1, 1829.15146461355),
    )

    ours = found(Glm(features=features(columns), target=Y, family="gaussian"), columns, 5)

    reference.compare(
        *("longley, certified by NIST, rel.", 5, ours.estimates, published),
        within=1e-9,
        relative=True,
    )


@pytest.mark.parametrize("owners", [3, 5])
def test_penalised_regressions(reference: Record, owners: int) -> None:
    columns = of(*datasets.load_diabetes(return_X_y=True))
    parts, names = owners_of(columns, UNEQUAL[owners]), features(columns)
    x, y = matrix(columns, const=False), columns[Y]
    ridge = linear_model.Ridge(alpha=1.0, solver="cholesky").fit(x, y)
    net = linear_model.ElasticNet(alpha=0.01, l1_ratio=0.5, tol=1e-14, max_iter=10**6).fit(x, y)
    lasso = linear_model.Lasso(alpha=0.5, tol=1e-14, max_iter=10**6).fit(x, y)
    cases = (
        ("ridge", Ridge(features=names, target=Y, alpha=1.0), ridge),
        ("elastic net", ElasticNet(features=names, target=Y, alpha=0.01, l1_ratio=0.5), net),
        ("lasso", ElasticNet(features=names, target=Y, alpha=0.5, l1_ratio=1.0), lasso),
    )
    for name, algorithm, pooled in cases:
        ours = algorithm.fit(fit(algorithm, parts))

        assert ours is not None
        theirs = np.append(pooled.intercept_, pooled.coef_)
        reference.compare(
            f"diabetes {name}: coefficients", owners, ours.estimates, theirs, within=1e-8
        )
        if name == "ridge":
            norm = float(np.linalg.norm(ours.estimates[1:]))
            reference.compare("diabetes ridge: ‖coef‖", owners, norm, 511.595124, within=1e-6)


@pytest.mark.parametrize("owners", [3, 5])
def test_logistic_regression_with_a_penalty(reference: Record, owners: int) -> None:
    columns = of(*datasets.load_breast_cancer(return_X_y=True))
    algorithm = Logistic(features=features(columns), target=Y)
    z = StandardScaler().fit_transform(matrix(columns, const=False))
    pooled = linear_model.LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(z, columns[Y])

    state = fit(algorithm, owners_of(columns, UNEQUAL[owners]))

    intercept, *coefficients = state.floats("beta")
    norm = float(np.linalg.norm(coefficients))
    name = "breast cancer L2 logistic"
    reference.compare(f"{name}: coefficients", owners, coefficients, pooled.coef_[0], within=1e-7)
    reference.compare(f"{name}: intercept", owners, intercept, pooled.intercept_[0], within=1e-7)
    reference.compare(f"{name}: ‖coef‖", owners, norm, 3.84160879, within=1e-8)
    reference.compare(f"{name}: pinned intercept", owners, intercept, 0.21450272, within=1e-8)


@pytest.mark.parametrize("owners", [3, 5])
def test_breast_cancer_on_five_standardised_columns(reference: Record, owners: int) -> None:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    columns = of(StandardScaler().fit_transform(x)[:, [0, 1, 4, 5, 9]], y)
    published = (1.00475805, -4.39923483, -1.56666756, -1.59003935, -1.03904735, 0.25833775)

    ours = found(Glm(features=features(columns), target=Y, family="binomial"), columns, owners)

    name = "breast cancer, 5 columns"
    reference.compare(f"{name}: coefficients", owners, ours.estimates, published, within=6e-9)
    reference.compare(f"{name}: deviance", owners, ours.deviance, 180.700177, within=6e-7)


@pytest.mark.parametrize("owners", [3, 5])
def test_softmax(reference: Record, owners: int) -> None:
    data = sm.datasets.anes96.load_pandas()
    columns = of(data.exog.to_numpy(np.float64), data.endog.to_numpy())
    pooled = sm.MNLogit(columns[Y], matrix(columns)).fit(method="newton", disp=0, maxiter=100)
    levels = tuple(str(level) for level in range(7))
    algorithm = Softmax(features=features(columns), target=Y, levels=levels)
    flowers = of(*datasets.load_iris(return_X_y=True))
    ridge = Softmax(
        features=features(flowers), target=Y, levels=("0", "1", "2"), alpha=0.5, scaled=False
    )
    theirs = linear_model.LogisticRegression(C=2.0, solver="newton-cg", tol=1e-13, max_iter=10**4)
    theirs.fit(matrix(flowers, const=False), flowers[Y])

    ours = algorithm.fit(fit(algorithm, owners_of(columns, UNEQUAL[owners])))
    kinds = ridge.fit(fit(ridge, owners_of(flowers, UNEQUAL[owners])))

    assert ours is not None
    assert ours.errors is not None
    assert kinds is not None
    bound = {"within": 1e-8}
    reference.compare(
        "anes96 softmax: coefficients", owners, ours.estimates, pooled.params.T, **bound
    )
    reference.compare("anes96 softmax: standard errors", owners, ours.errors, pooled.bse.T, **bound)
    reference.compare("anes96 softmax: log-lik.", owners, ours.log_likelihood, pooled.llf, **bound)
    coefficients = np.column_stack([theirs.intercept_, theirs.coef_])
    reference.compare(
        "iris L2 softmax: coefficients", owners, kinds.estimates, coefficients, within=1e-7
    )


@pytest.mark.parametrize("owners", [100, 900])
def test_a_hundred_and_nine_hundred_owners(reference: Record, owners: int) -> None:
    columns = bundled("fair")
    shares = np.random.default_rng(0).dirichlet(np.full(owners, 2.0))
    algorithm = Glm(features=features(columns), target=Y, family="binomial")
    pooled = sm.GLM(columns[Y], matrix(columns), sm.families.Binomial()).fit(tol=1e-15)

    ours = algorithm.fit(fit(algorithm, owners_of(columns, tuple(shares))))

    assert ours is not None
    reference.compare(
        "fair binomial: coefficients", owners, ours.estimates, pooled.params, within=1e-8
    )
    reference.compare(
        "fair binomial: standard errors", owners, ours.errors, pooled.bse, within=1e-8
    )


@pytest.mark.parametrize("owners", [3, 5])
def test_moments(reference: Record, owners: int) -> None:
    columns = bundled("longley")
    algorithm = Moments(features=tuple(columns))
    x = np.column_stack(list(columns.values()))

    ours = algorithm.result(fit(algorithm, owners_of(columns, UNEQUAL[owners])))

    near = {"within": 1e-14, "relative": True}
    variance = x.var(axis=0, ddof=1)
    reference.compare("longley: means, rel.", owners, ours["mean"], x.mean(axis=0), **near)
    reference.compare("longley: variances, rel.", owners, ours["variance"], variance, **near)
