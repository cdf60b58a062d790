"""What all commands of `quorate stats` take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .options import Json

Column = Annotated[str, typer.Option("--column", metavar="NAME", help="The column.")]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column", metavar="NAME", help="A column; repeat. All numbers of the schema if left out."
    ),
]
Groups = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="The groups; the schema's levels of --by if left out."),
]
Range = Annotated[
    str | None,
    typer.Option(metavar="LEAST:MOST", help="A public range; the schema's if left out."),
]


@dataclass(frozen=True, kw_only=True)
class Common:
    """Who is asked, on which terms, and how the answer is shown."""

    owner: Annotated[
        list[str] | None,
        typer.Option("--owner", metavar="NAME=FILE", help="An owner and its table; repeat."),
    ] = None
    schema: Annotated[
        Path | None,
        typer.Option(
            "--schema",
            metavar="FILE",
            help="What the columns hold, .toml or .json; each owner checks its table by it.",
        ),
    ] = None
    minimum: Annotated[
        int,
        typer.Option(min=3, metavar="N", help="The fewest owners over whom there is a result."),
    ] = 3
    leave_out: Annotated[
        bool,
        typer.Option(
            "--leave-out-missing", help="Leave rows out that lack a value; else an owner declines."
        ),
    ] = False
    smallest_cell: Annotated[
        int,
        typer.Option(
            "--smallest-cell",
            min=1,
            metavar="N",
            help="The owners' rule in a run here: fewer rows in a cell are refused.",
        ),
    ] = 3
    parameters_per_row: Annotated[
        float,
        typer.Option(
            "--parameters-per-row",
            metavar="X",
            help="The owners' rule in a run here: no more parameters a row.",
        ),
    ] = 0.33
    job_file: Annotated[
        Path | None,
        typer.Option(
            "--job-file", metavar="FILE", help="Write a job file for a federation, and run nothing."
        ),
    ] = None
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the job and its federation; else stats-…."),
    ] = None
    broker: Annotated[
        list[str] | None,
        typer.Option(
            "--broker",
            metavar="URL",
            help="With --job-file: amqps://HOST/VHOST; repeat for a cluster.",
        ),
    ] = None
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw what was found, into a .png, .svg or .pdf."),
    ] = None
    json: Json = False
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Show nothing but the result and errors.")
    ] = False

    @property
    def output(self) -> str:
        """Return how to speak; refuses options that exclude each other."""
        if self.json and self.quiet:
            raise typer.BadParameter("--json and --quiet exclude each other")
        if self.broker and self.job_file is None:
            raise typer.BadParameter("--broker goes with --job-file; without, all runs here")
        return "json" if self.json else "quiet" if self.quiet else "live"
