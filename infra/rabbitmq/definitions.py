"""A federation's part of a broker in RabbitMQ's own form: a definitions file.

`load_definitions` in rabbitmq.conf takes it at start, and the management API at any time;
RabbitMQ 3.10 and 4 both read it. It holds hashes of passwords and no password.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from .topology import EXCHANGE, EXCHANGES, Account, Exchange, Queue, Topology

HASHING = "rabbit_password_hashing_sha256"
_SALT_BYTES = 4  # RabbitMQ knows no other length
_NOTHING = "^$"

Object = dict[str, Any]
Definitions = dict[str, list[Object]]


def definitions(topology: Topology, vhost: str, passwords: Mapping[str, str]) -> Definitions:
    """Return all that the federation needs on a broker, in the order it is to be made.

    `passwords` by account; an account without one is left out, and its rights are not.
    """
    accounts = topology.accounts()
    return {
        "vhosts": [{"name": vhost}],
        "users": [
            user(account.user, passwords[account.user])
            for account in accounts
            if account.user in passwords
        ],
        "permissions": [_rights(account, vhost) for account in accounts],
        "topic_permissions": [row for account in accounts for row in _topics(account, vhost)],
        "exchanges": [_exchange(exchange, vhost) for exchange in EXCHANGES],
        "queues": [_queue(queue, vhost) for queue in topology.queues()],
        "bindings": [_binding(queue, vhost) for queue in topology.queues()],
    }


def user(name: str, password: str) -> Object:
    """Return an account that can log in over AMQP and nowhere else."""
    return {
        "name": name,
        "password_hash": password_hash(password, secrets.token_bytes(_SALT_BYTES)),
        "hashing_algorithm": HASHING,
        "tags": [],
    }


def password_hash(password: str, salt: bytes) -> str:
    """Return salt and SHA-256 of salt and password, in base64, as RabbitMQ keeps it."""
    digest = hashlib.sha256(salt + password.encode()).digest()
    return b64encode(salt + digest).decode()


def _rights(account: Account, vhost: str) -> Object:
    return {
        "user": account.user,
        "vhost": vhost,
        "configure": account.configure,
        "write": account.write,
        "read": account.read,
    }


def _topics(account: Account, vhost: str) -> Iterator[Object]:
    # To RabbitMQ an exchange without a row is one where every key is allowed.
    yield {
        "user": account.user,
        "vhost": vhost,
        "exchange": EXCHANGE,
        "write": account.topics,
        "read": _NOTHING,
    }


def _exchange(exchange: Exchange, vhost: str) -> Object:
    return {
        "name": exchange.name,
        "vhost": vhost,
        "type": exchange.kind,
        "durable": True,
        "auto_delete": False,
        "internal": exchange.internal,
        "arguments": {},
    }


def _queue(queue: Queue, vhost: str) -> Object:
    return {
        "name": queue.name,
        "vhost": vhost,
        "durable": True,
        "auto_delete": False,
        "arguments": dict(queue.arguments),
    }


def _binding(queue: Queue, vhost: str) -> Object:
    source, key = queue.source
    return {
        "source": source,
        "vhost": vhost,
        "destination": queue.name,
        "destination_type": "queue",
        "routing_key": key,
        "arguments": {},
    }
