"""Actors that believe one lie too many: bugs that only a liar brings to light."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from infra.simulation.ghost import Rule
from protocols.effects import Effect
from protocols.messages import (
    Announce,
    Contribution,
    OpenRound,
    Propose,
    Release,
    ShareChunk,
    Vote,
)
from protocols.round_config import Roster, RoundConfig
from protocols.secagg import holding
from protocols.secagg.contributing import Contributing
from protocols.secagg.gathering import Gathering
from protocols.secagg.held_round import HeldRound
from protocols.secagg.holding import Holding
from protocols.secagg.pledges import HeldPledges
from protocols.secagg.sets import set_fault

Plant = Callable[[pytest.MonkeyPatch], None]


def holder_votes_twice(patch: pytest.MonkeyPatch) -> None:
    """A holder votes for whatever is proposed last."""
    whole = Holding._on_propose

    def on_propose(self: Holding, sender: str, message: Propose, signature: bytes) -> list[Effect]:
        held = self._rounds.get(message.cid)
        if held is not None and held.answered_set is None:
            held.vote = None
        return whole(self, sender, message, signature)

    patch.setattr(Holding, "_on_propose", on_propose)


def holder_takes_one_below_the_minimum(patch: pytest.MonkeyPatch) -> None:
    """A holder is content with one contribution less than the minimum."""

    def lax(config: RoundConfig, roster: Roster, chosen: tuple[Contribution, ...]) -> str | None:
        fewer = msgspec.structs.replace(config, minimum=config.minimum - 1)
        return set_fault(fewer, roster, chosen)

    patch.setattr(holding, "set_fault", lax)


def holder_takes_a_trainer_twice(patch: pytest.MonkeyPatch) -> None:
    """A holder counts contributions and not who made them."""

    def lax(config: RoundConfig, roster: Roster, chosen: tuple[Contribution, ...]) -> str | None:
        fault = set_fault(config, roster, chosen)
        return None if fault is not None and "distinct" in fault else fault

    patch.setattr(holding, "set_fault", lax)


def holder_looks_at_names_only(patch: pytest.MonkeyPatch) -> None:
    """A holder does not compare the digests of a set with what it holds."""
    whole = Holding._refusal

    def refusal(
        self: Holding, sender: str, held: HeldRound, chosen: tuple[Contribution, ...]
    ) -> str | None:
        lacking = whole(self, sender, held, chosen)
        return lacking if any(c.trainer not in held.complete for c in chosen) else None

    patch.setattr(Holding, "_refusal", refusal)


def holder_answers_for_another_set(patch: pytest.MonkeyPatch) -> None:
    """A holder answers for any set that comes with votes, whatever it voted for itself."""
    whole = Holding._on_release

    def on_release(self: Holding, sender: str, message: Release) -> list[Effect]:
        held = self._rounds.get(message.cid)
        if held is not None and held.answered_set is None and held.vote is not None:
            vote, held.vote = held.vote, None
            try:
                return whole(self, sender, message)
            finally:
                held.vote = vote
        return whole(self, sender, message)

    patch.setattr(Holding, "_on_release", on_release)


def holder_answers_twice(patch: pytest.MonkeyPatch) -> None:
    """A holder that has answered answers for another set too."""
    whole = Holding._on_release

    def on_release(self: Holding, sender: str, message: Release) -> list[Effect]:
        held = self._rounds.get(message.cid)
        if held is not None and held.answered_set not in (None, message.chosen):
            held.vote = held.answered_set = held.answer = None
        return whole(self, sender, message)

    patch.setattr(Holding, "_on_release", on_release)


def holder_takes_a_second_contribution(patch: pytest.MonkeyPatch) -> None:
    """A holder keeps a trainer's last contribution and not its first."""
    whole = Holding._on_chunk

    def on_chunk(self: Holding, sender: str, message: ShareChunk) -> list[Effect]:
        held = self._rounds.get(message.header.cid)
        if held is not None and not held.fixed and message.header.trainer == sender:
            known = held.digest_of(sender)
            if known not in (None, holding.contribution_digest(message.header)):
                held.complete.pop(sender, None)
                held.partial.pop(sender, None)
        return whole(self, sender, message)

    patch.setattr(Holding, "_on_chunk", on_chunk)


def holder_believes_the_header(patch: pytest.MonkeyPatch) -> None:
    """A holder does not compare who sent a share with the name in its header."""
    whole = Holding._on_chunk
    patch.setattr(
        Holding,
        "_on_chunk",
        lambda self, sender, message: whole(self, message.header.trainer, message),
    )


def holder_opens_a_number_again(patch: pytest.MonkeyPatch) -> None:
    """A holder opens any round that it does not keep now."""
    whole = Holding._on_open

    def on_open(self: Holding, sender: str, message: OpenRound) -> list[Effect]:
        if message.config.cid() not in self._rounds:
            self._last.pop(message.config.job, None)
        return whole(self, sender, message)

    patch.setattr(Holding, "_on_open", on_open)


def trainer_contributes_to_both(patch: pytest.MonkeyPatch) -> None:
    """A trainer contributes to every config that is announced under a number."""
    whole = Contributing._repeat

    def repeat(self: Contributing, attempt: object, config: RoundConfig) -> list[Effect]:
        if attempt.config == config:  # type: ignore[attr-defined] - the type is private
            return whole(self, attempt, config)  # type: ignore[arg-type] - the same
        del self._attempts[config.job]
        opened = tuple(attempt.opened.values())  # type: ignore[attr-defined] - the same
        return self._consider(Announce(config=config, opened=opened))

    patch.setattr(Contributing, "_repeat", repeat)


def coordinator_counts_any_vote(patch: pytest.MonkeyPatch) -> None:
    """A coordinator counts votes whatever they are for."""
    whole = Gathering._on_vote

    def on_vote(
        self: Gathering, sender: str, message: Vote, signature: bytes
    ) -> list[Effect] | None:
        counted = msgspec.structs.replace(message, set_digest=self._set_digest)
        return whole(self, sender, counted, signature)

    patch.setattr(Gathering, "_on_vote", on_vote)


def holder_forgets_what_it_went_along_with(patch: pytest.MonkeyPatch) -> None:
    """A holder compares a set with those of no other round."""
    patch.setattr(HeldPledges, "refusal", lambda *_: None)


def unguarded(plant: Plant) -> Plant:
    """Take away what else would stop the lie: signed votes, and the memory of other sets."""

    def planted(patch: pytest.MonkeyPatch) -> None:
        holder_forgets_what_it_went_along_with(patch)
        patch.setattr(Holding, "_require_certificate", lambda *_: None)
        plant(patch)

    return planted


# What each of them breaks: any of these, as the first lie that is believed may be another's.
GULLIBLE: dict[str, tuple[Plant, tuple[Rule, ...]]] = {
    "votes twice": (unguarded(holder_votes_twice), (Rule.ONE_VOTE,)),
    "one below the minimum": (holder_takes_one_below_the_minimum, (Rule.MINIMUM,)),
    "a trainer twice": (holder_takes_a_trainer_twice, (Rule.DISTINCT,)),
    "names only": (holder_looks_at_names_only, (Rule.GENUINE,)),
    "a close set": (holder_forgets_what_it_went_along_with, (Rule.APART,)),
    "another set": (unguarded(holder_answers_for_another_set), (Rule.ONE_ANSWER, Rule.CERTIFICATE)),
    "answers twice": (unguarded(holder_answers_twice), (Rule.ONE_ANSWER, Rule.CERTIFICATE)),
    "a second contribution": (holder_takes_a_second_contribution, (Rule.ONE_CONTRIBUTION,)),
    "the header's name": (holder_believes_the_header, (Rule.HONEST,)),
    "a number again": (holder_opens_a_number_again, (Rule.MONOTONE,)),
    "both rounds": (trainer_contributes_to_both, (Rule.ONE_CONTRIBUTION,)),
    "any vote": (coordinator_counts_any_vote, (Rule.CERTIFICATE,)),
}
