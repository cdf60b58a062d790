"""Whether to trust a roster: the rule that every member applies, with what it accepted before."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.errors import Misuse

from .errors import Untrusted
from .keys import key_id
from .roster import RosterBody, SignedRoster

CLOCKS_APART_S = 3600  # of two machines that are both right enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a member knows before a roster comes: its federation, and whom it trusts.

    Attributes:
        authorities: public keys; before the first roster those that were told by another way.
        epoch: of the last roster that was accepted, 0 before the first.
        digest: of that roster's body, None before the first.
    """

    federation: str
    authorities: tuple[bytes, ...]
    epoch: int = 0
    digest: bytes | None = None

    def __post_init__(self) -> None:
        if not self.authorities or (self.epoch == 0) != (self.digest is None):
            raise Misuse("a standing has authorities, and the digest of its epoch where it has one")

    @classmethod
    def after(cls, body: RosterBody) -> Standing:
        """Return what a member knows once it has accepted a roster."""
        return cls(
            federation=body.federation,
            authorities=body.authorities,
            epoch=body.epoch,
            digest=body.digest(),
        )


def accepted(
    roster: SignedRoster, before: Standing, *, now_s: int, tolerance_s: int = CLOCKS_APART_S
) -> RosterBody:
    """Return the body of a roster that is to be trusted from now on.

    The same roster again is accepted; of one epoch there is never another one.

    Args:
        roster: as it came.
        before: what this member knew; `Standing.after` the result is what it knows next.
        now_s: Unix time, UTC seconds.
        tolerance_s: how far the clocks of authority and member may be apart.

    Raises:
        Untrusted: with what is wrong and what to do about it.
    """
    signers = roster.require()
    body = roster.body
    if body.federation != before.federation:
        raise Untrusted(
            "federation", f"a roster of {body.federation!r}; ours is {before.federation!r}"
        )
    if body.epoch < before.epoch:
        raise Untrusted(
            "epoch",
            f"epoch {body.epoch}, and {before.epoch} was accepted before: get the newest roster",
        )
    if set(signers).isdisjoint(before.authorities):
        raise Untrusted(
            "authority",
            f"signed by {', '.join(map(key_id, signers))}, and we trust "
            f"{', '.join(map(key_id, before.authorities))}; where the authority has changed its "
            f"key, accept the rosters in between first",
        )
    _require_next(body, before)
    require_valid(body, now_s=now_s, tolerance_s=tolerance_s)
    if faults := body.faults():
        raise Untrusted("incomplete", f"epoch {body.epoch} is incomplete: {'; '.join(faults)}")
    return body


def _require_next(body: RosterBody, before: Standing) -> None:
    """Take one roster of an epoch only; who signed it was looked at before it is accused."""
    if body.epoch == before.epoch and body.digest() != before.digest:
        raise Untrusted(
            "epoch",
            f"another roster of epoch {body.epoch} than the one that was accepted: the authority "
            f"has signed both, ask it why",
        )
    if body.epoch == before.epoch + 1 and before.epoch and body.previous != before.digest:
        raise Untrusted(
            "epoch", f"epoch {body.epoch} does not follow the epoch {before.epoch} that we know"
        )


def require_valid(body: RosterBody, *, now_s: int, tolerance_s: int = CLOCKS_APART_S) -> None:
    """Check that a roster is valid at this time, within what clocks are apart.

    Raises:
        Untrusted: it has expired or is not valid yet.
    """
    if body.valid_from is not None and now_s + tolerance_s < body.valid_from:
        raise Untrusted(
            "early", f"epoch {body.epoch} is not valid yet; is this machine's clock right?"
        )
    if body.valid_until is not None and now_s - tolerance_s >= body.valid_until:
        raise Untrusted(
            "expired", f"epoch {body.epoch} has expired: ask the authority for the next one"
        )
