"""A small federation with keys: who has which, and rosters of it."""

from __future__ import annotations

import hashlib

from protocols.trust.changes import Validity, added, founded
from protocols.trust.keys import SigningKey
from protocols.trust.requests import Request, Role, SignedRequest
from protocols.trust.roster import RosterBody

FEDERATION = "trial"
MEMBERS: tuple[tuple[str, Role], ...] = (
    ("coordinator", "coordinator"),
    ("holder-1", "holder"),
    ("holder-2", "holder"),
    ("north", "trainer"),
    ("middle", "trainer"),
    ("south", "trainer"),
)
START_S, END_S = 1_000_000, 2_000_000
VALIDITY = Validity(valid_from=START_S, valid_until=END_S)


def key_of(name: str) -> SigningKey:
    """Return the key of a name, always the same."""
    return SigningKey.from_seed(hashlib.sha256(name.encode()).digest())


AUTHORITY = key_of("the authority")


def request_of(
    name: str, role: Role = "trainer", *, key: str | None = None, replaces: str | None = None
) -> SignedRequest:
    """Return a request; `key` and `replaces` name keys, else they are the member's and none."""
    new = key_of(key or name)
    old = None if replaces is None else key_of(replaces)
    asked = Request(
        federation=FEDERATION,
        name=name,
        role=role,
        key=new.public,
        replaces=None if old is None else old.public,
    )
    return asked.signed_by(new, old)


def whole_body() -> RosterBody:
    """Return the second epoch, in which everybody is a member."""
    first = founded(FEDERATION, AUTHORITY.public, VALIDITY)
    return added(first, [request_of(name, role) for name, role in MEMBERS], VALIDITY)
