"""The command line: what each command is for, and nothing heavy until one runs."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .broker_commands import broker_app
from .chaos_group import chaos_app
from .identity_commands import identity_app
from .options import Json, taking
from .plan_command import PLAN_EPILOG, plan
from .roster_commands import roster_app
from .stats_commands import stats_app
from .verify_command import VERIFY_EPILOG, verify

if TYPE_CHECKING:
    from infra.homes import Role

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

app.add_typer(broker_app)
app.add_typer(chaos_app)
app.add_typer(identity_app)
app.add_typer(roster_app)
app.add_typer(stats_app)
app.command(epilog=VERIFY_EPILOG)(verify)
app.command(epilog=PLAN_EPILOG)(plan)

Quiet = Annotated[bool, typer.Option("--quiet", help="Show nothing but the result and errors.")]
BrokerUrls = Annotated[
    list[str] | None,
    typer.Option(
        "--broker",
        envvar="QUORATE_BROKER",
        help="amqps://HOST/VHOST instead of the job's broker; repeat for a cluster.",
    ),
]
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


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of `run`."""

    job: Annotated[Path, typer.Argument(help="The job file, in TOML.")]
    home: HomeOption = None
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the home folder.")
    ] = False
    broker: BrokerUrls = None
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw what was found, or how training went: .png, .svg or .pdf."),
    ] = None
    json: Json = False
    quiet: Quiet = False


@app.command(name="run", epilog=_EPILOG)
@taking(RunOptions)
def run_job(options: RunOptions) -> None:
    """Run a job with all actors in this process, or on a broker with a process for each.

    The run lives in .quorate/NAME beside the job file unless --home says otherwise: journals,
    shares while a round is open, and the model's checkpoints. After a stop or a crash,
    --resume goes on in the same round. A finished run is moved to NAME.old by the next one.

    With --broker, or where the job file names one, every actor is a process of its own on this
    machine and all messages go over RabbitMQ. The virtual host must be there and be this run's
    alone, and the account may configure it: amqp://USER:PASSWORD@HOST/VHOST, or the account in
    QUORATE_BROKER_USER and QUORATE_BROKER_PASSWORD, which no list of processes shows.
    """
    from .run_command import RunRequest, run  # noqa: PLC0415

    request = RunRequest(
        options.job, options.home, options.resume, tuple(options.broker or ()), options.plot
    )
    sys.exit(run(request, output=_output(options.json, options.quiet)))


@app.command(epilog="Exit codes: 0 done · 2 wrong usage, or the folder is in the way.")
def new(
    folder: Annotated[Path, typer.Argument(help="The new folder; its name is the job's.")],
    json: Json = False,
) -> None:
    """Write a project that runs: a job, a task with a PyTorch model, and data of three owners.

    quorate run FOLDER/job.toml trains it. Then make task.py and job.toml your own.
    """
    from .new_command import new as write  # noqa: PLC0415

    sys.exit(write(folder, output=_output(json, quiet=False)))


@app.command(epilog=_EPILOG)
def demo(broker: BrokerUrls = None, json: Json = False, quiet: Quiet = False) -> None:
    """Train on handwritten digits of five owners while things go wrong.

    In round 3 a trainer is killed in the middle of its upload; it comes back in round 8. From
    round 5 on a share-holder is gone for good. At the end: each owner alone, federated,
    pooled; who dropped out and when; what each party saw; bytes sent. Takes about a minute.
    With --broker every actor is a process of its own, and is killed as one.
    """
    from .demo_command import run  # noqa: PLC0415

    sys.exit(run(broker=tuple(broker or ()), output=_output(json, quiet)))


@app.command(epilog="Exit codes: 0 done · 2 wrong usage, or the folder can't be completed.")
def tls(
    folder: Annotated[Path, typer.Argument(help="Where the keys and certificates are kept.")],
    host: Annotated[
        list[str] | None, typer.Option(help="A name or address of the broker; repeat for more.")
    ] = None,
    actor: Annotated[
        list[str] | None,
        typer.Option(help="An actor, or a job file for all of its actors; repeat for more."),
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="New keys for the named ones; the authority stays.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a private authority, and certificates of the broker's hosts and of actors.

    What the folder holds already is kept, so the command can be repeated with more names.
    Certificates are valid for 397 days and the authority for ten years. ca.pem goes to
    everybody, each key to its owner alone, and ca.key stays offline.
    """
    from .tls_command import TlsRequest, make_tls  # noqa: PLC0415

    request = TlsRequest(folder, tuple(host or ()), tuple(actor or ()), renew)
    sys.exit(make_tls(request, _output(json, quiet=False)))


@app.command(epilog="Exit codes: 0 all well, warnings allowed · 1 problems · 2 wrong usage.")
def doctor(
    path: Annotated[Path, typer.Argument(help="A job file, or the home of an actor.")],
    management: Annotated[
        str | None,
        typer.Option(help="The broker's management API, as https://broker.example.org:15671."),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(help="Who signed the certificates of a job's broker and of its API (PEM)."),
    ] = None,
    json: Json = False,
) -> None:
    """Look at everything that a job or an actor depends on, and say what to do about it.

    The machine, the files, the broker's hosts, encryption, login, rights and queues; with
    --management also the cluster's limits and alarms and whether it is as planned (account in
    QUORATE_BROKER_ADMIN=user:password). Changes nothing and disturbs no running federation.
    """
    from .doctor_command import examine_and_show  # noqa: PLC0415

    output = "json" if json else "live"
    sys.exit(examine_and_show(path, management=management, ca=ca, output=output))


@app.command(
    epilog="Exit codes: 0 running and well · 1 not running, or in trouble · 2 wrong usage."
)
def status(
    home: Annotated[Path, typer.Option("--home", help="An actor's home, or a folder of homes.")],
    why: Annotated[
        bool, typer.Option("--why", help="Say who is waited for, until when, and what to do.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again every two seconds.")
    ] = False,
    json: Json = False,
) -> None:
    """Show how the actors' processes do: link, round, who was last heard of when.

    It reads what each process writes into its home, so it works on the machine of the home and
    needs neither the broker nor the metrics server. A process that is not running, or hangs, is
    told apart from one that waits.
    """
    from .status_command import StatusRequest, show_status  # noqa: PLC0415

    sys.exit(show_status(StatusRequest(home, why=why, json=json, watch=watch)))


@dataclass(frozen=True, slots=True)
class ProvisionOptions:
    """The options of `provision`."""

    job: Annotated[Path, typer.Argument(help="The job file, in TOML.")]
    out: Annotated[
        Path, typer.Option("--out", help="The folder in which each home becomes a folder.")
    ]
    broker: BrokerUrls = None
    credentials: Annotated[
        Path | None,
        typer.Option("--credentials", help="Folder of the passwords, from quorate broker apply."),
    ] = None
    tls: Annotated[
        Path | None,
        typer.Option("--tls", help="Folder of the certificates, from quorate tls."),
    ] = None
    model_url: Annotated[
        list[str] | None,
        typer.Option(
            "--model-url",
            help="Let trainers pull model states from here; repeat, the coordinator's own last.",
        ),
    ] = None
    model_token: Annotated[
        Path | None,
        typer.Option("--model-token", help="File of the token to pull with; made if left out."),
    ] = None
    roster: Annotated[
        Path | None,
        typer.Option("--roster", help="The signed roster; each site makes its own identity."),
    ] = None
    trial_roster: Annotated[
        Path | None,
        typer.Option(
            "--trial-roster", help="For a trial: make all identities, and a roster in this folder."
        ),
    ] = None
    json: Json = False


@app.command(epilog="Exit codes: 0 done · 2 wrong usage or job file, or a folder is in the way.")
@taking(ProvisionOptions)
def provision(options: ProvisionOptions) -> None:
    """Write a home for every actor of a job, to be copied to the actors' machines.

    A home holds who the actor is (actor.toml), the job, the actor's password and certificates,
    for the coordinator the model before the first round, for a trainer the task file and the
    modules beside it that it imports. Where the
    owners' data are is their affair: the path of the job file is kept, and [trainer] of
    actor.toml is where it is corrected. A home that an actor has lived in is never overwritten.
    With --roster every home gets the signed roster, and each site makes its own identity there
    or before, with quorate identity new, so that no other machine ever has its key. For a trial
    --trial-roster makes all identities at once.
    """
    from infra.homes.access import Sources  # noqa: PLC0415

    from .provision_command import Homes, run  # noqa: PLC0415

    sources = Sources(
        tuple(options.broker or ()),
        options.credentials,
        options.tls,
        tuple(options.model_url or ()),
        options.model_token,
    )
    output = _output(options.json, quiet=False)
    wanted = Homes(options.job, options.out, options.roster, options.trial_roster)
    sys.exit(run(wanted, sources, output=output))


@dataclass(frozen=True, slots=True)
class ActorOptions:
    """The options of `coordinator`, `holder` and `trainer`."""

    home: Annotated[Path, typer.Option("--home", help="The actor's folder, as provisioned.")]
    once: Annotated[bool, typer.Option("--once", help="End after one round.")] = False
    json: Json = False
    quiet: Quiet = False
    tied: Annotated[bool, typer.Option("--tied", hidden=True)] = False


_ACTOR_EPILOG = (
    "Exit codes: 0 done · 1 the job failed, or the actor crashed too often · 2 wrong usage or "
    "home · 130 stopped by a signal. Started again, an actor goes on where it was."
)


@app.command(epilog=_ACTOR_EPILOG)
@taking(ActorOptions)
def coordinator(options: ActorOptions) -> None:
    """Run the coordinator of a job until the job has ended.

    It drives the rounds and sees only sums. The first signal lets it finish the round under
    way, for 30 s at most. While the broker is away it waits, and says so.
    """
    _run_actor("coordinator", options)


@app.command(epilog=_ACTOR_EPILOG)
@taking(ActorOptions)
def holder(options: ActorOptions) -> None:
    """Run a share-holder until it is stopped.

    It keeps shares while a round is open, votes once, and answers for one set of owners. Stop
    and start it as you like: what it acknowledged is on its disk.
    """
    _run_actor("holder", options)


@app.command(epilog=_ACTOR_EPILOG)
@taking(ActorOptions)
def trainer(options: ActorOptions) -> None:
    """Run the trainer beside an owner's data until it is stopped.

    The owner's code runs in a process of its own; only shares of its result leave this
    machine. Stop and start it as you like: a finished upload is sent again, not made again.
    """
    _run_actor("trainer", options)


def _run_actor(role: Role, options: ActorOptions) -> None:
    from .actor_command import Wanted, run  # noqa: PLC0415

    output = _output(options.json, options.quiet)
    wanted = Wanted(role, options.once, options.tied)
    sys.exit(run(options.home, wanted, output="events" if options.tied else output))


def _output(json: bool, quiet: bool) -> str:
    if json and quiet:
        raise typer.BadParameter("--json and --quiet exclude each other")
    return "json" if json else "quiet" if quiet else "live"


def run() -> None:
    """Run the command line; the entry point of the console script."""
    # Like SIGINT, until a run has its own way to stop: what was begun is cleaned up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run()
    except KeyboardInterrupt:  # where no command hears it: before one begins
        from .signals import STOPPED  # noqa: PLC0415

        sys.exit(STOPPED)


def _run() -> None:
    from infra.origins import check_origins  # noqa: PLC0415

    check_origins()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character is no reason to end a run.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    app()


if __name__ == "__main__":
    run()
