"""What the coordinator asks for in each step of a round: requests, repeated until answered."""

from __future__ import annotations

from collections.abc import Mapping

from protocols.messages import (
    Announce,
    Contribution,
    Endorsement,
    Message,
    OpenRound,
    Propose,
    Release,
)
from protocols.reports import Step
from protocols.round_config import RoundConfig


def request_of(
    step: Step,
    config: RoundConfig,
    *,
    announced: tuple[str, ...],
    chosen: tuple[Contribution, ...],
    votes: Mapping[str, bytes],
) -> Message | None:
    """Return the request of a step, None where nobody is asked for anything."""
    match step:
        case Step.OPENING:
            return OpenRound(config=config)
        case Step.COLLECTING:
            return Announce(config=config, holders=announced)
        case Step.RELEASING if config.vote:
            certificate = tuple(
                Endorsement(holder=name, signature=votes[name]) for name in sorted(votes)
            )
            return Release(cid=config.cid(), chosen=chosen, votes=certificate)
        case Step.VOTING | Step.RELEASING:
            return Propose(cid=config.cid(), chosen=chosen)
        case Step.UPDATING:
            return None
