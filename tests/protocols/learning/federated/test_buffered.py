"""What is learnt of changes of several ages: FedBuff on top of each optimiser that allows it."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.round_parts import config_of
from fakes.trained import Rows, one_round

from protocols.learning.algorithms import TABULAR, TORCH, build, options_of
from protocols.learning.federated.fedadam import FedAdam
from protocols.learning.federated.fedavg import FedAvg
from protocols.learning.federated.federated import Federated
from protocols.learning.federated.trainable import InitialModel
from protocols.learning.job import Opened
from protocols.learning.probe import Probe
from protocols.learning.state import State
from protocols.secagg.carrying import aged

START = InitialModel(
    arrays={
        "a.running": np.array([4.0], dtype=np.float32),
        "b.weight": np.zeros((2, 3), dtype=np.float32),
        "c.batches": np.array(10, dtype=np.int64),
        "d.bias": np.ones(2),
    },
    buffers=frozenset({"a.running", "c.batches"}),
)


def after(algorithm: Federated, state: State, *owners: tuple[Rows, int]) -> State:
    """Return the state after a sum of what these owners computed so many rounds before."""
    layout, most = algorithm.layout(state), algorithm.max_staleness
    config = config_of(
        dimension=layout.size,
        buffered=3,
        max_staleness=most,
        discounted=algorithm.discounted(state),
    )
    vectors = [aged(config, algorithm.local(state, owner), age) for owner, age in owners]
    names = tuple(owner.name for owner, _ in owners)
    return algorithm.update(state, Opened(total=np.sum(vectors, axis=0), survivors=names))


def test_an_older_change_counts_less_and_its_rows_count_in_full() -> None:
    algorithm = FedAvg(max_staleness=3)

    state = after(algorithm, algorithm.start(START), (Rows(1.0, 2), 0), (Rows(4.0, 6), 3))

    moved = (2 * 1.0 + 6 * 4.0 / 2) / 8
    np.testing.assert_allclose(state.arrays["b.weight"], np.full((2, 3), moved))
    np.testing.assert_allclose(state.arrays["d.bias"], np.full(2, 1 + moved))
    assert state.number("weight") == 8


def test_buffers_are_averaged_whatever_their_age() -> None:
    algorithm = FedAvg(max_staleness=3)

    state = after(algorithm, algorithm.start(START), (Rows(1.0, 2), 0), (Rows(5.0, 2), 3))

    assert state.arrays["a.running"] == 7.0
    assert state.arrays["c.batches"] == 13


def test_fresh_contributions_give_the_model_of_a_round_without_a_buffer() -> None:
    owners = (Rows(1.0, 2), Rows(4.0, 6), Rows(-2.0, 1))
    plain, buffered = FedAdam(), FedAdam(max_staleness=3)

    expected = one_round(plain, plain.start(START), *owners)
    found = after(buffered, buffered.start(START), *((owner, 0) for owner in owners))

    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)


def test_the_state_says_how_many_were_how_old_and_of_nobody_how_old_it_was() -> None:
    algorithm = FedAvg(max_staleness=3)
    owners = [Rows(1.0, 2, name=name) for name in ("ann", "bob", "cat")]

    state = after(algorithm, algorithm.start(START), *zip(owners, (0, 2, 2), strict=True))
    state = after(algorithm, state, *zip(owners, (0, 0, 1), strict=True))

    assert state.items("staleness") == [[1, 0, 2], [2, 1]]
    assert algorithm.metrics(state)["staleness"] == pytest.approx(1 / 3)
    assert State.from_bytes(state.to_bytes()).facts == state.facts


def test_without_a_buffer_nothing_is_counted() -> None:
    algorithm = FedAvg()
    state = one_round(algorithm, algorithm.start(START), Rows(1.0, 2))

    assert "staleness" not in state.facts
    assert algorithm.discounted(state) == 0


@pytest.mark.parametrize("name", ["fedavg", "fedprox", "fedadam", "fedyogi"])
def test_optimisers_of_changes_may_be_buffered(name: str) -> None:
    assert build(name, {"max_staleness": 5})


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("scaffold", {}, "SCAFFOLD's c_i"),
        ("fedavg", {"personal": ["head.*"]}, "personal parameters"),
        ("fedavg", {"watch": "lowest loss"}, "buffered with watch"),
    ],
)
def test_what_belongs_to_sums_over_one_state_may_not(
    name: str, options: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        build(name, {**options, "max_staleness": 5})


def test_no_algorithm_over_tables_may() -> None:
    able = [name for name, kind in {**TABULAR, **TORCH}.items() if _has_ages(kind)]

    assert able == list(TORCH)


def _has_ages(kind: type[object]) -> bool:
    return any(option.name == "max_staleness" for option in options_of(kind))


# --- the probe ------------------------------------------------------------------------


def probed(*ages: int, twice: str = "") -> None:
    probe = Probe(owners=("ann", "bob", "cat"), values=5, max_staleness=2)
    state = probe.start()
    config = config_of(dimension=11, buffered=3, max_staleness=2, discounted=5)
    vectors = [
        aged(config, probe.local(state, name), age)
        for name, age in zip(probe.owners, ages, strict=True)
    ]
    if twice:
        vectors.append(vectors[probe.owners.index(twice)])
    total = np.sum(vectors, axis=0)
    probe.update(state, Opened(total=total, survivors=probe.owners))


def test_the_probe_takes_sums_of_any_ages() -> None:
    probed(0, 2, 1)


def test_the_probe_notices_who_counts_twice() -> None:
    with pytest.raises(Exception, match="the first is bucket"):
        probed(0, 2, 1, twice="bob")
