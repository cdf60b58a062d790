"""The coordinator's side of one round: open, collect, choose, have it voted, released, opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from protocols.effects import Effect, OpenSum, Report, Send, StoreChunk
from protocols.errors import Misuse, PeerViolation
from protocols.messages import (
    Accepted,
    AnswerChunk,
    AnswerHeader,
    CheckValues,
    CoinOpening,
    Contribution,
    Declined,
    Endorsement,
    Excluded,
    Frozen,
    Have,
    Message,
    Opened,
    OpenRound,
    Pledged,
    Refused,
    RoundOpened,
    ShareChunk,
    Tossed,
    Vote,
    Wire,
    Working,
)
from protocols.records import CheckRecord
from protocols.reports import AnswersJudged, Progress, Step
from protocols.round_config import Roster
from protocols.trust.sealing import SealingKey
from protocols.trust.transcript import Judged

from .answers import Answers
from .asking import certificate_of, request_of
from .checking import Checking
from .judging import Judgement, Status
from .means import Means
from .patience import Patience
from .receipts import Receipts
from .sealed import key_fault
from .sets import set_digest
from .trial import Trial, Verdict

_ASK_ALL = 2  # each so manieth time all holders are asked what they have

_Handler = Callable[[str, Message, bytes], list[Effect] | None]


class Gathering:
    """One round. Feed it messages, results and the time; read `step` and `abandoned`.

    `receipts` knows of the contributions. `announced` and `chosen` are what others were told, so
    they must be in the journal before the effects of the same decision leave: see `Coordinating`.
    """

    def __init__(
        self,
        opening: OpenRound,
        roster: Roster,
        patience: Patience,
        *,
        expected: Iterable[str],
        means: Means,
    ) -> None:
        self.config = config = opening.config
        self.cid = config.cid()
        self.step = Step.OPENING
        self.abandoned: str | None = None
        self.announced: tuple[str, ...] = ()
        self.chosen: tuple[Contribution, ...] = ()
        self.opened: dict[str, Opened] = {}
        self.began_s = patience.made_s
        expected = tuple(expected)
        self.receipts = Receipts(config, roster, means.verifier, expected)
        self._roster = roster
        self._opening = opening
        self._expected_holders = {name for name in expected if name in roster.holders}
        self._patience = patience
        self._set_digest = b""
        self._votes: dict[str, bytes] = {}  # by holder: its signature
        self._answers = Answers(config)
        self._trial = Trial(config, roster.holders, means.entropy)
        self.checking = Checking(config, roster, self.receipts.collected)
        self._gone: dict[str, None] = {}
        self._remark = ""

    @property
    def verdict(self) -> Verdict | None:
        """What is known of the answers that the sum is opened from; None before it is."""
        return self._trial.verdict

    @property
    def answered(self) -> tuple[str, ...]:
        """Name the holders whose answers are complete."""
        return tuple(self._answers.complete)

    def certificate(self) -> tuple[Endorsement, ...]:
        """Return the votes for the set that was proposed, sorted by holder."""
        return certificate_of(self._votes)

    def signed_answers(self) -> dict[str, tuple[AnswerHeader, bytes]]:
        """Return the headers of the answers that the sum rests on, as their holders signed them.

        Those that were judged, liars' among them; before there is a verdict all complete ones.
        """
        complete, signatures = self._answers.complete, self._answers.signatures
        names = tuple(complete) if self.verdict is None else self.verdict.answered
        return {name: (complete[name], signatures[name]) for name in names}

    def judgement(self) -> Judged | None:
        """Return how far the answers were checked, None where nothing was to be opened."""
        if self.step is not Step.UPDATING or self.verdict is None:
            return None
        verdict = self.verdict
        return Judged(status=verdict.status.value, liars=tuple(sorted(verdict.liars)))

    def start(self) -> list[Effect]:
        """Ask the holders to open the round."""
        return self._resend(self._roster.holders)

    def announcement(self) -> tuple[Opened, ...]:
        """Return what is announced of the holders that take part; none before."""
        return tuple(self.opened[name] for name in self.announced)

    def resume(
        self,
        announced: tuple[Opened, ...],
        chosen: tuple[Contribution, ...],
        check: CheckRecord | None = None,
    ) -> list[Effect]:
        """Go on with a round that was under way when this coordinator died."""
        if announced:
            self.opened = {opened.holder: opened for opened in announced}
            self.announced = tuple(self.opened)
            self.step = Step.COLLECTING
        if check is not None:
            self.step = Step.CHECKING
            self.checking.begin(check)
        if chosen:
            self._choose(chosen)
        opens = self._open_again(self._roster.holders)
        if self.step is Step.COLLECTING:
            opens += self.receipts.resume()
        asked = self.receipts.invited if self.step is Step.COLLECTING else self.waiting_for()
        return opens if self.step is Step.OPENING else opens + self._resend(asked)

    def _open_again(self, holders: Iterable[str]) -> list[Effect]:
        return [Send(name, self._opening) for name in holders]

    def next_wake_s(self) -> float | None:
        """Return when `advance` is due even if nothing comes in; None when it never is."""
        return None if self._over() or self._trial.under_way else self._patience.wake_s()

    def _over(self) -> bool:
        return self.abandoned is not None or self.step is Step.UPDATING

    def advance(self, now_s: float) -> list[Effect]:
        """Let the time pass: end what has waited long enough, repeat what went unanswered."""
        if self._over() or self._trial.under_way:
            return []
        step, stage = self.step, self._stage()
        gone_on = self._go_on(now_s)
        if self._stage() != stage or self.abandoned is not None or self._trial.under_way:
            return gone_on
        if not self._patience.ask_again(now_s):
            return []
        self._patience.asked(now_s)
        again = self._open_again(self._asked_again()) if step is Step.COLLECTING else []
        return self._resend(self._asked()) + again

    def overslept(self, now_s: float, late_s: float) -> list[Effect]:
        """Take note that nobody could be heard for `late_s`: others' silence counts anew."""
        if self._over():
            return []
        self._patience.overslept(now_s, late_s)
        return [Report(self.progress(now_s))]

    def receive(
        self, now_s: float, sender: str, message: Wire, signature: bytes = b""
    ) -> list[Effect]:
        """Decide on one message of this round, and the signature that its sender gave it.

        Raises `PeerViolation` on a broken rule.
        """
        handler = self._handler(sender, message)
        if self._over():
            return []
        if self._roster.role(sender) == "trainer" and not self.receipts.asks(sender):
            return []  # it declines what it was shown out of turn, perhaps in our name: harmless
        self.receipts.contradictions.hear(sender, message, signature)
        effects = handler(sender, message, signature)
        if effects is None:
            return []
        if isinstance(message, ShareChunk):
            return self._after_bulk(now_s, sender, effects)
        self._patience.moved(now_s)
        return effects + self._go_on(now_s)

    def _after_bulk(self, now_s: float, sender: str, effects: list[Effect]) -> list[Effect]:
        """Count what is new as progress; nothing is complete before it is checked."""
        if any(isinstance(effect, StoreChunk) for effect in effects):
            self._patience.moved(now_s)
        return effects + (self._go_on(now_s) if sender in self.receipts.collected.excluded else [])

    def _handler(self, sender: str, message: Wire) -> _Handler:
        role = self._roster.role(sender)
        name = _HANDLERS.get(role or "", {}).get(type(message))
        if name is None:
            raise PeerViolation(
                sender, f"a {role or 'stranger'} may not send {type(message).__name__}"
            )
        handler: _Handler = getattr(self, name)
        return handler

    def _go_on(self, now_s: float) -> list[Effect]:
        effects: list[Effect] = []
        while self.abandoned is None:
            step = self.step
            effects += self._leave_step(now_s)
            if self.step is step:
                break
        return [*effects, Report(self.progress(now_s))]

    def _leave_step(self, now_s: float) -> list[Effect]:
        match self.step:
            case Step.OPENING:
                return self._leave_opening(now_s)
            case Step.COLLECTING:
                return self._leave_collecting(now_s)
            case Step.CHECKING:
                return self._leave_checking(now_s)
            case Step.VOTING:
                return self._leave_voting(now_s)
            case Step.RELEASING:
                return self._leave_releasing(now_s)
            case Step.UPDATING:
                return []

    def _stage(self) -> tuple[object, ...]:
        """Return what is asked for now."""
        check = self.checking.begun
        return self.step, None if check is None else check.stage

    def _enter(self, step: Step, now_s: float) -> None:
        self.step, self._remark = step, ""
        self._patience.enter(now_s)

    def _choose(self, chosen: tuple[Contribution, ...]) -> None:
        self.chosen = chosen
        self.step = Step.VOTING if self.config.vote else Step.RELEASING
        self._set_digest = set_digest(self.cid, chosen)

    def _abandon(self, reason: str) -> list[Effect]:
        self.abandoned = reason
        return []

    def need(self) -> int:
        """Return how many holders a round can't do without."""
        return self.config.holders_needed()

    def _leave_opening(self, now_s: float) -> list[Effect]:
        everybody = all(name in self.opened for name in self._known_holders())
        enough = len(self.opened) >= self.need()
        self._patience.has_enough(enough, now_s)
        overdue = self._patience.exhausted(now_s)
        if enough and (everybody or overdue or self._patience.over_grace(now_s)):
            self.announced = tuple(name for name in self._roster.holders if name in self.opened)
            self._enter(Step.COLLECTING, now_s)
            return self._resend(self.receipts.invited)
        if overdue:
            return self._abandon(
                f"{len(self.opened)} of {len(self._roster.holders)} holders opened the round, "
                f"{self.need()} are needed"
            )
        return []

    def _leave_collecting(self, now_s: float) -> list[Effect]:
        # Once everybody's contribution can be opened, further receipts only add redundancy:
        # they are waited for, but not for long.
        receipts, holders, minimum = self.receipts, len(self.announced), self.config.minimum
        full, known = receipts.full(), self._patience.knows_enough
        self._patience.has_enough(full or receipts.all_can_be_opened(known=known), now_s)
        overdue = self._patience.exhausted(now_s)
        hurried = overdue or self._patience.over_grace(now_s)
        settled = receipts.settled if full else receipts.nobody_awaited
        if not hurried and not settled(holders=holders):
            return []
        chosen = receipts.collected.releasable(minimum)
        # Trainers that were not expected may yet accept; only time tells that they won't.
        if not chosen and not overdue and receipts.incomplete(holders=holders):
            self._patience.in_vain(now_s)
            self._remark = receipts.collected.held_back(minimum) or ""
            return []
        if chosen := chosen or receipts.collected.releasable(minimum, recall=False):
            receipts.collected.spare(chosen, minimum)
            if self.config.checks:
                self.step = Step.CHECKING
                self.checking.begin(CheckRecord(frozen=chosen))
            else:
                self._choose(chosen)
            self._enter(self.step, now_s)
            return self._resend(self.announced)
        return self._abandon(receipts.collected.too_few(minimum))

    def _leave_checking(self, now_s: float) -> list[Effect]:
        check = self.checking.now
        self._patience.has_enough(check.ready, now_s)
        overdue = self._patience.exhausted(now_s)
        if check.ready and (self._all_gave() or overdue or self._patience.over_grace(now_s)):
            check.go_on()
            if check.fault is not None:
                return self._abandon(check.fault)
            if check.suspects is not None:
                return self._check_ended(now_s)
            self._patience.enter(now_s)
            return self._resend(self.waiting_for())
        if overdue:
            heard = f"{len(check.heard)} of {check.need} holders"
            return self._abandon(f"{heard} took part in the check ({check.phase.value})")
        return []

    def _check_ended(self, now_s: float) -> list[Effect]:
        told, chosen = self.checking.ended()
        if isinstance(chosen, str):
            return [told, *self._abandon(chosen)]
        self._choose(chosen)
        self._enter(self.step, now_s)
        return [told, *self._resend(self.announced)]

    def _leave_voting(self, now_s: float) -> list[Effect]:
        if len(self._votes) >= self.config.quorum:
            self._enter(Step.RELEASING, now_s)
            return self._resend(self.announced)
        if self._patience.exhausted(now_s):
            return self._abandon(f"{len(self._votes)} of {self.config.quorum} votes came in")
        return []

    def _leave_releasing(self, now_s: float) -> list[Effect]:
        if self._trial.under_way:
            return []
        complete = self._answers.complete
        enough = self._trial.wants(complete)
        self._patience.has_enough(enough, now_s)
        overdue = self._patience.exhausted(now_s)
        if enough and (self._all_answered() or overdue or self._patience.over_grace(now_s)):
            judge = self._trial.begin(complete, self._set_digest)
            return self._open_sum(now_s) if judge is None else [judge]
        if self._trial.doubted and (overdue or self._all_gave()):
            return self._abandon(self._trial.doubt())
        if overdue:
            needed = self.config.answers_needed()
            return self._abandon(f"{len(complete)} of {needed} answers came in")
        return []

    def _all_answered(self) -> bool:
        """Return whether all liars can be named, or nobody is left to be waited for."""
        if len(self._answers.complete) >= self.config.answers_wanted():
            return True
        return self._all_gave(apart_from=self._answers.failed)

    def _all_gave(self, apart_from: Iterable[str] = ()) -> bool:
        done = {**dict.fromkeys(apart_from), **self._gone}
        return all(name in done for name in self.waiting_for())

    def judged(self, now_s: float, judgement: Judgement) -> list[Effect]:
        """Take the result of a `JudgeAnswers`: open what fits, or wait for further answers."""
        verdict = self._trial.take(judgement)
        told = Report(
            AnswersJudged(
                job=self.config.job,
                number=self.config.number,
                checked=verdict.status.value,
                answered=verdict.answered,
                liars=verdict.liars,
            )
        )
        if verdict.status is not Status.DETECTED:
            return [told, *self._open_sum(now_s), Report(self.progress(now_s))]
        # Nobody was waited for in the meantime.
        self._patience.moved(now_s)
        return [told, *self._resend(self.waiting_for()), *self._go_on(now_s)]

    def _open_sum(self, now_s: float) -> list[Effect]:
        verdict = self._trial.verdict
        if verdict is None:
            raise Misuse("a sum is opened from answers that nobody looked at")
        self._enter(Step.UPDATING, now_s)
        return [
            OpenSum(
                self.config,
                verdict.fitting,
                self.chosen,
                coin=verdict.coin,
                at_zero=verdict.at_zero,
            )
        ]

    def waiting_for(self) -> tuple[str, ...]:
        """Name who has not yet done what this step asks of them."""
        match self.step:
            case Step.OPENING:
                return tuple(n for n in self._known_holders() if n not in self.opened)
            case Step.COLLECTING:
                return self.receipts.waiting_for(holders=len(self.announced))
            case Step.CHECKING:
                return self.checking.now.waiting_for(self.announced)
            case Step.VOTING:
                return tuple(n for n in self.announced if n not in self._votes)
            case Step.RELEASING:
                return tuple(n for n in self.announced if n not in self.answered)
            case Step.UPDATING:
                return ()

    def _known_holders(self) -> list[str]:
        known = [name for name in self._roster.holders if name in self._expected_holders]
        return known if len(known) >= self.need() else list(self._roster.holders)

    def _asked(self) -> tuple[str, ...]:
        """Name whom to repeat the request to: also those who are not waited for may answer."""
        match self.step:
            case Step.OPENING:
                return tuple(n for n in self._roster.holders if n not in self.opened)
            case Step.COLLECTING:
                return self.receipts.incomplete(holders=len(self.announced))
            case _:
                return self.waiting_for()

    def _asked_again(self) -> Iterable[str]:
        """Name the holders to be asked what they have, which is how they answer to an opening.

        Those that told of less than others; and now and then all, as all that tells of a
        contribution may have been lost.
        """
        everybody = self._patience.times_asked % _ASK_ALL == 0
        return self.announced if everybody else self.receipts.collected.behind(self.announced)

    def left_out(self) -> dict[str, str]:
        """Name the trainers that took part or were expected and are not in the set, with why."""
        return self.receipts.left_out(self.chosen)

    def silent(self) -> list[str]:
        """Name the announced holders that acknowledged nothing while others did."""
        return self.receipts.collected.silent(self.announced)

    def missing(self) -> tuple[str, ...]:
        """Name those whose silence may have cost the round its sum: who could help the next one."""
        if self.step is Step.OPENING:
            return tuple(name for name in self._roster.holders if name not in self.opened)
        if self.step is Step.UPDATING:
            return ()
        asked = self.waiting_for()
        silent = [
            name for name in self._roster.holders if name not in self.announced or name in asked
        ]
        if self.step in (Step.COLLECTING, Step.CHECKING):
            silent += self.receipts.unopenable()
        return tuple(silent)

    def progress(self, now_s: float) -> Progress:
        """Return where the round stands."""
        received, expected = self._counts()
        return Progress(
            job=self.config.job,
            number=self.config.number,
            step=self.step,
            receipts=received,
            expected=expected,
            survivors=len(self.chosen) or self.receipts.collected.survivors(),
            waiting_for=self.waiting_for(),
            deadline_s=max(0.0, self._patience.deadline_s() - now_s),
            remark=self._remark,
        )

    def _counts(self) -> tuple[int, int]:
        match self.step:
            case Step.OPENING:
                return len(self.opened), len(self._known_holders())
            case Step.COLLECTING:
                return self.receipts.counts(holders=len(self.announced))
            case Step.CHECKING:
                check = self.checking.now
                return len(check.heard), check.need
            case Step.VOTING:
                return len(self._votes), self.config.quorum
            case Step.RELEASING | Step.UPDATING:
                return len(self.answered), self.config.answers_needed()

    def _resend(self, names: Iterable[str]) -> list[Effect]:
        if self.step is Step.CHECKING:
            asked = self.checking.now.request()
            return [Send(name, asked) for name in names]
        request = request_of(
            self.step,
            self._opening,
            announced=self.announcement(),
            chosen=self.chosen,
            votes=self._votes,
        )
        return [] if request is None else [Send(name, request) for name in names]

    def catch_up(self, name: str) -> list[Effect]:
        """Repeat to an actor that has just started whatever this step asks of it."""
        self._gone.pop(name, None)
        if self.abandoned is not None:
            return []
        if self._roster.role(name) == "trainer":
            self.receipts.collected.declined.pop(name, None)
            asked = self.step is Step.COLLECTING and name in self.receipts.invited
            return self._resend([name]) if asked else []
        effects = self._open_again([name])
        if self.step is Step.CHECKING:
            asked = name in self.waiting_for()
        else:
            asked = self.step in (Step.VOTING, Step.RELEASING) and name in self.announced
        return effects + (self._resend([name]) if asked else [])

    def leave(self, name: str, now_s: float) -> list[Effect]:
        """Wait no longer for an actor that goes; what it has done already counts."""
        self._gone[name] = None
        self._expected_holders.discard(name)
        self.receipts.leave(name)
        return [] if self._over() else self._go_on(now_s)

    def _on_opened(
        self, sender: str, message: RoundOpened, signature: bytes
    ) -> list[Effect] | None:
        key, known = message.sealing_key, self.opened.get(sender)
        if known is not None and known.sealing_key != key:
            raise PeerViolation(sender, "opened the round with two keys")
        if self.step is not Step.OPENING or known is not None:
            return None
        self._require_usable(sender, key)
        self.opened[sender] = Opened(holder=sender, sealing_key=key, signature=signature)
        return []

    def _require_usable(self, sender: str, key: SealingKey) -> None:
        fault = key_fault(self.config, key)
        if fault is not None:
            raise PeerViolation(sender, f"opened the round with {fault}")

    def _on_receipt(self, sender: str, message: Message, _: bytes) -> list[Effect] | None:
        return self.receipts.receive(sender, message, self.step, self.announced)

    def _on_working(self, sender: str, _message: Working, _: bytes) -> list[Effect] | None:
        if sender not in self.waiting_for():
            return None
        enough = self.step is Step.COLLECTING and self.receipts.has_enough_of(sender)
        return None if enough else []

    def bulk_checked(self, now_s: float, trainer: str, *, ok: bool) -> list[Effect]:
        """Take the result of a `CheckStream` of one trainer's bulk."""
        if self.step is not Step.COLLECTING:
            return []
        effects = self.receipts.bulk_checked(trainer, ok=ok)
        if effects is None:
            return []
        self._patience.moved(now_s)
        return effects + self._go_on(now_s)

    def _on_refused(self, _sender: str, _message: Refused, _: bytes) -> list[Effect] | None:
        return None  # counted by the actor; the request is repeated until the step's end

    def _on_check(self, sender: str, message: Message, signature: bytes) -> list[Effect] | None:
        check = self.checking.begun
        if check is None or not check.receive(sender, message, signature):
            return None
        return []

    def _on_vote(self, sender: str, message: Vote, signature: bytes) -> list[Effect] | None:
        if not self.chosen or sender in self._votes:
            return None
        if message.set_digest != self._set_digest:
            raise PeerViolation(sender, "voted for a set that was never proposed")
        self._votes[sender] = signature
        return []

    def _on_answer(self, sender: str, message: AnswerChunk, _: bytes) -> list[Effect] | None:
        if self.step is not Step.RELEASING:
            return None
        return self._answers.receive(sender, message, self._set_digest)

    def checked(self, now_s: float, holder: str, *, ok: bool) -> list[Effect]:
        """Take the result of a `CheckStream` of one holder's answer."""
        if self.step is not Step.RELEASING or not self._answers.checked(holder, ok=ok):
            return []
        self._patience.moved(now_s)
        return self._go_on(now_s)


_FROM_HOLDERS: dict[type[Message], str] = {
    RoundOpened: "_on_opened",
    Pledged: "_on_receipt",
    Have: "_on_receipt",
    Excluded: "_on_receipt",
    Refused: "_on_refused",
    Frozen: "_on_check",
    CoinOpening: "_on_check",
    Tossed: "_on_check",
    CheckValues: "_on_check",
    Vote: "_on_vote",
    Working: "_on_working",
    AnswerChunk: "_on_answer",
}
_FROM_TRAINERS: dict[type[Message], str] = {
    Accepted: "_on_receipt",
    Declined: "_on_receipt",
    Working: "_on_working",
    Refused: "_on_refused",
    ShareChunk: "_on_receipt",
}
_HANDLERS = {"holder": _FROM_HOLDERS, "trainer": _FROM_TRAINERS}
