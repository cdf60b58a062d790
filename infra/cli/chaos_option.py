"""`quorate chaos`, as it is typed."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from .options import Json, taking

EPILOG = "Exit codes: 0 survived · 1 something did not · 2 wrong usage, or no RabbitMQ."


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """The options of `chaos`."""

    scenario: Annotated[
        str | None,
        typer.Argument(
            metavar="SCENARIO", help="A TOML file, or a name from quorate chaos gallery."
        ),
    ] = None
    real: Annotated[bool, typer.Option("--real", help="Real processes on a private RabbitMQ.")] = (
        False
    )
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="So many simulated histories, one a seed; 1 of a scenario."),
    ] = None
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Of simulated histories: processes; one a core if left out."),
    ] = None
    trace: Annotated[
        Path | None,
        typer.Option(help="Write the history of one seed, --seed, to this file."),
    ] = None
    keep: Annotated[
        Path | None,
        typer.Option(
            help="With --seeds: where failing seeds are kept; chaos-failures if left out."
        ),
    ] = None
    shrink: Annotated[
        bool,
        typer.Option(
            "--shrink/--no-shrink", help="With --seeds: look for a short schedule that fails too."
        ),
    ] = True
    canary: Annotated[
        bool,
        typer.Option(
            "--canary", help="With --seeds: one more that must fail, to see that the alarm works."
        ),
    ] = False
    html: Annotated[
        Path | None, typer.Option(help="With SCENARIO: write the report to this file, as a page.")
    ] = None
    cells: Annotated[
        list[str] | None,
        typer.Option(help="PARTY/STEP/FAULT with * for any; repeat for more. All if left out."),
    ] = None
    pause: Annotated[float, typer.Option(min=0, help="Seconds that a paused process stands.")] = (
        30.0
    )
    patience: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds within which all must be back; 120 if left out."),
    ] = None
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            help="Soak: so long at random instead of cell by cell. With SCENARIO --real: of "
            "each history at most, 10 if left out.",
        ),
    ] = None
    pace: Annotated[
        float | None,
        typer.Option(
            min=0.1, max=20, help="With SCENARIO --real: so many times as fast; 4 if left out."
        ),
    ] = None
    seed: Annotated[
        int, typer.Option(min=0, help="The first of --seeds, or that of a soak's schedule.")
    ] = 0
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Take nodes away from a cluster of three instead.")
    ] = False
    replicated: Annotated[
        bool, typer.Option(help="With --cluster: whether every queue has copies.")
    ] = True
    home: Annotated[
        Path | None, typer.Option(help="Keep the homes and logs in this new folder.")
    ] = None
    broker_root: Annotated[
        Path | None, typer.Option(help="A chroot with another RabbitMQ; for root only.")
    ] = None
    json: Json = False
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Show nothing but failures and the table.")
    ] = False


@taking(ChaosOptions)
def chaos(options: ChaosOptions) -> None:
    """Hurt every party in every step of a round, and see that each round ends as it may.

    With --seeds all actors run in one process in virtual time, on a network, disks and clocks
    that fail in every way that the seed says, and every rule of the protocol is checked at every
    step. The same seed is the same history. A failing seed is shrunk to a short schedule and
    kept for `quorate chaos replay`. A SCENARIO says itself who takes part, what goes wrong and
    what must come of it; the report tells what was lost and how soon all were back. It is played
    in virtual time or, with --real, by real processes, several times as fast as written.
    With --real nothing is simulated:

    A coordinator, five share-holders and four trainers that add known vectors work on a private
    RabbitMQ, each a process of its own. Cell by cell a trainer, a holder, the coordinator or the
    broker is killed with -9, stopped for a while, or cut off, when the first message of the step
    passes. The round must end with the exact sum of its survivors or with none, and everybody
    must be back soon after. The whole matrix has 96 cells and takes about half an hour.

    With --minutes faults come at random, from a seed, and every process is watched for growth.
    With --cluster the federation loses one node of a cluster after the other.
    """
    if options.json and options.quiet:
        raise typer.BadParameter("--json and --quiet exclude each other")
    output = "json" if options.json else "quiet" if options.quiet else "live"
    if options.scenario is not None:
        sys.exit(_play(options, output))
    if options.html is not None or options.pace is not None:
        raise typer.BadParameter("--html and --pace belong to a SCENARIO")
    if options.seeds is None and not options.real and (options.trace or options.canary):
        options = replace(options, seeds=1)
    if options.real == (options.seeds is not None):
        raise typer.BadParameter(
            "say SCENARIO or --seeds N for simulated histories, or --real for processes on a "
            "private RabbitMQ"
        )
    if (options.minutes is not None) + options.cluster + bool(options.cells) > 1:
        raise typer.BadParameter("--cells, --minutes and --cluster exclude each other")
    simulated = (options.jobs, options.trace, options.keep) != (None, None, None)
    if options.real and (simulated or options.canary or not options.shrink):
        raise typer.BadParameter(
            "--jobs, --trace, --keep, --canary and --no-shrink belong to --seeds"
        )
    if not options.real and (options.minutes or options.cluster or options.cells):
        raise typer.BadParameter("--cells, --minutes and --cluster belong to --real")
    sys.exit(_simulate(options, output) if options.seeds is not None else _run(options, output))


def _play(options: ChaosOptions, output: str) -> int:
    others = (
        options.cells,
        options.cluster,
        options.trace,
        options.keep,
        options.canary,
        not options.shrink,
    )
    if any(others):
        raise typer.BadParameter(
            "a SCENARIO takes --seeds, --seed, --html, --json and --quiet; in virtual time --jobs; "
            "with --real --pace, --minutes, --home and --broker-root"
        )
    real_only = (options.pace, options.minutes, options.home, options.broker_root)
    if not options.real and any(value is not None for value in real_only):
        raise typer.BadParameter("--pace, --minutes, --home and --broker-root belong to --real")
    if options.real and options.jobs is not None:
        raise typer.BadParameter("--jobs belongs to virtual time, not to --real")
    from . import chaos_scenario  # noqa: PLC0415
    from .chaos_stage import Place  # noqa: PLC0415
    from .chaos_theatre import Theatres, jobs_for, real_of  # noqa: PLC0415

    seeds = range(options.seed, options.seed + (options.seeds or 1))
    real = None
    if options.real:
        place = Place(options.home, options.broker_root)
        real = real_of(options.pace, options.minutes, place)
    theatres = Theatres(real, jobs_for(seeds, options.jobs))
    request = chaos_scenario.ScenarioRequest(options.scenario or "", seeds, theatres, options.html)
    return chaos_scenario.run(request, output)


def _simulate(options: ChaosOptions, output: str) -> int:
    from . import chaos_keeping, chaos_simulation  # noqa: PLC0415

    request = chaos_simulation.SimulationRequest(
        options.seed,
        options.seeds or 1,
        options.jobs,
        options.trace,
        chaos_keeping.Keeping(options.keep or Path("chaos-failures"), shrink=options.shrink),
        options.canary,
    )
    return chaos_simulation.run(request, output)


def _run(options: ChaosOptions, output: str) -> int:
    # A drill brings half the program with it; `quorate --help` should not.
    from infra.chaos.drill import Patience  # noqa: PLC0415

    from . import chaos_cluster, chaos_command, chaos_soak  # noqa: PLC0415
    from .chaos_stage import Place  # noqa: PLC0415

    place = Place(options.home, options.broker_root)
    if options.cluster:
        return chaos_cluster.run(place, output, replicated=options.replicated)
    if options.minutes is not None:
        request = chaos_soak.SoakRequest(options.minutes, options.seed)
        return chaos_soak.run(request, place, output)
    patience = Patience(pause_s=options.pause)
    if options.patience is not None:
        patience = replace(patience, healing_s=options.patience)
    cells = tuple(options.cells or ())
    return chaos_command.run(chaos_command.ChaosRequest(cells, patience), place, output)
