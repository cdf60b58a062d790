"""The job file: read once, checked as a whole, passed on as frozen values."""

from __future__ import annotations

from pathlib import Path

from .document import toml_document
from .problems import ConfigError
from .reading import Reading
from .rules import cross_faults
from .schema import (
    FedAvgSettings,
    Federation,
    Job,
    Limits,
    LogisticSettings,
    Owner,
    ProbeSettings,
    SecureSum,
)

__all__ = [
    "ConfigError",
    "FedAvgSettings",
    "Federation",
    "Job",
    "Limits",
    "LogisticSettings",
    "Owner",
    "ProbeSettings",
    "SecureSum",
    "load_job",
]


def load_job(path: Path) -> Job:
    """Read and check a job file.

    Raises:
        ConfigError: with every problem of the file at once. Places count owners from 1.
    """
    reading = Reading(toml_document(path), path.absolute().parent)
    job = reading.job(path.absolute())
    problems = reading.problems + cross_faults(reading.known)
    if job is None or problems:
        raise ConfigError(problems)
    return job
