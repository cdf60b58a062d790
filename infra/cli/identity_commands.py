"""`quorate identity`: a site's own key, which never leaves it, and the request that does."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from .key_options import Encrypt, PassphraseFile, epilog
from .options import Json, taking

_EPILOG = epilog("QUORATE_IDENTITY_PASSPHRASE")

identity_app = typer.Typer(
    name="identity",
    help="This site's private key, and the request to be taken into a federation's roster.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Home = Annotated[Path, typer.Option("--home", help="The actor's folder; made if it is not there.")]
OldHome = Annotated[Path, typer.Option("--home", help="The actor's folder.")]


@dataclass(frozen=True, slots=True)
class NewOptions:
    """The options of `new`."""

    name: Annotated[str, typer.Argument(help="The actor's name, as in the job file.")]
    federation: Annotated[
        str, typer.Option("--federation", help="The federation's name; it is the job's.")
    ]
    role: Annotated[
        Literal["trainer", "holder", "coordinator"],
        typer.Option("--role", help="What it does there."),
    ]
    home: Home
    encrypt: Encrypt = False
    passphrase_file: PassphraseFile = None
    json: Json = False


@dataclass(frozen=True, slots=True)
class RotateOptions:
    """The options of `rotate`."""

    home: OldHome
    old: Annotated[
        str | None, typer.Option("--old", help="The id of the key in force, where there are two.")
    ] = None
    encrypt: Encrypt = False
    passphrase_file: PassphraseFile = None
    json: Json = False


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """The options of `show`."""

    home: OldHome
    roster: Annotated[
        Path | None, typer.Option("--roster", help="Say what this roster says of each key.")
    ] = None
    json: Json = False


@identity_app.command(epilog=_EPILOG)
@taking(NewOptions)
def new(options: NewOptions) -> None:
    """Make this site's private key, and a signing request for whoever keeps the roster.

    The private key stays in HOME/identity, mode 0600. The request is no secret: send it, and read
    the key's id to the receiver over the phone, so that nobody can put another in its place.
    """
    from .identity_run import make_identity  # noqa: PLC0415

    sys.exit(make_identity(options))


@identity_app.command(epilog=_EPILOG)
@taking(RotateOptions)
def rotate(options: RotateOptions) -> None:
    """Make a new private key beside the old one, and a request that both have signed.

    The roster says which key is in force. Once it names the new one everywhere, delete the old
    key and its request.
    """
    from .identity_run import rotate_identity  # noqa: PLC0415

    sys.exit(rotate_identity(options))


@identity_app.command(epilog=_EPILOG)
@taking(ShowOptions)
def show(options: ShowOptions) -> None:
    """Show the keys of a home, their ids, and with --roster what a roster says of them.

    With --roster the exit code is 0 only where one of the keys is in force there.
    """
    from .identity_run import show_identities  # noqa: PLC0415

    sys.exit(show_identities(options))
