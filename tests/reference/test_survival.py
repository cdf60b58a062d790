"""Survival analyses over unequal owners, beside lifelines on the pooled rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pytest
from fakes.references import Record
from fakes.secure_fits import UNEQUAL, Vector, fit, owners_of

from protocols.learning.cox import Cox
from protocols.learning.cox_fit import CoxFit
from protocols.learning.kaplan_meier import KaplanMeier
from protocols.learning.kaplan_meier_fit import KaplanMeierFit
from protocols.learning.table import Table

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from lifelines import CoxPHFitter, KaplanMeierFitter, NelsonAalenFitter
    from lifelines.datasets import load_lung, load_rossi, load_waltons
    from lifelines.statistics import multivariate_logrank_test
    from lifelines.utils import concordance_index
    from statsmodels.duration.hazard_regression import PHReg

pytestmark = pytest.mark.reference

Seen = tuple[pd.Series, pd.Series]
ROSSI = load_rossi().astype(float)
ROSSI_COLUMNS = tuple(name for name in ROSSI if name not in ("week", "arrest"))
WALTONS = load_waltons().assign(group=lambda table: (table["group"] == "control").astype(float))
LUNG = load_lung()[["time", "status", "age", "sex"]].dropna().astype(float)
# lifelines stops some 1e-8 before the maximum by itself, and with strata at times even so.
TIGHT = {"precision": 1e-14, "r_precision": 1e-16}


@pytest.fixture(autouse=True)
def _calm() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def columns(table: pd.DataFrame) -> dict[str, Vector]:
    return {name: table[name].to_numpy(float) for name in table}


def with_owners(owners: Mapping[str, Table]) -> pd.DataFrame:
    parts = [pd.DataFrame(dict(t.columns)).assign(owner=name) for name, t in owners.items()]
    return pd.concat(parts, ignore_index=True)


def curves(algorithm: KaplanMeier, owners: Mapping[str, Table]) -> KaplanMeierFit:
    found = algorithm.fit(fit(algorithm, owners))
    assert found is not None
    return found


def cox(owners: Mapping[str, Table], **options: object) -> CoxFit:
    algorithm = Cox(features=ROSSI_COLUMNS, time="week", event="arrest", **options)  # type: ignore[arg-type]
    found = algorithm.fit(fit(algorithm, owners))
    assert found is not None
    return found


CURVES = {
    "rossi": (ROSSI, KaplanMeier(time="week", event="arrest", until=52)),
    "rossi by aid": (
        ROSSI,
        KaplanMeier(time="week", event="arrest", until=52, group="fin", levels=("no", "yes")),
    ),
    "waltons": (
        WALTONS,
        KaplanMeier(time="T", event="E", until=80, group="group", levels=("miR-137", "control")),
    ),
    "lung, days": (LUNG, KaplanMeier(time="time", event="status", until=1022)),
    "lung, months": (LUNG, KaplanMeier(time="time", event="status", until=1050, step=30)),
}


def one_curve(
    reference: Record, what: str, owners: int, curve: tuple[KaplanMeierFit, int], seen: Seen
) -> None:
    ours, place = curve
    kaplan = KaplanMeierFitter().fit(*seen, timeline=ours.points)
    nelson = NelsonAalenFitter(nelson_aalen_smoothing=False).fit(*seen, timeline=ours.points)
    for name, mine, theirs in (
        ("survival", ours.survival[:, [place]], kaplan.survival_function_),
        ("intervals", ours.interval()[:, :, place].T, kaplan.confidence_interval_),
        ("cumulative hazard", ours.hazard[:, [place]], nelson.cumulative_hazard_),
        ("its intervals", ours.hazard_interval()[:, :, place].T, nelson.confidence_interval_),
    ):
        reference.compare(f"{what}: {name}", owners, mine, theirs.to_numpy(), within=1e-12)
    medians = (ours.medians[place], kaplan.median_survival_time_)
    mine, theirs = (-1 if np.isinf(median) else median for median in medians)
    reference.compare(f"{what}: median, -1 for none", owners, mine, theirs, within=1e-12)


@pytest.mark.parametrize("owners", [3, 5])
@pytest.mark.parametrize("name", CURVES)
def test_curves(reference: Record, name: str, owners: int) -> None:
    table, algorithm = CURVES[name]
    ours = curves(algorithm, owners_of(columns(table), UNEQUAL[owners]))
    times = np.ceil(table[algorithm.time] / algorithm.step) * algorithm.step
    for place, group in enumerate(ours.groups):
        chosen = np.ones(len(table), bool)
        if len(ours.groups) > 1:
            chosen = (table[algorithm.group] == place).to_numpy()
        seen = (times[chosen], table[algorithm.event][chosen])
        one_curve(reference, f"{name}, {group}", owners, (ours, place), seen)
    if len(ours.groups) > 1:
        theirs = multivariate_logrank_test(times, table[algorithm.group], table[algorithm.event])
        reference.compare(
            f"{name}: log-rank", owners, ours.log_rank[0], theirs.test_statistic, within=1e-8
        )
        reference.compare(f"{name}: its p", owners, ours.log_rank[1], theirs.p_value, within=1e-10)


@pytest.mark.parametrize("owners", [3, 5])
def test_curves_with_four_groups(reference: Record, owners: int) -> None:
    table = ROSSI.assign(kind=ROSSI["wexp"] + 2 * ROSSI["mar"])
    levels = ("neither", "worked", "married", "both")
    algorithm = KaplanMeier(time="week", event="arrest", until=52, group="kind", levels=levels)

    ours = curves(algorithm, owners_of(columns(table), UNEQUAL[owners]))

    theirs = multivariate_logrank_test(table["week"], table["kind"], table["arrest"])
    name = "rossi, four groups: log-rank"
    reference.compare(name, owners, ours.log_rank[0], theirs.test_statistic, within=1e-8)


def test_pinned_curves(reference: Record) -> None:
    rossi = curves(CURVES["rossi"][1], owners_of(columns(ROSSI), UNEQUAL[5]))
    waltons = curves(CURVES["waltons"][1], owners_of(columns(WALTONS), UNEQUAL[5]))
    algorithm = KaplanMeier(time="T", event="E", until=80)
    whole = curves(algorithm, owners_of(columns(WALTONS), UNEQUAL[5]))

    both = rossi.predict(np.array([26.0, 52.0]))[:, 0]
    reference.compare("rossi, pinned: S(26), S(52)", 5, both, [0.875, 0.7361111111], within=1e-10)
    fifty = whole.predict(np.array([50.0]))
    reference.compare("waltons, pinned: S(50)", 5, fifty[0], 0.6168168456, within=1e-10)
    reference.compare("waltons, pinned: median", 5, whole.medians, 56, within=1e-12)
    statistic, chance = waltons.log_rank
    reference.compare("waltons, pinned: log-rank", 5, statistic, 122.2491255730, within=1e-8)
    reference.compare("waltons, pinned: p, rel.", 5, chance, 2.04e-28, within=3e-3, relative=True)


def compared(
    reference: Record, what: str, owners: int, ours: CoxFit, theirs: CoxPHFitter, within: float
) -> None:
    for name, mine, other in (
        ("coefficients", ours.estimates, theirs.params_),
        ("standard errors", ours.errors, theirs.standard_errors_),
        ("z", ours.statistics, theirs.summary["z"]),
        ("p-values", ours.p_values, theirs.summary["p"]),
        ("intervals", ours.interval(), theirs.confidence_intervals_),
        ("log-lik.", ours.log_likelihood, theirs.log_likelihood_),
    ):
        reference.compare(f"{what}: {name}", owners, mine, other, within=within)
    ratio = theirs.log_likelihood_ratio_test().test_statistic
    reference.compare(f"{what}: LR chi2", owners, ours.ratio_test[0], ratio, within=within)


@pytest.mark.parametrize("owners", [3, 5])
def test_cox_with_owners_as_strata(reference: Record, owners: int) -> None:
    parts = owners_of(columns(ROSSI), UNEQUAL[owners])
    rows = with_owners(parts)
    pooled = CoxPHFitter().fit(rows, "week", "arrest", strata=["owner"], fit_options=TIGHT)

    ours = cox(parts)

    compared(reference, "rossi, owners as strata", owners, ours, pooled, 1e-7)
    scores = pd.Series(ours.predict({name: rows[name] for name in ROSSI_COLUMNS}))
    # lifelines' own figure for strata has hazards and times of different rows side by side.
    pairs = [pairs_of(part) for _, part in rows.groupby("owner")]
    each = [
        concordance_index(part["week"], -scores[part.index], part["arrest"])
        for _, part in rows.groupby("owner")
    ]
    theirs = np.average(each, weights=pairs)
    mine = ours.concordance or 0.0
    reference.compare("rossi, strata: concordance", owners, mine, theirs, within=1e-12)


def pairs_of(rows: pd.DataFrame) -> int:
    """Return how many pairs of rows can be ordered."""
    times, dead = rows["week"].to_numpy(), rows["arrest"].to_numpy() == 1
    first, second = np.meshgrid(times, times, indexing="ij")
    later = (first < second) | ((first == second) & ~dead[None, :])
    return int((later & dead[:, None]).sum())


def test_pinned_cox_with_rows_modulo_four_as_strata(reference: Record) -> None:
    pinned = (-0.35846207, -0.05649979, 0.332507, -0.13596284, -0.45303622, -0.08720322, 0.09223978)
    parts = {f"owner-{k}": Table(columns(ROSSI.iloc[k::4])) for k in range(4)}

    ours = cox(parts)

    reference.compare("rossi by row % 4, pinned", 4, ours.estimates, pinned, within=1e-8)
    likelihood = ours.log_likelihood
    reference.compare("rossi by row % 4: log-lik.", 4, likelihood, -501.38010818, within=1e-8)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("owners", [3, 5])
def test_cox_pooled_on_the_grid_of_weeks(reference: Record, ties: str, owners: int) -> None:
    pooled = CoxPHFitter().fit(ROSSI, "week", "arrest", fit_options=TIGHT)
    parts = owners_of(columns(ROSSI), UNEQUAL[owners])

    ours = cox(parts, pooled=True, until=52.0, least=1, ties=ties)

    if ties == "efron":
        compared(reference, "rossi, pooled, weeks", owners, ours, pooled, 1e-9)
        hazard = pooled.baseline_cumulative_hazard_.reindex(ours.ends, method="ffill")
        reference.compare(
            "rossi, pooled: baseline", owners, ours.hazard, hazard.to_numpy()[:, 0], within=1e-8
        )
    else:
        x = ROSSI[list(ROSSI_COLUMNS)].to_numpy()
        rows = PHReg(ROSSI["week"], x, status=ROSSI["arrest"], ties="breslow").fit(disp=0)
        for name, mine, other in (
            ("coefficients", ours.estimates, rows.params),
            ("errors", ours.errors, rows.bse),
            ("log-lik.", ours.log_likelihood, rows.llf),
        ):
            reference.compare(f"rossi, Breslow: {name}", owners, mine, other, within=1e-8)


@pytest.mark.parametrize("owners", [3, 5])
def test_cox_pooled_on_joined_cells(reference: Record, owners: int) -> None:
    ours = cox(owners_of(columns(ROSSI), UNEQUAL[owners]), pooled=True, until=52.0, least=20)

    cells = ROSSI.assign(week=np.searchsorted(ours.ends, ROSSI["week"]) + 1.0)
    pooled = CoxPHFitter().fit(cells, "week", "arrest", fit_options=TIGHT)
    compared(reference, f"rossi, {len(ours.ends)} cells", owners, ours, pooled, 1e-9)


def test_pinned_cox(reference: Record) -> None:
    pinned = (
        *(-0.3794221657, -0.05743774, 0.3138997873, -0.1497957018),
        *(-0.4337038812, -0.0848710806, 0.0914970817),
    )
    errors = (0.19137948, 0.02199947, 0.30799278, 0.2122243, 0.38186806, 0.19575667, 0.02864855)

    ours = cox(owners_of(columns(ROSSI), UNEQUAL[5]), pooled=True, until=52.0, least=1)

    reference.compare("rossi, pinned: coefficients", 5, ours.estimates, pinned, within=6e-9)
    reference.compare("rossi, pinned: errors", 5, ours.errors, errors, within=6e-9)
    reference.compare("rossi, pinned: log-lik.", 5, ours.log_likelihood, -658.74765945, within=6e-9)
