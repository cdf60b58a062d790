"""How `quorate roster` shows and checks a roster."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from infra.config import load_job
from infra.identity.new_files import IdentityError
from infra.identity.roster_folder import RosterFolder, load_roster
from protocols.round_config import Roster
from protocols.trust.acceptance import Standing, accepted
from protocols.trust.errors import Untrusted
from protocols.trust.keys import key_id
from protocols.trust.roster import RosterBody, SignedRoster

from .display import print_json
from .roster_commands import ShowOptions, VerifyOptions
from .terminal import console
from .trust_outcome import DONE, authority_key, day, ended, now_s, require_name, say


def tell_signed(file: Path, body: RosterBody, *, json: bool) -> None:
    """Say which roster was signed just now, and what to do with it."""
    if json:
        print_json({"kind": "summary", "outcome": "signed", "file": str(file), **_facts(body)})
        return
    _tell_facts(body)
    say(f"Signed {file}")
    if faults := body.faults():
        say(f"Not complete yet: {'; '.join(faults)}.")
    else:
        say("Give this file to every member. It is no secret.")
    say("Members check it with the authority's public key, which you tell them by another way:")
    for key in body.authorities:
        say(f"  {key.hex()}")


def show_roster(options: ShowOptions) -> int:
    """Show a roster and return the exit code."""

    def work() -> int:
        roster = _loaded(options.roster)
        if options.json:
            _print(roster)
        else:
            _show(roster)
        return DONE

    return ended(work, json=options.json)


def verify_roster(options: VerifyOptions) -> int:
    """Check a roster as a member does and return the exit code."""

    def work() -> int:
        before = _standing(options)
        body = accepted(_loaded(options.roster), before, now_s=now_s())
        if options.job is not None:
            _require_same(body, load_job(options.job, files=False).roster())
        if options.json:
            print_json({"kind": "summary", "outcome": "accepted", **_facts(body)})
        else:
            _tell_facts(body)
            say("Accepted: signed by an authority that you trust, in time, and complete.")
        return DONE

    return ended(work, json=options.json)


def _require_same(body: RosterBody, job: Roster) -> None:
    """Raise `Untrusted` unless the members are those of a job, in whatever order."""
    names = body.names()
    if names.federation != job.federation:
        raise Untrusted("federation", f"the roster is of {names.federation}, not {job.federation}")
    ours, theirs = _roles(names), _roles(job)
    differing = [f"{name}, a {role} of the job" for name, role in sorted(theirs - ours)]
    differing += [f"{name}, a {role} of the roster" for name, role in sorted(ours - theirs)]
    if differing:
        raise Untrusted("incomplete", f"roster and job differ by {'; '.join(differing[:10])}")


def _roles(roster: Roster) -> set[tuple[str, str]]:
    members = (roster.coordinator, *roster.holders, *roster.trainers)
    return {(name, roster.role(name) or "") for name in members}


def _loaded(path: Path) -> SignedRoster:
    return RosterFolder(path).newest() if path.is_dir() else load_roster(path)


def _standing(options: VerifyOptions) -> Standing:
    if (options.after is None) == (options.authority is None):
        raise IdentityError(
            "say whom you trust: --after the roster before, or --authority with --federation"
        )
    if options.after is not None:
        return Standing.after(load_roster(options.after).body)
    if options.federation is None:
        raise IdentityError("--authority needs --federation: of which federation is the roster?")
    require_name(options.federation, "a federation")
    return Standing(
        federation=options.federation, authorities=(authority_key(options.authority or ""),)
    )


def _facts(body: RosterBody) -> dict[str, object]:
    return {
        "federation": body.federation,
        "epoch": body.epoch,
        "members": len(body.entries),
        "revoked": len(body.revoked),
        "valid_from": body.valid_from,
        "valid_until": body.valid_until,
        "digest": body.digest().hex(),
        "authorities": [key.hex() for key in body.authorities],
        "missing": body.faults(),
    }


def _tell_facts(body: RosterBody) -> None:
    say(
        f"{body.federation}, epoch {body.epoch}: {len(body.entries)} members, "
        f"{len(body.revoked)} keys revoked, valid until: {day(body.valid_until)}"
    )


def _print(roster: SignedRoster) -> None:
    body = roster.body
    for entry in body.entries:
        line = {"name": entry.name, "role": entry.role, "id": key_id(entry.key)}
        print_json({"kind": "member", **line, "key": entry.key.hex()})
    for revoked in body.revoked:
        line = {"name": revoked.name, "id": key_id(revoked.key), "key": revoked.key.hex()}
        print_json({"kind": "revoked", **line, "epoch": revoked.epoch})
    signers = [signed.key.hex() for signed in roster.signatures]
    print_json({"kind": "summary", "signed_by": signers, **_facts(body)})


def _show(roster: SignedRoster) -> None:
    body = roster.body
    _tell_facts(body)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("member", "role", "key's id", ""):
        table.add_column(column, overflow="fold")
    for entry in body.entries:
        table.add_row(entry.name, entry.role, key_id(entry.key), "")
    for revoked in body.revoked:
        ended_in = f"revoked in epoch {revoked.epoch}"
        table.add_row(revoked.name, "-", key_id(revoked.key), ended_in)
    console.print(table, markup=False)
    for signed in roster.signatures:
        say(f"signed by {signed.key.hex()}")
    if faults := body.faults():
        say(f"not complete yet: {'; '.join(faults)}")
    say("Shown as it says of itself; whether to trust it says quorate roster verify.")
