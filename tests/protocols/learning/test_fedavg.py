from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from protocols.errors import Unfit
from protocols.learning.fedavg import FedAvg, LocalResult
from protocols.learning.job import JobFailed, Opened
from protocols.learning.state import Array, State

START: dict[str, Array] = {
    "fc.weight": np.zeros((2, 3), dtype=np.float32),
    "fc.bias": np.ones(2),
    "batches": np.array(10, dtype=np.int64),
}


@dataclass(frozen=True)
class Owner:
    """Adds `shift` to all parameters."""

    shift: float
    weight: float
    metrics: Mapping[str, float] = field(default_factory=lambda: {"loss": 1.0, "accuracy": 0.5})

    def train(self, parameters: Mapping[str, Array], number: int) -> LocalResult:
        moved: dict[str, Array] = {
            name: (array + self.shift).astype(array.dtype) for name, array in parameters.items()
        }
        return LocalResult(parameters=moved, weight=self.weight, metrics=self.metrics)


@dataclass(frozen=True)
class Returns:
    """Returns what it was given."""

    result: LocalResult

    def train(self, parameters: Mapping[str, Array], number: int) -> LocalResult:
        return self.result


def one_round(algorithm: FedAvg, state: State, *owners: Owner) -> State:
    total = np.sum([algorithm.local(state, owner) for owner in owners], axis=0)
    return algorithm.update(state, Opened(total=total, survivors=("ann", "bob", "cem")))


def test_model_is_the_mean_weighted_by_rows() -> None:
    algorithm = FedAvg()

    state = one_round(
        algorithm, algorithm.start(START), Owner(1.0, 1), Owner(2.0, 3), Owner(4.0, 4)
    )

    np.testing.assert_array_equal(state.arrays["fc.weight"], np.full((2, 3), 23 / 8))
    np.testing.assert_array_equal(state.arrays["fc.bias"], np.full(2, 1 + 23 / 8))
    assert state.arrays["fc.weight"].dtype == np.float32
    assert state.number("weight") == 8


def test_metrics_are_means_weighted_by_rows() -> None:
    algorithm = FedAvg()
    before = algorithm.start(START)

    after = one_round(
        algorithm,
        before,
        Owner(0.0, 1, {"loss": 4.0, "accuracy": 0.0}),
        Owner(0.0, 3, {"loss": 0.0, "accuracy": 1.0}),
    )

    assert algorithm.metrics(before) == {}
    assert algorithm.metrics(after) == {"loss": 1.0, "accuracy": 0.75}
    assert after.items("history") == [[1.0, 0.75]]


def test_integer_buffers_are_averaged_and_rounded() -> None:
    algorithm = FedAvg()

    state = one_round(algorithm, algorithm.start(START), Owner(2, 1), Owner(5, 3))

    assert state.arrays["batches"].dtype == np.int64
    assert state.arrays["batches"] == 14  # 10 + 4.25


def test_update_is_clipped_coordinate_by_coordinate() -> None:
    algorithm = FedAvg(clip=0.5)

    vector = algorithm.local(algorithm.start(START), Owner(-3.0, 2))

    assert vector[: -len(algorithm.metric_names) - 1].tolist() == [-1.0] * 9


def test_what_is_not_finite_is_left_for_the_encoder_to_name() -> None:
    algorithm = FedAvg()
    state = algorithm.start(START)

    vector = algorithm.local(
        state,
        Returns(
            LocalResult(
                parameters={**START, "fc.bias": np.array([np.nan, np.inf])},
                weight=1,
                metrics={"loss": 0.0, "accuracy": 0.0},
            )
        ),
    )

    odd = np.flatnonzero(~np.isfinite(vector))
    assert [algorithm.name_of(state, int(i)) for i in odd] == ["fc.bias[0]", "fc.bias[1]"]


def test_coordinates_are_named() -> None:
    algorithm = FedAvg()
    state = algorithm.start(START)

    names = [algorithm.name_of(state, i) for i in range(algorithm.dimension(state))]

    assert names[0] == "batches"
    assert names[-4] == "fc.weight[1,2]"
    assert names[-3:] == ["[weight]", "[weight*loss]", "[weight*accuracy]"]


def test_job_is_over_after_its_rounds() -> None:
    algorithm = FedAvg(max_rounds=2)
    state = algorithm.start(START)

    reasons = []
    for _ in range(2):
        state = one_round(algorithm, state, Owner(1.0, 1))
        reasons.append(algorithm.verdict(state).reason)

    assert reasons == ["", "max rounds"]


def test_job_is_over_when_the_model_hardly_moves() -> None:
    algorithm = FedAvg(tolerance=0.1)

    state = one_round(algorithm, algorithm.start(START), Owner(0.01, 1))

    assert algorithm.verdict(state).reason == "converged"


def test_weight_above_the_largest_has_three_ways_out() -> None:
    algorithm = FedAvg(largest_weight=100)

    with pytest.raises(Unfit, match=r"raise largest_weight .* divide the rows .* use fewer rows"):
        algorithm.local(algorithm.start(START), Owner(0.0, 101))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"parameters": {**START, "fc.bias": np.zeros(3)}}, r"fc.bias has shape \(3,\)"),
        ({"parameters": {"fc.bias": np.zeros(2)}}, "differs in its parameters"),
        ({"metrics": {"loss": 1.0}}, "gives no accuracy"),
        ({"weight": 0}, "not above 0"),
        ({"weight": float("nan")}, "not above 0"),
    ],
)
def test_bad_result_of_the_owner_is_unfit(change: dict[str, object], text: str) -> None:
    algorithm = FedAvg()
    good = {"parameters": START, "weight": 1.0, "metrics": {"loss": 1.0, "accuracy": 1.0}}

    with pytest.raises(Unfit, match=text) as caught:
        algorithm.local(
            algorithm.start(START),
            Returns(LocalResult(**{**good, **change})),  # type: ignore[arg-type]
        )

    assert caught.value.kind == "bad result"


@pytest.mark.parametrize(("weight", "value"), [(0.0, 1.0), (-1.0, 1.0), (1.0, np.nan)])
def test_sum_that_means_nothing_fails_the_job(weight: float, value: float) -> None:
    algorithm = FedAvg(metric_names=())
    state = algorithm.start({"a": np.zeros(1)})

    with pytest.raises(JobFailed):
        algorithm.update(state, Opened(total=np.array([value, weight]), survivors=("ann",)))


def test_model_that_overflows_fails_the_job() -> None:
    algorithm = FedAvg(metric_names=())
    state = algorithm.start({"a": np.full(1, 3e38, dtype=np.float32)})

    with pytest.raises(JobFailed, match="a is no longer finite"):
        algorithm.update(state, Opened(total=np.array([3e38, 1.0]), survivors=("ann",)))
