"""All identities of a federation and its roster at once: for trials, where one person is everybody.

In earnest each site makes its own key, and no other machine ever has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from protocols.round_config import Roster
from protocols.trust.changes import Validity, added, founded
from protocols.trust.requests import Request, SignedRequest

from .identity_folder import FOLDER, IdentityFolder
from .key_files import NewKey
from .new_files import IdentityError, write_new
from .passphrases import AUTHORITY_VARIABLE, Passphrases
from .roster_folder import RosterFolder

HOME_ROSTER = "roster"


class TrialIdentities:
    """Makes the keys of all members in their homes, and the roster in a folder of its keeper."""

    def __init__(self, folder: Path, validity: Validity) -> None:
        self._folder = RosterFolder(folder)
        self._validity = validity

    def require_room(self, homes: Mapping[str, Path]) -> None:
        """Raise `IdentityError` where a roster or an identity is there already."""
        there = [path / FOLDER for path in homes.values() if (path / FOLDER).exists()]
        if self._folder.path.exists() and any(self._folder.path.iterdir()):
            there.append(self._folder.path)
        if there:
            raise IdentityError(
                f"{there[0]}: is there already, and keys are never replaced; for a new trial "
                f"move it away"
            )

    def make(self, names: Roster, homes: Mapping[str, Path]) -> Path:
        """Make all keys and both epochs; return the file of the roster, which all homes have, too.

        Raises `IdentityError`, or `OSError`.
        """
        self.require_room(homes)
        authority = NewKey()
        first = founded(names.federation, authority.signing.public, self._validity)
        passphrases = Passphrases(AUTHORITY_VARIABLE)
        self._folder.found(first, authority, passphrases.for_new(ask=False))
        members = (names.coordinator, *names.holders, *names.trainers)
        requests = [_request(names, name, homes[name]) for name in members]
        file = self._folder.add(added(first, requests, self._validity), passphrases)
        for name in members:
            write_new(homes[name] / HOME_ROSTER, file.read_bytes(), mode=0o600)
        return file


def _request(names: Roster, name: str, home: Path) -> SignedRequest:
    role = names.role(name)
    if role is None:
        raise ValueError(name)
    new = NewKey()
    wanted = Request(federation=names.federation, name=name, role=role, key=new.signing.public)
    return IdentityFolder(home).make(wanted, new, None).signed
