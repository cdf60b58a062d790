"""`quorate run`: any job, with all actors in this process, or each in one of its own."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.casting import cast, fingerprint
from infra.config import ConfigError, Job, load_job
from infra.federation import Casting
from infra.fit_plots import FORMATS, NoPlots, save_plot
from infra.homes.access import without_account
from infra.processes import Stage, require_free
from infra.rabbitmq.address import BrokerAddress
from infra.training_plot import save_training_plot
from protocols.learning.federated.federated import Federated

from .broker_run import placed
from .display import Display
from .home import Home
from .results import fit_of, show_result
from .session import (
    DONE,
    USAGE,
    Result,
    run_federation,
    run_processes,
    summary,
    trained,
)
from .signals import STOPPED
from .terminal import display_of, log_to, show_config_error, show_interrupted

_LOG = "run.log"


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What `quorate run` was asked for; `broker` are addresses that win over the job's.

    `plot` is a file for a picture of what was found.
    """

    path: Path
    home: Path | None = None
    resume: bool = False
    broker: Sequence[str] = ()
    plot: Path | None = None


def run(request: RunRequest, *, output: str) -> int:
    """Run the job and return the exit code."""
    display = display_of(output)
    try:
        _check_plot(request.plot)
        job, address = placed(load_job(request.path), request.broker)
        folder = (request.home or job.path.parent / ".quorate" / job.name).absolute()
        result, casting = asyncio.run(_run(job, address, folder, display, resume=request.resume))
        again = _resumption(request) if result.exit_code != DONE else None
        extra: dict[str, object] = {"log": str(folder / _LOG), "resume": again}
        if casting.chosen is not None:
            extra |= {"suite": casting.chosen.suite, "suite_why": casting.chosen.why}
        if result.exit_code == DONE:
            extra |= result.algorithm.result(result.state)
            extra |= trained(casting.job, result.algorithm, result.state, folder)
            _draw(request, result, display)
        display.final(summary(result, display, extra))
    except ConfigError as error:
        show_config_error(error, output)
        return USAGE
    except KeyboardInterrupt:
        show_interrupted(output)
        return STOPPED
    if output != "json":
        show_result(result, display, extra)
    return result.exit_code


async def _run(
    job: Job, address: BrokerAddress | None, folder: Path, display: Display, *, resume: bool
) -> tuple[Result, Casting]:
    casting = await cast(job)
    # As it stands in the file, but for the suite: that must not change when the run goes on.
    fixed = job.model_copy(update={"secure_sum": casting.job.secure_sum})
    home = Home(folder, job.name, fingerprint(fixed))
    stage = None if address is None else Stage(casting.job, casting, address)
    if stage is not None:
        await require_free(stage)
    with home.prepared(resume=resume) as line:
        if line:
            display.note(line)
        log_to(home.path / _LOG)
        if casting.chosen is not None:
            display.emit(casting.chosen)
        if stage is None:
            result = await run_federation(casting, home.path, display)
        else:
            result = await run_processes(stage, home.path, display)
        if result.exit_code == DONE:
            home.finish()
    return result, casting


def _resumption(request: RunRequest) -> str:
    place = [] if request.home is None else ["--home", str(request.home)]
    # An account is none of the terminal's business.
    broker = [word for url in request.broker for word in ("--broker", without_account(url))]
    return shlex.join(["quorate", "run", str(request.path), *place, *broker, "--resume"])


def _check_plot(file: Path | None) -> None:
    if file is not None and file.suffix not in FORMATS:
        raise ConfigError([f"--plot: {file} must end in {' or '.join(FORMATS)}"])


def _draw(request: RunRequest, result: Result, display: Display) -> None:
    if request.plot is None:
        return
    fit, algorithm = fit_of(result), result.algorithm
    try:
        if isinstance(algorithm, Federated):
            save_training_plot(algorithm, result.state, request.plot)
        elif fit is not None:
            save_plot(fit, request.plot)
        else:
            display.note("--plot: there is no plot of what this job has found")
    except (NoPlots, OSError) as error:
        # What was found is worth more than its picture.
        display.note(f"--plot: {error}")
