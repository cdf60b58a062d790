"""What the authority does to a roster: each change is the next epoch, and says what it may not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec

from .errors import Untrusted
from .keys import key_id
from .requests import SignedRequest
from .roster import Entry, Revoked, RosterBody


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """From when until when, Unix time in UTC seconds; None for no end."""

    valid_from: int | None = None
    valid_until: int | None = None


def founded(federation: str, authority: bytes, validity: Validity) -> RosterBody:
    """Return the first roster of a federation: an authority and no members yet."""
    return RosterBody(
        federation=federation,
        epoch=1,
        previous=None,
        valid_from=validity.valid_from,
        valid_until=validity.valid_until,
        authorities=(authority,),
        entries=(),
        revoked=(),
    )


def added(body: RosterBody, requests: Sequence[SignedRequest], validity: Validity) -> RosterBody:
    """Return the next epoch, with those who asked as its last members.

    Raises:
        Untrusted: a request is not its maker's, is for another federation, or its key or name
            is taken or was revoked.
    """
    entries = list(body.entries)
    for signed in requests:
        _require_ours(body, signed)
        request = signed.request
        if request.replaces is not None:
            raise Untrusted("key", f"{request.name} asks for a new key: use rotate, not add")
        if any(entry.name == request.name for entry in entries):
            raise Untrusted("key", f"{request.name} is a member already; to change its key: rotate")
        entries.append(Entry(name=request.name, role=request.role, key=request.key))
    return _next(body, validity, entries=tuple(entries))


def removed(body: RosterBody, names: Collection[str], validity: Validity) -> RosterBody:
    """Return the next epoch, without these members, whose keys are revoked.

    Raises:
        Untrusted: somebody of this name is no member.
    """
    strangers = [name for name in names if body.entry(name) is None]
    if strangers:
        raise Untrusted("key", f"no member of epoch {body.epoch}: {', '.join(strangers)}")
    going = [entry for entry in body.entries if entry.name in names]
    return _next(
        body,
        validity,
        entries=tuple(entry for entry in body.entries if entry.name not in names),
        revoked=_revoking(body, going),
    )


def rotated(
    body: RosterBody, signed: SignedRequest, validity: Validity, *, lost: bool = False
) -> RosterBody:
    """Return the next epoch, in which a member has the key that it asks for; the old is revoked.

    Args:
        body: the newest roster.
        signed: the request; signed with the old key as well, unless that was `lost`.
        validity: of the next epoch.
        lost: take a request that the old key did not sign. Somebody has to know by another way
            that it is the same member who asks.

    Raises:
        Untrusted: the request is not its maker's, or not for this member, role or key.
    """
    _require_ours(body, signed)
    request = signed.request
    old = body.entry(request.name)
    if old is None:
        raise Untrusted("key", f"no member of epoch {body.epoch}: {request.name}; use add")
    if old.role != request.role:
        raise Untrusted("key", f"{request.name} is a {old.role}, and asks to be a {request.role}")
    if request.replaces is None and not lost:
        raise Untrusted(
            "signature",
            f"the key that {request.name} has now did not sign the request; where it was lost, "
            f"make sure by another way who asks, and use --lost",
        )
    if request.replaces not in (None, old.key):
        raise Untrusted(
            "key", f"replaces another key than {key_id(old.key)}, which is the member's"
        )
    new = Entry(name=old.name, role=old.role, key=request.key)
    return _next(
        body,
        validity,
        entries=tuple(new if entry.name == old.name else entry for entry in body.entries),
        revoked=_revoking(body, [old]),
    )


def renewed(body: RosterBody, validity: Validity) -> RosterBody:
    """Return the next epoch with the same members, valid for another time."""
    return _next(body, validity)


def handed_over(body: RosterBody, authority: bytes, validity: Validity) -> RosterBody:
    """Return the next epoch, of another authority; to be signed by the old and the new one."""
    return _next(body, validity, authorities=(authority,))


def _require_ours(body: RosterBody, signed: SignedRequest) -> None:
    signed.require()
    request = signed.request
    if request.federation != body.federation:
        raise Untrusted(
            "federation",
            f"{request.name} asks for {request.federation!r}; this roster is of "
            f"{body.federation!r}",
        )
    if any(revoked.key == request.key for revoked in body.revoked):
        raise Untrusted("revoked", f"{request.name} asks with a key that was revoked: make another")
    if any(entry.key == request.key for entry in body.entries) or request.key in body.authorities:
        raise Untrusted("key", f"{request.name} asks with a key that somebody has already")


def _revoking(body: RosterBody, going: Sequence[Entry]) -> tuple[Revoked, ...]:
    ended = [Revoked(key=entry.key, name=entry.name, epoch=body.epoch + 1) for entry in going]
    return tuple(sorted((*body.revoked, *ended), key=lambda revoked: revoked.key))


def _next(body: RosterBody, validity: Validity, **changes: object) -> RosterBody:
    """Return the next epoch; what it may not be is told as what nobody should sign."""
    try:
        return msgspec.structs.replace(
            body,
            epoch=body.epoch + 1,
            previous=body.digest(),
            valid_from=validity.valid_from,
            valid_until=validity.valid_until,
            **changes,
        )
    except ValueError as error:
        raise Untrusted("form", f"no roster could be that: {error}") from None
