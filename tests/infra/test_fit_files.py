"""What a finished run has found, as an object again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from infra.casting import assignment_of, resolved
from infra.checkpoints import FileCheckpoints
from infra.config import load_job
from infra.fit_files import NoFit, load_fit
from infra.system import ThreadOffload
from protocols.learning.glm_fit import GlmFit
from protocols.learning.job import Opened
from protocols.learning.phases import Phased
from protocols.learning.state import State
from protocols.learning.table import Table

JOB = """
[job]
name = "litres"
algorithm = "glm"
max_rounds = 20
[data]
target = "y"
[glm]
family = "gaussian"
[federation]
broker = "memory"
holders = 3
threshold = 2
minimum = 3
"""
X = np.arange(12.0)
Y = 3 + 2 * X + np.resize([0.1, -0.1, 0.0], 12)


def job_in(folder: Path) -> Path:
    text = JOB
    for name, rows in (("a", slice(0, 4)), ("b", slice(4, 8)), ("c", slice(8, 12))):
        lines = [f"{x},{y}" for x, y in zip(X[rows], Y[rows], strict=True)]
        (folder / f"{name}.csv").write_text("\n".join(["x,y", *lines]) + "\n")
        text += f'[[owner]]\nname = "{name}"\ndata = "{name}.csv"\n'
    (folder / "job.toml").write_text(text)
    return folder / "job.toml"


async def keep_states(job: Path, folder: Path, *, rounds: int) -> None:
    """Leave the checkpoints of a run over all rows, of its first rounds."""
    algorithm = assignment_of(resolved(load_job(job)), State()).algorithm
    assert isinstance(algorithm, Phased)
    offload, state = ThreadOffload(workers=1), algorithm.start()
    for completed in range(1, rounds + 1):
        if algorithm.verdict(state).over:
            break
        vector = algorithm.local(state, Table({"x": X, "y": Y}))
        state = algorithm.update(state, Opened(total=vector, survivors=("a", "b", "c")))
        await FileCheckpoints(folder, offload).save(completed, state.to_pieces())
    await offload.close()


async def test_what_a_run_found_is_read_from_its_job_file_and_predicts(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    kept = tmp_path / ".quorate" / "litres" / "coordinator" / "checkpoints"
    await keep_states(job, kept, rounds=20)

    fit = load_fit(job)

    assert isinstance(fit, GlmFit)
    slope, intercept = np.polyfit(X, Y, 1)
    assert fit.predict({"x": np.array([20.0])}) == pytest.approx(intercept + 20 * slope)
    assert load_fit(str(job), checkpoints=kept).summary() == fit.summary()


async def test_a_job_that_is_not_at_its_end_has_no_fit(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    await keep_states(job, tmp_path / "kept", rounds=2)

    with pytest.raises(NoFit, match="has no result after 2 rounds"):
        load_fit(job, checkpoints=tmp_path / "kept")


def test_a_job_that_never_ran_has_no_fit_and_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(NoFit, match=r"no checkpoint in .*litres/coordinator/checkpoints"):
        load_fit(job_in(tmp_path))


async def test_a_checkpoint_that_was_changed_is_refused(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    await keep_states(job, tmp_path / "kept", rounds=20)
    newest = max((tmp_path / "kept").iterdir())
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(bytes(content))

    with pytest.raises(NoFit, match="damaged"):
        load_fit(job, checkpoints=tmp_path / "kept")


def test_a_model_that_was_trained_is_no_fit(tmp_path: Path) -> None:
    text = JOB.replace('"glm"', '"fedavg"')
    text = text.replace(
        '[data]\ntarget = "y"\n[glm]\nfamily = "gaussian"', '[model]\ntask = "t.py"'
    )
    owners = "".join(f'[[owner]]\nname = "{name}"\n' for name in "abc")
    (tmp_path / "job.toml").write_text(text + owners)
    (tmp_path / "t.py").write_text("")

    with pytest.raises(NoFit, match=r"fedavg trains a model, which is in model\.safetensors"):
        load_fit(tmp_path / "job.toml")
