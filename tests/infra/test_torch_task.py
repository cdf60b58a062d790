from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes.torch_owners import TorchOwners
from numpy.typing import NDArray

from actors.ports import WorkFailed
from infra.worker_frames import Option, WorkSpec
from protocols.errors import Unfit
from protocols.learning.algorithms import TORCH
from protocols.learning.state import State

# Twelve rows at each owner; a test puts what it is about behind it.
TASK = """
import torch
from torch.nn import functional

def model():
    return torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))

def data(owner):
    generator = torch.Generator().manual_seed(len(owner.name))
    x = torch.randn(12, 2, generator=generator)
    return x, (x[:, 0] > 0).long()
"""
OWN_LOOP = """
def train(model, data, settings):
    optimizer = torch.optim.SGD(model.parameters(), lr=settings.learning_rate)
    for x, y in settings.batches(data):
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()
"""
Made = Callable[..., TorchOwners]


@pytest.fixture
def owners(tmp_path: Path) -> Made:
    def made(code: str = "", kind: str = "fedavg", **options: Option) -> TorchOwners:
        task = tmp_path / "task.py"
        task.write_text(TASK + textwrap.dedent(code))
        few: dict[str, Option] = {"batch_size": 4, "local_epochs": 1, "max_rounds": 3}
        spec = WorkSpec(kind=kind, options=few | options, owner="x", task=str(task))
        return TorchOwners(spec, tmp_path / "homes", secure=False)

    return made


def arrays(state: State) -> dict[str, list[float]]:
    return {name: array.ravel().tolist() for name, array in state.arrays.items()}


def parts(owners: TorchOwners, state: State, name: str) -> dict[str, NDArray[np.float64]]:
    return owners.algorithm.layout(state).unpack(owners.task(name).compute(state))


@pytest.mark.parametrize("kind", ["fedavg", "fedprox", "scaffold"])
def test_a_loop_of_five_lines_is_what_happens_without_one(owners: Made, kind: str) -> None:
    without = owners(kind=kind).run(lambda _: ("ann", "bobby", "c"))
    with_loop = owners(OWN_LOOP, kind=kind).run(lambda _: ("ann", "bobby", "c"))

    for name, array in without.arrays.items():
        np.testing.assert_allclose(with_loop.arrays[name], array, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", ["fedprox", "scaffold"])
def test_a_loop_without_an_optimiser_is_refused_where_steps_are_corrected(
    owners: Made, kind: str
) -> None:
    made = owners("def train(model, data, settings):\n    pass", kind=kind)

    with pytest.raises(WorkFailed, match=r"no step of the model with an optimiser of torch"):
        made.task("ann").compute(made.start())


def test_a_step_of_something_else_is_no_step_of_the_model(owners: Made) -> None:
    made = owners(
        """
        def train(model, data, settings):
            other = torch.nn.Linear(1, 1)
            other(torch.ones(1, 1)).sum().backward()
            torch.optim.SGD(other.parameters(), lr=1.0).step()
        """,
        kind="scaffold",
    )

    with pytest.raises(WorkFailed, match="made no step of the model"):
        made.task("ann").compute(made.start())


def test_an_optimiser_for_each_half_of_the_model_is_one_for_all(owners: Made) -> None:
    halves = """
        def train(model, data, settings):
            rate = settings.learning_rate
            parts = [torch.optim.SGD(model[at].parameters(), rate) for at in (0, 2)]
            for x, y in settings.batches(data):
                model.zero_grad()
                functional.cross_entropy(model(x), y).backward()
                for part in parts:
                    part.step()
    """
    whole = owners(OWN_LOOP, kind="scaffold").run(lambda _: ("ann", "bobby"))

    found = owners(halves, kind="scaffold").run(lambda _: ("ann", "bobby"))

    for name, array in whole.arrays.items():
        np.testing.assert_allclose(found.arrays[name], array, rtol=1e-6, atol=1e-7)


def test_a_parameter_that_the_model_uses_twice_is_one(owners: Made) -> None:
    code = """
        def model():
            first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
            second.weight = first.weight
            return torch.nn.Sequential(first, torch.nn.Tanh(), second)
    """
    made = owners(code, kind="scaffold")

    state = made.run(lambda _: ("ann", "bobby"))

    for before in ("", "[c] "):
        first, second = (state.floats(f"{before}{name}.weight") for name in (0, 2))
        np.testing.assert_array_equal(first, second)
        assert first.any()


def test_an_optimiser_with_a_closure_is_refused_where_steps_are_corrected(owners: Made) -> None:
    made = owners(
        """
        def train(model, data, settings):
            optimizer = torch.optim.LBFGS(model.parameters())
            optimizer.step(lambda: model(data[0]).sum())
        """,
        kind="fedprox",
    )

    with pytest.raises(WorkFailed, match="LBFGS computes its gradients in a closure"):
        made.task("ann").compute(made.start())


def test_the_pull_of_fedprox_is_that_of_its_loss(owners: Made) -> None:
    proximal = """
        def train(model, data, settings):
            began = [p.detach().clone() for p in model.parameters()]
            optimizer = torch.optim.SGD(model.parameters(), lr=settings.learning_rate)
            for x, y in settings.batches(data):
                optimizer.zero_grad()
                loss = functional.cross_entropy(model(x), y)
                for p, b in zip(model.parameters(), began):
                    loss = loss + 0.4 / 2 * ((p - b) ** 2).sum()
                loss.backward()
                optimizer.step()
    """
    expected = owners(proximal, local_epochs=3).run(lambda _: ("ann",))

    found = owners(kind="fedprox", mu=0.4, local_epochs=3).run(lambda _: ("ann",))

    for name, array in expected.arrays.items():
        np.testing.assert_allclose(found.arrays[name], array, rtol=1e-5, atol=1e-6)


def test_the_learning_rate_of_a_round_follows_the_schedule(owners: Made) -> None:
    code = """
        def train(model, data, settings):
            with torch.no_grad():
                model[0].bias += settings.learning_rate
    """
    rates: dict[str, list[float]] = {}
    schedules: dict[str, dict[str, Option]] = {
        "constant": {},
        "step": {"step_rounds": 2, "step_factor": 0.5},
        "cosine": {"lowest_rate": 0.1},
    }
    for schedule, options in schedules.items():
        made = owners(code, schedule=schedule, learning_rate=0.9, max_rounds=5, **options)
        state, rates[schedule] = made.start(), []
        for _ in range(5):
            before = state.floats("0.bias")[0]
            state = made.one_round(state, ("ann",))
            rates[schedule].append(round(float(state.floats("0.bias")[0] - before), 5))

    assert rates["constant"] == [0.9] * 5
    assert rates["step"] == [0.9, 0.9, 0.45, 0.45, 0.225]
    assert rates["cosine"] == [0.9, 0.78284, 0.5, 0.21716, 0.1]


NORMED = """
def model():
    first, last = torch.nn.Linear(2, 4), torch.nn.Linear(4, 2)
    return torch.nn.Sequential(first, torch.nn.BatchNorm1d(4), last)
"""


def test_running_statistics_are_averaged_by_rows_and_batches_are_counted(owners: Made) -> None:
    code = """
        def data(owner):
            rows = {"ann": 10, "bobby": 30}[owner.name]
            return 1000 * torch.ones(rows, 2) * len(owner.name), torch.zeros(rows)
        def train(model, data, settings):
            model[1].running_var.fill_(float(len(data[1])) * 1e6)
            model[1].num_batches_tracked += 100 * len(data[1])
    """
    made = owners(NORMED + textwrap.dedent(code))

    state = made.one_round(made.start(), ("ann", "bobby"))

    assert state.arrays["1.running_var"].tolist() == [25e6] * 4  # (10·10 + 30·30) / 40
    assert state.arrays["1.num_batches_tracked"] == 2500
    assert made.task("ann")._model(state.arrays)[1].num_batches_tracked == 2500  # type: ignore[index]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_a_model_of_any_type_is_trained_in_it_and_kept_more_exactly(
    owners: Made, dtype: str
) -> None:
    made = owners(
        f"""
        def model():
            torch.manual_seed(3)
            return torch.nn.Linear(2, 2).to(torch.{dtype})
        """
    )
    state = made.start()

    state = made.one_round(state, ("ann", "bobby", "c"))
    model = made.task("ann")._model(state.arrays)

    assert state.arrays["weight"].dtype == (np.float64 if dtype == "float64" else np.float32)
    assert next(model.parameters()).dtype == getattr(torch, dtype)
    assert state.floats("weight").any()


def test_who_does_not_train_changes_nothing_although_the_state_is_more_exact(owners: Made) -> None:
    made = owners(
        """
        def model():
            return torch.nn.Linear(2, 2).to(torch.bfloat16)
        def train(model, data, settings):
            pass
        """
    )
    state = made.start().evolved({"bias": np.array([0.1, 0.2], dtype=np.float32)})

    after = made.one_round(state, ("ann", "bobby"))

    assert arrays(after) == arrays(state)


@pytest.mark.parametrize("kind", sorted(TORCH))
def test_a_secure_round_is_a_plain_one(owners: Made, kind: str) -> None:
    made = owners(NORMED, kind=kind)
    state = made.start()
    plain = made.one_round(state, ("ann", "bobby", "c"))
    secure = TorchOwners(made.spec, made.home, secure=True)

    found = secure.one_round(state, ("ann", "bobby", "c"))

    for name, array in plain.arrays.items():
        np.testing.assert_allclose(found.arrays[name], array, rtol=0, atol=1e-5)


HEAD = {"personal": ["2.*"]}


def test_a_head_that_stays_at_home_is_in_no_state_and_goes_on_there(owners: Made) -> None:
    made = owners(**HEAD)
    state = made.start()

    rounds = [made.one_round(state, ("ann", "bobby", "c"))]
    heads = [head_of(made, rounds[0], "ann")]
    made.restart()
    rounds.append(made.one_round(rounds[0], ("ann", "bobby", "c")))
    heads.append(head_of(made, rounds[1], "ann"))

    assert set(rounds[1].arrays) == {"0.weight", "0.bias"}
    assert not set(made.algorithm.layout(state).parts) & {"2.weight", "2.bias"}
    assert not np.array_equal(*heads)
    assert not np.array_equal(heads[1], head_of(made, rounds[1], "bobby"))


def test_a_head_is_as_it_was_when_its_owner_is_not_in_the_sum(owners: Made) -> None:
    code = """
        def train(model, data, settings):
            with torch.no_grad():
                model[2].bias += 1
    """
    made = owners(code, **HEAD)
    state = made.start()
    first = made.task("ann")._model()[2].bias.tolist()  # type: ignore[index]

    state = made.one_round(state, ("ann", "bobby", "c"))
    state = made.one_round(state, ("ann", "bobby", "c"), survivors=("bobby", "c"))
    state = made.one_round(state, ("ann", "bobby", "c"))

    added = {name: head_of(made, state, name, "2.bias") - first for name in ("ann", "bobby")}
    assert added["ann"].round(5).tolist() == [2, 2]
    assert added["bobby"].round(5).tolist() == [3, 3]


def head_of(
    made: TorchOwners, state: State, name: str, array: str = "2.weight"
) -> NDArray[np.float64]:
    mark = next(pair[1] for pair in state.items("taken") if pair[0] == name)  # type: ignore[index]
    kept = made.task(name).recall(str(mark))
    assert kept is not None
    return kept.floats(array)


def test_patterns_that_fit_nothing_or_all_are_refused(owners: Made) -> None:
    with pytest.raises(Unfit, match=r"'head\.\*' fits no parameter: 0\.bias, 0\.weight"):
        owners(personal=["head.*"]).start()
    with pytest.raises(Unfit, match="no parameter that is trained together"):
        owners(personal=["*"]).start()


def test_rows_that_are_held_out_are_measured_and_never_trained_on(owners: Made) -> None:
    code = """
        def train(model, data, settings):
            assert len(data[1]) == 9
        def evaluate(model, data):
            return {"loss": float(data[0].sum()), "accuracy": 1.0}
    """
    made = owners(code, held_out=0.25)
    state = made.start()

    found = parts(made, state, "ann")
    made.restart()

    assert (found["[weight]"], found["[measured]"]) == (9, 3)
    assert parts(made, state, "ann")["[measured*loss]"] == found["[measured*loss]"]
    assert parts(made, state.evolved(round=1), "ann")["[measured*loss]"] == found["[measured*loss]"]


def test_an_owner_of_one_row_trains_on_it_and_is_told(owners: Made) -> None:
    made = owners("def data(owner): return torch.ones(1, 2), torch.zeros(1)", held_out=0.5)

    found = parts(made, made.start(), "ann")

    assert (found["[weight]"], found["[measured]"], found["[measured*loss]"]) == (1, 0, 0)
    assert made.task("ann").describe() == (
        "this owner holds no row out, so it trains and is not measured",
    )


def test_validation_rows_of_the_task_are_what_is_measured(owners: Made) -> None:
    code = "def validation(owner): return torch.ones(5, 2), torch.zeros(5)"

    found = owners(code)

    assert parts(found, found.start(), "ann")["[measured]"] == 5
    with pytest.raises(WorkFailed, match="held_out must be left out"):
        owners(code, held_out=0.5).task("ann").describe()


def test_the_best_model_is_kept_and_waiting_for_a_better_one_has_an_end(owners: Made) -> None:
    code = """
        def train(model, data, settings):
            with torch.no_grad():
                model[0].bias.fill_(settings.round + 1.0)
        def evaluate(model, data):
            round = float(model[0].bias[0])
            return {"loss": abs(round - 3.0), "accuracy": round}
    """
    made = owners(code, watch="lowest loss", patience=2, max_rounds=40)

    state = made.run(lambda _: ("ann", "bobby", "c"))

    assert state.count("round") == 6  # the models after rounds 4 and 5 were no better than 3
    assert made.algorithm.verdict(state).reason == "converged"
    assert made.algorithm.model(state)["0.bias"].tolist() == [3.0] * 4
    assert made.task("ann").evaluate(state)["loss"] == 0.0
    (note,) = state.items("notes")
    assert str(note).endswith("kept: the model after round 3, with the lowest loss, 0")


def test_batches_of_a_dataset_are_those_of_a_loader(owners: Made) -> None:
    code = """
        def data(owner):
            x = torch.randn(12, 2, generator=torch.Generator().manual_seed(1))
            return torch.utils.data.TensorDataset(x, (x[:, 0] > 0).long())
        def evaluate(model, data):
            return {"loss": float(len(data)), "accuracy": 0.0}
    """
    made = owners(textwrap.dedent(code) + OWN_LOOP, held_out=0.25)

    found = parts(made, made.start(), "ann")

    assert (found["[weight]"], found["[measured*loss]"]) == (9, 9)
    assert found["0.weight"].any()
