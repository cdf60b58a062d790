from __future__ import annotations

import numpy as np
import pytest
from fakes.trained import Rows, one_round

from protocols.learning.algorithms import TORCH, build
from protocols.learning.federated.adaptive import Adaptive
from protocols.learning.federated.fedadam import FedAdam
from protocols.learning.federated.fedprox import FedProx
from protocols.learning.federated.fedyogi import FedYogi
from protocols.learning.federated.trainable import InitialModel

CHANGES = (0.5, -2.0, 0.25)
ARRAYS = {"w": np.ones(2), "seen": np.array(3, dtype=np.int64)}
MODEL = InitialModel(arrays=ARRAYS, buffers=frozenset({"seen"}))


def test_fedprox_orders_its_pull_and_is_fedavg_otherwise() -> None:
    algorithm, owner = FedProx(mu=0.3), Rows(1.0, 2)

    state = one_round(algorithm, algorithm.start(MODEL), owner)

    assert owner.orders[0].pull == 0.3
    assert state.floats("w").tolist() == [2.0, 2.0]


@pytest.mark.parametrize("algorithm", [FedAdam(), FedYogi()])
def test_adaptive_steps_are_those_of_algorithm_2(algorithm: Adaptive) -> None:
    state = algorithm.start(MODEL)
    x, m, v = 1.0, 0.0, 1e-3**2

    for change in CHANGES:
        state = one_round(algorithm, state, Rows(change, 1), Rows(change, 3))
        m = 0.9 * m + 0.1 * change
        if isinstance(algorithm, FedAdam):
            v = 0.99 * v + 0.01 * change**2
        else:
            v = v - 0.01 * change**2 * np.sign(v - change**2)
        x += 0.02 * m / (np.sqrt(v) + 1e-3)
        np.testing.assert_allclose(state.floats("w"), [x, x], rtol=1e-6)


def test_the_server_rate_is_no_business_of_buffers() -> None:
    algorithm = FedAdam(server_rate=1e-6)

    state = one_round(algorithm, algorithm.start(MODEL), Rows(4, 1), Rows(4, 1))

    assert state.arrays["seen"] == 7


@pytest.mark.parametrize("kind", sorted(TORCH))
def test_the_first_state_is_as_large_as_any_later_one(kind: str) -> None:
    algorithm = TORCH[kind](watch="lowest loss")
    first = algorithm.start(MODEL)

    state = one_round(algorithm, first, Rows(0.01, 1))

    assert state.arrays.keys() == first.arrays.keys()
    assert sum(a.nbytes for a in state.arrays.values()) == sum(
        a.nbytes for a in first.arrays.values()
    )


@pytest.mark.parametrize("kind", sorted(TORCH))
def test_all_of_them_stop_when_the_model_hardly_moves(kind: str) -> None:
    algorithm = TORCH[kind](tolerance=0.1)

    state = one_round(algorithm, algorithm.start(MODEL), Rows(0.01, 1))

    assert algorithm.verdict(state).reason == "converged"


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        ("fedprox", {"mu": -0.1}, "mu must be from 0"),
        ("fedadam", {"server_rate": 0.0}, "server_rate must be above 0"),
        ("fedyogi", {"beta1": 1.0}, "beta1 must be 0 or more, and below 1"),
        ("fedadam", {"beta2": -0.5}, "beta2 must be 0 or more, and below 1"),
        ("fedyogi", {"tau": 0.0}, "tau must be above 0"),
        ("fedavg", {"schedule": "linear"}, "linear"),
        ("fedavg", {"step_factor": 0.0}, "step_factor must be above 0"),
        ("fedavg", {"step_rounds": 0}, "step_rounds must be 1 or more"),
        ("fedavg", {"lowest_rate": 0.2}, "lowest_rate must be 0 or more, and learning_rate"),
        ("fedavg", {"held_out": 0.95}, "held_out must be from 0 to 0.9"),
        ("fedavg", {"patience": 3}, "patience needs a metric to watch"),
        ("fedavg", {"patience": -1}, "patience must be 0"),
        ("fedavg", {"watch": "accuracy"}, r'such as "lowest loss" or "highest loss"'),
        ("fedavg", {"watch": "lowest error"}, r"a metric of this job \(loss, accuracy\)"),
        ("fedavg", {"watch": "lowest loss", "metric_names": []}, "this job has none"),
        ("scaffold", {"mu": 0.1}, "no option 'mu'"),
    ],
)
def test_options_out_of_range_are_refused_in_a_sentence(
    kind: str, options: dict[str, object], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        build(kind, options)
