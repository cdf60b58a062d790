"""`quorate chaos gallery`, as it is typed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from .options import taking

EPILOG = "Exit codes: 0 listed, or all as expected · 1 one was not · 2 wrong usage."


@dataclass(frozen=True, slots=True)
class GalleryOptions:
    """The options of `chaos gallery`."""

    run: Annotated[bool, typer.Option("--run", help="Play all of them.")] = False
    seeds: Annotated[int, typer.Option(min=1, help="With --run: so many histories of each.")] = 3
    seed: Annotated[int, typer.Option(min=0, help="With --run: the first seed.")] = 0
    jobs: Annotated[
        int | None, typer.Option(min=1, help="With --run: processes; one if left out.")
    ] = None
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line; the last is of kind summary.")
    ] = False


@taking(GalleryOptions)
def gallery(options: GalleryOptions) -> None:
    """List the scenarios that come with Quorate, each with what it shows.

    Each can be played by its name: quorate chaos NAME --seeds 20 --html report.html
    """
    from . import chaos_scenario  # noqa: PLC0415

    output = "json" if options.json else "live"
    if not options.run:
        sys.exit(chaos_scenario.list_gallery(output))
    seeds = range(options.seed, options.seed + options.seeds)
    sys.exit(chaos_scenario.run_gallery(seeds, options.jobs or 1, output))
