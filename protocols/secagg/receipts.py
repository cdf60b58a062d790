"""What comes in while a round collects: contributions, who has them, and whose word counts."""

from __future__ import annotations

from collections.abc import Iterable

from protocols.batches import Asked
from protocols.codec import Undecodable
from protocols.effects import Effect, Report, Send
from protocols.errors import PeerViolation
from protocols.messages import (
    Accepted,
    Contribution,
    Declined,
    Excluded,
    Have,
    Message,
    Pledged,
    Refused,
    ShareChunk,
)
from protocols.reports import Refusal, Step
from protocols.round_config import Roster, RoundConfig
from protocols.trust.errors import Untrusted
from protocols.trust.signing import Verifier

from .chunks import has_bulk
from .claims import Claims
from .collected import Collected
from .contradictions import Contradictions
from .differencing import Apart
from .intake import Intake
from .pledges import apart_of
from .suspects import Invited


class Receipts:
    """The contributions of one round at its coordinator; the round says until when they count.

    `trainers` are those whom the round asks, `invited` those of them whom a search for a garbler
    does not leave out; `expected` of them are waited for even before they accept.
    """

    def __init__(
        self, config: RoundConfig, roster: Roster, verifier: Verifier, expected: Iterable[str]
    ) -> None:
        self._config = config
        self._cid = cid = config.cid()
        self._roster = roster
        asked = Asked.of(config, roster)
        self.trainers = asked.among(roster.trainers)
        self._asked_trainers = frozenset(self.trainers)
        self.invited = self.trainers
        self._expected = dict.fromkeys(expected)
        need, bulk = config.holders_needed(), has_bulk(config)
        self.collected = Collected(self.trainers, need=need, bulk=bulk, asked=asked)
        self.intake = Intake(config, roster.federation) if bulk else None
        self.contradictions = Contradictions(roster.federation, cid)
        self._claims = Claims(roster.federation, cid, verifier)
        self._need = need

    # --- who takes part -----------------------------------------------------------------

    def asks(self, trainer: str) -> bool:
        """Return whether the round asks a trainer."""
        return trainer in self._asked_trainers

    def invite(self, invited: Invited) -> None:
        """Ask these trainers only."""
        self.invited = tuple(name for name in self.trainers if name in invited.names)
        self.collected.invite(invited)

    def keep_apart(self, earlier: Apart) -> None:
        """Choose no set that is too close to one of these, proposed over the same state."""
        self.collected.earlier = earlier | Apart((), self._config.minimum)

    def leave(self, trainer: str) -> None:
        """Wait no longer for a trainer that goes; what it has done already counts."""
        self._expected.pop(trainer, None)
        self.collected.accepted.pop(trainer, None)

    def awaited(self) -> list[str]:
        """Name the trainers that are expected or accepted, and neither declined nor are out."""
        # Asked several times for each message: see `Collected.candidates` for who is one.
        collected, expected = self.collected, self._expected
        accepted, declined, excluded = collected.accepted, collected.declined, collected.excluded
        return [
            n
            for n in self.trainers
            if (n in expected or n in accepted) and n not in declined and n not in excluded
        ]

    # --- what is there --------------------------------------------------------------------

    def waiting_for(self, *, holders: int) -> tuple[str, ...]:
        """Name the awaited whose contribution is not settled at all of so many holders."""
        return self.collected.unsettled(self.awaited(), holders=holders)

    def incomplete(self, *, holders: int) -> tuple[str, ...]:
        """Name all who may still contribute and are not settled at all of so many holders."""
        return self.collected.unsettled(self.collected.candidates(), holders=holders)

    def unopenable(self) -> tuple[str, ...]:
        """Name all who may still contribute and are complete at too few holders to be opened."""
        return self.collected.incomplete(self.collected.candidates(), at=self._need)

    def nobody_awaited(self, *, holders: int) -> bool:
        """Return whether all awaited contributions are settled at all of so many holders."""
        return not self.waiting_for(holders=holders)

    def full(self) -> bool:
        """Return whether a buffered round has the contributions that are enough for it."""
        wanted = self._config.buffered
        if not wanted or self.collected.survivors() < wanted:
            return False
        return len(self.collected.releasable(self._config.minimum)) >= wanted

    def settled(self, *, holders: int) -> bool:
        """Return whether enough contributions are complete at all holders that want them."""
        lacking = {*self.incomplete(holders=holders), *self.unopenable()}
        return len(self.collected.candidates()) - len(lacking) >= self._config.buffered

    def all_can_be_opened(self, *, known: bool) -> bool:
        """Return whether everybody's contribution can be; `known`: it was so before."""
        awaited, collected = self.awaited(), self.collected
        # Asked for every message, and there are some of each trainer: counting comes first.
        if collected.survivors() < len(awaited):
            return False
        if collected.incomplete(awaited, at=self._need):
            return False
        if known:
            return collected.survivors() >= self._config.minimum
        chosen = {contribution.trainer for contribution in collected.choose()}
        return chosen.issuperset(awaited) and bool(collected.releasable(self._config.minimum))

    def has_enough_of(self, trainer: str) -> bool:
        """Return whether a trainer is in the set that could be opened now, at work or not.

        What it still uploads is redundancy, perhaps for a holder that is dead: it must not
        hold the round up as work that others are missing would.
        """
        if self.collected.incomplete([trainer], at=self._need):
            return False
        return trainer in self.came()

    def counts(self, *, holders: int) -> tuple[int, int]:
        """Count the receipts there are, and how many there will be if all awaited contribute."""
        got, parts = self.collected.receipts(), holders + (self.intake is not None)
        return got, max(got, len(self.awaited()) * parts)

    def came(self) -> tuple[str, ...]:
        """Name the trainers whose contributions could be opened."""
        return tuple(contribution.trainer for contribution in self.collected.choose())

    def left_out(self, chosen: tuple[Contribution, ...]) -> dict[str, str]:
        """Name the trainers that took part or were expected and are not in the set, with why."""
        # Who is not in a full buffer is at work, not missing.
        full = 0 < self._config.buffered <= len(chosen)
        return self.collected.left_out(self._expected, chosen, full=full)

    # --- what is told ---------------------------------------------------------------------------

    def receive(
        self, sender: str, message: Message, step: Step, announced: tuple[str, ...]
    ) -> list[Effect] | None:
        """Take a message about contributions that came in this step; None where nothing is new.

        Raises `PeerViolation` on a broken rule.
        """
        counts, new = step is Step.COLLECTING, False
        match message:
            case ShareChunk():
                return self._bulk(sender, message, counts=counts)
            case Pledged() if step in (Step.OPENING, Step.COLLECTING):
                new = self._pledged(sender, message)
            case Accepted():
                new = self.collected.accept(sender)
            case Declined() if counts:
                new = self.collected.decline(sender, message.kind)
            # Trainers have sent nothing to a holder that was not announced.
            case Have() if counts and sender in announced:
                new = self._have(sender, message)
            case Excluded():
                new = self._left_out(sender, message, counts=counts)
        return [] if new else None

    def _pledged(self, holder: str, message: Pledged) -> bool:
        least = max(message.apart, self._config.minimum)
        try:
            apart = apart_of(message.sets, self._roster.trainers, least)
        except ValueError as error:
            raise PeerViolation(holder, f"is bound to what is {error}") from None
        return self.collected.pledged(holder, apart)

    def _have(self, holder: str, message: Have) -> bool:
        names = [contribution.trainer for contribution in message.contributions]
        if strangers := [n for n in names if self._roster.role(n) != "trainer"]:
            raise PeerViolation(holder, f"has a contribution of {strangers[0]}, who is no trainer")
        if others := [n for n in names if n not in self._asked_trainers]:
            raise PeerViolation(holder, f"has a contribution of {others[0]}, who was not asked")
        signatures = message.signatures or (b"",) * len(names)
        if len(signatures) != len(names):
            raise PeerViolation(holder, f"gave {len(signatures)} signatures for {len(names)}")
        changed = [
            self._claimed(holder, contribution, signature)
            for contribution, signature in zip(message.contributions, signatures, strict=True)
        ]
        return any(changed)

    def _claimed(self, holder: str, contribution: Contribution, signature: bytes) -> bool:
        """Take one contribution that a holder says that it has; say whether anything changed."""
        trainer = contribution.trainer
        dispute = self._claims.hear(holder, contribution, signature)
        if dispute is None:
            return self.collected.receive(holder, contribution)
        if dispute.evidence is not None:
            self.contradictions.add(dispute.evidence)
            reason = "sent different contributions to different holders"
            return self.collected.exclude(trainer, reason)
        if holder in dispute.liars:
            raise PeerViolation(holder, f"has a contribution that {trainer} did not sign")
        for liar in dispute.liars:
            self.collected.disbelieve(liar, trainer)
        self.collected.receive(holder, contribution)
        return True

    def _left_out(self, holder: str, message: Excluded, *, counts: bool) -> bool:
        """Take note that a holder leaves a trainer out, for all if it shows why."""
        if self._roster.role(message.trainer) != "trainer":
            raise PeerViolation(holder, f"excluded {message.trainer}, who is no trainer")
        reason, trainer = f"{holder}: {message.reason}", message.trainer
        if not counts:
            return False
        if not message.evidence:
            return self.collected.refuse(holder, trainer, reason)
        try:
            self.contradictions.add(self._claims.shown(trainer, message.evidence))
        except (Untrusted, Undecodable) as error:
            raise PeerViolation(holder, f"accused {trainer} with no evidence: {error}") from None
        return self.collected.exclude(trainer, reason)

    # --- bulk, where the suite has a lane to the coordinator ----------------------------------

    def resume(self) -> list[Effect]:
        """Go on with the bulk that was coming in when this coordinator died."""
        if self.intake is None:
            return []
        for trainer in self.intake.complete:
            self._arrived(self.intake, trainer)
        return self.intake.resume()

    def _bulk(self, trainer: str, message: ShareChunk, *, counts: bool) -> list[Effect]:
        """Take a chunk of bulk; once nothing new counts it is refused, but for what is known."""
        intake = self.intake
        if intake is None:
            raise PeerViolation(trainer, "sent bulk in a round that has none")
        if trainer in self.collected.excluded:
            return self._refuse_bulk(trainer, "excluded from the round")
        intake.require_shape(trainer, message)
        if not counts and trainer not in intake.complete:
            return self._refuse_bulk(trainer, "the set of the round is fixed")
        if not intake.contradicts(message):
            return intake.receive(message)
        if not counts:
            return self._refuse_bulk(trainer, "another contribution is in the set")
        evidence, reason = intake.evidence(message), "sent two different contributions"
        if evidence is not None:
            self.contradictions.add(evidence)
        self.collected.exclude(trainer, reason)
        return [*intake.drop(trainer), *self._refuse_bulk(trainer, reason)]

    def bulk_checked(self, trainer: str, *, ok: bool) -> list[Effect] | None:
        """Take the result of a `CheckStream` of one trainer's bulk."""
        intake = self.intake
        effects = None if intake is None else intake.checked(trainer, ok=ok)
        if intake is None or effects is None:
            return None
        if ok:
            return effects + self._arrived(intake, trainer)
        reason = "the bulk does not have the announced digest"
        self.collected.exclude(trainer, reason)
        return effects + self._refuse_bulk(trainer, reason)

    def _arrived(self, intake: Intake, trainer: str) -> list[Effect]:
        """Count a contribution whose bulk is here, unless it is another than holders have."""
        own, digest = self._roster.coordinator, intake.complete[trainer]
        contribution = Contribution(trainer=trainer, digest=digest)
        dispute = self._claims.hear(own, contribution, intake.signatures[trainer])
        if dispute is not None and dispute.evidence is not None:
            self.contradictions.add(dispute.evidence)
            reason = "sent different contributions to different recipients"
            self.collected.exclude(trainer, reason)
            return [*intake.drop(trainer), *self._refuse_bulk(trainer, reason)]
        for liar in () if dispute is None else dispute.liars:
            self.collected.disbelieve(liar, trainer)
        self.collected.arrived(trainer, digest)
        return []

    def _refuse_bulk(self, trainer: str, reason: str) -> list[Effect]:
        refused = Refusal(actor=self._roster.coordinator, peer=trainer, what="share", reason=reason)
        return [Send(trainer, Refused(cid=self._cid, what="share", reason=reason)), Report(refused)]
