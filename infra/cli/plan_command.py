"""`quorate plan`, as it is typed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .options import Json, taking

PLAN_EPILOG = (
    "Exit codes: 0 the job could run as planned · 2 wrong usage, or a job that can't run, with "
    "what to change."
)


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """The options of `plan`."""

    job: Annotated[Path, typer.Argument(help="The job file, in TOML.")]
    owners: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Plan for N owners, however many the file names, if any."
        ),
    ] = None
    dimension: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=2**32 - 1,
            metavar="D",
            help="Plan for vectors of D values, and do not ask the model how long they are; its "
            "state is taken to have 8 bytes for each.",
        ),
    ] = None
    json: Json = False


@taking(PlanOptions)
def plan(options: PlanOptions) -> None:
    """Say what a job would take before anything runs: bytes, time, memory, and what it stands.

    For one round and each kind of party: bytes that an owner, a holder, the coordinator and the
    broker send, get and keep on disk; seconds of one core; memory. Which suite hides the vectors
    and why, beside what the other suites would take. How many holders may be silent, lie or pool
    what they have, and how many owners may vanish. How much larger values could be.

    The job file is checked as a run checks it. The length of a vector is asked of the model,
    which is built once, as quorate provision builds it; owners' data are read only where the file
    leaves the columns open. Nothing else is started, and nothing is written.

    Bytes are exact but for some hundred around each message. Seconds and memory are estimates
    from measurements on one machine (docs/scaling.md): believe their proportions. Owners are
    taken to have 100 Mbit/s, all others ten times that.

    quorate plan job.toml --owners 5000 --dimension 10000000 plans a larger federation than that
    of the file, which needs to name no owner then.
    """
    from .plan_run import PlanRequest, run  # noqa: PLC0415

    request = PlanRequest(options.job, options.owners, options.dimension)
    sys.exit(run(request, "json" if options.json else "live"))
