"""Signatures of tests: made from names, so that all can make everybody's."""

from __future__ import annotations

from collections.abc import Iterable

from infra.simulation.signatures import IdealSignatures, signature_of, signed
from protocols.messages import Contribution, Endorsement, Release, Vote
from protocols.secagg.sets import set_digest

__all__ = ["ANYBODY", "IdealSignatures", "release_of", "signature_of", "signed"]

ANYBODY = IdealSignatures("anybody")  # for machines, which only check signatures


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
