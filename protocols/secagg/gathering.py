"""The coordinator's side of one round: open, collect, choose, have it voted, released, opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from protocols.batches import Asked
from protocols.codec import Undecodable
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
from protocols.reports import AnswersJudged, Progress, Refusal, Step
from protocols.round_config import Roster
from protocols.trust.errors import Untrusted
from protocols.trust.sealing import SealingKey
from protocols.trust.transcript import Judged

from .answers import Answers
from .asking import certificate_of, request_of
from .checking import Checking
from .chunks import has_bulk
from .claims import Claims
from .collected import Collected
from .contradictions import Contradictions
from .differencing import Apart
from .intake import Intake
from .judging import Judgement, Status
from .means import Means
from .patience import Patience
from .pledges import apart_of
from .sealed import key_fault
from .sets import set_digest
from .suspects import Invited
from .trial import Trial, Verdict

_ASK_ALL = 2  # each so manieth time all holders are asked what they have

_Handler = Callable[[str, Message, bytes], list[Effect] | None]


class Gathering:
    """One round. Feed it messages, results and the time; read `step` and `abandoned`.

    `trainers` are those whom the round asks. `announced` and `chosen` are what others were told,
    so they must be in the journal before the effects of the same decision leave: see
    `Coordinating`.
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
        self.contradictions = Contradictions(roster.federation, self.cid)
        self._roster = roster
        self._opening = opening
        self._expected = dict.fromkeys(expected)
        self._patience = patience
        bulk = has_bulk(config)
        asked = Asked.of(config, roster)
        self.trainers = asked.among(roster.trainers)
        self._asked_trainers = frozenset(self.trainers)
        self._invited = self.trainers  # of those, whom a search for a garbler does not leave out
        self._collected = Collected(self.trainers, need=self.need(), bulk=bulk, asked=asked)
        self.intake = Intake(config, roster.federation) if bulk else None
        self._set_digest = b""
        self._votes: dict[str, bytes] = {}  # by holder: its signature
        self._answers = Answers(config)
        self._trial = Trial(config, roster.holders, means.entropy)
        self._claims = Claims(roster.federation, self.cid, means.verifier)
        self.checking = Checking(config, roster, self._collected)
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

    def keep_apart(self, earlier: Apart) -> None:
        """Choose no set that is too close to one of these, proposed over the same state."""
        self._collected.earlier = earlier | Apart((), self.config.minimum)

    def invite(self, invited: Invited) -> None:
        """Ask these trainers only."""
        self._invited = tuple(name for name in self.trainers if name in invited.names)
        self._collected.invite(invited)

    def came(self) -> tuple[str, ...]:
        """Name the trainers whose contributions could be opened."""
        return tuple(contribution.trainer for contribution in self._collected.choose())

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
        if self.intake is not None and self.step is Step.COLLECTING:
            for trainer in self.intake.complete:
                self._arrived(self.intake, trainer)
            opens += self.intake.resume()
        asked = self._invited if self.step is Step.COLLECTING else self.waiting_for()
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
        if self._roster.role(sender) == "trainer" and sender not in self._asked_trainers:
            return []  # it declines what it was shown out of turn, perhaps in our name: harmless
        self.contradictions.hear(sender, message, signature)
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
        return effects + (self._go_on(now_s) if sender in self._collected.excluded else [])

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
            return self._resend(self._invited)
        if overdue:
            return self._abandon(
                f"{len(self.opened)} of {len(self._roster.holders)} holders opened the round, "
                f"{self.need()} are needed"
            )
        return []

    def _leave_collecting(self, now_s: float) -> list[Effect]:
        # Once everybody's contribution can be opened, further receipts only add redundancy:
        # they are waited for, but not for long.
        full = self._full()
        self._patience.has_enough(full or self._all_can_be_opened(), now_s)
        overdue = self._patience.exhausted(now_s)
        hurried = overdue or self._patience.over_grace(now_s)
        if not hurried and (not self._settled() if full else self.waiting_for()):
            return []
        minimum = self.config.minimum
        chosen = self._collected.releasable(minimum)
        # Trainers that were not expected may yet accept; only time tells that they won't.
        if not chosen and not overdue and self._incomplete():
            self._remark = self._collected.held_back(minimum) or ""
            return []
        if chosen := chosen or self._collected.releasable(minimum, recall=False):
            self._collected.spare(chosen, minimum)
            if self.config.checks:
                self.step = Step.CHECKING
                self.checking.begin(CheckRecord(frozen=chosen))
            else:
                self._choose(chosen)
            self._enter(self.step, now_s)
            return self._resend(self.announced)
        return self._abandon(self._collected.too_few(minimum))

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

    def _full(self) -> bool:
        """Return whether a buffered round has the contributions that are enough for it."""
        wanted = self.config.buffered
        if not wanted or self._collected.survivors() < wanted:
            return False
        return len(self._collected.releasable(self.config.minimum)) >= wanted

    def _settled(self) -> bool:
        """Return whether enough contributions are complete at all holders that want them."""
        names = self._collected.candidates()
        lacking = {
            *self._collected.unsettled(names, holders=len(self.announced)),
            *self._collected.incomplete(names, at=self.need()),
        }
        return len(names) - len(lacking) >= self.config.buffered

    def _all_can_be_opened(self) -> bool:
        awaited = self._awaited()
        # Asked for every message, and there are some of each trainer: counting comes first.
        if self._collected.survivors() < len(awaited):
            return False
        if self._collected.incomplete(awaited, at=self.need()):
            return False
        if self._patience.knows_enough:
            return self._collected.survivors() >= self.config.minimum
        chosen = {contribution.trainer for contribution in self._collected.choose()}
        enough = self._collected.releasable(self.config.minimum)
        return chosen.issuperset(awaited) and bool(enough)

    def _incomplete(self) -> tuple[str, ...]:
        return self._collected.unsettled(self._collected.candidates(), holders=len(self.announced))

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
                return self._collected.unsettled(self._awaited(), holders=len(self.announced))
            case Step.CHECKING:
                return self.checking.now.waiting_for(self.announced)
            case Step.VOTING:
                return tuple(n for n in self.announced if n not in self._votes)
            case Step.RELEASING:
                return tuple(n for n in self.announced if n not in self.answered)
            case Step.UPDATING:
                return ()

    def _known_holders(self) -> list[str]:
        known = [name for name in self._roster.holders if name in self._expected]
        return known if len(known) >= self.need() else list(self._roster.holders)

    def _awaited(self) -> list[str]:
        # Asked several times for each message: see `Collected.candidates` for who is one.
        collected, expected = self._collected, self._expected
        accepted, declined, excluded = collected.accepted, collected.declined, collected.excluded
        return [
            n
            for n in self.trainers
            if (n in expected or n in accepted) and n not in declined and n not in excluded
        ]

    def _asked(self) -> tuple[str, ...]:
        """Name whom to repeat the request to: also those who are not waited for may answer."""
        match self.step:
            case Step.OPENING:
                return tuple(n for n in self._roster.holders if n not in self.opened)
            case Step.COLLECTING:
                return self._incomplete()
            case _:
                return self.waiting_for()

    def _asked_again(self) -> Iterable[str]:
        """Name the holders to be asked what they have, which is how they answer to an opening.

        Those that told of less than others; and now and then all, as all that tells of a
        contribution may have been lost.
        """
        everybody = self._patience.times_asked % _ASK_ALL == 0
        return self.announced if everybody else self._collected.behind(self.announced)

    def left_out(self) -> dict[str, str]:
        """Name the trainers that took part or were expected and are not in the set, with why."""
        # Who is not in a full buffer is at work, not missing.
        full = 0 < self.config.buffered <= len(self.chosen)
        return self._collected.left_out(self._expected, self.chosen, full=full)

    def silent(self) -> list[str]:
        """Name the announced holders that acknowledged nothing while others did."""
        return self._collected.silent(self.announced)

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
            silent += self._collected.incomplete(self._collected.candidates(), at=self.need())
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
            survivors=len(self.chosen) or self._collected.survivors(),
            waiting_for=self.waiting_for(),
            deadline_s=max(0.0, self._patience.deadline_s() - now_s),
            remark=self._remark,
        )

    def _counts(self) -> tuple[int, int]:
        match self.step:
            case Step.OPENING:
                return len(self.opened), len(self._known_holders())
            case Step.COLLECTING:
                got, parts = self._collected.receipts(), len(self.announced)
                parts += self.intake is not None
                return got, max(got, len(self._awaited()) * parts)
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
            self._collected.declined.pop(name, None)
            asked = self.step is Step.COLLECTING and name in self._invited
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
        self._expected.pop(name, None)
        self._collected.accepted.pop(name, None)
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

    def _on_pledged(self, sender: str, message: Pledged, _: bytes) -> list[Effect] | None:
        if self.step not in (Step.OPENING, Step.COLLECTING):
            return None
        least = max(message.apart, self.config.minimum)
        try:
            apart = apart_of(message.sets, self._roster.trainers, least)
        except ValueError as error:
            raise PeerViolation(sender, f"is bound to what is {error}") from None
        return [] if self._collected.pledged(sender, apart) else None

    def _on_accepted(self, sender: str, _message: Accepted, _: bytes) -> list[Effect] | None:
        return [] if self._collected.accept(sender) else None

    def _on_declined(self, sender: str, message: Declined, _: bytes) -> list[Effect] | None:
        new = self.step is Step.COLLECTING and self._collected.decline(sender, message.kind)
        return [] if new else None

    def _on_working(self, sender: str, _message: Working, _: bytes) -> list[Effect] | None:
        return [] if sender in self.waiting_for() and not self._has_enough_of(sender) else None

    def _has_enough_of(self, sender: str) -> bool:
        """Return whether a trainer is in the set that could be opened now, at work or not.

        What it still uploads is redundancy, perhaps for a holder that is dead: it must not
        hold the round up as work that others are missing would.
        """
        if self.step is not Step.COLLECTING:
            return False
        if self._collected.incomplete([sender], at=self.need()):
            return False
        return sender in {contribution.trainer for contribution in self._collected.choose()}

    def _on_have(self, sender: str, message: Have, _: bytes) -> list[Effect] | None:
        if self.step is not Step.COLLECTING or sender not in self.announced:
            return None
        names = [contribution.trainer for contribution in message.contributions]
        if strangers := [n for n in names if self._roster.role(n) != "trainer"]:
            raise PeerViolation(sender, f"has a contribution of {strangers[0]}, who is no trainer")
        if others := [n for n in names if n not in self._asked_trainers]:
            raise PeerViolation(sender, f"has a contribution of {others[0]}, who was not asked")
        signatures = message.signatures or (b"",) * len(names)
        if len(signatures) != len(names):
            raise PeerViolation(sender, f"gave {len(signatures)} signatures for {len(names)}")
        changed = [
            self._claimed(sender, contribution, signature)
            for contribution, signature in zip(message.contributions, signatures, strict=True)
        ]
        return [] if any(changed) else None

    def _claimed(self, sender: str, contribution: Contribution, signature: bytes) -> bool:
        """Take what a holder says that it has; say whether anything changed."""
        trainer = contribution.trainer
        dispute = self._claims.hear(sender, contribution, signature)
        if dispute is None:
            return self._collected.receive(sender, contribution)
        if dispute.evidence is not None:
            self.contradictions.add(dispute.evidence)
            reason = "sent different contributions to different holders"
            return self._collected.exclude(trainer, reason)
        if sender in dispute.liars:
            raise PeerViolation(sender, f"has a contribution that {trainer} did not sign")
        for liar in dispute.liars:
            self._collected.disbelieve(liar, trainer)
        self._collected.receive(sender, contribution)
        return True

    def _on_excluded(self, sender: str, message: Excluded, _: bytes) -> list[Effect] | None:
        if self._roster.role(message.trainer) != "trainer":
            raise PeerViolation(sender, f"excluded {message.trainer}, who is no trainer")
        reason, trainer = f"{sender}: {message.reason}", message.trainer
        if self.step is not Step.COLLECTING:
            return None
        if not message.evidence:
            return [] if self._collected.refuse(sender, trainer, reason) else None
        try:
            self.contradictions.add(self._claims.shown(trainer, message.evidence))
        except (Untrusted, Undecodable) as error:
            raise PeerViolation(sender, f"accused {trainer} with no evidence: {error}") from None
        return [] if self._collected.exclude(trainer, reason) else None

    def _on_bulk(self, sender: str, message: ShareChunk, _: bytes) -> list[Effect] | None:
        intake = self.intake
        if intake is None:
            raise PeerViolation(sender, "sent bulk in a round that has none")
        if sender in self._collected.excluded:
            return self._refuse_bulk(sender, "excluded from the round")
        intake.require_shape(sender, message)
        if self.step is not Step.COLLECTING and sender not in intake.complete:
            return self._refuse_bulk(sender, "the set of the round is fixed")
        if not intake.contradicts(message):
            return intake.receive(message)
        if self.step is not Step.COLLECTING:
            return self._refuse_bulk(sender, "another contribution is in the set")
        evidence, reason = intake.evidence(message), "sent two different contributions"
        if evidence is not None:
            self.contradictions.add(evidence)
        self._collected.exclude(sender, reason)
        return [*intake.drop(sender), *self._refuse_bulk(sender, reason)]

    def _refuse_bulk(self, trainer: str, reason: str) -> list[Effect]:
        refused = Refusal(actor=self._roster.coordinator, peer=trainer, what="share", reason=reason)
        return [Send(trainer, Refused(cid=self.cid, what="share", reason=reason)), Report(refused)]

    def bulk_checked(self, now_s: float, trainer: str, *, ok: bool) -> list[Effect]:
        """Take the result of a `CheckStream` of one trainer's bulk."""
        intake = self.intake
        if intake is None or self.step is not Step.COLLECTING:
            return []
        effects = intake.checked(trainer, ok=ok)
        if effects is None:
            return []
        if ok:
            effects += self._arrived(intake, trainer)
        else:
            reason = "the bulk does not have the announced digest"
            self._collected.exclude(trainer, reason)
            effects += self._refuse_bulk(trainer, reason)
        self._patience.moved(now_s)
        return effects + self._go_on(now_s)

    def _arrived(self, intake: Intake, trainer: str) -> list[Effect]:
        """Count a contribution whose bulk is here, unless it is another than holders have."""
        own, digest = self._roster.coordinator, intake.complete[trainer]
        contribution = Contribution(trainer=trainer, digest=digest)
        dispute = self._claims.hear(own, contribution, intake.signatures[trainer])
        if dispute is not None and dispute.evidence is not None:
            self.contradictions.add(dispute.evidence)
            reason = "sent different contributions to different recipients"
            self._collected.exclude(trainer, reason)
            return [*intake.drop(trainer), *self._refuse_bulk(trainer, reason)]
        for liar in () if dispute is None else dispute.liars:
            self._collected.disbelieve(liar, trainer)
        self._collected.arrived(trainer, digest)
        return []

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
    Pledged: "_on_pledged",
    Have: "_on_have",
    Excluded: "_on_excluded",
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
    Accepted: "_on_accepted",
    Declined: "_on_declined",
    Working: "_on_working",
    Refused: "_on_refused",
    ShareChunk: "_on_bulk",
}
_HANDLERS = {"holder": _FROM_HOLDERS, "trainer": _FROM_TRAINERS}
