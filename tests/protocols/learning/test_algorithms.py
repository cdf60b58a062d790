from __future__ import annotations

import pytest

from protocols.learning.algorithms import build
from protocols.learning.fedavg import FedAvg
from protocols.learning.logistic import Logistic


def test_options_of_a_job_make_an_algorithm() -> None:
    assert build("fedavg", {"max_rounds": 3, "clip": 2}) == FedAvg(max_rounds=3, clip=2.0)
    assert build("logistic", {"features": ["a", "b"], "target": "y"}) == Logistic(
        features=("a", "b"), target="y"
    )


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("fedsgd", {}, "no algorithm 'fedsgd'; there are boosting, cox, elastic_net, fedavg, glm"),
        ("fedavg", {"lr": 0.1}, "fedavg has no option 'lr'; it has max_rounds"),
        ("fedavg", {"max_rounds": "many"}, "max_rounds"),
        ("fedavg", {"clip": 0}, "clip must be a positive number"),
        ("logistic", {"target": "y"}, "features"),
        ("logistic", {"features": ["y"], "target": "y"}, "the target is among the features"),
        ("logistic", {"features": ["a"], "target": "y", "C": 0}, "C must be above 0"),
    ],
)
def test_wrong_option_is_named(name: str, options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        build(name, options)
