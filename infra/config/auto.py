"""`suite = "auto"`: what a job could have instead, and what the rules say of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from protocols.learning.algorithms import TABULAR, TORCH

from .reading import of_one_suite
from .rules import cross_faults, digit_faults
from .schema import Job, SecureSum, TorchSettings


@dataclass(frozen=True, slots=True)
class Candidate:
    """A suite as it would stand in the file, and every rule that it breaks."""

    secure_sum: SecureSum
    faults: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The suite, with its packing."""
        packing = self.secure_sum.packing
        return self.secure_sum.suite + (f" with packing {packing}" if packing else "")


def places_of(job: Job, owners: int | None = None) -> dict[str, Any]:
    """Return what the rules know of a job that was read; `owners` if they are to be so many."""
    federation, secure_sum = job.federation, job.secure_sum
    count = len(job.owners) if owners is None else owners
    known: dict[str, Any] = {
        "job.algorithm": job.algorithm,
        **{f"federation.{key}": value for key, value in federation.model_dump().items()},
        **{f"secure_sum.{key}": value for key, value in secure_sum.model_dump().items()},
        **{f"limits.{key}": value for key, value in job.limits.model_dump().items()},
        "owner.count": count,
        "owner.names": list(enumerate((owner.name for owner in job.owners), start=1)),
        _kind(job): count,
    }
    if isinstance(job.learning, TorchSettings):
        known["training.watch"] = job.learning.watch
    of_one_suite(known)
    return known


def candidates(
    job: Job, *, owners: int | None = None, buffers: bool = False
) -> tuple[Candidate, ...]:
    """Return all suites that a job could have, those that assume least first.

    Args:
        job: whatever its own suite is; with "auto" and a `privacy` shares may be packed.
        owners: how many there are to be, None for those of the file.
        buffers: whether its model has any, whose sums need room of their own.
    """
    return tuple(_looked_at(job, each, owners, buffers) for each in _all(job))


def suited_faults(job: Job, owners: int | None = None) -> list[str]:
    """Say why no suite suits a job, perhaps of other `owners`; empty where one does."""
    found = candidates(job, owners=owners)
    if any(not each.faults for each in found):
        return []
    return [
        f'secure_sum.suite: "auto" finds no suite that suits; {each.name}: {fault}'
        for each in found
        for fault in each.faults
    ]


def _all(job: Job) -> Iterator[SecureSum]:
    plain = job.secure_sum.model_copy(update={"privacy": None, "packing": 0})
    yield plain.model_copy(update={"suite": "shamir"})
    for packing in range(2, job.federation.threshold - job.privacy + 1):
        yield plain.model_copy(update={"suite": "packed", "packing": packing})
    yield plain.model_copy(update={"suite": "masked"})


def _looked_at(job: Job, secure_sum: SecureSum, owners: int | None, buffers: bool) -> Candidate:
    found = job.model_copy(update={"secure_sum": secure_sum})
    faults = cross_faults(places_of(found, owners))
    if buffers and not faults:
        count = len(job.owners) if owners is None else owners
        faults = [f"{fault} (the model has buffers)" for fault in digit_faults(count, secure_sum)]
    return Candidate(secure_sum, tuple(faults))


def _kind(job: Job) -> str:
    if job.algorithm in TORCH:
        return "torch.owners"
    return "table.owners" if job.algorithm in TABULAR else "probe.owners"
