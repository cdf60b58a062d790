from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from infra import casting
from infra.casting import assignment_of, first_state, work_spec
from infra.config import ConfigError, TorchSettings, job_text, load_job
from infra.worker_frames import WorkSpec
from protocols.learning.algorithms import build
from protocols.learning.federated.fedavg import FedAvg
from protocols.learning.federated.fedyogi import FedYogi
from protocols.learning.federated.trainable import InitialModel
from protocols.learning.state import State

JOB = """
[job]
name = "digits"
algorithm = "ALGORITHM"
max_rounds = 40
[model]
task = "task.py"
personal = ["head.*"]
[training]
epochs = 2
schedule = "cosine"
lowest_rate = 0.01
held_out = 0.2
watch = "highest accuracy"
patience = 5
[federation]
broker = "memory"
holders = 5
threshold = 3
minimum = 3
[[owner]]
name = "north"
[[owner]]
name = "middle"
[[owner]]
name = "south"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "task.py").write_text("")
    return tmp_path


def written(folder: Path, algorithm: str, more: str = "") -> Path:
    path = folder / "job.toml"
    path.write_text(JOB.replace("ALGORITHM", algorithm) + more)
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_job(path)
    return caught.value.problems


def test_every_key_reaches_the_algorithm_at_both_ends(folder: Path) -> None:
    more = "[fedyogi]\nserver_rate = 0.5\nbeta1 = 0.8\n[secure_sum]\nclip = 2\n"
    job = load_job(written(folder, "fedyogi", more))

    at_the_owner = work_spec(job, job.owners[0], kept=folder / "kept")
    algorithm = build(at_the_owner.kind, at_the_owner.options)

    assert algorithm == assignment_of(job, State()).algorithm
    assert algorithm == FedYogi(
        max_rounds=40,
        local_epochs=2,
        schedule="cosine",
        lowest_rate=0.01,
        held_out=0.2,
        watch="highest accuracy",
        patience=5,
        personal=("head.*",),
        server_rate=0.5,
        beta1=0.8,
        clip=2.0,
    )
    assert at_the_owner.home == str(folder / "kept")


def test_a_copy_of_the_job_file_says_the_same(folder: Path) -> None:
    job = load_job(written(folder, "fedprox", "[fedprox]\nmu = 0.25\n"))

    (folder / "copy.toml").write_text(job_text(job))
    copy = load_job(folder / "copy.toml")

    assert isinstance(copy.learning, TorchSettings)
    assert copy.learning.options() == job.learning.options()  # type: ignore[union-attr]
    assert copy.learning.options()["mu"] == 0.25


def test_sections_of_another_optimiser_and_unknown_ones_are_refused(folder: Path) -> None:
    (foreign,) = problems(written(folder, "scaffold", "[fedprox]\nmu = 0.25\n"))
    (none,) = problems(written(folder, "fedavg", "[fedavg]\n"))

    assert 'the section [fedprox] is for algorithm "fedprox", and job.algorithm' in foreign
    assert "fedavg: unknown at the top of the file" in none


def test_what_only_the_algorithm_can_tell_is_told_with_everything_else(folder: Path) -> None:
    path = written(folder, "fedprox", "[fedprox]\nmu = -1\n")
    path.write_text(path.read_text().replace("threshold = 3", "threshold = 9"))

    mu, threshold = problems(path)

    assert mu.startswith("fedprox: mu must be from 0")
    assert "federation.threshold" in threshold


async def test_buffers_need_fraction_bits_and_say_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {"head.w": np.zeros(2), "w": np.zeros(2), "norm.mean": np.zeros(2)}
    model = InitialModel(arrays=arrays, buffers=frozenset({"norm.mean"}))

    async def initial(spec: WorkSpec) -> bytes:
        return FedAvg().start(model).to_bytes()

    monkeypatch.setattr(casting, "initial_state", initial)

    await first_state(load_job(written(folder, "fedavg")))
    with pytest.raises(ConfigError, match=r"use 20 or more \(the model has buffers: norm\.mean"):
        await first_state(load_job(written(folder, "fedavg", "[secure_sum]\nfraction_bits = 19\n")))
