"""What a witness saw, as a story for people: the faults, and the rounds around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from protocols.round_config import Roster

from .witness import Moment, What

# What is told of everybody in a round that matters; of those who were struck, all is.
_MILESTONES = ("opens", "announces", "takes", "receipt", "proposes", "votes", "asks for the sum")
_ENDINGS = ("answers", "closes", "excludes", "refuses", "declines", "garbage")
_NO_NEWS = ("working", "asks for chunks")
_BIRTH = "starts life 1"
_SHOWN = 8  # names in one line


@dataclass(slots=True)
class Line:
    """One line of a story: at first `at_s`, and as often as `times`."""

    at_s: float
    number: int
    step: str
    what: What
    text: str
    who: list[str]
    to: list[str] = field(default_factory=list)
    facts: str = ""
    times: int = 1


def story(moments: Sequence[Moment], roster: Roster, host: str = "") -> list[Line]:
    """Tell the rounds in which something struck or broke, up to the first broken rule.

    `host`: who broke it; of that one, as of those whom a fault aims at, all is told.
    """
    told = _until_broken(moments)
    rounds = {m.number for m in told if m.what in (What.FAULT, What.BROKEN)}
    rounds |= {told[-1].number} if told else set()
    focus = {m.who for m in told if m.what is What.FAULT and m.who} | {host}
    lines = _Lines(roster, focus)
    skipped: list[Moment] = []
    for moment in told:
        if moment.number in rounds or moment.what is What.LIFE:
            if _matters(moment, focus):
                lines.skip(skipped)
                skipped = []
                lines.add(moment)
        elif moment.what is What.ROUND and not moment.text.endswith("began"):
            skipped.append(moment)
    lines.skip(skipped)
    return lines.all


def _until_broken(moments: Sequence[Moment]) -> Sequence[Moment]:
    """Leave out what comes after the first broken rule; some are noticed a little later."""
    broken = next((moment for moment in moments if moment.what is What.BROKEN), None)
    if broken is None:
        return moments
    before = moments[: moments.index(broken)]
    return [*(moment for moment in before if moment.at_s <= broken.at_s), broken]


def _matters(moment: Moment, focus: set[str]) -> bool:
    match moment.what:
        case What.SAID:
            if moment.text in _NO_NEWS:
                return False
            return moment.who in focus or moment.text.startswith((*_MILESTONES, *_ENDINGS))
        case What.WROTE:
            return moment.who in focus
        case What.LIFE:
            return moment.text != _BIRTH
        case _:
            return True


class _Lines:
    """Puts together what many do alike, unless one of those in focus did something between."""

    def __init__(self, roster: Roster, focus: set[str]) -> None:
        self.all: list[Line] = []
        self._roster = roster
        self._focus = focus
        self._open: dict[tuple[str, str, int], Line] = {}

    def add(self, moment: Moment) -> None:
        """Take in a moment."""
        if moment.what is not What.SAID:
            if moment.what is not What.WROTE:
                self._cut(moment.who)
            self.all.append(_line(moment))
            return
        alone = moment.who in self._focus
        group = moment.who if alone else self._roster.role(moment.who) or ""
        key = (group, f"{moment.text} {moment.facts}" if alone else moment.text, moment.number)
        line = self._open.get(key)
        if line is None:
            line = self._open[key] = _line(moment)
            self.all.append(line)
            return
        line.times += 1
        line.facts = line.facts if line.facts == moment.facts else ""
        for names, name in ((line.who, moment.who), (line.to, moment.to)):
            if name not in names:
                names.append(name)

    def skip(self, endings: Sequence[Moment]) -> None:
        """Take in the endings of rounds in which nothing struck, as one line."""
        if not endings:
            return
        first, last = endings[0], endings[-1]
        complete = sum(moment.text.endswith("complete") for moment in endings)
        names = (
            f"round {first.number}"
            if first is last
            else (f"rounds {first.number} to {last.number}")
        )
        text = f"{names} without faults: {complete} complete, {len(endings) - complete} abandoned"
        self.all.append(Line(first.at_s, first.number, "", What.ROUND, text, [first.who]))

    def _cut(self, who: str) -> None:
        """Let what this one says from now on stand in lines of its own."""
        for key in [key for key in self._open if not who or key[0] == who]:
            del self._open[key]


def _line(moment: Moment) -> Line:
    to = [moment.to] if moment.to else []
    who = [moment.who] if moment.who else []
    return Line(
        moment.at_s,
        moment.number,
        moment.step,
        moment.what,
        moment.text,
        who,
        to,
        moment.facts,
    )


_SIGNS = {What.FAULT: "!", What.BROKEN: "X", What.LIFE: "*", What.ROUND: "="}


def printed(lines: Sequence[Line]) -> Iterator[str]:
    """Yield each line as it is shown: time, round and step, who, what."""
    for line in lines:
        where = f"r{line.number} {line.step}" if line.number else "before"
        who = _names(line.who) or ("broker or all" if line.what is What.FAULT else "everybody")
        to = f" > {_names(line.to)}" if line.to else ""
        facts = f" ({line.facts})" if line.facts else ""
        many = max(1, len(line.who)) * max(1, len(line.to))
        times = f" x{line.times}" if line.times > many else ""
        sign = _SIGNS.get(line.what, " ")
        yield f"{line.at_s:9.3f}  {where:<14} {sign} {who}{to}: {line.text}{facts}{times}"


def _names(names: Sequence[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return " ".join(ordered[:_SHOWN]) + more
