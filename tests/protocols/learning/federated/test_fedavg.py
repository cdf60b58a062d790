from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes.trained import Returns, Rows, one_round, unmoved

from protocols.errors import Unfit
from protocols.learning.federated.attending import survivors_by_round
from protocols.learning.federated.fedavg import FedAvg
from protocols.learning.federated.trainable import InitialModel, LocalResult
from protocols.learning.job import JobFailed, Opened
from protocols.learning.state import Array

ARRAYS: dict[str, Array] = {
    "fc.weight": np.zeros((2, 3), dtype=np.float32),
    "fc.bias": np.ones(2),
    "batches": np.array(10, dtype=np.int64),
    "running": np.array([4.0], dtype=np.float32),
}
START = InitialModel(arrays=ARRAYS, buffers=frozenset({"batches", "running"}))
GOOD = LocalResult(
    change=unmoved(ARRAYS), weight=1.0, measured=1.0, metrics={"loss": 1.0, "accuracy": 1.0}
)


def alone(**arrays: Array) -> InitialModel:
    return InitialModel(arrays=arrays)


def test_model_is_the_mean_weighted_by_rows() -> None:
    algorithm = FedAvg()

    state = one_round(algorithm, algorithm.start(START), Rows(1.0, 1), Rows(2.0, 3), Rows(4.0, 4))

    np.testing.assert_array_equal(state.arrays["fc.weight"], np.full((2, 3), 23 / 8))
    np.testing.assert_array_equal(state.arrays["fc.bias"], np.full(2, 1 + 23 / 8))
    assert state.arrays["fc.weight"].dtype == np.float32
    assert state.number("weight") == 8


def test_metrics_are_means_weighted_by_the_rows_that_were_measured_on() -> None:
    algorithm = FedAvg()
    before = algorithm.start(START)

    after = one_round(
        algorithm,
        before,
        Rows(0.0, 5, {"loss": 4.0, "accuracy": 0.0}, measured=1),
        Rows(0.0, 5, {"loss": 0.0, "accuracy": 1.0}, measured=3),
    )

    assert algorithm.metrics(before) == {}
    assert algorithm.metrics(after) == {"loss": 1.0, "accuracy": 0.75}
    assert after.items("history") == [[1.0, 0.75]]


def test_whole_buffers_are_averaged_exactly_and_rounded_whatever_the_clip() -> None:
    algorithm = FedAvg(clip=0.5, largest_weight=2e6)

    state = one_round(algorithm, algorithm.start(START), Rows(31250, 1e6), Rows(31253, 1e6))

    assert state.arrays["batches"].dtype == np.int64
    assert state.arrays["batches"] == 31262  # 10 + 31251.5, to the even one


def test_floating_buffers_are_averaged_whatever_the_clip() -> None:
    algorithm = FedAvg(clip=0.5)

    state = one_round(algorithm, algorithm.start(START), Rows(1e9, 1), Rows(1e9 + 2**-10, 3))

    np.testing.assert_array_equal(state.arrays["running"], np.float32([4 + 1e9]))
    assert state.arrays["running"].dtype == np.float32


def test_parameters_are_clipped_coordinate_by_coordinate() -> None:
    algorithm = FedAvg(clip=0.5)
    state = algorithm.start(START)

    parts = algorithm.layout(state).unpack(algorithm.local(state, Rows(-3.0, 2)))

    assert parts["fc.weight"].tolist() == [[-1.0] * 3] * 2
    assert parts["fc.bias"].tolist() == [-1.0] * 2
    assert (parts["batches"], parts["running"]) == (-6.0, [-6.0])


def test_what_is_not_finite_is_left_for_the_encoder_to_name() -> None:
    algorithm = FedAvg()
    state = algorithm.start(START)
    change = {**unmoved(ARRAYS), "fc.bias": np.array([np.nan, np.inf])}

    vector = algorithm.local(state, Returns(0.0, 1, result=replace(GOOD, change=change)))

    odd = np.flatnonzero(~np.isfinite(vector))
    assert [algorithm.name_of(state, int(i)) for i in odd] == ["fc.bias[0]", "fc.bias[1]"]


def test_what_nobody_changes_may_be_infinite() -> None:
    algorithm = FedAvg()
    mask = np.array([0.0, -np.inf], dtype=np.float32)
    model = InitialModel(arrays={"w": np.zeros(1), "mask": mask}, buffers=frozenset({"mask"}))
    result = replace(GOOD, change={"w": np.ones(1), "mask": np.zeros(2)})

    state = one_round(algorithm, algorithm.start(model), Returns(0.0, 1, result=result))

    np.testing.assert_array_equal(state.arrays["mask"], mask)
    assert state.arrays["w"] == 1.0


def test_what_the_model_fixes_is_neither_sent_nor_changed() -> None:
    algorithm = FedAvg()
    model = InitialModel(arrays=ARRAYS, fixed=frozenset({"fc.weight"}))
    state = algorithm.start(model)

    assert "fc.weight" not in algorithm.layout(state).parts
    with pytest.raises(Unfit, match=r"fc\.weight was trained, and model\(\) says"):
        algorithm.local(state, Rows(1.0, 1))


def test_coordinates_are_named() -> None:
    algorithm = FedAvg()
    state = algorithm.start(START)

    names = [algorithm.name_of(state, i) for i in range(algorithm.dimension(state))]

    assert names[:3] == ["batches", "fc.bias[0]", "fc.bias[1]"]
    assert names[-7:-4] == ["running[0]"] * 3
    assert names[-4:] == ["[weight]", "[measured]", "[measured*loss]", "[measured*accuracy]"]


def test_the_state_says_who_was_in_which_sum() -> None:
    algorithm = FedAvg()
    state = algorithm.start(START)

    state = one_round(algorithm, state, Rows(0, 1, name="cem"), Rows(0, 1, name="bob"))
    state = one_round(algorithm, state, Rows(0, 1, name="ann"), Rows(0, 1, name="cem"))

    assert survivors_by_round(state) == [["bob", "cem"], ["cem", "ann"]]


def test_job_is_over_after_its_rounds() -> None:
    algorithm = FedAvg(max_rounds=2)
    state = algorithm.start(START)

    reasons = []
    for _ in range(2):
        state = one_round(algorithm, state, Rows(1.0, 1))
        reasons.append(algorithm.verdict(state).reason)

    assert reasons == ["", "max rounds"]


def test_job_is_over_when_the_model_hardly_moves() -> None:
    algorithm = FedAvg(tolerance=0.1)

    state = one_round(algorithm, algorithm.start(START), Rows(0.01, 1))

    assert algorithm.verdict(state).reason == "converged"


def test_weight_above_the_largest_has_three_ways_out() -> None:
    algorithm = FedAvg(largest_weight=100)

    with pytest.raises(Unfit, match=r"raise largest_weight .* divide the rows .* use fewer rows"):
        algorithm.local(algorithm.start(START), Rows(0.0, 101))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"change": {**unmoved(ARRAYS), "fc.bias": np.zeros(3)}}, r"fc.bias has shape \(3,\)"),
        ({"change": {"fc.bias": np.zeros(2)}}, "differs in its parameters"),
        ({"metrics": {"loss": 1.0}}, "gives no accuracy"),
        ({"weight": 0}, "not above 0"),
        ({"weight": float("nan")}, "not above 0"),
        ({"measured": -1}, "measured on is below 0"),
    ],
)
def test_bad_result_of_the_owner_is_unfit(change: dict[str, object], text: str) -> None:
    algorithm = FedAvg()
    result = replace(GOOD, **change)  # type: ignore[arg-type]

    with pytest.raises(Unfit, match=text) as caught:
        algorithm.local(algorithm.start(START), Returns(0.0, 1, result=result))

    assert caught.value.kind == "bad result"


@pytest.mark.parametrize(("weight", "value"), [(0.0, 1.0), (-1.0, 1.0), (1.0, np.nan)])
def test_sum_that_means_nothing_fails_the_job(weight: float, value: float) -> None:
    algorithm = FedAvg(metric_names=())
    state = algorithm.start(alone(a=np.zeros(1)))

    with pytest.raises(JobFailed):
        algorithm.update(state, Opened(total=np.array([value, weight, 1.0]), survivors=("ann",)))


def test_a_job_in_which_nobody_was_measured_fails() -> None:
    algorithm = FedAvg()
    state = algorithm.start(START)

    with pytest.raises(JobFailed, match="lower held_out"):
        one_round(algorithm, state, Rows(0.0, 1, measured=0))


def test_model_that_overflows_fails_the_job() -> None:
    algorithm = FedAvg(metric_names=())
    state = algorithm.start(alone(a=np.full(1, 3e38, dtype=np.float32)))

    with pytest.raises(JobFailed, match="a is no longer finite"):
        algorithm.update(state, Opened(total=np.array([3e38, 1.0, 1.0]), survivors=("ann",)))
