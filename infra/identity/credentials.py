"""What an actor needs of its home to be believed and to know the others: its key and the roster.

HOME/roster              the signed roster that its keeper gave out
HOME/identity/           the actor's own key, see `identity_folder`
HOME/identity/accepted   what was accepted before; an older roster is never taken again
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from infra.config import ConfigError
from infra.durable_files import replace_file
from protocols.codec import Undecodable, canonical, parse
from protocols.round_config import Digest, Name, Roster
from protocols.trust.acceptance import Standing, accepted
from protocols.trust.errors import Untrusted
from protocols.trust.key_ring import KeyRing
from protocols.trust.keys import KeyBytes, key_id
from protocols.trust.roster import Entry, Epoch, RosterBody

from .identity_folder import FOLDER, Identity, IdentityFolder
from .new_files import IdentityError, read_public
from .passphrases import IDENTITY_VARIABLE, Passphrases
from .roster_folder import load_roster

HOME_ROSTER = "roster"
ACCEPTED = "accepted"
_MAX_ACCEPTED = 64 * 1024


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who takes part, by the accepted roster; the actor's key and everybody's public keys."""

    body: RosterBody
    ring: KeyRing

    @property
    def roster(self) -> Roster:
        """Who takes part, as the machines know it."""
        return self.body.names()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whom an actor's home trusts.

    Attributes:
        federation: its name.
        authorities: public keys, told by the person who set the home up.
        passphrase_file: of the own key, where it has a passphrase and the file is not in the
            environment.
    """

    federation: str
    authorities: tuple[bytes, ...]
    passphrase_file: Path | None = None


class _Accepted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `Standing` on disk."""

    federation: Name
    authorities: tuple[KeyBytes, ...]
    epoch: Epoch
    digest: Digest


def open_credentials(home: Path, name: str, trust: Trust) -> Credentials:
    """Accept the roster of a home, remember that, and unlock the actor's own key.

    Raises:
        IdentityError: a file is missing or damaged, the actor is no member, or it has not the key
            that the roster names.
        Untrusted: the roster is not to be trusted; the text says why and what to do.
        OSError: what was accepted can't be written down.
    """
    file = home / HOME_ROSTER
    before = _standing(home / FOLDER / ACCEPTED, trust)
    body = _accepted(file, before)
    identity = _identity(home, _entry(file, body, name))
    passphrases = Passphrases(IDENTITY_VARIABLE, trust.passphrase_file)
    key = IdentityFolder(home).unlock(identity, passphrases)
    _remember(home / FOLDER / ACCEPTED, before, Standing.after(body))
    return Credentials(body, KeyRing.of(body, key))


def examined(home: Path, name: str, trust: Trust) -> tuple[RosterBody, Identity]:
    """Return what `open_credentials` would accept, and the key; unlocks and writes nothing.

    Raises as that does.
    """
    file = home / HOME_ROSTER
    body = _accepted(file, _standing(home / FOLDER / ACCEPTED, trust))
    return body, _identity(home, _entry(file, body, name))


def _accepted(file: Path, before: Standing) -> RosterBody:
    if not file.exists():
        raise IdentityError(
            f"{file}: missing; copy the roster there that the federation's keeper gave out "
            f"(quorate provision --roster, or for a trial --trial-roster)"
        )
    roster = load_roster(file)
    try:
        return accepted(roster, before, now_s=int(time.time()))
    except Untrusted as error:
        raise Untrusted(error.doubt, f"{file}: {error}") from None


def _entry(file: Path, body: RosterBody, name: str) -> Entry:
    entry = body.entry(name)
    if entry is None:
        raise IdentityError(
            f"{file}: {name} is no member of epoch {body.epoch}; ask the roster's keeper to add it"
        )
    return entry


def _identity(home: Path, entry: Entry) -> Identity:
    folder = IdentityFolder(home)
    mine = [one for one in folder.identities() if one.request.key == entry.key]
    if not mine:
        raise IdentityError(
            f"{folder.path}: the key {key_id(entry.key)} of {entry.name}, which the roster names, "
            f"is not here; bring it back, or ask the roster's keeper to take in the one that is"
        )
    return mine[0]


def _standing(file: Path, trust: Trust) -> Standing:
    if not file.exists():
        return Standing(federation=trust.federation, authorities=trust.authorities)
    try:
        known = parse(read_public(file, _MAX_ACCEPTED), _Accepted)
    except Undecodable as error:
        raise IdentityError(
            f"{file}: {error}; restore it, or delete it to accept the first roster again"
        ) from None
    return Standing(
        federation=known.federation,
        authorities=known.authorities,
        epoch=known.epoch,
        digest=known.digest,
    )


def _remember(file: Path, before: Standing, now: Standing) -> None:
    if now == before or now.digest is None:
        return
    known = _Accepted(
        federation=now.federation,
        authorities=now.authorities,
        epoch=now.epoch,
        digest=now.digest,
    )
    replace_file(file, canonical(known))


@contextmanager
def told_as_config_errors() -> Iterator[None]:
    """Let keys and rosters that can't be used stop a start, as any wrong setting does."""
    try:
        yield
    except (IdentityError, Untrusted) as error:
        raise ConfigError([str(error)]) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise ConfigError([f"{place}{error.strerror}; correct that"]) from None


def membership_faults(names: Roster, job: Roster) -> Sequence[str]:
    """Say in what the members of a signed roster are others than those of the job file."""
    return [
        f"{role} of the {there} only: {', '.join(sorted(only))}"
        for role, signed, wanted in (
            ("coordinator", {names.coordinator}, {job.coordinator}),
            ("holders", set(names.holders), set(job.holders)),
            ("trainers", set(names.trainers), set(job.trainers)),
        )
        for there, only in (("roster", signed - wanted), ("job", wanted - signed))
        if only
    ]
