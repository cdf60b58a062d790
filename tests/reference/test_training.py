"""Digits at five owners, 40 rounds, three seeds: what each optimiser reaches, and with drop-outs.

The sums go through fixed point and sharing. Figures are accuracies on the quarter of the rows that
nobody trains on, means of three seeds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from fakes import dirichlet_digits
from fakes.dirichlet_digits import SITES
from fakes.torch_owners import TorchOwners

from infra.worker_frames import Option, WorkSpec

pytestmark = [pytest.mark.reference, pytest.mark.slow]

SEEDS = (0, 1, 2)
OPTIMISERS: dict[str, dict[str, Option]] = {
    "fedavg": {},
    "fedprox": {"mu": 0.1},
    "fedadam": {"server_rate": 0.02},
    "fedyogi": {"server_rate": 0.02},
    "scaffold": {},
}
# By optimiser: at least so much with equal classes (alpha 100), and with unequal ones (0.3).
AT_LEAST = {
    "fedavg": (0.96, 0.95),
    "fedprox": (0.955, 0.945),
    "fedadam": (0.965, 0.955),
    "fedyogi": (0.965, 0.955),
    "scaffold": (0.96, 0.955),
}


@pytest.fixture(autouse=True)
def on_demand(request: pytest.FixtureRequest) -> None:
    if "reference" not in request.config.option.markexpr:
        pytest.skip("a minute of training, for pytest -m reference only")


def everybody(seed: int) -> Callable[[int], Sequence[str]]:
    return lambda _: SITES


def thirty_percent_less(seed: int) -> Callable[[int], Sequence[str]]:
    """Return who is there: one is gone for good from round 5 on, of the others 30 % at random."""

    def present(number: int) -> Sequence[str]:
        random = Random(1000 * seed + number)
        left = SITES if number < 5 else SITES[1:]
        here = [site for site in left if random.random() >= 0.3]
        return here if len(here) >= 3 else random.sample(left, 3)

    return present


def reached(
    kind: str, alpha: float, present: Callable[[int], Callable[[int], Sequence[str]]] = everybody
) -> list[float]:
    """Return the accuracy for each seed."""
    found = []
    for seed in SEEDS:
        options: dict[str, Option] = {
            "max_rounds": 40,
            "local_epochs": 2,
            "batch_size": 32,
            "learning_rate": 0.2,
            **OPTIMISERS[kind],
        }
        spec = WorkSpec(
            kind=kind,
            options=options,
            owner="held-out",
            task=dirichlet_digits.__file__,
            data=f"{alpha} {seed}",
            seed=seed,
        )
        with tempfile.TemporaryDirectory() as home:
            owners = TorchOwners(spec, Path(home))
            state = owners.run(present(seed))
            found.append(owners.task("held-out").evaluate(state)["accuracy"])
    return found


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_optimisers_reach_what_they_should(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    equal, unequal = reached(kind, 100), reached(kind, 0.3)

    with capsys.disabled():
        print(f"\n{kind:9} alpha=100 {_shown(equal)}   alpha=0.3 {_shown(unequal)}")  # noqa: T201
    for found, least in zip((equal, unequal), AT_LEAST[kind], strict=True):
        assert np.mean(found) >= least


@pytest.mark.parametrize("kind", ["fedavg", "fedadam", "scaffold"])
def test_digits_are_learnt_while_owners_drop_out(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = reached(kind, 0.3, thirty_percent_less)

    with capsys.disabled():
        print(f"\n{kind:9} alpha=0.3, 30 % drop out, one for good: {_shown(found)}")  # noqa: T201
    assert np.mean(found) >= 0.95


def _shown(values: Sequence[float]) -> str:
    return f"{np.mean(values):.4f} ({', '.join(f'{value:.4f}' for value in values)})"
