"""Asks a question of `quorate stats`: makes a job of it, runs it here, and shows what was found."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from actors.ports import WorkFailed
from infra.casting import cast
from infra.config import ConfigError, Job, load_job
from infra.config.problems import nearest
from infra.config.schema import DisclosureSettings
from infra.durable_files import replace_file
from infra.fit_plots import FORMATS, NoPlots, save_plot
from infra.stats.job_document import Setting, job_document, owner_of
from infra.stats.questions import Question, Schema
from infra.stats.schema_file import load_schema
from infra.tables import read_header
from protocols.learning.fits import Fit
from protocols.learning.tabular import Tabular

from .display import Display, print_json
from .session import DONE, FAILED, USAGE, Result, run_federation, summary
from .signals import STOPPED
from .stats_options import Common
from .terminal import console, display_of, log_to, show_config_error, show_interrupted

_JOB = "job.toml"
_OWN_RULE = "; where the owners may allow it, --smallest-cell 1 does"
_ADVICE = {
    "small cell": "fewer cells (--bins, levels) or quantiles nearer to the middle count more rows "
    f"each{_OWN_RULE}",
    "rare category": f"put levels that few rows have together in the table{_OWN_RULE}",
    "too few rows": f"an owner of so few rows is left out{_OWN_RULE}",
    "too many parameters": "ask for fewer columns; where the owners may allow it, with a higher "
    "--parameters-per-row",
    "missing value": "--leave-out-missing leaves such rows out",
}


def ask(options: Common, question: Callable[[Schema], Question]) -> int:
    """Answer the question, or write its job file; return the exit code."""
    output = options.output
    display = display_of(output)
    try:
        asked = question(Schema(() if options.schema is None else load_schema(options.schema)))
        if options.job_file is not None:
            _write(asked, options, options.job_file)
            return DONE
        _check_plot(options.plot)
        # Nothing is to be resumed, and shares are no business of whoever comes later.
        with tempfile.TemporaryDirectory(prefix="quorate-stats-") as folder:
            result = asyncio.run(_run(asked, options, Path(folder), display))
        fit = _fit(result)
        _draw(fit, options.plot, display)
        _tell(result, fit, display)
    except ConfigError as error:
        show_config_error(error, output)
        return USAGE
    except KeyboardInterrupt:
        show_interrupted(output)
        return STOPPED
    if output != "json":
        _show(result, fit, display)
    return result.exit_code if fit is not None or result.exit_code != DONE else FAILED


async def _run(asked: Question, options: Common, folder: Path, display: Display) -> Result:
    rules = DisclosureSettings(
        smallest_cell=options.smallest_cell, parameters_per_row=options.parameters_per_row
    )
    setting = _setting(options, rules)
    _require_data(setting)
    _require_columns(asked, setting)
    job = _job(job_document(asked, setting, folder), folder)
    casting = await cast(job)
    home = folder / "run"
    home.mkdir()
    log_to(home / "run.log")
    return await run_federation(casting, home, display)


def _setting(options: Common, rules: DisclosureSettings | None) -> Setting:
    return Setting(
        owners=[owner_of(text) for text in options.owner or ()],
        schema=() if options.schema is None else load_schema(options.schema),
        minimum=options.minimum,
        leave_out=options.leave_out,
        broker=tuple(options.broker or ()),
        rules=rules,
        name=options.name,
    )


def _require_data(setting: Setting) -> None:
    without = [name for name, path in setting.owners if path is None]
    if without:
        raise ConfigError(
            [
                f"--owner: {', '.join(without)} without a table; write NAME=FILE, or --job-file "
                f"OUT for owners on other machines"
            ]
        )


def _require_columns(asked: Question, setting: Setting) -> None:
    """Refuse a column that no owner has, which is a slip of the pen."""
    known: set[str] = set()
    for _, path in setting.owners:
        try:
            known |= set(read_header(str(path)))
        except WorkFailed:
            return  # the owner is told, in the run
    problems = []
    for name in asked.columns:
        if name not in known:
            near = nearest(name, sorted(known))
            cure = f"did you mean {near!r}?" if near else f"there are {', '.join(sorted(known))}"
            problems.append(f"--column: no owner's table has a column {name!r}; {cure}")
    if problems:
        raise ConfigError(problems)


def _job(text: str, folder: Path) -> Job:
    file = folder / _JOB
    file.write_text(text, encoding="utf-8")
    return load_job(file)


def _write(asked: Question, options: Common, file: Path) -> None:
    setting = _setting(options, None)
    if not asked.columns and all(path is None for _, path in setting.owners):
        raise ConfigError(["--column: name the columns, as no owner's table is here to be read"])
    text = job_document(asked, setting, file.absolute().parent)
    with tempfile.TemporaryDirectory(prefix="quorate-stats-") as folder:
        # Before it is written where somebody finds it, it is read as everybody will.
        check = Path(folder) / _JOB
        check.write_text(text, encoding="utf-8")
        load_job(check, files=False)
    try:
        if file.exists():
            raise ConfigError([f"--job-file: {file} is there; choose another, or move it away"])
        replace_file(file, text.encode())
    except OSError as error:
        raise ConfigError([f"--job-file: {file} can't be written ({error.strerror})"]) from None
    _show_written(file, setting, options.output)


def _show_written(file: Path, setting: Setting, output: str) -> None:
    here = all(path is not None for _, path in setting.owners) and not setting.broker
    then = f"quorate run {file}" if here else f"quorate provision {file} --out homes/ …"
    if output == "json":
        print_json({"kind": "summary", "outcome": "written", "job_file": str(file), "next": then})
    elif output == "live":
        console.print(f"{file} is written. Next: {then}", markup=False, soft_wrap=True)


def _fit(result: Result) -> Fit | None:
    if result.exit_code != DONE or not isinstance(result.algorithm, Tabular):
        return None
    return result.algorithm.fit(result.state)


def _check_plot(file: Path | None) -> None:
    if file is not None and file.suffix not in FORMATS:
        raise ConfigError([f"--plot: {file} must end in {' or '.join(FORMATS)}"])


def _draw(fit: Fit | None, file: Path | None, display: Display) -> None:
    if fit is None or file is None:
        return
    try:
        save_plot(fit, file)
    except (NoPlots, OSError) as error:
        # What was found is worth more than its picture.
        display.note(f"--plot: {error}")


def _tell(result: Result, fit: Fit | None, display: Display) -> None:
    found = {} if fit is None else fit.to_json()
    # The run's folder is gone by now.
    display.final(summary(result, display, {**found, "checkpoint": None}))


def _show(result: Result, fit: Fit | None, display: Display) -> None:
    missing = {absence.name: absence.reason for absence in display.log.trainers}
    for name, reason in missing.items():
        console.print(f"without {name}: {reason}", style="yellow", markup=False, soft_wrap=True)
    for kind, advice in _ADVICE.items():
        if any(kind in reason for reason in missing.values()):
            console.print(f"{kind}: {advice}", markup=False, soft_wrap=True)
    if fit is None:
        reason = result.ended.reason or "it ended before its end; allow more rounds"
        text = f"no result: {result.ended.outcome}: {reason}"
        console.print(text, style="red", markup=False, soft_wrap=True)
        return
    console.print()
    console.print(fit.summary(), markup=False, highlight=False, soft_wrap=True)
    if result.witness is not None:
        seen = sum(result.witness.cleartext_by_recipient.values())
        console.print(
            f"{result.rounds} rounds, {result.seconds:.1f} s; private vectors seen on the bus: "
            f"{seen} of {result.witness.vectors_watched}",
            style="dim",
            markup=False,
        )
