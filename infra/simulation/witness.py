"""Looks on beside the rules, and takes down what is worth telling: a list of moments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import ParamSpec, TypeVar

from actors.ports import Lane
from protocols.codec import Undecodable
from protocols.errors import OtherVersion, PeerViolation
from protocols.messages import (
    Announce,
    AnswerChunk,
    CloseRound,
    Freeze,
    OpenRound,
    Propose,
    Release,
    ShareChunk,
    Wire,
    read,
)
from protocols.reports import (
    ActorRestarted,
    Event,
    EvidenceKept,
    PeerFault,
    RoundAbandoned,
    RoundBegan,
    RoundComplete,
    RoundPutOff,
    Step,
    TrainersSuspected,
)

from .checks import Checks
from .faults import Plan, Point
from .ghost import Ghost
from .hosts import Life
from .journal import record_kind
from .watch import Watch, Writes
from .wording import POINTS, planned, said

P = ParamSpec("P")
T = TypeVar("T")

_MOST = 200_000  # moments of one history that are kept
_STEPS = {
    OpenRound: Step.OPENING,
    Announce: Step.COLLECTING,
    Freeze: Step.CHECKING,
    Propose: Step.VOTING,
    Release: Step.RELEASING,
}
_ORDER = {step: place for place, step in enumerate(Step)}


class What(Enum):
    """What kind of thing happened."""

    FAULT = "fault"
    LIFE = "life"
    ROUND = "round"
    SAID = "said"
    WROTE = "wrote"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One thing that happened.

    Attributes:
        at_s: the time of the world.
        who: the host that did it, or that it befell; empty for the broker and for everybody.
        text: what it was, the same for all who do the same.
        facts: what is special to this one.
        to: whom a message went to.
        number: the round that it belongs to, or the one under way; 0 before the first.
        step: where the coordinator was in the round under way.
    """

    at_s: float = 0.0
    what: What
    who: str
    text: str
    facts: str = ""
    to: str = ""
    number: int = 0
    step: str = ""


class Witness:
    """The `Watch` of a history that is told afterwards. It hands on all that it sees."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.disk: tuple[str, ...] = ()  # of whom first broke a rule, at that moment
        self._checks: Watch
        self._ghost: Ghost
        self._seen = 0
        self._faults: dict[str, list[str]] = {}
        self._number = 0
        self._step = Step.OPENING

    def beside(self, checks: Checks, plan: Plan) -> Watch:
        """Look on beside the checks of one history, which follows from this plan."""
        self._checks, self._ghost = checks, checks.ghost
        for fault in plan.faults:
            line = f"{fault.kind.value} {fault.target} {fault.duration_s:.3f}"
            self._faults.setdefault(line, []).append(planned(fault))
        return self

    def heard(self, _now_s: float, line: str) -> None:
        """Learn of a line of the trace; messages are seen elsewhere."""
        first, _, rest = line.partition(" ")
        if first == "fault":
            words = self._faults.get(rest, [rest])
            text = words.pop(0) if len(words) > 1 else words[0]
            target = next((name for name in rest.split() if name in self._ghost.disks), "")
            self._add(What.FAULT, target, text)
        elif first == "healed":
            self._add(What.LIFE, "", f"healed: {rest}; the others are dead")
        elif first in self._ghost.disks:
            if rest == "crashes":
                self._unsay(first)
            self._add(What.LIFE, first, rest)
        self._look()

    def finish(self) -> None:
        """Take down what was found broken when all was over."""
        self._look()

    # --- as a watch -------------------------------------------------------------------

    def sending(self, life: Life, to: str, body: bytes, lane: Lane) -> str:
        """Take down a message, then let the rules look at it."""
        try:
            _, message = read(body)
        except (Undecodable, OtherVersion, PeerViolation):
            self._keep(Moment(what=What.SAID, who=life.host, to=to, text="garbage"))
        else:
            self._said(life.host, to, message)
        return self._then(self._checks.sending, life, to, body, lane)

    def acked(self, host: str, body: bytes, kind: str) -> None:
        """Hand on a message that a host acknowledges."""
        self._then(self._checks.acked, host, body, kind)

    def committed(self, host: str, writes: Writes) -> None:
        """Take down what has just become durable."""
        kinds = dict.fromkeys(written(key) for key, value in writes if value is not None)
        if kinds:
            self._add(What.WROTE, host, f"writes {', '.join(kinds)}")
        elif writes:
            self._add(What.WROTE, host, "erases records")
        self._then(self._checks.committed, host, writes)

    def told(self, host: str, event: Event) -> None:
        """Take down the beginnings and endings of rounds, and accusations."""
        match event:
            case RoundBegan():
                self._advance(event.number, Step.OPENING)
                self._add(What.ROUND, host, f"round {event.number} began")
            case RoundComplete():
                text = f"round {event.number} complete"
                facts = f"the sum of {' '.join(event.survivors)}, opened from {len(event.answered)}"
                self._add(What.ROUND, host, text, f"{facts} answers", event.number)
            case RoundAbandoned():
                text = f"round {event.number} abandoned"
                self._add(What.ROUND, host, text, event.reason, event.number)
            case RoundPutOff():
                text = f"round {event.number} is put off for {event.seconds:.1f} s"
                missing = " ".join(event.missing) or "nobody"
                self._add(What.ROUND, host, text, f"missing: {missing}")
            case TrainersSuspected():
                groups = "; ".join(" ".join(group) for group in event.groups) or "nobody"
                out = " ".join(event.left_out) or "nobody"
                text = f"suspects {groups} of garbling sums"
                self._add(What.ROUND, host, text, f"left out for a while: {out}", event.number)
            case PeerFault():
                self._add(What.LIFE, host, f"accuses {event.peer}", event.reason)
            case EvidenceKept():
                text = f"has evidence against {event.offender}"
                self._add(What.LIFE, host, text, event.what)
            case ActorRestarted():
                self._add(What.LIFE, host, "actor restarts", event.reason)
            case _:
                pass
        self._then(self._checks.told, host, event)

    def logged(self, host: str, text: str) -> None:
        """Hand on what an actor writes into its log."""
        self._then(self._checks.logged, host, text)

    def drew(self, host: str, secret: bytes) -> None:
        """Hand on what entropy a host was given."""
        self._then(self._checks.drew, host, secret)

    # --- taking down ------------------------------------------------------------------

    def _said(self, host: str, to: str, message: Wire) -> None:
        number = self._round_of(message)
        step = _STEPS.get(type(message))
        if step is not None:
            self._advance(number, step)
        text, facts = said(message)
        self._keep(Moment(what=What.SAID, who=host, to=to, text=text, facts=facts, number=number))

    def _unsay(self, host: str) -> None:
        """Note that a message never left: the rules look at it just before its last chance."""
        for place, moment in enumerate(self.moments[-2:-1], len(self.moments) - 2):
            aimed = POINTS[Point.BEFORE_SEND] in self.moments[-1].text
            if aimed and moment.what is What.SAID and moment.who == host:
                self.moments[place] = replace(moment, facts="it never leaves")

    def _advance(self, number: int, step: Step) -> None:
        """Follow the coordinator; what it says once more sets nothing back."""
        if (number, _ORDER[step]) > (self._number, _ORDER[self._step]):
            self._number, self._step = number, step

    def _round_of(self, message: Wire) -> int:
        match message:
            case OpenRound() | Announce():
                return message.config.number
            case CloseRound():
                return message.number
            case AnswerChunk() | ShareChunk():
                return self._ghost.numbers.get(message.header.cid, 0)
            case _:
                return self._ghost.numbers.get(getattr(message, "cid", b""), 0)

    def _add(self, what: What, who: str, text: str, facts: str = "", number: int = 0) -> None:
        self._keep(Moment(what=what, who=who, text=text, facts=facts, number=number))

    def _keep(self, moment: Moment) -> None:
        if len(self.moments) < _MOST:
            number = moment.number or self._number
            now_s = moment.at_s or self._ghost.loop.now_s
            step = self._step.value if number >= self._number else "over"
            self.moments.append(replace(moment, at_s=now_s, number=number, step=step))

    def _then(self, hand_on: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        result = hand_on(*args, **kwargs)
        self._look()
        return result

    def _look(self) -> None:
        """Take down the rules that were broken since the last look, with what the disk holds."""
        for violation in self._ghost.violations[self._seen :]:
            if not self._seen and violation.host in self._ghost.disks:
                records = self._ghost.disks[violation.host].records
                self.disk = tuple(dict.fromkeys(written(key) for key in sorted(records)))
            self._seen += 1
            self._keep(
                Moment(
                    at_s=violation.at_s,
                    what=What.BROKEN,
                    who=violation.host,
                    text=violation.rule.value,
                    facts=violation.text,
                )
            )


def written(key: str) -> str:
    """Say what a key of any actor's journal is about: `share of t03`, `vote`."""
    parts = key.split("/")
    return f"{parts[2]} of {parts[3]}" if len(parts) > 3 else record_kind(key)
