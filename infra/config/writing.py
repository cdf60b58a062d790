"""A job as the text of a job file, for those who get a copy of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tomli_w

from .reading import SECTIONS, sections_of
from .schema import AgreedColumn, Job


def job_text(job: Job) -> str:
    """Return a job file of this job, without a word about the owners' data.

    The task is named by its file name alone, as it lies beside the copy.
    """
    own = sections_of(job.algorithm)
    sources = {
        "job": job,
        "federation": job.federation,
        "secure_sum": job.secure_sum,
        "limits": job.limits,
        **dict.fromkeys(own, job.learning),
    }
    document: dict[str, Any] = {
        name: _filled(source, {**SECTIONS, **own}[name].model_fields)
        for name, source in sources.items()
    }
    if job.columns:
        document["column"] = column_tables(job.columns)
    document["owner"] = [{"name": owner.name} for owner in job.owners]
    return tomli_w.dumps(document)


def column_tables(columns: Iterable[AgreedColumn]) -> list[dict[str, Any]]:
    """Return columns as a file has them; what was not said has no place there."""
    return [
        {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in column.model_dump(exclude_defaults=True).items()
        }
        for column in columns
    ]


def _filled(source: object, keys: Any) -> dict[str, Any]:
    values = {key: getattr(source, key) for key in keys}
    return {key: _plain(value) for key, value in values.items() if value is not None}


def _plain(value: object) -> object:
    return value.name if isinstance(value, Path) else value
