from __future__ import annotations

from pathlib import Path

import pytest

from infra.fit_plots import NoPlots
from infra.training_plot import plot_training, save_training_plot
from protocols.learning.federated.fedavg import FedAvg
from protocols.learning.state import Fact, State

MEASURED: list[Fact] = [[0.9, 0.2], [0.5, 0.6], [0.3, 0.8]]


def test_each_metric_is_a_curve_that_begins_before_the_first_round() -> None:
    algorithm = FedAvg(max_rounds=3, metric_names=("loss", "accuracy"))

    loss, accuracy = plot_training(algorithm, State(facts={"history": MEASURED})).axes

    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy")
    assert loss.lines[0].get_xdata().tolist() == [0, 1, 2]
    assert loss.lines[0].get_ydata().tolist() == [0.9, 0.5, 0.3]
    assert accuracy.lines[0].get_ydata().tolist() == [0.2, 0.6, 0.8]


def test_a_picture_of_training_is_a_file(tmp_path: Path) -> None:
    algorithm = FedAvg(max_rounds=3, metric_names=("loss", "accuracy"))

    save_training_plot(algorithm, State(facts={"history": MEASURED}), tmp_path / "loss.png")

    assert (tmp_path / "loss.png").stat().st_size > 1000


@pytest.mark.parametrize("names", [(), ("loss",)])
def test_what_was_never_measured_has_no_picture(names: tuple[str, ...]) -> None:
    algorithm = FedAvg(max_rounds=3, metric_names=names)

    with pytest.raises(NoPlots, match="never measured"):
        plot_training(algorithm, State(facts={"history": []}))
