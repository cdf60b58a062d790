"""The job file: read once, checked as a whole, passed on as frozen values."""

from __future__ import annotations

from pathlib import Path

from .auto import suited_faults
from .document import toml_document
from .problems import ConfigError
from .reading import Reading
from .rules import cross_faults, digit_faults
from .schema import (
    MEMORY,
    Federation,
    Job,
    Limits,
    Owner,
    Place,
    ProbeSettings,
    SecureSum,
    TableSettings,
    TorchSettings,
)
from .writing import job_text

__all__ = [
    "MEMORY",
    "ConfigError",
    "Federation",
    "Job",
    "Limits",
    "Owner",
    "ProbeSettings",
    "SecureSum",
    "TableSettings",
    "TorchSettings",
    "digit_faults",
    "job_text",
    "load_job",
]


def load_job(path: Path, *, files: bool = True, owners: int | None = None) -> Job:
    """Read and check a job file.

    With `owners` it is checked as if there were so many, whoever is named; where nobody is, one
    with a made up name is in the job, and stands for all.

    With `files` False the owners' data and the task may be on other machines: nobody looks
    whether they are there, and algorithms over tables go without data.

    Raises:
        ConfigError: with every problem of the file at once. Places count owners from 1.
    """
    document = toml_document(path)
    if owners is not None:
        document.setdefault("owner", [{"name": "owner-1"}])
    reading = Reading(document, Place(path.absolute().parent, files), owners)
    job = reading.job(path.absolute())
    problems = reading.problems + cross_faults(reading.known)
    if job is not None and not problems and job.secure_sum.suite == "auto":
        problems = suited_faults(job, owners)
    if job is None or problems:
        raise ConfigError(problems)
    return job
