"""Bugs to plant in the actors, to see that simulated histories find, shrink and tell them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from actors.actor import Actor
from protocols.effects import Effect, Send
from protocols.messages import Announce, Vote
from protocols.reports import Step
from protocols.secagg.contributing import Contributing
from protocols.secagg.gathering import Gathering
from protocols.secagg.holding import Holding
from protocols.secagg.receipts import Receipts

Plant = Callable[[pytest.MonkeyPatch], None]


def trainer_forgets_its_contribution(patch: pytest.MonkeyPatch) -> None:
    """A trainer that is started again does not know that it has contributed."""
    patch.setattr(Contributing, "restore", lambda self, records: None)


def holder_forgets_its_last_round(patch: pytest.MonkeyPatch) -> None:
    """A holder that is started again opens rounds that it had opened, or closed, before."""
    whole = Holding.restore

    def restore(
        self: Holding, records: Mapping[str, bytes], stored: Mapping[str, frozenset[int]]
    ) -> None:
        whole(self, records, stored)
        self._last = {}

    patch.setattr(Holding, "restore", restore)


def vote_leaves_before_it_is_written(patch: pytest.MonkeyPatch) -> None:
    """A holder sends its vote and commits the record of it afterwards."""
    whole = Actor._perform_all

    async def perform(self: Actor, effects: Iterable[Effect]) -> None:
        todo = list(effects)
        if not any(isinstance(e, Send) and isinstance(e.message, Vote) for e in todo):
            await whole(self, todo)
            return
        for effect in todo:
            await self._perform_one(effect)
        await self._commit(todo)

    patch.setattr(Actor, "_perform_all", perform)


def redundant_work_counts(patch: pytest.MonkeyPatch) -> None:
    """A coordinator waits for whoever works, though what they contributed can be opened."""
    patch.setattr(Receipts, "has_enough_of", lambda self, trainer: False)


def stuck_uploads_count(patch: pytest.MonkeyPatch) -> None:
    """A trainer says that it works as long as it tries to upload, taken or not."""
    whole = Contributing.advance

    def advance(self: Contributing, now_s: float) -> list[Effect]:
        effects = whole(self, now_s)
        for attempt in self._attempts.values():
            attempt.moved = True
        return effects

    patch.setattr(Contributing, "advance", advance)


def work_that_helps_nobody_counts(patch: pytest.MonkeyPatch) -> None:
    """Both of them: either rule alone ends the wait where redundant uploads are stuck."""
    redundant_work_counts(patch)
    stuck_uploads_count(patch)


def everybody_is_named_as_voter(patch: pytest.MonkeyPatch) -> None:
    """A coordinator names all announced holders as voters once it has a quorum."""
    whole = Gathering._resend

    def resend(self: Gathering, names: Iterable[str]) -> list[Effect]:
        votes = self._votes
        if self.step is Step.RELEASING:
            self._votes = dict.fromkeys(self.announced, bytes(64)) | votes
        effects = whole(self, names)
        self._votes = votes
        return effects

    patch.setattr(Gathering, "_resend", resend)


def sets_of_any_roster_are_kept(patch: pytest.MonkeyPatch) -> None:
    """A holder goes along with sets of a round whose roster it has no more."""
    whole = Holding._refusal

    def refusal(self: Holding, sender: str, held: Any, chosen: Any) -> str | None:
        own, self._roster_digest = self._roster_digest, held.config.roster
        try:
            return whole(self, sender, held, chosen)
        finally:
            self._roster_digest = own

    patch.setattr(Holding, "_refusal", refusal)


def unsigned_announcements_wait(patch: pytest.MonkeyPatch) -> None:
    """A trainer looks at signatures of an announcement only once it is welcome."""
    whole = Contributing._require_usable

    def require_usable(self: Contributing, announce: Announce) -> None:
        if announce.config.job in self._welcomed:
            whole(self, announce)

    patch.setattr(Contributing, "_require_usable", require_usable)


# The file in `simulation/reproductions` that each of them led to.
KEPT: dict[str, Plant] = {
    "trainer-contributes-again": trainer_forgets_its_contribution,
    "holder-opens-again": holder_forgets_its_last_round,
    "work-for-a-dead-holder": work_that_helps_nobody_counts,
    "upload-to-a-full-queue": stuck_uploads_count,
    "upload-to-a-full-queue-after-a-blackout": stuck_uploads_count,
    "vote-under-another-roster": sets_of_any_roster_are_kept,
    "unsigned-announcement-waits": unsigned_announcements_wait,
}
