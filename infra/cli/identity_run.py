"""What `quorate identity` does."""

from __future__ import annotations

from collections.abc import Sequence

from infra.identity.identity_folder import Identity, IdentityFolder
from infra.identity.key_files import NewKey, is_encrypted
from infra.identity.new_files import IdentityError
from infra.identity.passphrases import IDENTITY_VARIABLE, Passphrases
from infra.identity.roster_folder import load_roster
from protocols.trust.keys import key_id
from protocols.trust.requests import Request
from protocols.trust.roster import RosterBody

from .display import print_json
from .identity_commands import NewOptions, RotateOptions, ShowOptions
from .trust_outcome import DONE, REFUSED, ended, require_name, say


def make_identity(options: NewOptions) -> int:
    """Make the first key of a home and return the exit code."""

    def work() -> int:
        require_name(options.name, "an actor")
        require_name(options.federation, "a federation")
        passphrases = Passphrases(IDENTITY_VARIABLE, options.passphrase_file)
        new = NewKey()
        wanted = Request(
            federation=options.federation,
            name=options.name,
            role=options.role,
            key=new.signing.public,
        )
        passphrase = passphrases.for_new(ask=options.encrypt)
        made = IdentityFolder(options.home).make(wanted, new, passphrase)
        _tell_made(made, json=options.json)
        return DONE

    return ended(work, json=options.json)


def rotate_identity(options: RotateOptions) -> int:
    """Make a new key beside the one in force and return the exit code."""

    def work() -> int:
        passphrases = Passphrases(IDENTITY_VARIABLE, options.passphrase_file)
        folder = IdentityFolder(options.home)
        old = _chosen(folder, options.old)
        encrypt = options.encrypt or is_encrypted(old.key_file)
        made = folder.rotate(old, passphrases, ask=encrypt)
        _tell_made(made, json=options.json)
        return DONE

    return ended(work, json=options.json)


def show_identities(options: ShowOptions) -> int:
    """Show the keys of a home and return the exit code."""

    def work() -> int:
        found = _required(IdentityFolder(options.home))
        body = None if options.roster is None else load_roster(options.roster).body
        standings = [_standing(identity.request, body) for identity in found]
        for identity, standing in zip(found, standings, strict=True):
            _tell(identity, standing, json=options.json)
        in_force = None if body is None else "in force" in standings
        if options.json:
            print_json({"kind": "summary", "keys": len(found), "in_force": in_force})
        return REFUSED if in_force is False else DONE

    return ended(work, json=options.json)


def _chosen(folder: IdentityFolder, wanted: str | None) -> Identity:
    found = _required(folder)
    if wanted is None and len(found) == 1:
        return found[0]
    ids = ", ".join(key_id(identity.request.key) for identity in found)
    if wanted is None:
        raise IdentityError(f"there are {len(found)} keys; say which is in force with --old: {ids}")
    for identity in found:
        if key_id(identity.request.key) == wanted:
            return identity
    raise IdentityError(f"no key with the id {wanted}; there is {ids}")


def _required(folder: IdentityFolder) -> Sequence[Identity]:
    if found := folder.identities():
        return found
    raise IdentityError(f"{folder.path}: no identity is here; make one: quorate identity new")


def _standing(request: Request, body: RosterBody | None) -> str | None:
    """Return what a roster says of a key, None without one."""
    if body is None:
        return None
    if body.federation != request.federation:
        return "of another federation"
    if any(revoked.key == request.key for revoked in body.revoked):
        return "revoked"
    entry = body.entry(request.name)
    if entry is None or entry.key != request.key:
        return "not in the roster"
    return "in force" if entry.role == request.role else f"in the roster as {entry.role}"


def _tell_made(made: Identity, *, json: bool) -> None:
    _tell(made, None, json=json)
    if json:
        print_json({"kind": "summary", "outcome": "made", "request": str(made.request_file)})
        return
    say(
        f"\nSend {made.request_file} to whoever keeps the roster, and tell them the key's id "
        f"{key_id(made.request.key)} over the phone. {made.key_file.name} stays here."
    )


def _tell(identity: Identity, standing: str | None, *, json: bool) -> None:
    request = identity.request
    if json:
        line = {"federation": request.federation, "name": request.name, "role": request.role}
        line |= {"id": key_id(request.key), "key": request.key.hex()}
        line |= {"key_file": str(identity.key_file), "request": str(identity.request_file)}
        encrypted = is_encrypted(identity.key_file)
        print_json({"kind": "identity", **line, "encrypted": encrypted, "standing": standing})
        return
    protected = "with a passphrase" if is_encrypted(identity.key_file) else "without a passphrase"
    replacing = f", replaces {key_id(request.replaces)}" if request.replaces else ""
    say(f"{request.role} {request.name} of {request.federation}")
    say(f"  key {key_id(request.key)}{f': {standing}' if standing else ''}{replacing}")
    say(f"  {identity.key_file}, {protected}")
