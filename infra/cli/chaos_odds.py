"""`quorate chaos odds`, as it is typed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .options import Json, taking

EPILOG = "Exit codes: 0 done · 2 wrong usage or job file, or the plot can't be drawn."


@dataclass(frozen=True, slots=True)
class OddsOptions:
    """The options of `chaos odds`."""

    job: Annotated[Path, typer.Argument(help="The job file, in TOML.")]
    drop: Annotated[
        float, typer.Option(min=0, max=1, help="How likely a trainer is missing in a round.")
    ]
    holder_loss: Annotated[
        float, typer.Option(min=0, max=1, help="How likely a holder is missing in a round.")
    ]
    slow_share: Annotated[
        float, typer.Option(min=0, max=1, help="How likely a trainer is silent for a while.")
    ] = 0.0
    slow_by: Annotated[
        float | None, typer.Option(help="That while on average, in seconds; exponential.")
    ] = None
    rounds: Annotated[
        int | None,
        typer.Option(min=1, max=10_000_000, help="Rounds of the job; max_rounds if left out."),
    ] = None
    plot: Annotated[
        Path | None, typer.Option(help="Draw the odds into this file, .png or .svg.")
    ] = None
    json: Json = False


@taking(OddsOptions)
def odds(options: OddsOptions) -> None:
    """Say how likely a round completes, and what a holder more or less would change.

    Trainers and holders are missing independently of each other, each for a whole round. From
    the job file come holders, threshold, vote, minimum, owners, patience and the number of lost
    rounds in a row that end a job. Nothing is started.
    """
    if (options.slow_share > 0) != (options.slow_by is not None):
        raise typer.BadParameter("--slow-share and --slow-by go together")
    if options.slow_by is not None and not options.slow_by > 0:
        raise typer.BadParameter("--slow-by must be above 0 seconds")
    from infra.chaos.odds import Dangers  # noqa: PLC0415

    from .odds_command import OddsRequest, run  # noqa: PLC0415

    dangers = Dangers(
        drop=options.drop,
        holder_loss=options.holder_loss,
        slow_share=options.slow_share,
        slow_by_s=options.slow_by or 1.0,
    )
    request = OddsRequest(options.job, dangers, options.rounds, options.plot)
    sys.exit(run(request, "json" if options.json else "live"))
