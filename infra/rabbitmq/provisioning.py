"""What a broker has beside what a federation needs: the difference, and doing away with it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .address import BrokerAddress
from .declare import delete_if_empty
from .definitions import Definitions, Object, definitions
from .management import Management, path
from .topology import Topology

Key = tuple[str, ...]

# In the order in which things are made.
_NAMED_BY: dict[str, Key] = {
    "vhosts": ("name",),
    "users": ("name",),
    "permissions": ("user",),
    "topic_permissions": ("user", "exchange"),
    "exchanges": ("name",),
    "queues": ("name",),
    "bindings": ("source", "destination", "routing_key", "destination_type"),
}
_COMPARED: dict[str, Key] = {
    "vhosts": (),
    "users": ("tags",),
    "permissions": ("configure", "write", "read"),
    "topic_permissions": ("write", "read"),
    "exchanges": ("type", "durable", "auto_delete", "internal", "arguments"),
    "queues": ("durable", "auto_delete", "arguments"),
    "bindings": ("arguments",),
}
_FIXED = ("exchanges", "queues")  # can't be changed, only made anew
_BATCH = 2000  # objects of one import: a broker takes some 10 MB at once


class State(Enum):
    """How the broker differs from what should be."""

    MISSING = "missing"
    DIFFERENT = "different"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be.

    `detail` says for what is different what is there and what should be. `wanted` is None for an
    orphan, `there` for what is missing.
    """

    section: str
    key: Key
    state: State
    detail: str
    wanted: Object | None
    there: Object | None

    @property
    def name(self) -> str:
        """What it is, in words."""
        match self.section, self.key:
            case "vhosts", (name,):
                return f"virtual host {name}"
            case "users", (name,):
                return f"account {name}"
            case "permissions", (user,):
                return f"rights of {user}"
            case "topic_permissions", (user, exchange):
                return f"routing keys of {user} on {exchange}"
            case "bindings", (source, destination, key, _):
                return f"binding {source} -> {destination}" + (f" [{key}]" if key else "")
        return f"{self.section.removesuffix('s')} {self.key[0]}"

    @property
    def fixed(self) -> bool:
        """Whether it can only be taken away and made anew."""
        return self.state is State.DIFFERENT and self.section in _FIXED


class Provisioning:
    """One federation's virtual host on one broker, and its accounts.

    Accounts are the whole broker's: those whose names begin with the federation's are looked at,
    others only for their rights in this virtual host. Administrators are left alone; they can
    give themselves any right.
    """

    def __init__(self, api: Management, topology: Topology, vhost: str) -> None:
        self._api = api
        self._topology = topology
        self.vhost = vhost

    def differences(self) -> tuple[Difference, ...]:
        """Return what is missing, different or superfluous, in the order of making."""
        accounts = self._topology.accounts()
        wanted = definitions(self._topology, self.vhost, {a.user: "" for a in accounts})
        return compare(wanted, self._found())

    def create(self, missing: Iterable[Difference], passwords: Mapping[str, str]) -> None:
        """Make what is missing and put right what is different.

        `passwords` by account: of the new ones, and of those that are to get another.
        """
        places = {(difference.section, difference.key) for difference in missing}
        places |= {("users", (user,)) for user in passwords}
        self._api.put(path("vhosts", self.vhost), {})
        whole = definitions(self._topology, self.vhost, passwords)
        whole["users"] += self._same_password(places, passwords)
        for batch in _batches(whole, places):
            self._api.post("/definitions", batch)

    def take_away(
        self,
        doomed: Iterable[Difference],
        *,
        address: BrokerAddress | None = None,
        force: bool = False,
    ) -> list[str]:
        """Delete orphans and what must be made anew; return why some are still there.

        A queue that holds messages stays unless `force`, and so does every stream. Only over
        AMQP, at `address`, the broker says for certain whether it does; without an address
        every queue stays. Not for use inside an event loop.
        """
        by_section: dict[str, list[Object]] = {section: [] for section in _NAMED_BY}
        for difference in doomed:
            by_section[difference.section].append(difference.there or {})
        for binding in by_section["bindings"]:
            self._unbind(binding)
        refused = self._delete_queues(by_section["queues"], address, force=force)
        for exchange in by_section["exchanges"]:
            self._api.delete(path("exchanges", self.vhost, exchange["name"]))
        gone, refused_accounts = self._delete_accounts(by_section["users"])
        for section in ("permissions", "topic_permissions"):
            # An account takes its rights along.
            left = [row for row in by_section[section] if row["user"] not in gone]
            for user in {row["user"] for row in left}:
                self._api.delete(path(section.replace("_", "-"), self.vhost, user))
        return [*refused, *refused_accounts]

    def admit_administrator(self) -> None:
        """Let the administrator read and change what is in the virtual host."""
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self._api.put(path("permissions", self.vhost, self._api.user), everything)

    # --- what is there ----------------------------------------------------------------

    def _found(self) -> Definitions:
        api, vhost = self._api, self.vhost
        users = api.users()
        administrators = {user["name"] for user in users if "administrator" in _tags(user)}
        prefix = self._topology.user("")
        found = {
            "vhosts": [row for row in api.vhosts() if row["name"] == vhost],
            "users": [row for row in users if row["name"].startswith(prefix)],
        }
        if not found["vhosts"]:
            return found
        return found | {
            "permissions": _others(api.permissions(vhost), administrators),
            "topic_permissions": _others(api.topic_permissions(vhost), administrators),
            "exchanges": [row for row in api.exchanges(vhost) if not _built_in(row["name"])],
            "queues": api.queues(vhost),
            "bindings": [row for row in api.bindings(vhost) if row["source"]],
        }

    def _same_password(
        self, places: Collection[tuple[str, Key]], passwords: Mapping[str, str]
    ) -> list[Object]:
        """Return the accounts that get other tags and keep their password."""
        return [
            {**row, "tags": []}
            for row in self._api.users()
            if ("users", (row["name"],)) in places and row["name"] not in passwords
        ]

    # --- deleting ---------------------------------------------------------------------

    def _delete_queues(
        self, queues: Sequence[Object], address: BrokerAddress | None, *, force: bool
    ) -> list[str]:
        """Delete queues, if they are empty or by force; return what stays and why."""
        if force:
            for queue in queues:
                self._api.delete(path("queues", self.vhost, queue["name"]))
            return []
        # The count of a stream is seconds old, over AMQP too.
        streams = [queue["name"] for queue in queues if queue.get("type") == "stream"]
        reasons = dict.fromkeys(
            streams, "a stream may hold a model; it is deleted with --force only"
        )
        names = [queue["name"] for queue in queues if queue["name"] not in reasons]
        if address is None:
            reasons |= dict.fromkeys(
                names,
                "whether it holds messages can be seen over AMQP only; name the broker with "
                "--broker, or delete the queue whatever it holds with --force",
            )
        elif names:
            # Nothing may come in between looking and deleting. If one stays, it is bound again.
            for binding in self._api.bindings(self.vhost):
                if binding["source"] and binding["destination"] in names:
                    self._unbind(binding)
            reasons |= asyncio.run(delete_if_empty(address, names))
        return [f"queue {name}: {reason}" for name, reason in reasons.items()]

    def _unbind(self, binding: Object) -> None:
        kind = "q" if binding["destination_type"] == "queue" else "e"
        where = path("bindings", self.vhost, "e", binding["source"], kind, binding["destination"])
        # Quoted already by the broker, and taken in just that form.
        self._api.delete(f"{where}/{binding['properties_key']}")

    def _delete_accounts(self, users: Sequence[Object]) -> tuple[set[str], list[str]]:
        """Delete accounts that have no rights elsewhere; return those, and why others stay."""
        elsewhere: dict[str, set[str]] = {}
        for row in self._api.permissions():
            if row["vhost"] != self.vhost:
                elsewhere.setdefault(row["user"], set()).add(row["vhost"])
        names = {user["name"] for user in users}
        gone = names - elsewhere.keys()
        if gone:
            self._api.post("/users/bulk-delete", {"users": sorted(gone)})
        return gone, [
            f"account {name}: it has rights in {', '.join(sorted(elsewhere[name]))} too and stays"
            for name in sorted(names - gone)
        ]


def compare(wanted: Definitions, found: Definitions) -> tuple[Difference, ...]:
    """Return what is missing, different or superfluous, section by section, each by name."""
    differences = []
    for section, names in _NAMED_BY.items():
        want = {_key(row, names): row for row in wanted.get(section, ())}
        have = {_key(row, names): row for row in found.get(section, ())}
        for key in sorted(want.keys() | have.keys()):
            difference = _difference(section, key, want.get(key), have.get(key))
            if difference is not None:
                differences.append(difference)
    return tuple(differences)


def _difference(
    section: str, key: Key, wanted: Object | None, there: Object | None
) -> Difference | None:
    if wanted is None:
        return Difference(section, key, State.ORPHAN, "", wanted, there)
    if there is None:
        return Difference(section, key, State.MISSING, "", wanted, there)
    should, does = _facts(section, wanted), _facts(section, there)
    parts = [
        f"{name} is {_shown(does, name)}, should be {_shown(should, name)}"
        for name in sorted(should.keys() | does.keys())
        if should.get(name) != does.get(name)
    ]
    if not parts:
        return None
    return Difference(section, key, State.DIFFERENT, "; ".join(parts), wanted, there)


def _facts(section: str, row: Object) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name in _COMPARED[section]:
        if name == "arguments":
            facts |= row.get("arguments") or {}
        else:
            facts[name] = _tags(row) if name == "tags" else row.get(name)
    # RabbitMQ 4 adds to a classic queue what 3.10 takes for granted.
    if facts.get("x-queue-type") == "classic":
        del facts["x-queue-type"]
    return facts


def _tags(row: Object) -> list[str]:
    tags = row.get("tags") or []
    return sorted(tags.split(",") if isinstance(tags, str) else tags)


def _key(row: Object, names: Key) -> Key:
    return tuple(str(row[name]) for name in names)


def _shown(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name, "not set")
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)


def _built_in(exchange: str) -> bool:
    return exchange == "" or exchange.startswith("amq.")


def _others(rows: Iterable[Object], administrators: Collection[str]) -> list[Object]:
    return [row for row in rows if row["user"] not in administrators]


def _batches(whole: Definitions, places: Collection[tuple[str, Key]]) -> list[Definitions]:
    """Return what of the definitions is in `places`, in pieces that are to be made in order."""
    batches: list[Definitions] = []
    room = 0
    for section, names in _NAMED_BY.items():
        for row in whole[section]:
            if (section, _key(row, names)) not in places:
                continue
            if room == 0:
                batches.append({})
                room = _BATCH
            batches[-1].setdefault(section, []).append(row)
            room -= 1
    return batches
