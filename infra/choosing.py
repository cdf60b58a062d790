"""From a job and its model to the suite of its rounds, by what each suite would cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protocols.costs.choice import Decision, Ruled, decide
from protocols.costs.setting import Setting
from protocols.reports import SuiteChosen
from protocols.round_config import majority
from protocols.trust.sealing import SuiteName, suites

from .config import ConfigError, Job
from .config.auto import Candidate, candidates
from .config.masks import layout_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is known of a job's rounds before the first one.

    Attributes:
        dimension: d, of the longest vector.
        state_bytes: of the model state.
        buffers: whether the model has any.
        owners: how many, None for those of the job file.
    """

    dimension: int
    state_bytes: int = 0
    buffers: bool = False
    owners: int | None = None


def decided(job: Job, outlook: Outlook) -> tuple[Job, SuiteChosen]:
    """Choose the suite of a job that leaves it open; return the job with it, and why.

    Equal jobs and outlooks give equal choices, whatever the machine. Raises `ConfigError`.
    """
    decision = decision_of(job, outlook)
    chosen = decision.chosen.setting
    update = {"suite": chosen.suite, "packing": chosen.packing, "privacy": None}
    told = SuiteChosen(
        job=job.name,
        suite=chosen.suite,
        packing=chosen.packing,
        parameters="" if chosen.layout is None else chosen.layout.parameters.name,
        slots=0 if chosen.layout is None else chosen.layout.slots,
        dimension=outlook.dimension,
        why=f"{chosen.name}: {decision.why}",
    )
    secure_sum = job.secure_sum.model_copy(update=update)
    return job.model_copy(update={"secure_sum": secure_sum}), told


def decision_of(job: Job, outlook: Outlook) -> Decision:
    """Compare all suites that a job could have. Raises `ConfigError` where it could have none."""
    found = candidates(job, owners=outlook.owners, buffers=outlook.buffers)
    possible = [setting_of(job, each, outlook) for each in found if not each.faults]
    if not possible:
        raise ConfigError([f"{each.name}: {text}" for each in found for text in each.faults])
    return decide(possible, tuple(_ruled_out(found)))


def setting_of(job: Job, candidate: Candidate, outlook: Outlook) -> Setting:
    """Return what a round costs follows from, with a candidate that breaks no rule.

    Its trainers are those that a round asks.
    """
    federation, secure_sum = job.federation, candidate.secure_sum
    layout = layout_of(job.model_copy(update={"secure_sum": secure_sum}), outlook.owners)
    owners = len(job.owners) if outlook.owners is None else outlook.owners
    return Setting(
        suite=secure_sum.concrete,
        dimension=outlook.dimension,
        trainers=asked_of(job, owners),
        holders=federation.holders,
        threshold=federation.threshold,
        quorum=majority(federation.holders, federation.faults),
        field=secure_sum.field if layout is None else "p31",
        faults=federation.faults,
        packing=secure_sum.packing,
        seeds=secure_sum.seeds,
        checks=secure_sum.checks,
        norm_bound=secure_sum.squared_norm,
        layout=layout,
        chunk_bytes=job.limits.chunk_bytes,
        sealing=sealing_of(secure_sum.sealing),
        state_bytes=outlook.state_bytes,
    )


def asked_of(job: Job, owners: int) -> int:
    """Return how many of so many owners a round of a job asks at most."""
    batches, drawn = job.batches_of(owners)
    few, more = divmod(owners, batches or 1)
    return drawn * few + min(drawn, more) if batches else owners


def _ruled_out(found: tuple[Candidate, ...]) -> Iterator[Ruled]:
    for each in found:
        if each.faults:
            yield Ruled(each.name, each.faults)


def sealing_of(wanted: str) -> SuiteName:
    """Return how all rounds of a job are sealed, never weaker than what the job asks for."""
    best, *others = suites()
    for suite in (best, *others):
        if wanted in ("best", suite):
            return suite
    raise ConfigError(
        [
            f"secure_sum.sealing: the library that is installed here lacks {wanted}: "
            f'set it to "{best}", or install a newer `cryptography`'
        ]
    )
