"""The coordinator's side of one round: open, collect, choose, have it voted, released, opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from protocols.effects import CheckStream, Effect, OpenSum, Report, Send, StoreChunk
from protocols.errors import PeerViolation
from protocols.messages import (
    Accepted,
    Announce,
    AnswerChunk,
    AnswerHeader,
    Contribution,
    Declined,
    Excluded,
    Have,
    Message,
    OpenRound,
    Propose,
    Refused,
    Release,
    RoundOpened,
    Vote,
    Wire,
)
from protocols.reports import Progress, Step
from protocols.round_config import Roster, RoundConfig

from .chunks import answer_stream, chunk_count, shape_fault
from .collected import Collected
from .sets import set_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a coordinator waits. All are durations on its own clock.

    Attributes:
        grace_s: how long known holders are waited for when enough have answered already.
        patience_s: a step without any progress for so long goes on without the missing, or
            ends the round.
        round_s: collecting ends after so long even while contributions still come in.
        resend_s: requests are repeated to those who have not answered.
    """

    grace_s: float
    patience_s: float
    round_s: float
    resend_s: float


@dataclass(slots=True)
class AnswerParts:
    """An answer that is coming in."""

    header: AnswerHeader
    stored: dict[int, None] = field(default_factory=dict)


class Gathering:
    """One round. Feed it messages, results and the time; read `step` and `abandoned`.

    `announced` and `chosen` are what others were told, so they must be in the journal before
    the effects of the same decision leave: see `Coordinating`.
    """

    def __init__(
        self,
        config: RoundConfig,
        roster: Roster,
        timing: Timing,
        *,
        expected: Iterable[str],
        now_s: float,
    ) -> None:
        self.config = config
        self.cid = config.cid()
        self.step = Step.OPENING
        self.abandoned: str | None = None
        self.announced: tuple[str, ...] = ()
        self.chosen: tuple[Contribution, ...] = ()
        self.opened: dict[str, None] = {}
        self.answers: dict[str, AnswerHeader] = {}
        self.began_s = now_s
        self._roster = roster
        self._timing = timing
        self._expected = dict.fromkeys(expected)
        self._collected = Collected(roster.trainers, need=self.need())
        self._votes: dict[str, None] = {}
        self._parts: dict[str, AnswerParts] = {}
        self._progress_s = self._step_s = self._sent_s = now_s
        self._ready_s: float | None = None

    # --- life -------------------------------------------------------------------------

    def start(self) -> list[Effect]:
        """Ask the holders to open the round."""
        return self._resend(self._roster.holders)

    def resume(self, announced: tuple[str, ...], chosen: tuple[Contribution, ...]) -> list[Effect]:
        """Go on with a round that was under way when this coordinator died."""
        if announced:
            self.announced = announced
            self.opened = dict.fromkeys(announced)
            self.step = Step.COLLECTING
        if chosen:
            self.chosen = chosen
            self.step = Step.VOTING if self.config.vote else Step.RELEASING
        # Holders tell again what they have when they are asked to open an open round.
        opens: list[Effect] = [
            Send(name, OpenRound(config=self.config)) for name in self._roster.holders
        ]
        if self.step is Step.OPENING:
            return opens
        return opens + self._resend(announced if chosen else self._roster.trainers)

    def next_wake_s(self) -> float | None:
        """Return when `advance` is due even if nothing comes in; None when it never is."""
        if self.abandoned is not None or self.step is Step.UPDATING:
            return None
        return min(self._deadline_s(), self._sent_s + self._timing.resend_s)

    def advance(self, now_s: float) -> list[Effect]:
        """Let the time pass: end what has waited long enough, repeat what went unanswered."""
        if self.abandoned is not None or self.step is Step.UPDATING:
            return []
        step = self.step
        effects = self._leave_step(now_s)
        if self.step is not step or self.abandoned is not None:
            return effects
        if now_s >= self._sent_s + self._timing.resend_s:
            self._sent_s = now_s
            effects += self._resend(self._asked())
            if self.step is Step.COLLECTING:
                effects += self._ask_receipts()
        return effects

    def receive(self, now_s: float, sender: str, message: Wire) -> list[Effect]:
        """Decide on one message of this round; raise `PeerViolation` on a broken rule."""
        handler = self._handler(sender, message)
        if self.abandoned is not None or self.step is Step.UPDATING:
            return []
        effects = handler(sender, message)
        if effects is None:
            return []
        self._progress_s = now_s
        return effects + self._go_on(now_s)

    def _handler(self, sender: str, message: Wire) -> Callable[[str, Message], list[Effect] | None]:
        role = self._roster.role(sender)
        handlers = _FROM_HOLDERS if role == "holder" else _FROM_TRAINERS
        name = handlers.get(type(message)) if role in ("holder", "trainer") else None
        if name is None:
            raise PeerViolation(
                sender, f"a {role or 'stranger'} may not send {type(message).__name__}"
            )
        handler: Callable[[str, Message], list[Effect] | None] = getattr(self, name)
        return handler

    def _go_on(self, now_s: float) -> list[Effect]:
        effects: list[Effect] = []
        while self.abandoned is None:
            step = self.step
            effects += self._leave_step(now_s)
            if self.step is step:
                break
        return [*effects, Report(self.progress(now_s))]

    # --- steps ------------------------------------------------------------------------

    def _leave_step(self, now_s: float) -> list[Effect]:
        match self.step:
            case Step.OPENING:
                return self._leave_opening(now_s)
            case Step.COLLECTING:
                return self._leave_collecting(now_s)
            case Step.VOTING:
                return self._leave_voting(now_s)
            case Step.RELEASING:
                return self._leave_releasing(now_s)
            case Step.UPDATING:
                return []

    def _enter(self, step: Step, now_s: float) -> None:
        self.step = step
        self._progress_s = self._step_s = self._sent_s = now_s
        self._ready_s = None

    def _abandon(self, reason: str) -> list[Effect]:
        self.abandoned = reason
        return []

    def need(self) -> int:
        """Return how many holders a round can't do without."""
        config = self.config
        return max(config.threshold, config.quorum) if config.vote else config.threshold

    def _leave_opening(self, now_s: float) -> list[Effect]:
        everybody = all(name in self.opened for name in self._known_holders())
        enough = len(self.opened) >= self.need()
        waited = now_s >= self._step_s + self._timing.grace_s
        if enough and (everybody or waited):
            self.announced = tuple(name for name in self._roster.holders if name in self.opened)
            self._enter(Step.COLLECTING, now_s)
            return self._resend(self._roster.trainers)
        if not enough and self._out_of_patience(now_s):
            return self._abandon(
                f"{len(self.opened)} of {len(self._roster.holders)} holders opened the round, "
                f"{self.need()} are needed"
            )
        return []

    def _leave_collecting(self, now_s: float) -> list[Effect]:
        waiting = self.waiting_for()
        if self._ready_s is None and self._all_can_be_opened():
            # Further receipts would only add redundancy: wait for them, but not for long.
            self._ready_s = now_s
        waited = self._ready_s is not None and now_s >= self._ready_s + self._timing.grace_s
        overdue = now_s >= self._step_s + self._timing.round_s or self._out_of_patience(now_s)
        if waiting and not waited and not overdue:
            return []
        chosen = self._collected.choose()
        if len(chosen) >= self.config.minimum:
            self.chosen = chosen
            self._enter(Step.VOTING if self.config.vote else Step.RELEASING, now_s)
            return self._resend(self.announced)
        # Trainers that were not expected may yet accept; only time tells that they won't.
        if not overdue and self._incomplete():
            return []
        return self._abandon(
            f"{len(chosen)} survivors are below the minimum of {self.config.minimum}"
        )

    def _all_can_be_opened(self) -> bool:
        awaited = self._awaited()
        if self._collected.incomplete(awaited, at=self.need()):
            return False
        chosen = {contribution.trainer for contribution in self._collected.choose()}
        return chosen.issuperset(awaited) and len(chosen) >= self.config.minimum

    def _incomplete(self) -> tuple[str, ...]:
        return self._collected.incomplete(self._collected.candidates(), at=len(self.announced))

    def _leave_voting(self, now_s: float) -> list[Effect]:
        if len(self._votes) >= self.config.quorum:
            self._enter(Step.RELEASING, now_s)
            return self._resend(self.announced)
        if self._out_of_patience(now_s):
            return self._abandon(f"{len(self._votes)} of {self.config.quorum} votes came in")
        return []

    def _leave_releasing(self, now_s: float) -> list[Effect]:
        if len(self.answers) >= self.config.threshold:
            self._enter(Step.UPDATING, now_s)
            return [OpenSum(self.config, dict(self.answers), self.chosen)]
        if self._out_of_patience(now_s):
            return self._abandon(f"{len(self.answers)} of {self.config.threshold} answers came in")
        return []

    def _out_of_patience(self, now_s: float) -> bool:
        return now_s >= self._progress_s + self._timing.patience_s

    def _deadline_s(self) -> float:
        deadlines = [self._progress_s + self._timing.patience_s]
        if self.step is Step.OPENING and len(self.opened) >= self.need():
            deadlines.append(self._step_s + self._timing.grace_s)
        if self.step is Step.COLLECTING:
            deadlines.append(self._step_s + self._timing.round_s)
            if self._ready_s is not None:
                deadlines.append(self._ready_s + self._timing.grace_s)
        return min(deadlines)

    # --- who is waited for ------------------------------------------------------------

    def waiting_for(self) -> tuple[str, ...]:
        """Name who has not yet done what this step asks of them."""
        match self.step:
            case Step.OPENING:
                return tuple(n for n in self._known_holders() if n not in self.opened)
            case Step.COLLECTING:
                return self._collected.incomplete(self._awaited(), at=len(self.announced))
            case Step.VOTING:
                return tuple(n for n in self.announced if n not in self._votes)
            case Step.RELEASING:
                return tuple(n for n in self.announced if n not in self.answers)
            case Step.UPDATING:
                return ()

    def _known_holders(self) -> list[str]:
        known = [name for name in self._roster.holders if name in self._expected]
        return known if len(known) >= self.need() else list(self._roster.holders)

    def _awaited(self) -> list[str]:
        known = {**self._expected, **self._collected.accepted}
        return [name for name in self._collected.candidates() if name in known]

    def _asked(self) -> tuple[str, ...]:
        """Name whom to repeat the request to: also those who are not waited for may answer."""
        match self.step:
            case Step.OPENING:
                return tuple(n for n in self._roster.holders if n not in self.opened)
            case Step.COLLECTING:
                return self._incomplete()
            case _:
                return self.waiting_for()

    def left_out(self) -> dict[str, str]:
        """Name the trainers that took part or were expected and are not in the set, with why."""
        chosen = {contribution.trainer for contribution in self.chosen}
        reasons = {
            name: "no complete contribution in time"
            for name in (*self._expected, *self._collected.accepted)
            if self._roster.role(name) == "trainer"
        }
        reasons |= self._collected.declined | self._collected.excluded
        return {name: reason for name, reason in reasons.items() if name not in chosen}

    def silent(self) -> list[str]:
        """Name the announced holders that acknowledged nothing while others did."""
        return self._collected.silent(self.announced)

    def progress(self, now_s: float) -> Progress:
        """Return where the round stands."""
        received, expected = self._counts()
        return Progress(
            job=self.config.job,
            number=self.config.number,
            step=self.step,
            receipts=received,
            expected=expected,
            survivors=len(self.chosen) or self._collected.survivors(),
            waiting_for=self.waiting_for(),
            deadline_s=max(0.0, self._deadline_s() - now_s),
        )

    def _counts(self) -> tuple[int, int]:
        match self.step:
            case Step.OPENING:
                return len(self.opened), len(self._known_holders())
            case Step.COLLECTING:
                got = self._collected.receipts()
                return got, max(got, len(self._awaited()) * len(self.announced))
            case Step.VOTING:
                return len(self._votes), self.config.quorum
            case Step.RELEASING | Step.UPDATING:
                return len(self.answers), self.config.threshold

    # --- asking -----------------------------------------------------------------------

    def _resend(self, names: Iterable[str]) -> list[Effect]:
        request = self._request()
        return [] if request is None else [Send(name, request) for name in names]

    def _request(self) -> Message | None:
        match self.step:
            case Step.OPENING:
                return OpenRound(config=self.config)
            case Step.COLLECTING:
                return Announce(config=self.config, holders=self.announced)
            case Step.VOTING:
                return Propose(cid=self.cid, chosen=self.chosen)
            case Step.RELEASING if self.config.vote:
                voters = tuple(sorted(self._votes))
                return Release(cid=self.cid, chosen=self.chosen, voters=voters)
            case Step.RELEASING:
                return Propose(cid=self.cid, chosen=self.chosen)
            case Step.UPDATING:
                return None

    def _ask_receipts(self) -> list[Effect]:
        """Repeat the opening: an open round's holder answers with all it has."""
        return [Send(name, OpenRound(config=self.config)) for name in self.announced]

    def catch_up(self, name: str) -> list[Effect]:
        """Repeat to an actor that has just started whatever this step asks of it."""
        if self.abandoned is not None:
            return []
        if self._roster.role(name) == "trainer":
            self._collected.declined.pop(name, None)
            return self._resend([name]) if self.step is Step.COLLECTING else []
        effects: list[Effect] = [Send(name, OpenRound(config=self.config))]
        asked = self.step in (Step.VOTING, Step.RELEASING) and name in self.announced
        return effects + (self._resend([name]) if asked else [])

    # --- what comes in: each returns None where nothing new came ----------------------

    def _on_opened(self, sender: str, _message: RoundOpened) -> list[Effect] | None:
        if self.step is not Step.OPENING or sender in self.opened:
            return None
        self.opened[sender] = None
        return []

    def _on_accepted(self, sender: str, _message: Accepted) -> list[Effect] | None:
        return [] if self._collected.accept(sender) else None

    def _on_declined(self, sender: str, message: Declined) -> list[Effect] | None:
        new = self.step is Step.COLLECTING and self._collected.decline(sender, message.kind)
        return [] if new else None

    def _on_have(self, sender: str, message: Have) -> list[Effect] | None:
        if self.step is not Step.COLLECTING or sender not in self.announced:
            return None
        names = [contribution.trainer for contribution in message.contributions]
        if strangers := [n for n in names if self._roster.role(n) != "trainer"]:
            raise PeerViolation(sender, f"has a contribution of {strangers[0]}, who is no trainer")
        changed = [self._collected.receive(sender, c) for c in message.contributions]
        return [] if any(changed) else None

    def _on_excluded(self, sender: str, message: Excluded) -> list[Effect] | None:
        if self._roster.role(message.trainer) != "trainer":
            raise PeerViolation(sender, f"excluded {message.trainer}, who is no trainer")
        reason = f"{sender}: {message.reason}"
        new = self.step is Step.COLLECTING and self._collected.exclude(message.trainer, reason)
        return [] if new else None

    def _on_refused(self, _sender: str, _message: Refused) -> list[Effect] | None:
        return None  # counted by the actor; the request is repeated until the step's end

    def _on_vote(self, sender: str, message: Vote) -> list[Effect] | None:
        if not self.chosen or sender in self._votes:
            return None
        if message.set_digest != set_digest(self.cid, self.chosen):
            raise PeerViolation(sender, "voted for a set that was never proposed")
        self._votes[sender] = None
        return []

    def _on_answer(self, sender: str, message: AnswerChunk) -> list[Effect] | None:
        header = message.header
        if self.step is not Step.RELEASING or sender in self.answers:
            return None
        self._check_answer(sender, message)
        parts = self._parts.setdefault(sender, AnswerParts(header))
        if parts.header != header:
            raise PeerViolation(sender, "sent two different answers")
        if message.index in parts.stored:
            return None
        parts.stored[message.index] = None
        stream = answer_stream(self.cid, sender)
        effects: list[Effect] = [StoreChunk(stream, message.index, message.payload)]
        if len(parts.stored) == chunk_count(self.config):
            effects.append(CheckStream(self.config, stream, header.answer_digest))
        return effects

    def _check_answer(self, sender: str, message: AnswerChunk) -> None:
        header = message.header
        if header.set_digest != set_digest(self.cid, self.chosen):
            raise PeerViolation(sender, "answered for a set that was never proposed")
        fault = shape_fault(self.config, header.answer_bytes, message.index, message.payload)
        if fault is not None:
            raise PeerViolation(sender, f"sent an answer of the wrong shape: {fault}")

    def checked(self, now_s: float, holder: str, *, ok: bool) -> list[Effect]:
        """Take the result of a `CheckStream` of one holder's answer."""
        parts = self._parts.pop(holder, None)
        if parts is None or self.step is not Step.RELEASING or not ok:
            return []
        self.answers[holder] = parts.header
        self._progress_s = now_s
        return self._go_on(now_s)


_FROM_HOLDERS: dict[type[Message], str] = {
    RoundOpened: "_on_opened",
    Have: "_on_have",
    Excluded: "_on_excluded",
    Refused: "_on_refused",
    Vote: "_on_vote",
    AnswerChunk: "_on_answer",
}
_FROM_TRAINERS: dict[type[Message], str] = {
    Accepted: "_on_accepted",
    Declined: "_on_declined",
    Refused: "_on_refused",
}
