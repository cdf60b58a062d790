from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from fakes.trained import Rows, one_round

from protocols.errors import Unfit
from protocols.learning.federated.scaffold import Scaffold
from protocols.learning.federated.trainable import InitialModel, LocalResult, Order
from protocols.learning.job import Opened
from protocols.learning.state import State

STEPS, RATE = 3, 0.1
MODEL = InitialModel(arrays={"w": np.zeros(1)})


@dataclass
class Bowl(Rows):
    """An owner whose loss is curvature/2 · (w - centre)²."""

    centre: float = 0.0
    curvature: float = 1.0
    begun: list[float] = field(default_factory=list)

    def train(self, order: Order) -> LocalResult:
        w = before = order.arrays["w"].astype(float)
        self.begun.append(float(w[0]))
        gradients = []
        for _ in range(STEPS):
            gradients.append(self.curvature * (w - self.centre))
            w = w - RATE * (gradients[-1] + order.shift["w"])
        return LocalResult(
            change={"w": w - before},
            weight=self.weight,
            measured=self.weight,
            metrics=self.metrics,
            gradients={"w": np.mean(gradients, axis=0)},
        )


def bowls() -> tuple[Bowl, ...]:
    return (
        Bowl(0.0, 10, name="ann", centre=1.0, curvature=3.0),
        Bowl(0.0, 10, name="bob", centre=-2.0, curvature=1.0),
        Bowl(0.0, 10, name="cem", centre=5.0, curvature=0.5),
    )


def test_rounds_are_those_of_algorithm_1_with_its_second_option() -> None:
    algorithm, owners = Scaffold(), bowls()
    state = algorithm.start(MODEL)
    x, c, own = 0.0, 0.0, dict.fromkeys(("ann", "bob", "cem"), 0.0)

    for _ in range(6):
        state = one_round(algorithm, state, *owners)
        changes, control_changes = [], []
        for owner in owners:
            y = x
            for _ in range(STEPS):
                y -= RATE * (owner.curvature * (y - owner.centre) - own[owner.name] + c)
            new = own[owner.name] - c + (x - y) / (STEPS * RATE)
            changes.append(y - x)
            control_changes.append(new - own[owner.name])
            own[owner.name] = new
        x, c = x + float(np.mean(changes)), c + float(np.mean(control_changes))

        assert state.floats("w")[0] == pytest.approx(x, abs=1e-6)
        assert state.floats("[c] w")[0] == pytest.approx(c, abs=1e-6)


def test_it_ends_where_all_gradients_weighted_by_rows_cancel() -> None:
    algorithm, owners = Scaffold(), bowls()
    for owner, rows in zip(owners, (5, 20, 40), strict=True):
        owner.weight = rows
    best = sum(b.weight * b.curvature * b.centre for b in owners)
    best /= sum(b.weight * b.curvature for b in owners)
    state = algorithm.start(MODEL)

    for number in range(200):
        # Two come later, and then one after the other stays away.
        here = [o for place, o in enumerate(owners) if number > 2 or place == 0]
        here = [o for place, o in enumerate(here) if number < 3 or number % 5 != place + 2]
        state = one_round(algorithm, state, *here)

    controls = sum(o.weight * owner_control(o) for o in owners) / 65
    assert state.number("rows") == 65
    assert state.floats("[c] w")[0] == pytest.approx(controls, abs=1e-5)
    assert state.floats("w")[0] == pytest.approx(best, abs=0.02)


def owner_control(owner: Rows) -> float:
    return float(list(owner.shelf.values())[-1].floats("[c] w")[0])


def test_a_round_that_was_abandoned_leaves_the_control_variate_as_it_was() -> None:
    algorithm, owners = Scaffold(), bowls()
    state = one_round(algorithm, algorithm.start(MODEL), *owners)
    before = owners[0].shelf

    first = algorithm.local(state, owners[0])
    again = algorithm.local(state, owners[0])

    np.testing.assert_array_equal(first, again)
    assert before.keys() < owners[0].shelf.keys()


def test_who_was_not_in_the_sum_goes_on_from_what_is_in_it() -> None:
    algorithm, owners = Scaffold(), bowls()
    state = one_round(algorithm, algorithm.start(MODEL), *owners)
    known = owner_control(owners[0])
    vectors = [algorithm.local(state, owner) for owner in owners]

    late = Opened(total=np.sum(vectors[1:], axis=0), survivors=("bob", "cem"))
    state = algorithm.update(state, late)
    algorithm.local(state, owners[0])

    shift = owners[0].shelf[state.text("mark")]
    assert owners[0].begun[-1] == float(state.floats("w")[0])
    assert len(owners[0].shelf) == 2  # what is in the sums, and what may be next
    assert shift.number("rows") == 10
    assert known == float(owners[0].shelf[mark_before(state)].floats("[c] w")[0])


def mark_before(state: State) -> str:
    return next(str(pair[1]) for pair in state.items("taken") if isinstance(pair, list))


def test_an_owner_whose_home_is_gone_declines() -> None:
    algorithm, owners = Scaffold(), bowls()
    state = one_round(algorithm, algorithm.start(MODEL), *owners)
    owners[0].shelf.clear()

    with pytest.raises(Unfit, match="restore the folder from a copy"):
        algorithm.local(state, owners[0])
