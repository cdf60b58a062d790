from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes.torch_owners import TorchOwners
from safetensors import safe_open
from safetensors.torch import load, save

from infra.casting import first_state
from infra.config import ConfigError, Job, load_job
from infra.model_card import model_card
from infra.torch_arrays import initial_model
from infra.trained_model import CARD, keep_model, model_bytes
from infra.worker_frames import WorkSpec
from protocols.learning.federated.fedavg import FedAvg
from protocols.learning.federated.trainable import InitialModel
from protocols.learning.moments import Moments

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
TASK = """
import torch

def model():
    torch.manual_seed(1)
    first, last = torch.nn.Linear(2, 3), torch.nn.Linear(3, 2)
    return torch.nn.Sequential(first, torch.nn.BatchNorm1d(3), last)

def data(owner):
    x = torch.randn(12, 2, generator=torch.Generator().manual_seed(len(owner.name)))
    return x, (x[:, 0] > 0).long()
"""
JOB = """
[job]
name = "cards"
algorithm = "fedadam"
max_rounds = 4
[model]
task = "task.py"
personal = ["2.*"]
[training]
epochs = 1
held_out = 0.25
watch = "lowest loss"
[federation]
broker = "memory"
holders = 5
threshold = 3
minimum = 3
[[owner]]
name = "ann"
[[owner]]
name = "bobby"
[[owner]]
name = "c"
[[owner]]
name = "david"
"""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "task.py").write_text(TASK)
    (tmp_path / "job.toml").write_text(JOB)
    return load_job(tmp_path / "job.toml")


def test_a_model_of_all_types_is_read_by_the_library_as_torch_would_have_saved_it() -> None:
    torch.manual_seed(0)
    model = torch.nn.Module()
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        values = torch.randn(3, 5).to(dtype)
        values[0, 0], values[0, 1] = float("inf"), float("nan")
        setattr(model, f"w_{str(dtype)[6:]}", torch.nn.Parameter(values))
    for dtype in (torch.bool, torch.uint8, torch.int16, torch.int64):
        model.register_buffer(f"b_{str(dtype)[6:]}", torch.tensor([0, 1, 1]).to(dtype))
    model.register_buffer("none", torch.zeros(0, 4))
    algorithm = FedAvg()

    content = model_bytes(algorithm, algorithm.start(initial_model(model)), {"job": "types"})

    expected = load(save(model.state_dict()))
    found = load(content)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0, equal_nan=True)


def test_what_lies_between_two_bfloat16_is_rounded_as_torch_does() -> None:
    torch.manual_seed(0)
    exact = torch.randn(10_000)
    ties = (torch.arange(512, dtype=torch.int32) * 2**15 + 0x3F800000).view(torch.float32)
    values = torch.cat([exact, ties])
    model = torch.nn.Module()
    model.w = torch.nn.Parameter(values.to(torch.bfloat16))
    algorithm = FedAvg()
    state = algorithm.start(initial_model(model)).evolved({"w": values.numpy()})

    found = load(model_bytes(algorithm, state, {}))

    torch.testing.assert_close(found["w"], values.to(torch.bfloat16), rtol=0, atol=0)


def test_the_model_of_a_job_loads_without_us_and_its_card_says_how_it_came_about(
    job: Job, tmp_path: Path
) -> None:
    options = {**job.learning.options(), "max_rounds": 4}  # type: ignore[union-attr]
    spec = WorkSpec(kind=job.algorithm, options=options, owner="x", task=str(tmp_path / "task.py"))
    owners = TorchOwners(spec, tmp_path / "homes", secure=False)
    everybody = ("ann", "bobby", "c", "david")
    state = owners.run(lambda number: everybody[: 3 if number == 1 else 4])

    file = keep_model(job, owners.algorithm, state, tmp_path, NOW)

    assert file is not None
    loaded = load(file.read_bytes())
    assert "2.weight" not in loaded
    for name, array in owners.algorithm.model(state).items():
        np.testing.assert_array_equal(loaded[name].numpy(), array)
    with safe_open(file, "pt") as opened:
        assert opened.metadata() == {"format": "pt", "job": "cards"}
    card = (tmp_path / CARD).read_text()
    for text in (
        "# Model of the job cards",
        "trained until: 2026-03-01 12:30 UTC, 4 rounds",
        "kept: the model after round",
        "`2.*` stay at each owner's home",
        "| server_rate | 0.02 |",
        "4 owners contributed: ann, bobby, c, david.",
        "| 1 | 4 | none |\n| 2 | 3 | david |\n| 3 to 4 | 4 | none |",
        "No sum over fewer than 3 owners is opened; the smallest here is over 3.",
        "threshold: 3 of 5 share-holders open a sum; 2 learn nothing but the sum",
        "3 of 5 holders agreed",
        "no noise was added",
    ):
        assert text in card, card


async def test_another_job_begins_with_the_model_of_an_earlier_one(
    job: Job, tmp_path: Path
) -> None:
    algorithm = FedAvg(personal=("2.*",))
    state = await first_state(job)
    trained = state.evolved({"0.bias": np.array([1, 2, 3], dtype=np.float32)})
    (tmp_path / "earlier.safetensors").write_bytes(model_bytes(algorithm, trained, {}))
    (tmp_path / "other.safetensors").write_bytes(save({"x": torch.zeros(1)}))
    text = (tmp_path / "job.toml").read_text()

    def starting(file: str) -> Job:
        changed = text.replace('"task.py"', f'"task.py"\nstart = "{file}"')
        (tmp_path / "next.toml").write_text(changed)
        return load_job(tmp_path / "next.toml")

    found = await first_state(starting("earlier.safetensors"))

    assert found.arrays["0.bias"].tolist() == [1, 2, 3]
    assert found.arrays.keys() == trained.arrays.keys()
    with pytest.raises(ConfigError, match="model does not load: the model is not the job's"):
        await first_state(starting("other.safetensors"))
    with pytest.raises(ConfigError, match=r"ends in \.safetensors"):
        starting("task.py")


def test_the_card_of_a_long_job_has_a_bounded_length(job: Job) -> None:
    algorithm = FedAvg(max_rounds=3001)
    history = [[float(number), 0.0] for number in range(1, 3002)]
    state = algorithm.start(InitialModel(arrays={"w": np.zeros(1)})).evolved(
        round=3001, history=history, owners=["ann", "bobby"], survivors=["3", "1"] * 1500 + ["3"]
    )

    card = model_card(job, algorithm, state, ended=NOW, digest="")

    assert "| 1 | 1 |" not in card
    assert "| 3001 | 3001 | 0 |" in card
    assert "| 201 to 3001 |" in card
    assert len(card.splitlines()) < 500


def test_a_job_that_trains_no_model_leaves_none(job: Job, tmp_path: Path) -> None:
    algorithm = Moments(features=("a",))

    assert keep_model(job, algorithm, algorithm.start(), tmp_path, NOW) is None
    assert not (tmp_path / CARD).exists()
