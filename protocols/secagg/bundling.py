"""Receipts in as few messages as may be: one tells of several contributions, up to a bound."""

from __future__ import annotations

from collections.abc import Mapping

from protocols.messages import Contribution, Have, Message

MOST = 256
"""Contributions in one message: with the longest names it is not so long that others wait."""


def receipts(
    cid: bytes, complete: Mapping[str, bytes], signatures: Mapping[str, bytes]
) -> list[Have]:
    """Return what tells of the digests of these trainers' contributions, sorted by trainer.

    All of them must be durable by the time it is sent.
    """
    names = sorted(complete)
    return [
        Have(
            cid=cid,
            contributions=tuple(Contribution(trainer=name, digest=complete[name]) for name in some),
            signatures=tuple(signatures.get(name, b"") for name in some),
        )
        for some in (names[first : first + MOST] for first in range(0, len(names), MOST))
    ]


def joined(first: Message, second: Message) -> Have | None:
    """Return one message that says what these two do, None where there is none.

    Receipts of one round are joined, each contribution with its own signature, as long as both
    have them or neither; what both tell is told once. No two contributions of one trainer are.
    """
    if not (isinstance(first, Have) and isinstance(second, Have) and first.cid == second.cid):
        return None
    told = {one.trainer: one for one in first.contributions}
    if any(told.get(one.trainer, one) != one for one in second.contributions):
        return None
    if bool(first.signatures) != bool(second.signatures):
        return None
    new = [place for place, one in enumerate(second.contributions) if one.trainer not in told]
    if len(told) + len(new) > MOST:
        return None
    return Have(
        cid=first.cid,
        contributions=(*first.contributions, *(second.contributions[place] for place in new)),
        signatures=first.signatures
        and (*first.signatures, *(second.signatures[place] for place in new)),
    )
