"""Plain federated averaging, without any protection, on the demo's task."""

from __future__ import annotations

from pathlib import Path
from random import Random

import msgspec
import numpy as np

import infra.demo
from infra.torch_task import TorchTask
from infra.worker_frames import WorkSpec
from protocols.learning.federated.fedavg import FedAvg
from protocols.learning.job import Opened

OPTIONS: dict[str, int | float] = {
    "max_rounds": 40,
    "local_epochs": 2,
    "batch_size": 32,
    "learning_rate": 0.5,
}
SITES = tuple(f"site-{number}" for number in range(1, 6))


def at(owner: str) -> TorchTask:
    task = Path(infra.demo.__file__).with_name("digits_task.py")
    spec = WorkSpec(kind="fedavg", options={}, owner=owner, task=str(task), seed=1)
    return TorchTask(msgspec.structs.replace(spec, options=dict(OPTIONS)))


def test_five_owners_of_unequal_size_learn_the_digits() -> None:
    algorithm = FedAvg(max_rounds=40, local_epochs=2, batch_size=32, learning_rate=0.5)
    sites = [at(site) for site in SITES]
    state = at("held-out").initial()

    while not algorithm.verdict(state).over:
        total = np.sum([site.compute(state) for site in sites], axis=0)
        state = algorithm.update(state, Opened(total=total, survivors=SITES))

    assert state.number("weight") == 1347
    assert at("held-out").evaluate(state)["accuracy"] >= 0.97
    assert algorithm.metrics(state)["loss"] < 0.05


def test_digits_are_learnt_while_a_third_drops_out_and_one_is_gone_for_good() -> None:
    algorithm = FedAvg(max_rounds=40, local_epochs=2, batch_size=32, learning_rate=0.5)
    sites = {site: at(site) for site in SITES}
    state, absent = at("held-out").initial(), 0

    while not algorithm.verdict(state).over:
        number = state.count("round")
        random = Random(number)
        left = SITES if number < 5 else SITES[:-1]  # the one with the most rows
        here = [site for site in left if random.random() >= 0.3]
        here = here if len(here) >= 3 else random.sample(left, 3)
        absent += len(SITES) - len(here)
        total = np.sum([sites[site].compute(state) for site in here], axis=0)
        state = algorithm.update(state, Opened(total=total, survivors=tuple(here)))

    assert absent > 0.3 * 40 * len(SITES)
    assert at("held-out").evaluate(state)["accuracy"] >= 0.95


def test_same_round_gives_the_same_vector() -> None:
    state = at("held-out").initial()

    first, again, other = (at(site).compute(state) for site in ("site-1", "site-1", "site-2"))

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
