"""`quorate broker`: what a federation needs on a broker, made and looked after."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .options import Json, taking

_EPILOG = (
    "The administrator's account comes from the environment: QUORATE_BROKER_ADMIN=user:password. "
    "Exit codes: 0 done · 1 not done, and says why · 2 wrong usage or job file."
)

broker_app = typer.Typer(
    name="broker",
    help="Provision a RabbitMQ broker for a job, check it, and look after dead letters.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
letters_app = typer.Typer(
    name="dead-letters",
    help="Messages that could not be delivered: list them, send them again, or drop them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
broker_app.add_typer(letters_app)

JobFile = Annotated[Path, typer.Argument(help="The job file, in TOML.")]
Vhost = Annotated[
    str | None,
    typer.Option(help="The virtual host; else that of the job's broker, else the job's name."),
]
Broker = Annotated[
    list[str] | None,
    typer.Option("--broker", help="The AMQP address, if not the job's; repeat for a cluster."),
]
Authority = Annotated[
    Path | None, typer.Option("--ca", help="Who signed the broker's certificate, a PEM file.")
]


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """The options of `plan`."""

    job: JobFile
    definitions: Annotated[
        Path | None,
        typer.Option(help="Write all this as a definitions file that RabbitMQ loads at start."),
    ] = None
    credentials: Annotated[
        Path | None,
        typer.Option(help="With --definitions: folder of the passwords; missing ones are made."),
    ] = None
    management: Annotated[
        str | None, typer.Option(help="Compare with this broker: https://host:15671.")
    ] = None
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if that broker differs.")] = (
        False
    )
    vhost: Vhost = None
    ca: Authority = None
    json: Json = False


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """The options of `apply`."""

    job: JobFile
    management: Annotated[
        str, typer.Option("--management", help="The management API: https://host:15671.")
    ]
    credentials: Annotated[
        Path,
        typer.Option("--credentials", help="Folder of the passwords, one file for each actor."),
    ]
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Remove orphans, and make anew queues with other arguments, if empty."
        ),
    ] = False
    force: Annotated[
        bool, typer.Option("--force", help="With --prune: also queues that hold messages.")
    ] = False
    rotate: Annotated[bool, typer.Option("--rotate", help="Give every account a new password.")] = (
        False
    )
    broker: Broker = None
    vhost: Vhost = None
    ca: Authority = None
    json: Json = False


@dataclass(frozen=True, slots=True)
class LettersOptions:
    """The options of the commands about dead letters."""

    job: JobFile
    queue: Annotated[
        str | None, typer.Option("--queue", help="Only those that died in this queue.")
    ] = None
    reason: Annotated[
        str | None, typer.Option("--reason", help="Only delivery_limit, rejected or expired ones.")
    ] = None
    expired: Annotated[
        bool, typer.Option("--expired", help="Also those that only waited for too long.")
    ] = False
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 1000
    broker: Broker = None
    vhost: Vhost = None
    ca: Authority = None
    json: Json = False


@dataclass(frozen=True, slots=True)
class DropOptions(LettersOptions):
    """The options of `drop`."""

    yes: Annotated[bool, typer.Option("--yes", help="Delete; else only show what.")] = False


@broker_app.command(epilog=_EPILOG)
@taking(PlanOptions)
def plan(options: PlanOptions) -> None:
    """Show the virtual host, accounts with their rights, and queues that a job needs.

    With --management also what is missing or different there, and what has no place in the job
    any more. Changes nothing on the broker.
    """
    from .broker_plan import show_plan  # noqa: PLC0415

    if options.check and options.management is None:
        raise typer.BadParameter("--check needs --management: with what is it to be compared?")
    if (options.definitions is None) != (options.credentials is None):
        raise typer.BadParameter("--definitions and --credentials need each other")
    sys.exit(show_plan(options))


@broker_app.command(epilog=_EPILOG)
@taking(ApplyOptions)
def apply(options: ApplyOptions) -> None:
    """Make what a job needs on a broker; what is there already stays as it is.

    Each new account gets a random password in CREDENTIALS/NAME.password, which only you can
    read; it belongs into that actor's home and nowhere else. Can be repeated at any time.
    """
    from .broker_plan import apply_plan  # noqa: PLC0415

    if options.force and not options.prune:
        raise typer.BadParameter("--force is for --prune: without it nothing is deleted")
    sys.exit(apply_plan(options))


@letters_app.command(name="list", epilog=_EPILOG)
@taking(LettersOptions)
def list_letters(options: LettersOptions) -> None:
    """Show when, where and why messages died, from whom to whom, and how large; no contents."""
    from .broker_letters import list_dead  # noqa: PLC0415

    sys.exit(list_dead(options))


@letters_app.command(epilog=_EPILOG)
@taking(LettersOptions)
def redrive(options: LettersOptions) -> None:
    """Send dead letters again to whom they were for; what does not arrive stays.

    Do it once the reason is mended: a message that its reader can't take comes back.
    """
    from .broker_letters import redrive_dead  # noqa: PLC0415

    sys.exit(redrive_dead(options))


@letters_app.command(epilog=_EPILOG)
@taking(DropOptions)
def drop(options: DropOptions) -> None:
    """Delete dead letters for good."""
    from .broker_letters import drop_dead  # noqa: PLC0415

    sys.exit(drop_dead(options))
