"""From a job file to a cast: who takes part, the plan of the rounds, and where the job begins."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Never

import msgspec

from actors.coordinator import Assignment
from actors.ports import WorkFailed
from protocols.codec import canonical
from protocols.errors import Misuse
from protocols.learning.algorithms import build
from protocols.learning.job import Algorithm
from protocols.learning.phases import Phased
from protocols.learning.probe import Probe
from protocols.learning.state import State
from protocols.learning.tabular import Tabular
from protocols.reports import SuiteChosen
from protocols.round_config import MaskSet, majority
from protocols.secagg.coordinating import Plan
from protocols.secagg.masked.layout import Layout
from protocols.secagg.masked.parameters import SETS
from protocols.secagg.patience import Timing
from protocols.secagg.terms import Manner, Terms

from .approval import OwnJob, refusal
from .choosing import Outlook, decided, sealing_of
from .config import (
    ConfigError,
    Job,
    Owner,
    ProbeSettings,
    TableSettings,
    TorchSettings,
    digit_faults,
)
from .config.masks import layout_of
from .federation import Casting
from .tables import Agreement, read_header
from .worker_frames import Option
from .workers import WorkSpec, initial_state


async def cast(job: Job) -> Casting:
    """Prepare a job to run.

    Raises:
        ConfigError: the owners' files or the task make it impossible for everybody.
    """
    job = resolved(job)
    initial = await first_state(job)
    job, chosen = with_suite(job, initial)
    return Casting(
        roster=job.roster(),
        assignment=assignment_of(job, initial),
        workers={owner.name: work_spec(job, owner) for owner in job.owners},
        job=job,
        chosen=chosen,
    )


def with_suite(job: Job, initial: State) -> tuple[Job, SuiteChosen | None]:
    """Return a resolved job with the suite that it runs with, and why where it left that open.

    Raises `ConfigError` where nothing suits the model.
    """
    if job.secure_sum.suite != "auto":
        return job, None
    return decided(job, outlook_of(job, initial))


def outlook_of(job: Job, initial: State, owners: int | None = None) -> Outlook:
    """Return what a resolved job's first state tells of its rounds, perhaps for other `owners`."""
    dimension = _algorithm(job).largest_dimension(initial)
    if owners is not None and isinstance(job.learning, ProbeSettings):
        dimension += owners - len(job.owners)  # each has a value of its own there
    return Outlook(
        dimension=dimension,
        state_bytes=len(initial.to_bytes()),
        buffers="buffers" in initial.facts and bool(initial.items("buffers")),
        owners=owners,
    )


def resolved(job: Job) -> Job:
    """Return a job that says of itself what else would be read from the owners' files.

    Raises `ConfigError` where no file can be read.
    """
    learning = job.learning
    if not isinstance(learning, TableSettings) or not learning.open_features:
        return job
    features = _common_features(job, learning.named_columns)
    learning = learning.model_copy(update={"features": features})
    return job.model_copy(update={"learning": learning})


def algorithm_at(job: Job, file: str) -> Tabular:
    """Return the algorithm of a job over tables as it is for an owner's file.

    Where the job leaves the features open, they are what else the file has.

    Raises `WorkFailed` where the file's header can't be read, or has no other columns.
    """
    learning = job.learning
    if not isinstance(learning, TableSettings):
        raise Misuse(f"{job.algorithm} reads no table")
    if learning.open_features:
        others = [name for name in read_header(file) if name not in learning.named_columns]
        if not others:
            raise WorkFailed("different columns", f"{file} has no columns but those that are named")
        learning = learning.model_copy(update={"features": tuple(others)})
    algorithm = _algorithm(job.model_copy(update={"learning": learning}))
    if not isinstance(algorithm, Tabular):
        raise Misuse(f"{job.algorithm} reads no table")
    return algorithm


async def first_state(job: Job) -> State:
    """Return the state before the first round; a task's model is built for it.

    Raises `ConfigError`.
    """
    algorithm = _algorithm(job)
    if isinstance(algorithm, Phased | Probe):
        return algorithm.start()
    # The coordinator's own model, whatever the owner at hand takes part in.
    spec = msgspec.structs.replace(work_spec(job, job.owners[0]), refused="")
    if isinstance(job.learning, TorchSettings) and job.learning.start is not None:
        spec = msgspec.structs.replace(spec, start=str(job.learning.start.resolve()))
    state = await _initial_model(spec)
    _check_buffers(job, state)
    return state


def assignment_of(job: Job, initial: State) -> Assignment:
    """Return what the coordinator of a resolved job is to do. Raises `ConfigError`."""
    return Assignment(plan=plan_of(job), algorithm=_algorithm(job), initial=initial)


def work_spec(job: Job, owner: Owner, *, kept: Path | None = None) -> WorkSpec:
    """Return what the child process of an owner has to know, for a resolved job.

    `kept` is the folder for what the owner keeps from round to round.
    """
    spec = WorkSpec(
        kind=job.algorithm,
        options=_options(job),
        owner=owner.name,
        data="" if owner.data is None else str(owner.data.resolve()),
        memory_mb=job.limits.memory_mb,
        compute_s=job.limits.compute_s,
        home="" if kept is None else str(kept),
        agreement=agreement_of(job),
        rules=owner.disclosure.rules(),
        refused=refusal(owner.allow, job=job.name, algorithm=job.algorithm),
    )
    if not isinstance(job.learning, TorchSettings):
        return spec
    task = str(job.learning.task.resolve())
    return msgspec.structs.replace(spec, task=task, seed=job.learning.seed)


def agreement_of(job: Job) -> Agreement:
    """Return what the owners of a job agreed on about their tables."""
    schema = tuple(column.column() for column in job.columns)
    if isinstance(job.learning, TableSettings):
        return Agreement(schema=schema, missing=job.learning.missing)
    return Agreement()


def _algorithm(job: Job) -> Algorithm[Never]:
    try:
        return build(job.algorithm, _options(job))
    except ValueError as error:
        raise ConfigError([f"job: {error}"]) from None


def _check_buffers(job: Job, state: State) -> None:
    """Raise `ConfigError` where the sums of a model's buffers have no room in the field."""
    if not state.items("buffers") or job.secure_sum.suite == "auto":
        return  # nothing to find, or each suite that could be is asked
    faults = digit_faults(len(job.owners), job.secure_sum)
    if faults:
        names = ", ".join(str(name) for name in state.items("buffers")[:3])
        raise ConfigError([f"{fault} (the model has buffers: {names})" for fault in faults])


async def _initial_model(spec: WorkSpec) -> State:
    try:
        return State.from_bytes(await initial_state(spec))
    except WorkFailed as error:
        raise ConfigError([f"model.task: {error.kind}: {error}{_advice(str(error))}"]) from None


def _advice(text: str) -> str:
    for package, extra in (("torch", "torch"), ("sklearn", "demo")):
        if f"No module named '{package}'" in text:
            return f"; install it: pip install 'quorate[{extra}]'"
    return ""


def plan_of(job: Job) -> Plan:
    """Return what all rounds of the job share."""
    federation, secure_sum, limits = job.federation, job.secure_sum, job.limits
    layout = layout_of(job)
    batches, drawn = job.batches
    return Plan(
        job=job.name,
        suite=secure_sum.concrete,
        packing=secure_sum.packing,
        seeds=secure_sum.seeds,
        buffered=federation.buffered,
        max_staleness=federation.max_staleness if federation.buffered else 0,
        batches=batches,
        drawn=drawn,
        field=secure_sum.field if layout is None else "p31",
        parameters=_mask_set(layout),
        slots=0 if layout is None else layout.slots,
        fraction_bits=secure_sum.fraction_bits,
        threshold=federation.threshold,
        faults=federation.faults,
        vote=federation.vote,
        quorum=majority(federation.holders, federation.faults),
        minimum=federation.minimum,
        chunk_bytes=limits.chunk_bytes,
        sealing=sealing_of(secure_sum.sealing),
        checks=secure_sum.checks,
        norm_bound=secure_sum.squared_norm,
        abandoned_rounds=limits.abandoned_rounds,
        timing=Timing(
            grace_s=limits.opening_s,
            patience_s=limits.patience_s,
            round_s=limits.round_s,
            resend_s=limits.resend_s,
        ),
    )


def _mask_set(layout: Layout | None) -> MaskSet:
    if layout is None:
        return ""
    return "A" if layout.parameters is SETS["A"] else "B"


def terms_of(job: Job) -> Terms:
    """Return what an actor demands that has this job file."""
    federation = job.federation
    quorum = majority(federation.holders) if federation.vote else 0
    return Terms(
        minimum=federation.minimum,
        threshold=federation.threshold,
        privacy=job.privacy,
        quorum=quorum,
        suite=job.secure_sum.concrete,
    )


def owners_terms(job: Job) -> OwnJob:
    """Return what a trainer demands: besides, rounds of this job only, in its manner."""
    terms = terms_of(job)
    return OwnJob(
        job=job.name,
        minimum=terms.minimum,
        threshold=terms.threshold,
        privacy=terms.privacy,
        quorum=terms.quorum,
        suite=terms.suite,
        manner=_manner(job),
    )


def _manner(job: Job) -> Manner:
    federation, (batches, drawn) = job.federation, job.batches
    return Manner(
        buffered=federation.buffered,
        max_staleness=federation.max_staleness if federation.buffered else 0,
        batches=batches,
        drawn=drawn,
    )


def fingerprint(job: Job) -> str:
    """Return a digest of everything that must not change between a run and its resumption."""
    fixed = {
        "algorithm": job.algorithm,
        # The same rounds may go on over another broker.
        "federation": job.federation.model_dump(
            mode="json",
            exclude={"broker", "insecure", "replicated"} | _not_of_the_rounds(job),
        ),
        "learning": job.learning.model_dump(mode="json", exclude={"task", "start"}),
        "owners": [owner.name for owner in job.owners],
        "secure_sum": job.secure_sum.model_dump(mode="json", exclude=_not_of_the_sum(job)),
        "columns": [column.model_dump(mode="json") for column in job.columns],
    }
    return hashlib.sha256(canonical(fixed)).hexdigest()


def _not_of_the_rounds(job: Job) -> set[str]:
    # Runs from before rounds could be buffered, or ask a sample, go on.
    without = set() if job.federation.buffered else {"buffered", "max_staleness"}
    return without if job.federation.sample else without | {"sample", "batch"}


def _not_of_the_sum(job: Job) -> set[str]:
    # Runs from before there was a choice of suites go on.
    secure_sum = job.secure_sum
    without = {"sealing", "field" if secure_sum.suite == "masked" else "suite"}
    if secure_sum.suite == "packed":
        without.remove("suite")
    else:
        without.add("packing")
    # A privacy is only asked for where the suite is still to be chosen, and then it is, before.
    without.add("privacy")
    return without if secure_sum.seeds else without | {"seeds"}


def _options(job: Job) -> dict[str, Option]:
    options: dict[str, Option] = {"max_rounds": job.max_rounds}
    if job.tolerance is not None:
        options["tolerance"] = job.tolerance
    if job.federation.buffered:
        options["max_staleness"] = job.federation.max_staleness
    match job.learning:
        case TorchSettings() as training:
            options |= training.options()
            options |= {
                "clip": job.secure_sum.clip,
                "largest_weight": float(job.secure_sum.largest_weight),
            }
        case TableSettings() as settings:
            if settings.open_features:
                raise Misuse("the columns of this job were never resolved")
            options |= settings.options()
        case ProbeSettings() as probe:
            options["owners"] = [owner.name for owner in job.owners]
            options |= {"values": probe.values, "delay_s": probe.delay_s}
    return options


def _common_features(job: Job, named: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that most owners have; the others are told what differs at theirs."""
    headers: Counter[tuple[str, ...]] = Counter()
    problems = []
    for owner in job.owners:
        if owner.data is None:
            continue
        try:
            header = read_header(str(owner.data))
        except WorkFailed as error:
            problems.append(f"owner {owner.name}: {error}")
            continue
        missing = [name for name in named if name not in header]
        if not missing:
            headers[tuple(name for name in header if name not in named)] += 1
        else:
            problems.append(f"owner {owner.name}: {owner.data} has no column {missing[0]!r}")
    if not headers:
        raise ConfigError(
            [
                *problems,
                "data.features: no owner's file here says what the columns are; name them as "
                'features = ["age", "weight"]',
            ]
        )
    return headers.most_common(1)[0][0]
