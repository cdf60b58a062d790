"""The command line: what each command is for, and nothing heavy until one runs."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

_EPILOG = (
    "Exit codes: 0 done · 1 the run failed, and says why · 2 wrong usage or job file · "
    "130 stopped by a signal; go on with --resume."
)

app = typer.Typer(
    name="quorate",
    help="Learn from the data of many owners while only the sum of their contributions is opened.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[
    bool, typer.Option("--json", help="One JSON object a line; the last is of kind summary.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show nothing but the result and errors.")]
HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of the run's journals, shares and checkpoints."),
]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        typer.echo(f"quorate {version('quorate')}")
        raise typer.Exit


@app.callback()
def _main(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


@app.command(name="run", epilog=_EPILOG)
def run_job(
    job: Annotated[Path, typer.Argument(help="The job file, in TOML.")],
    home: HomeOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the home folder.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a job with all actors in this process.

    The run lives in .quorate/NAME beside the job file unless --home says otherwise: journals,
    shares while a round is open, and the model's checkpoints. After a stop or a crash,
    --resume goes on in the same round. A finished run is moved to NAME.old by the next one.
    """
    from .run_command import run  # noqa: PLC0415

    sys.exit(run(job, home=home, resume=resume, output=_output(json, quiet)))


@app.command(epilog=_EPILOG)
def demo(json: Json = False, quiet: Quiet = False) -> None:
    """Train on handwritten digits of five owners while things go wrong.

    In round 3 a trainer is killed in the middle of its upload; it comes back in round 8. From
    round 5 on a share-holder is gone for good. At the end: each owner alone, federated,
    pooled; who dropped out and when; what each party saw; bytes sent. Takes about a minute.
    """
    from .demo_command import run  # noqa: PLC0415

    sys.exit(run(output=_output(json, quiet)))


def _output(json: bool, quiet: bool) -> str:
    if json and quiet:
        raise typer.BadParameter("--json and --quiet exclude each other")
    return "json" if json else "quiet" if quiet else "live"


def run() -> None:
    """Run the command line; the entry point of the console script."""
    from infra.origins import check_origins  # noqa: PLC0415

    # Like SIGINT, until a run has its own way to stop: what was begun is cleaned up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    check_origins()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character is no reason to end a run.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    app()
