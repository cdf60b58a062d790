"""All identities of a federation and its roster at once: for trials, where one person is everybody.

In earnest each site makes its own key, and no other machine ever has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from infra.durable_files import make_folder
from protocols.round_config import Roster
from protocols.trust.changes import Validity, added, founded
from protocols.trust.requests import Request, SignedRequest
from protocols.trust.roster import SignedRoster

from .credentials import (
    HOME_ROSTER,
    Credentials,
    Trust,
    membership_faults,
    open_credentials,
    told_as_config_errors,
)
from .identity_folder import FOLDER, IdentityFolder
from .key_files import NewKey
from .new_files import IdentityError, write_new
from .passphrases import AUTHORITY_VARIABLE, Passphrases
from .roster_folder import RosterFolder

AUTHORITY = ".authority"  # no actor can have this name


class TrialIdentities:
    """Makes the keys of all members in their homes, and the roster in a folder of its keeper.

    What was made before is taken again, as keys are never replaced.
    """

    def __init__(self, folder: Path, validity: Validity | None = None) -> None:
        self._folder = RosterFolder(folder)
        self._validity = validity or Validity()

    def require_room(self, names: Roster, homes: Mapping[str, Path]) -> None:
        """Raise `IdentityError` where there are identities that this folder knows nothing of.

        Also for a roster with other members than these.
        """
        if self._kept():
            self._require_members(self._folder.newest(), names)
            for path in homes.values():
                if not (path / FOLDER).exists():
                    raise IdentityError(
                        f"{path / FOLDER}: missing, and keys are never replaced: bring it back, "
                        f"or for a new trial choose another folder than {self._folder.path}"
                    )
            return
        there = [path / FOLDER for path in homes.values() if (path / FOLDER).exists()]
        if self._folder.path.exists() and any(self._folder.path.iterdir()):
            there.append(self._folder.path)
        if there:
            raise IdentityError(
                f"{there[0]}: is there already, and keys are never replaced; for a new trial "
                f"move it away"
            )

    def install(self, names: Roster, homes: Mapping[str, Path]) -> tuple[bytes, ...]:
        """Give every home its key and the roster; return the public keys of the authorities.

        Raises `IdentityError`, or `OSError`.
        """
        self.require_room(names, homes)
        signed = self._folder.newest() if self._kept() else self._made(names, homes)
        text = signed.to_text().encode()
        for path in homes.values():
            if not (path / HOME_ROSTER).exists():
                write_new(path / HOME_ROSTER, text, mode=0o600)
        return signed.body.authorities

    def _kept(self) -> bool:
        return any(self._folder.path.glob("epoch-000002.roster"))

    def _require_members(self, signed: SignedRoster, names: Roster) -> None:
        if faults := membership_faults(signed.body.names(), names):
            raise IdentityError(
                f"{self._folder.path}: a trial of other members ({'; '.join(faults)}); for a new "
                f"trial move it away, and the homes"
            )

    def _made(self, names: Roster, homes: Mapping[str, Path]) -> SignedRoster:
        for path in homes.values():
            make_folder(path)
        authority = NewKey()
        first = founded(names.federation, authority.signing.public, self._validity)
        passphrases = Passphrases(AUTHORITY_VARIABLE)
        self._folder.found(first, authority, passphrases.for_new(ask=False))
        members = (names.coordinator, *names.holders, *names.trainers)
        requests = [_request(names, name, homes[name]) for name in members]
        self._folder.add(added(first, requests, self._validity), passphrases)
        return self._folder.newest()


def trial_credentials(names: Roster, homes: Path) -> dict[str, Credentials]:
    """Return the keys of all members, made on the first call, in `homes/NAME`.

    Raises `ConfigError`.
    """
    folders = {n: homes / n for n in (names.coordinator, *names.holders, *names.trainers)}
    with told_as_config_errors():
        authorities = TrialIdentities(homes / AUTHORITY).install(names, folders)
        trust = Trust(federation=names.federation, authorities=authorities)
        return {name: open_credentials(path, name, trust) for name, path in folders.items()}


class SharedRoster:
    """A roster that its keeper has signed, for members that have made their own keys."""

    def __init__(self, signed: SignedRoster) -> None:
        self._signed = signed

    def require_room(self, names: Roster, _homes: Mapping[str, Path]) -> None:
        """Raise `IdentityError` where it has other members than the job."""
        body = self._signed.body
        if faults := (body.faults() or membership_faults(body.names(), names)):
            raise IdentityError(
                f"the roster of epoch {body.epoch} is not that of the job: {'; '.join(faults)}; "
                f"correct [federation] and [[owner]] of the job, or ask the roster's keeper"
            )

    def install(self, names: Roster, homes: Mapping[str, Path]) -> tuple[bytes, ...]:
        """Give every home the roster; return the public keys of the authorities.

        Raises `IdentityError`, or `OSError`.
        """
        self.require_room(names, homes)
        text = self._signed.to_text().encode()
        for path in homes.values():
            make_folder(path)
            (path / HOME_ROSTER).unlink(missing_ok=True)
            write_new(path / HOME_ROSTER, text, mode=0o600)
        return self._signed.body.authorities


def _request(names: Roster, name: str, home: Path) -> SignedRequest:
    role = names.role(name)
    if role is None:
        raise ValueError(name)
    new = NewKey()
    wanted = Request(federation=names.federation, name=name, role=role, key=new.signing.public)
    return IdentityFolder(home).make(wanted, new, None).signed
