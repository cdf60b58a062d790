"""`quorate run`: any job, with all actors in this process."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.table import Table

from infra.casting import cast, fingerprint
from infra.config import ConfigError, Job, load_job

from .display import Display, print_json
from .session import USAGE, Home, Result, run_federation, summary
from .terminal import console, display_of, show_config_error


def run(path: Path, *, home: Path | None, resume: bool, output: str) -> int:
    """Run the job and return the exit code."""
    display = display_of(output)
    try:
        job = load_job(path)
        folder = home or job.path.parent / ".quorate" / job.name
        place = Home(folder, job.name, fingerprint(job))
        result = asyncio.run(_run(job, place, display, resume=resume))
    except ConfigError as error:
        show_config_error(error, output)
        return USAGE
    algorithm = result.algorithm
    extra = dict(algorithm.result(result.state))
    if output == "json":
        print_json(summary(result, display, extra))
    else:
        _show(result, display, extra)
    return result.exit_code


async def _run(job: Job, home: Home, display: Display, *, resume: bool) -> Result:
    casting = await cast(job)
    if line := home.prepare(resume=resume):
        display.note(line)
    result = await run_federation(casting, home.path, display)
    if result.exit_code == 0:
        home.finish()
    return result


def _show(result: Result, display: Display, extra: dict[str, object]) -> None:
    ended, log = result.ended, display.log
    console.print()
    reason = f": {ended.reason}" if ended.reason else ""
    console.print(f"{ended.job}: {ended.outcome}{reason}", markup=False)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("rounds", f"{log.completed}, abandoned {len(log.abandoned)}")
    for name, fact in {**log.metrics, **extra}.items():
        if fact not in ("", []):
            table.add_row(name, _brief(fact))
    for absence in log.trainers:
        table.add_row("left out", f"{absence.name} from round {absence.left}: {absence.reason}")
    for absence in log.holders:
        table.add_row("lost", f"{absence.name} in round {absence.left}")
    seen = sum(result.witness.cleartext_by_recipient.values())
    watched = result.witness.vectors_watched
    table.add_row("private vectors seen on the bus", f"{seen} of {watched}")
    table.add_row("seconds", f"{result.seconds:.1f}")
    if result.checkpoint is not None:
        table.add_row("checkpoint", str(result.checkpoint))
    console.print(table, markup=False)


def _brief(value: object) -> str:
    if isinstance(value, list) and len(value) > 6:
        return ", ".join(_brief(item) for item in value[:6]) + f", … ({len(value)} values)"
    if isinstance(value, list):
        return ", ".join(_brief(item) for item in value)
    return f"{value:.8g}" if isinstance(value, float) else str(value)
