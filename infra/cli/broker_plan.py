"""`quorate broker plan` and `apply`: what a job needs on a broker, shown and made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from infra.durable_files import replace_file
from infra.rabbitmq.definitions import definitions
from infra.rabbitmq.management import Management
from infra.rabbitmq.passwords import PasswordFolder
from infra.rabbitmq.provisioning import Difference, Provisioning, State
from infra.rabbitmq.topology import EXCHANGES, Queue, Topology

from .broker_commands import ApplyOptions, PlanOptions
from .broker_place import DONE, FAILED, JobPlace, Refused, guarded
from .display import print_json
from .terminal import console

_MIB = 2**20
_MARKS = {State.MISSING: "+", State.DIFFERENT: "~", State.ORPHAN: "-"}
_CHECKS_COPIES = 4  # the first major version that checks the CC and BCC headers of a message


def show_plan(options: PlanOptions) -> int:
    """Show the plan and return the exit code."""
    place = JobPlace(options, management=options.management)
    return guarded(place, lambda: _plan(place, options))


def apply_plan(options: ApplyOptions) -> int:
    """Bring the broker to the plan and return the exit code."""
    place = JobPlace(options, management=options.management, broker=options.broker)
    return guarded(place, lambda: _apply(place, options))


def _plan(place: JobPlace, options: PlanOptions) -> int:
    topology, vhost = place.topology(), place.vhost()
    differences: tuple[Difference, ...] = ()
    note = None
    if place.compared():
        api = place.management()
        differences = Provisioning(api, topology, vhost).differences()
        note = _weakness(api)
    _show_topology(topology, vhost, json=place.json)
    if options.definitions is not None and options.credentials is not None:
        _write_definitions(topology, vhost, options.definitions, options.credentials)
    if place.compared():
        _show_differences(differences, json=place.json)
    outcome = "differs" if differences else "as planned" if place.compared() else "shown"
    if place.json:
        print_json({"kind": "summary", "outcome": outcome, "note": note} | _counts(differences))
    else:
        _say(note)
        if place.compared():
            _say("nothing to do" if not differences else _in_words(differences))
        if options.definitions is not None:
            _say(f"definitions  {options.definitions}")
    return FAILED if options.check and differences else DONE


def _apply(place: JobPlace, options: ApplyOptions) -> int:
    topology, vhost = place.topology(), place.vhost()
    api = place.management()
    provisioning = Provisioning(api, topology, vhost)
    differences = provisioning.differences()
    _refuse_to_clear_the_default(vhost, options)
    refused: list[str] = []
    if options.prune and any(d.state is State.ORPHAN or d.fixed for d in differences):
        provisioning.admit_administrator()
        refused = provisioning.take_away(
            [d for d in differences if d.state is State.ORPHAN or d.fixed],
            address=place.address(),
            force=options.force,
        )
    made = [d for d in provisioning.differences() if d.state is not State.ORPHAN and not d.fixed]
    passwords, unknown = _passwords(topology, made, options)
    provisioning.create(made, passwords)
    provisioning.admit_administrator()
    left = provisioning.differences()
    notes = [*unknown, *filter(None, [_weakness(api)])]
    done = [d for d in differences if (d.section, d.key) not in {(x.section, x.key) for x in left}]
    _show_differences(done, json=place.json)
    _show_outcome(place, left, refused, notes, new=len(passwords))
    return FAILED if refused or any(d.state is not State.ORPHAN for d in left) else DONE


def _refuse_to_clear_the_default(vhost: str, options: ApplyOptions) -> None:
    if vhost == "/" and options.prune:
        raise Refused(
            "the virtual host / may belong to others too, and --prune would remove what is "
            "theirs: give the federation one of its own with --vhost or in the job's address"
        )


def _passwords(
    topology: Topology, made: Sequence[Difference], options: ApplyOptions
) -> tuple[dict[str, str], list[str]]:
    """Return the passwords to be set by account, and a note on those that nobody knows."""
    folder = PasswordFolder(options.credentials)
    new = {d.key[0] for d in made if d.section == "users" and d.state is State.MISSING}
    passwords: dict[str, str] = {}
    unknown = []
    for account in topology.accounts():
        name = account.user.partition(".")[2]
        known = folder.read(name)
        if options.rotate or (account.user in new and known is None):
            passwords[account.user] = folder.renew(name)
        elif account.user in new and known is not None:
            passwords[account.user] = known
        elif known is None:
            unknown.append(account.user)
    if not unknown:
        return passwords, []
    return passwords, [
        f"{', '.join(unknown)}: there already, and the password is not in {folder.folder}; if "
        f"nobody has it, --rotate gives all accounts new ones"
    ]


def _write_definitions(topology: Topology, vhost: str, target: Path, credentials: Path) -> None:
    folder = PasswordFolder(credentials)
    names = {account.user: account.user.partition(".")[2] for account in topology.accounts()}
    passwords = {user: folder.read(name) or folder.renew(name) for user, name in names.items()}
    text = json.dumps(definitions(topology, vhost, passwords), indent=1) + "\n"
    incoming = target.with_name(f".{target.name}.incoming")
    incoming.unlink(missing_ok=True)
    incoming.touch(mode=0o600)
    replace_file(target.absolute(), text.encode(), incoming=incoming)


def _weakness(api: Management) -> str | None:
    version = str(api.overview().get("rabbitmq_version", ""))
    major = version.partition(".")[0]
    if not major.isdigit() or int(major) >= _CHECKS_COPIES:
        return None
    return (
        f"RabbitMQ {version} does not check the CC and BCC headers of messages: an actor could "
        f"send copies to queues that its rights exclude. Version 4 does; see docs/broker.md"
    )


# --- showing ------------------------------------------------------------------------------


def _show_topology(topology: Topology, vhost: str, *, json: bool) -> None:
    if json:
        print_json({"kind": "vhost", "name": vhost})
        for account in topology.accounts():
            print_json({"kind": "account", **asdict(account)})
        for exchange in EXCHANGES:
            print_json({"kind": "exchange", **asdict(exchange), "type": exchange.kind})
        for queue in topology.queues():
            facts = {"name": queue.name, "type": queue.kind, "arguments": queue.arguments}
            print_json(
                {"kind": "queue", **facts, "exchange": queue.source[0], "key": queue.binding}
            )
        return
    _say(f"virtual host  {vhost}")
    _say()
    accounts = _table("account", "reads", "writes", "with keys")
    for account in topology.accounts():
        accounts.add_row(account.user, account.read, account.write, account.topics)
    console.print(accounts, markup=False)
    _say()
    queues = _table("queue", "kind", "bound", "kept", "receives")
    for queue in topology.queues():
        receives = queue.binding or "what could not be delivered"
        queues.add_row(queue.name, queue.kind, _bound(queue), _kept(queue), receives)
    console.print(queues, markup=False)
    _say()


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _bound(queue: Queue) -> str:
    return f"{int(queue.arguments['x-max-length-bytes']) // _MIB} MiB"


def _kept(queue: Queue) -> str:
    kept_ms = queue.arguments.get("x-message-ttl")
    return "newest" if kept_ms is None else f"{int(kept_ms) / 3_600_000:g} h"


def _show_differences(differences: Sequence[Difference], *, json: bool) -> None:
    for difference in differences:
        if json:
            facts = {"name": difference.name, "state": difference.state.value}
            print_json({"kind": "difference", **facts, "detail": difference.detail})
        else:
            detail = f": {difference.detail}" if difference.detail else ""
            _say(f"{_MARKS[difference.state]} {difference.name}{detail}")


def _show_outcome(
    place: JobPlace,
    left: Sequence[Difference],
    refused: Sequence[str],
    notes: Sequence[str],
    *,
    new: int,
) -> None:
    fixed = [f"{d.name}: {d.detail}; --prune makes it anew if it is empty" for d in left if d.fixed]
    orphans = [d for d in left if d.state is State.ORPHAN]
    problems = [*refused, *(fixed if not refused else [])]
    if place.json:
        outcome = "failed" if problems else "done"
        more = {"problems": problems, "orphans": [d.name for d in orphans], "notes": list(notes)}
        print_json({"kind": "summary", "outcome": outcome, "passwords_written": new} | more)
        return
    for problem in problems:
        _say(f"! {problem}")
    for orphan in orphans:
        _say(f"orphan: {orphan.name}; --prune removes it")
    for note in notes:
        _say(f"note: {note}")
    _say(f"{place.vhost()} is as planned" if not problems else "not all could be done")


def _counts(differences: Sequence[Difference]) -> dict[str, object]:
    return {
        state.value: sum(difference.state is state for difference in differences) for state in State
    }


def _in_words(differences: Sequence[Difference]) -> str:
    counts = _counts(differences)
    return (
        f"{counts['missing']} missing (+), {counts['different']} different (~), "
        f"{counts['orphan']} orphans (-)"
    )


def _say(text: str | None = "") -> None:
    if text is not None:
        console.print(text, markup=False, soft_wrap=True)
