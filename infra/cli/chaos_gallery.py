"""`quorate chaos gallery`, as it is typed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .options import Json, taking

EPILOG = "Exit codes: 0 listed, or all as expected · 1 one was not · 2 wrong usage, or no RabbitMQ."
_SEEDS = 3  # of each scenario in virtual time


@dataclass(frozen=True, slots=True)
class GalleryOptions:
    """The options of `chaos gallery`."""

    run: Annotated[bool, typer.Option("--run", help="Play all of them.")] = False
    real: Annotated[
        bool, typer.Option("--real", help="With --run: real processes on a private RabbitMQ.")
    ] = False
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="With --run: so many histories of each; 3 or, with --real, 1."),
    ] = None
    seed: Annotated[int, typer.Option(min=0, help="With --run: the first seed.")] = 0
    jobs: Annotated[
        int | None, typer.Option(min=1, help="With --run: processes; one if left out.")
    ] = None
    pace: Annotated[
        float | None,
        typer.Option(min=0.1, max=20, help="With --real: so many times as fast; 4 if left out."),
    ] = None
    minutes: Annotated[
        float | None,
        typer.Option(min=0.5, help="With --real: of each history at most; 10 if left out."),
    ] = None
    html: Annotated[
        Path | None, typer.Option(help="With --run: write the report to this file, as a page.")
    ] = None
    home: Annotated[
        Path | None, typer.Option(help="With --real: keep homes and logs in this new folder.")
    ] = None
    broker_root: Annotated[
        Path | None, typer.Option(help="A chroot with another RabbitMQ; for root only.")
    ] = None
    json: Json = False


@taking(GalleryOptions)
def gallery(options: GalleryOptions) -> None:
    """List the scenarios that come with Quorate, each with what it shows.

    Each can be played by its name: quorate chaos NAME --seeds 20 --html report.html

    With --run --real all that is possible for real is played by processes on a private RabbitMQ,
    which takes some fifteen minutes; what is not possible is listed with the reason.
    """
    real_only = (options.pace, options.minutes, options.home, options.broker_root)
    if options.real and (not options.run or options.jobs is not None):
        raise typer.BadParameter("--real belongs to --run, and takes no --jobs")
    if not options.real and any(value is not None for value in real_only):
        raise typer.BadParameter("--pace, --minutes, --home and --broker-root belong to --real")
    if options.html is not None and not options.run:
        raise typer.BadParameter("--html belongs to --run")
    sys.exit(_run(options, "json" if options.json else "live"))


def _run(options: GalleryOptions, output: str) -> int:
    # Scenarios bring the simulator with them; `quorate --help` should not.
    from . import chaos_gallery_run as runner  # noqa: PLC0415
    from .chaos_stage import Place  # noqa: PLC0415
    from .chaos_theatre import Theatres, real_of  # noqa: PLC0415

    if not options.run:
        return runner.list_gallery(output)
    real = None
    if options.real:
        place = Place(options.home, options.broker_root)
        real = real_of(options.pace, options.minutes, place)
    count = options.seeds or (1 if options.real else _SEEDS)
    seeds = range(options.seed, options.seed + count)
    theatres = Theatres(real, options.jobs or 1)
    return runner.run_gallery(runner.GalleryRequest(seeds, theatres, options.html), output)
