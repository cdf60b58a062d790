"""What a coordinator may ask, and open, and tell of its rounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protocols.learning.job import Opened
from protocols.messages import (
    Announce,
    Ask,
    CloseRound,
    Freeze,
    Grant,
    Have,
    OpenRound,
    Propose,
    Release,
    Reveal,
    Toss,
    Wire,
)
from protocols.records import RoundRecord, RunRecord
from protocols.reports import (
    AnswersJudged,
    Event,
    JobEnded,
    RoundAbandoned,
    RoundBegan,
    RoundComplete,
    SharesChecked,
)
from protocols.secagg.chunks import answer_stream, chunk_count
from protocols.secagg.sets import set_digest

from .bulk_checks import BulkChecks
from .ghost import Ghost, Rule
from .holder_checks import check_genuine
from .search_checks import SearchChecks
from .share_checks import ShareChecks
from .turn_checks import out_of_turn, turn_fault
from .watch import Writes

_ROUNDS = 64
_CHECKED = ("verified", "corrected")


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the coordinator told of the answers of a round, and how many of them are false."""

    checked: str
    liars: tuple[str, ...]
    false: int


_UNJUDGED = _Judged("unverified", (), 0)


class CoordinatorChecks:
    """Looks at the messages, records and events of the coordinator."""

    def __init__(self, ghost: Ghost, shares: ShareChecks) -> None:
        self._ghost = ghost
        self._shares = shares
        self._bulk = BulkChecks(ghost)
        self._search = SearchChecks(ghost)
        self._name = ghost.roster.coordinator
        self._proposed: dict[bytes, bytes] = {}
        self._asked: dict[int, bytes] = {}
        self._closed: dict[bytes, bool] = {}
        self._opened: dict[bytes, bytes] = {}
        self._judged: dict[int, _Judged] = {}
        self._recorded: dict[int, RoundRecord] = {}
        self._run: RunRecord | None = None

    # --- messages ---------------------------------------------------------------------

    def sending(self, to: str, message: Wire) -> None:
        """Look at a message before it leaves."""
        match message:
            case Grant() | Have():
                self._bulk.sending(to, message)
            case OpenRound():
                self._on_round(message.config.number, message.config.cid(), "opened")
            case Announce():
                self._on_announce(to, message)
            case Freeze() | Reveal() | Toss() | Ask():
                self._shares.asking(message)
                if isinstance(message, Freeze):
                    self._bulk.asked_for(message.cid, message.chosen)
            case Propose() | Release():
                self._on_set(message)
            case CloseRound():
                self._on_close(message)
            case _:
                pass

    def _round(self) -> RoundRecord | None:
        return self._ghost.durable(self._name, "round", RoundRecord)

    def _number(self) -> int:
        run = self._ghost.durable(self._name, "run", RunRecord)
        return -1 if run is None else run.number

    def _on_round(self, number: int, cid: bytes, what: str) -> RoundRecord | None:
        """Return the record of the round if it is still the current one."""
        ghost = self._ghost
        if self._asked.setdefault(number, cid) != cid:
            ghost.violated(Rule.MONOTONE, self._name, f"used number {number} for two rounds")
        ghost.numbers[cid] = number
        record = self._round()
        if record is not None and record.config.number == number:
            return record
        if number >= self._number():
            ghost.violated(Rule.DURABLE, self._name, f"{what} round {number}")
        while len(self._asked) > _ROUNDS:
            del self._asked[next(iter(self._asked))]
        return None

    def _on_announce(self, to: str, message: Announce) -> None:
        config = message.config
        if out_of_turn(config, self._ghost.roster, to):
            self._ghost.violated(Rule.TURN, self._name, f"announced to {to} out of turn")
        record = self._on_round(config.number, config.cid(), "announced")
        if record is not None and record.announced != message.opened:
            self._ghost.violated(Rule.DURABLE, self._name, "announced other holders")

    def _on_set(self, message: Propose | Release) -> None:
        ghost, cid = self._ghost, message.cid
        self._bulk.asked_for(cid, message.chosen)
        digest = set_digest(cid, message.chosen)
        if cid not in self._proposed:
            check_genuine(ghost, self._name, cid, message.chosen)
        if self._proposed.setdefault(cid, digest) != digest:
            ghost.violated(Rule.ONE_ANSWER, self._name, "proposed two sets in one round")
        record = self._round()
        current = record is not None and record.config.cid() == cid
        if current and record is not None and record.chosen != message.chosen:
            ghost.violated(Rule.DURABLE, self._name, "proposed a set")
        named = message.votes if isinstance(message, Release) else ()
        if not all(ghost.voted(cid, vote.holder, digest) for vote in named):
            ghost.violated(Rule.CERTIFICATE, self._name, "named voters that did not vote")
        while len(self._proposed) > _ROUNDS:
            del self._proposed[next(iter(self._proposed))]

    def _on_close(self, message: CloseRound) -> None:
        ghost = self._ghost
        if self._closed.setdefault(message.cid, message.complete) != message.complete:
            ghost.violated(Rule.ENDINGS, self._name, "told two endings of one round")
        if message.complete and message.cid not in self._opened:
            ghost.violated(Rule.ENDINGS, self._name, "told of a sum that was never opened")
        if self._number() <= message.number:
            ghost.violated(Rule.DURABLE, self._name, f"closed round {message.number}")
        while len(self._closed) > _ROUNDS:
            del self._closed[next(iter(self._closed))]

    # --- sums -------------------------------------------------------------------------

    def opened(self, index: int, opened: Opened) -> bool:
        """Look at a sum when it is taken in, as the one after `index` others.

        Returns whether it is what honest owners computed: False where a liar has a part in it.
        """
        ghost, record = self._ghost, self._round()
        if record is None:
            ghost.violated(Rule.JOURNALLED, self._name, "opened a sum of no round")
            return True
        config, survivors = record.config, opened.survivors
        cid = config.cid()
        if tuple(c.trainer for c in record.chosen) != survivors:
            ghost.violated(Rule.JOURNALLED, self._name, "opened a sum of another set")
        if len(set(survivors)) < config.minimum:
            ghost.violated(Rule.MINIMUM, self._name, f"opened a sum of {len(survivors)}")
        if len(set(survivors)) != len(survivors):
            ghost.violated(Rule.DISTINCT, self._name, "opened a sum with a trainer twice")
        if fault := turn_fault(config, ghost.roster, survivors):
            ghost.violated(Rule.TURN, self._name, f"opened a sum in which {fault}")
        chunks, wanted = ghost.disks[self._name].chunks, chunk_count(config)
        answers = sum(
            len(kept) == wanted
            for stream, kept in chunks.items()
            if stream.startswith(f"{cid.hex()}/answer/")
        )
        if answers < config.answers_needed():
            ghost.violated(Rule.THRESHOLD, self._name, f"opened a sum from {answers} answers")
        honest = self._check_sum(record, opened)
        digest = set_digest(cid, record.chosen)
        if self._opened.setdefault(cid, digest) != digest:
            ghost.violated(Rule.ENDINGS, self._name, "opened two sums in one round")
        while len(self._opened) > _ROUNDS:
            del self._opened[next(iter(self._opened))]
        return honest

    def _check_sum(self, record: RoundRecord, opened: Opened) -> bool:
        """Compare a sum with what is in its set, lying trainers' own vectors too.

        More false answers than the round allows for free this one sum from the rule, and so do
        shares that fit no vector, as nobody can notice them yet.
        """
        cid, ghost = record.config.cid(), self._ghost
        made_up, real = ghost.lies.contributions.get(cid, {}), ghost.contributed.get(cid, {})
        digests = {one.trainer: one.digest for one in record.chosen}
        spoilt, honest = self._answered_falsely(record), True
        total = np.zeros_like(opened.total)
        for name in opened.survivors:
            key = (name, digests.get(name, b""))
            if key in made_up and key not in real:
                honest, vector = False, made_up[key]
                spoilt = spoilt or vector is None
            else:
                vector = ghost.part_of(name, record.config)
                if vector is None:
                    text = f"{name} never computed for this state"
                    ghost.violated(Rule.GENUINE, self._name, text)
                    return True
            total += 0.0 if vector is None else vector
        if not spoilt and not np.array_equal(total, opened.total):
            wrong = int(np.count_nonzero(total != opened.total))
            many = len(opened.survivors)
            text = f"{wrong} of {total.size} values are not those of {many} survivors"
            ghost.violated(Rule.EXACT, self._name, text)
        return honest and not spoilt

    # --- false answers ----------------------------------------------------------------

    def _answered_falsely(self, record: RoundRecord) -> bool:
        """Return whether more false answers were judged, or taken unjudged, than may be."""
        config = record.config
        if config.faults == 0:
            return bool(self._false(config.cid()))
        judged = self._judged.get(config.number)
        if judged is None or judged.checked not in _CHECKED:
            self._ghost.violated(Rule.NAMED, self._name, "opened a sum without a judgement")
            return False
        return judged.false > config.faults

    def _false(self, cid: bytes) -> list[str]:
        """Name the holders whose answer, as it was taken, is a lie."""
        kept = self._ghost.disks[self._name].chunks
        return [
            holder
            for holder, payloads in self._ghost.lies.answers.get(cid, {}).items()
            if kept.get(answer_stream(cid, holder), {}).get(0) in payloads
        ]

    def _on_judged(self, event: AnswersJudged) -> None:
        """See that up to f false answers are all named, and no true one ever is.

        Shares that fit no vector make honest holders look like liars: nothing can be said then.
        """
        # The judgement may have ended the round: another one is on the disk by now.
        record = self._recorded.get(event.number)
        if record is None:
            self._ghost.violated(Rule.ENDINGS, self._name, "judged the answers of no round")
            return
        config, made_up = record.config, self._ghost.lies.contributions.get(record.config.cid(), {})
        false = [name for name in self._false(config.cid()) if name in event.answered]
        self._judged[event.number] = _Judged(event.checked, event.liars, len(false))
        while len(self._judged) > _ROUNDS:
            del self._judged[next(iter(self._judged))]
        loose = any(made_up.get((c.trainer, c.digest), ()) is None for c in record.chosen)
        if loose or len(false) > config.faults:
            return
        innocent = [name for name in event.liars if name not in false]
        if innocent or (event.checked == "detected" and not false):
            text = f"doubted the true answers of {' '.join(innocent) or 'all'}"
            self._ghost.violated(Rule.HONEST, self._name, text)
        if event.checked in _CHECKED and {*false} - {*event.liars}:
            self._ghost.violated(Rule.NAMED, self._name, f"believed {' '.join(false)}")

    def _on_complete(self, event: RoundComplete) -> None:
        ghost = self._ghost
        known = ghost.complete.setdefault(event.number, event.survivors)
        if known != event.survivors or event.number in ghost.abandoned:
            ghost.violated(Rule.ENDINGS, self._name, f"round {event.number} ended twice")
        judged = self._judged.get(event.number, _UNJUDGED)
        if (event.checked, event.liars) != (judged.checked, judged.liars):
            text = f"told of {event.checked} answers that were {judged.checked}"
            ghost.violated(Rule.NAMED, self._name, text)

    # --- records and events -----------------------------------------------------------

    def committed(self, writes: Writes) -> None:
        """Look at what has just become durable."""
        written = dict(writes)
        if (value := written.get("round")) is not None:
            record = self._ghost.parsed(value, RoundRecord)
            self._recorded[record.config.number] = record
            while len(self._recorded) > _ROUNDS:
                del self._recorded[next(iter(self._recorded))]
        data = written.get("run")
        if data is None:
            return
        run, before = self._ghost.parsed(data, RunRecord), self._run
        self._run = run
        if before is None:
            return
        if run.number != before.number + 1:
            text = f"round {run.number} follows on {before.number}"
            self._ghost.violated(Rule.MONOTONE, self._name, text)
        took = run.completed - before.completed
        if took not in (0, 1):
            text = f"{run.completed} sums follow on {before.completed}"
            self._ghost.violated(Rule.JOURNALLED, self._name, text)
        if took and run.closed not in self._opened:
            self._ghost.violated(Rule.JOURNALLED, self._name, "a state without its round's sum")
        if not took and run.state != before.state:
            self._ghost.violated(Rule.JOURNALLED, self._name, "a new state without a sum")

    def told(self, event: Event) -> None:
        """Hear what the coordinator tells."""
        ghost = self._ghost
        match event:
            case RoundBegan():
                if event.number != self._number():
                    ghost.violated(Rule.MONOTONE, self._name, f"told of round {event.number}")
            case AnswersJudged():
                self._on_judged(event)
            case SharesChecked():
                self._shares.on_checked(event)
            case RoundComplete():
                self._shares.on_complete(event, self._recorded.get(event.number))
                self._search.on_complete(self._recorded.get(event.number))
                self._on_complete(event)
            case RoundAbandoned():
                ghost.abandoned[event.number] = event.reason
                self._search.on_abandoned(event.reason, self._recorded.get(event.number))
                if event.number in ghost.complete:
                    ghost.violated(Rule.ENDINGS, self._name, f"round {event.number} ended twice")
            case JobEnded(outcome="failed"):
                ghost.violated(Rule.ENDINGS, self._name, f"the job failed: {event.reason}")
            case _:
                pass
