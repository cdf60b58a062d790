"""`quorate roster`: who belongs to a federation, signed by whoever sets it up."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .key_options import Encrypt, PassphraseFile, epilog
from .options import Json, taking

_EPILOG = epilog("QUORATE_AUTHORITY_PASSPHRASE")

ROSTER_DAYS = 397  # as certificates are

roster_app = typer.Typer(
    name="roster",
    help="The signed list of a federation's members and keys: begin it, change it, check it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Folder = Annotated[
    Path, typer.Option("--folder", help="Where the authority's key and all rosters are kept.")
]
Days = Annotated[
    int | None,
    typer.Option("--days", min=0, max=3650, help="Valid for so long from now; 0 for no end."),
]


@dataclass(frozen=True, slots=True)
class FoundOptions:
    """The options of `new`."""

    federation: Annotated[str, typer.Argument(help="The federation's name; it is the job's.")]
    folder: Folder
    days: Days = ROSTER_DAYS
    encrypt: Encrypt = False
    passphrase_file: PassphraseFile = None
    json: Json = False


@dataclass(frozen=True, slots=True)
class RenewOptions:
    """The options of `renew`; the other changes have them, too."""

    folder: Folder
    days: Days = None
    passphrase_file: PassphraseFile = None
    json: Json = False


@dataclass(frozen=True, slots=True)
class AddOptions:
    """The options of `add`."""

    requests: Annotated[list[Path], typer.Argument(help="Signing requests that the sites sent.")]
    folder: Folder
    days: Days = None
    passphrase_file: PassphraseFile = None
    json: Json = False


@dataclass(frozen=True, slots=True)
class RemoveOptions:
    """The options of `remove`."""

    names: Annotated[list[str], typer.Argument(help="Members to be removed.")]
    folder: Folder
    days: Days = None
    passphrase_file: PassphraseFile = None
    json: Json = False


@dataclass(frozen=True, slots=True)
class RotateOptions:
    """The options of `rotate`."""

    request: Annotated[Path, typer.Argument(help="The request from quorate identity rotate.")]
    folder: Folder
    lost: Annotated[
        bool,
        typer.Option("--lost", help="The old key is lost: take a request that it did not sign."),
    ] = False
    days: Days = None
    passphrase_file: PassphraseFile = None
    json: Json = False


@dataclass(frozen=True, slots=True)
class HandOverOptions:
    """The options of `rotate-authority`."""

    folder: Folder
    days: Days = None
    encrypt: Encrypt = False
    passphrase_file: PassphraseFile = None
    json: Json = False


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """The options of `show`."""

    roster: Annotated[Path, typer.Argument(help="A roster, or the folder of its keeper.")]
    json: Json = False


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of `verify`."""

    roster: Annotated[Path, typer.Argument(help="A roster, or the folder of its keeper.")]
    authority: Annotated[
        str | None,
        typer.Option("--authority", help="The authority's key, 64 hex digits, told by its keeper."),
    ] = None
    federation: Annotated[
        str | None, typer.Option("--federation", help="With --authority: which federation.")
    ] = None
    after: Annotated[
        Path | None, typer.Option("--after", help="The roster that was accepted before.")
    ] = None
    job: Annotated[
        Path | None, typer.Option("--job", help="Also compare with who takes part in this job.")
    ] = None
    json: Json = False


@roster_app.command(epilog=_EPILOG)
@taking(FoundOptions)
def new(options: FoundOptions) -> None:
    """Begin a federation: make the authority's key and a first roster, of nobody yet.

    The private key signs every later roster: keep the folder offline, and a copy of it. Tell all
    members the public key by another way than the one that rosters take.
    """
    from .roster_run import found_roster  # noqa: PLC0415

    sys.exit(found_roster(options))


@roster_app.command(epilog=_EPILOG)
@taking(AddOptions)
def add(options: AddOptions) -> None:
    """Take members in, in this order, and sign the next epoch.

    A request proves that its maker has the key, not who that is: compare the key's id with what
    the site tells you by phone.
    """
    from .roster_run import add_members  # noqa: PLC0415

    sys.exit(add_members(options))


@roster_app.command(epilog=_EPILOG)
@taking(RemoveOptions)
def remove(options: RemoveOptions) -> None:
    """Take members out, revoke their keys for ever, and sign the next epoch."""
    from .roster_run import remove_members  # noqa: PLC0415

    sys.exit(remove_members(options))


@roster_app.command(epilog=_EPILOG)
@taking(RotateOptions)
def rotate(options: RotateOptions) -> None:
    """Give a member the new key that it asks for, revoke the old one, sign the next epoch."""
    from .roster_run import rotate_member  # noqa: PLC0415

    sys.exit(rotate_member(options))


@roster_app.command(epilog=_EPILOG)
@taking(RenewOptions)
def renew(options: RenewOptions) -> None:
    """Sign the same members again as the next epoch, for another time: give --days."""
    from .roster_run import renew_roster  # noqa: PLC0415

    sys.exit(renew_roster(options))


@roster_app.command(name="rotate-authority", epilog=_EPILOG)
@taking(HandOverOptions)
def rotate_authority(options: HandOverOptions) -> None:
    """Make the authority a new key; the next epoch is signed by the old one and the new one.

    Every member has to accept that very epoch: it is how the new key becomes known.
    """
    from .roster_run import hand_over  # noqa: PLC0415

    sys.exit(hand_over(options))


@roster_app.command(epilog=_EPILOG)
@taking(ShowOptions)
def show(options: ShowOptions) -> None:
    """Show the members of a roster, their keys' ids, its epoch and how long it is valid."""
    from .roster_show import show_roster  # noqa: PLC0415

    sys.exit(show_roster(options))


@roster_app.command(epilog=_EPILOG)
@taking(VerifyOptions)
def verify(options: VerifyOptions) -> None:
    """Check a roster as every member does: signature, authority, federation, epoch, time, members.

    Name whom you trust: --after OLD, the roster that you accepted before, or, for the first one,
    --authority KEY --federation NAME, as you were told them by another way. With --job also
    whether the members are just those of a job, each in its role.
    """
    from .roster_show import verify_roster  # noqa: PLC0415

    sys.exit(verify_roster(options))
