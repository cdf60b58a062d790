"""What the coordinator asks for in each step of a round: requests, repeated until answered."""

from __future__ import annotations

from collections.abc import Mapping

from protocols.messages import (
    Announce,
    Contribution,
    Endorsement,
    Message,
    Opened,
    OpenRound,
    Propose,
    Release,
)
from protocols.reports import Step

from .chunks import has_bulk


def request_of(
    step: Step,
    opening: OpenRound,
    *,
    announced: tuple[Opened, ...],
    chosen: tuple[Contribution, ...],
    votes: Mapping[str, bytes],
) -> Message | None:
    """Return the request of a step, None where nobody is asked for anything."""
    config = opening.config
    match step:
        case Step.OPENING:
            return opening
        case Step.COLLECTING:
            key = opening.sealing_key if has_bulk(config) else None
            return Announce(config=config, opened=announced, sealing_key=key)
        case Step.RELEASING if config.vote:
            return Release(cid=config.cid(), chosen=chosen, votes=certificate_of(votes))
        case Step.VOTING | Step.RELEASING:
            return Propose(cid=config.cid(), chosen=chosen)
        case Step.CHECKING | Step.UPDATING:
            return None  # what a check asks for is said by `Tossing`


def certificate_of(votes: Mapping[str, bytes]) -> tuple[Endorsement, ...]:
    """Return holders' signatures of their votes, sorted by holder."""
    return tuple(Endorsement(holder=name, signature=votes[name]) for name in sorted(votes))
