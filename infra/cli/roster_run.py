"""What `quorate roster` does to a roster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from infra.identity.identity_folder import load_request
from infra.identity.key_files import NewKey
from infra.identity.passphrases import AUTHORITY_VARIABLE, Passphrases
from infra.identity.roster_folder import RosterFolder
from protocols.trust import changes
from protocols.trust.changes import Validity
from protocols.trust.roster import RosterBody

from .roster_commands import (
    AddOptions,
    FoundOptions,
    HandOverOptions,
    RemoveOptions,
    RenewOptions,
    RotateOptions,
)
from .roster_show import tell_signed
from .trust_outcome import DAY_S, DONE, ended, now_s, require_name


class _Change(Protocol):
    """The options that all changes have."""

    @property
    def folder(self) -> Path: ...
    @property
    def days(self) -> int | None: ...
    @property
    def passphrase_file(self) -> Path | None: ...
    @property
    def json(self) -> bool: ...


def found_roster(options: FoundOptions) -> int:
    """Begin a roster and return the exit code."""

    def work() -> int:
        require_name(options.federation, "a federation")
        new = NewKey()
        body = changes.founded(options.federation, new.signing.public, _validity(options, None))
        folder = RosterFolder(options.folder)
        passphrase = _passphrases(options).for_new(ask=options.encrypt)
        tell_signed(folder.found(body, new, passphrase), body, json=options.json)
        return DONE

    return ended(work, json=options.json)


def add_members(options: AddOptions) -> int:
    """Take members in and return the exit code."""

    def change(body: RosterBody) -> RosterBody:
        requests = [load_request(file) for file in options.requests]
        return changes.added(body, requests, _validity(options, body))

    return _changed(options, change)


def remove_members(options: RemoveOptions) -> int:
    """Take members out and return the exit code."""
    return _changed(
        options, lambda body: changes.removed(body, options.names, _validity(options, body))
    )


def rotate_member(options: RotateOptions) -> int:
    """Give a member a new key and return the exit code."""

    def change(body: RosterBody) -> RosterBody:
        request = load_request(options.request)
        return changes.rotated(body, request, _validity(options, body), lost=options.lost)

    return _changed(options, change)


def renew_roster(options: RenewOptions) -> int:
    """Sign the same members again and return the exit code."""
    return _changed(options, lambda body: changes.renewed(body, _validity(options, body)))


def hand_over(options: HandOverOptions) -> int:
    """Give the authority a new key and return the exit code."""

    def work() -> int:
        folder, passphrases = RosterFolder(options.folder), _passphrases(options)
        before = folder.newest().body
        new = NewKey()
        body = changes.handed_over(before, new.signing.public, _validity(options, before))
        passphrase = passphrases.for_new(ask=options.encrypt)
        file = folder.hand_over(body, new, passphrases, passphrase)
        tell_signed(file, body, json=options.json)
        return DONE

    return ended(work, json=options.json)


def _changed(options: _Change, change: Callable[[RosterBody], RosterBody]) -> int:
    def work() -> int:
        folder = RosterFolder(options.folder)
        body = change(folder.newest().body)
        tell_signed(folder.add(body, _passphrases(options)), body, json=options.json)
        return DONE

    return ended(work, json=options.json)


def _passphrases(options: _Change) -> Passphrases:
    return Passphrases(AUTHORITY_VARIABLE, options.passphrase_file)


def _validity(options: _Change, body: RosterBody | None) -> Validity:
    """Return from now on, until as long as was asked for, or as the epoch before."""
    now = now_s()
    if options.days is None:
        return Validity(valid_from=now, valid_until=body.valid_until if body else None)
    until = now + options.days * DAY_S if options.days else None
    return Validity(valid_from=now, valid_until=until)
