"""What a job would take, worked out from its file and its model; nothing is started."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from protocols.costs.choice import Cost, Decision
from protocols.secagg.field import FIELDS
from protocols.secagg.fixed_point import FixedPoint

from .casting import first_state, outlook_of, resolved
from .chaos.odds import setting_of as odds_setting
from .choosing import Outlook, asked_of, decision_of, setting_of
from .config import ConfigError, Job, load_job
from .config.auto import Candidate
from .config.masks import largest_value
from .homes.provisioning import state_faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What the thresholds of a job stand.

    Attributes:
        needed: holders that a round can't do without; `silent` others may be.
        lie: holders that may break any rule.
        collude: holders that learn nothing of a vector together.
        vanish: owners that may be missing in a round; where it asks a sample, of a batch.
        quorum: votes of a certificate, 0 without a vote.
    """

    needed: int
    silent: int
    lie: int
    collude: int
    vanish: int
    quorum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What a job would take.

    Attributes:
        job: as it was read.
        owners: N.
        decision: its suite, and what else it could have.
        left_open: whether the file leaves the suite open.
        headroom_bits: how many doublings of the largest value still fit.
        tolerance: of its thresholds.
        asked: owners that a round asks, at most.
        batches: into how many the owners are split and how many of them a round asks; (0, 0)
            where it asks everybody.
        of_model: whether `dimension` is that of the model, and not the user's word.
    """

    job: Job
    owners: int
    decision: Decision
    left_open: bool
    headroom_bits: float
    tolerance: Tolerance
    asked: int
    batches: tuple[int, int]
    of_model: bool

    @property
    def cost(self) -> Cost:
        """What the job's own suite takes."""
        return self.decision.chosen

    @property
    def why(self) -> str:
        """Say why this suite: by whose choice, and what it takes beside the next best."""
        by = "chosen by what it costs" if self.left_open else "the job file says so"
        return f"{self.cost.setting.name} ({by}): {self.decision.why}"


def outline(file: Path, *, owners: int | None = None, dimension: int | None = None) -> Outline:
    """Return what the job of a file would take.

    Args:
        file: the job file.
        owners: plan for so many, instead of those that the file names.
        dimension: plan for vectors of so many values, instead of asking the model.

    Raises:
        ConfigError: what would keep a run from starting, and how to change it.
    """
    job = load_job(file, files=False, owners=owners)
    outlook = _outlook(job, owners, dimension)
    count = len(job.owners) if owners is None else owners
    decision = _decision(job, outlook)
    return Outline(
        job=job,
        owners=count,
        decision=decision,
        left_open=job.secure_sum.suite == "auto",
        headroom_bits=_headroom_bits(job, count, decision.chosen),
        asked=asked_of(job, count),
        batches=job.batches_of(count),
        tolerance=_tolerance(job, count, decision.chosen),
        of_model=dimension is None,
    )


def _outlook(job: Job, owners: int | None, dimension: int | None) -> Outlook:
    if dimension is not None:
        return Outlook(dimension=dimension, state_bytes=8 * dimension, owners=owners)
    try:
        job = resolved(job)
        state = asyncio.run(first_state(job))
    except ConfigError as error:
        hint = "the model can't be asked how long a vector is: say so with --dimension"
        raise ConfigError([*error.problems, hint]) from None
    outlook = outlook_of(job, state, owners)
    if faults := state_faults(job, outlook.state_bytes):
        raise ConfigError(faults)
    return outlook


def _decision(job: Job, outlook: Outlook) -> Decision:
    """Return the choice, or the job's own suite beside what else it could have."""
    decision = decision_of(job, outlook)
    if job.secure_sum.suite == "auto":
        return decision
    own = Cost.of(setting_of(job, Candidate(job.secure_sum), outlook))
    others = (each for each in decision.possible if each.setting != own.setting)
    return Decision(own, (own, *others), decision.ruled_out)


def _headroom_bits(job: Job, owners: int, cost: Cost) -> float:
    setting = cost.setting
    return FixedPoint(
        field=FIELDS[setting.field],
        fraction_bits=job.secure_sum.fraction_bits,
        trainers=owners,
        layout=setting.layout,
    ).headroom_bits(largest_value(job))


def _tolerance(job: Job, owners: int, cost: Cost) -> Tolerance:
    setting, federation = odds_setting(job, owners), job.federation
    return Tolerance(
        needed=setting.needed,
        silent=federation.holders - setting.needed,
        lie=federation.faults,
        collude=cost.setting.privacy,
        vanish=setting.owners - federation.minimum,
        quorum=setting.quorum if federation.vote else 0,
    )
