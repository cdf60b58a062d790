from __future__ import annotations

import json

import numpy as np
import pytest
from fakes.secure_fits import UNEQUAL, fit, one_round, owners_of

from protocols.errors import Misuse, Unfit
from protocols.learning.job import JobFailed
from protocols.learning.kaplan_meier import KaplanMeier
from protocols.learning.kaplan_meier_fit import KaplanMeierFit
from protocols.learning.survival import Grid
from protocols.learning.table import Table

# Freireich et al., "The effect of 6-mercaptopurine", 1963, as in every textbook.
TREATED = (6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35)
RELAPSED = (1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0)
PLACEBO = (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)
COLUMNS = {
    "weeks": np.array([*TREATED, *PLACEBO], dtype=float),
    "relapse": np.array([*RELAPSED, *[1] * 21], dtype=float),
    "arm": np.repeat([0.0, 1.0], 21),
}
ARMS = KaplanMeier(time="weeks", event="relapse", group="arm", levels=("6-MP", "placebo"), until=35)
ONE = KaplanMeier(time="weeks", event="relapse", until=35)


def curves(algorithm: KaplanMeier, owners: dict[str, Table]) -> KaplanMeierFit:
    found = algorithm.fit(fit(algorithm, owners))
    assert found is not None
    return found


def test_curves_of_the_textbook() -> None:
    found = curves(ARMS, owners_of(COLUMNS, UNEQUAL[5]))

    survival = dict(zip(found.points, found.survival, strict=True))
    assert survival[6.0][0] == pytest.approx(18 / 21)
    assert survival[23.0][0] == pytest.approx(0.4482, abs=5e-5)
    assert survival[8.0][1] == pytest.approx(8 / 21)
    assert found.medians.tolist() == [23, 8]
    assert found.log_rank[0] == pytest.approx(16.79, abs=0.005)
    assert found.at_risk[9].tolist() == [15, 8]
    assert found.rows.tolist() == [21, 21]


def test_it_does_not_matter_how_rows_are_divided() -> None:
    owners = {**owners_of(COLUMNS, (1, 1, 40)), "none": Table({k: np.zeros(0) for k in COLUMNS})}

    found = curves(ARMS, owners)

    assert found.to_json() | {"owners": 0} == (
        curves(ARMS, owners_of(COLUMNS, (1,))).to_json() | {"owners": 0}
    )


def test_an_owner_with_one_group_or_no_events_takes_part() -> None:
    treated, early = COLUMNS["arm"] == 0, COLUMNS["relapse"] == 0
    parts = {"censored": early, "treated": treated & ~early, "rest": ~treated}
    owners = {name: Table({k: v[rows] for k, v in COLUMNS.items()}) for name, rows in parts.items()}

    assert curves(ARMS, owners).log_rank[0] == pytest.approx(16.79, abs=0.005)


@pytest.mark.parametrize("time", [0.0, -1.0, np.nan, np.inf])
def test_a_time_that_nobody_was_observed_for_is_refused_with_its_column(time: float) -> None:
    data = Table(COLUMNS | {"weeks": np.append(COLUMNS["weeks"][1:], time)})

    with pytest.raises(Unfit, match=r"'weeks' must be above 0 in each row") as caught:
        ONE.local(ONE.start(), data)

    assert caught.value.kind == "bad times"


@pytest.mark.parametrize("event", [2.0, 0.5, np.nan])
def test_an_event_is_one_or_none(event: float) -> None:
    data = Table(COLUMNS | {"relapse": np.append(COLUMNS["relapse"][1:], event)})

    with pytest.raises(Unfit, match="'relapse' must be 1 for an event and 0"):
        ONE.local(ONE.start(), data)


def test_times_between_points_count_at_the_next_one_and_are_said() -> None:
    coarse = KaplanMeier(time="weeks", event="relapse", until=35, step=5)
    rounded = COLUMNS | {"weeks": np.ceil(COLUMNS["weeks"] / 5) * 5}

    found = curves(coarse, owners_of(COLUMNS, UNEQUAL[3]))

    same = curves(coarse, owners_of(rounded, UNEQUAL[3]))
    assert found.survival.tolist() == same.survival.tolist()
    assert found.notes == (
        "times of 3 owners lie between points of the grid and count at the next one",
    )
    assert same.notes == ()


def test_rows_beyond_the_grid_are_at_risk_to_its_end() -> None:
    short = KaplanMeier(time="weeks", event="relapse", until=10)

    found = curves(short, owners_of(COLUMNS, UNEQUAL[3]))

    whole = curves(ONE, owners_of(COLUMNS, UNEQUAL[3]))
    assert found.survival.tolist() == whole.survival[:10].tolist()
    assert found.at_risk.tolist() == whole.at_risk[:10].tolist()


def test_multiples_of_a_step_are_points_however_they_were_rounded() -> None:
    grid = Grid(0.1, 3.0)
    times = np.array([0.1, 0.3, 0.7, 1.1, 2.3, 3.0, 0.1 * 3, 3.01])

    assert grid.places(times).tolist() == [0, 2, 6, 10, 22, 29, 2, 30]
    assert grid.between(times) == 1


def test_survival_is_predicted_from_the_start_to_the_last_point() -> None:
    found = curves(ARMS, owners_of(COLUMNS, UNEQUAL[3]))

    assert found.predict(np.array([0, 5.9, 6, 35]))[:, 0] == pytest.approx(
        [1, 1, 18 / 21, found.survival[-1, 0]]
    )
    with pytest.raises(Misuse, match="from 0 to 35"):
        found.predict(np.array([36.0]))


def test_a_group_that_nobody_is_in_is_refused_by_name() -> None:
    data = COLUMNS | {"arm": np.zeros(42)}

    with pytest.raises(JobFailed, match="no row of any owner is of the group placebo"):
        fit(ARMS, owners_of(data, UNEQUAL[3]))


def test_without_events_curves_stay_at_one_and_there_is_no_test() -> None:
    found = curves(ARMS, owners_of(COLUMNS | {"relapse": np.zeros(42)}, UNEQUAL[3]))

    assert (found.survival == 1).all()
    assert (found.interval() == 1).all()
    assert np.isinf(found.medians).all()
    assert np.isnan(found.log_rank).all()
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["log_rank"] is None


def test_a_summary_has_a_line_for_each_group() -> None:
    text = curves(ARMS, owners_of(COLUMNS, UNEQUAL[3])).summary()

    assert text.splitlines()[4].split()[:3] == ["Log-rank", "chi2:", "16.7929"]
    (line,) = [line for line in text.splitlines() if line.startswith("placebo")]
    assert line.split() == ["placebo", "21", "21", "10.75", "8", "0.0000", "0.000", "0.000"]


def test_before_the_round_there_is_no_result() -> None:
    assert ARMS.fit(ARMS.start()) is None
    assert ARMS.verdict(one_round(ARMS, ARMS.start(), owners_of(COLUMNS, UNEQUAL[3]))).over


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"until": 0.5}, "until must be one step or more"),
        ({"step": 0.0}, "step must be above 0"),
        ({"step": 1e-6}, "make step larger"),
        ({"levels": ("a", "b")}, "group and levels go together"),
        ({"group": "arm", "levels": ("a",)}, "two groups or more"),
        ({"event": "weeks"}, "different columns"),
    ],
)
def test_what_makes_no_grid_or_groups_is_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        KaplanMeier(**{"time": "weeks", "event": "relapse", "until": 35, **options})  # type: ignore[arg-type]
