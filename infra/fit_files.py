"""What a finished job over tables has found, as an object again, from the files of its run."""

from __future__ import annotations

from pathlib import Path

from actors.ports import StorageFailed
from protocols.learning.fits import Fit
from protocols.learning.state import State
from protocols.learning.tabular import Tabular

from .casting import assignment_of, resolved
from .checkpoints import newest_state
from .config import load_job
from .trained_model import MODEL


class NoFit(Exception):
    """The files hold no result; the text says why."""


def load_fit(job_file: Path | str, *, checkpoints: Path | None = None) -> Fit:
    """Return what the job of this file found, with `summary`, `to_json`, and maybe `predict`.

    Args:
        job_file: where `quorate run` had it.
        checkpoints: the folder of the coordinator's model states, where it is not the one that
            `quorate run` writes beside the job file.

    Raises:
        NoFit: no checkpoint, one that is damaged, or of a job that is not at its end.
        ConfigError: the job file is not in order.
    """
    job = load_job(Path(job_file))
    algorithm = assignment_of(resolved(job), State()).algorithm
    if not isinstance(algorithm, Tabular):
        raise NoFit(f"{job.algorithm} trains a model, which is in {MODEL} of the run")
    place = checkpoints or job.path.parent / ".quorate" / job.name / "coordinator" / "checkpoints"
    try:
        found = newest_state(place)
    except StorageFailed as error:
        raise NoFit(str(error)) from error
    if found is None:
        raise NoFit(f"no checkpoint in {place}")
    completed, state = found
    fit = algorithm.fit(State.from_bytes(state))
    if fit is None:
        raise NoFit(f"the job {job.name} has no result after {completed} rounds")
    return fit
