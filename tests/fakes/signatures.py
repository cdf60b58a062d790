"""Signatures of tests: made from names, so that all can make everybody's."""

from __future__ import annotations

from collections.abc import Iterable

from infra.simulation.signatures import (
    IdealSignatures,
    header_signature,
    signature_of,
    signed,
)
from protocols.messages import Contribution, Endorsement, Release, Vote, Wire
from protocols.round_config import Roster
from protocols.secagg.means import Means
from protocols.secagg.sets import set_digest

__all__ = [
    "ANYBODY",
    "MEANS",
    "IdealSignatures",
    "Means",
    "by_member",
    "header_signature",
    "release_of",
    "signature_of",
    "signed",
]

ANYBODY = IdealSignatures("anybody")  # for machines, which only check signatures
MEANS = Means(bytes, ANYBODY)


def by_member(roster: Roster, sender: str, message: Wire) -> bytes:
    """Return what a member signs when it says this; strangers sign nothing."""
    if roster.role(sender) is None:
        return b""
    return signature_of(roster.federation, sender, message)


def release_of(
    cid: bytes,
    chosen: tuple[Contribution, ...],
    voters: Iterable[str],
    *,
    federation: str = "test",
) -> Release:
    """Return a release with the true votes of these."""
    vote = Vote(cid=cid, set_digest=set_digest(cid, chosen))
    votes = (
        Endorsement(holder=name, signature=signature_of(federation, name, vote)) for name in voters
    )
    return Release(cid=cid, chosen=chosen, votes=tuple(votes))
