"""What a run shows while it runs: a live view for people, JSON lines for machines, or nothing."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from infra.phrases import suspicion
from infra.rabbitmq.link import LinkChange, LinkState
from infra.run_log import RunLog, as_json, plain
from protocols.learning.fits import short
from protocols.reports import (
    ActorRestarted,
    AnswersJudged,
    Event,
    HolderLeft,
    HolderReturned,
    Incompatible,
    OwnerTrouble,
    Progress,
    RoundAbandoned,
    RoundComplete,
    RoundPutOff,
    StateUpdated,
    Step,
    SuiteChosen,
    TrainerLeft,
    TrainersSuspected,
)
from protocols.versions import advice

_WAITS_SHOWN = 3
_TROUBLES = 1000  # different ones that are told


class Display(Protocol):
    """Shows events as they come; a monitor."""

    log: RunLog

    def emit(self, event: Event) -> None:
        """Take one event."""
        ...

    def link_changed(self, change: LinkChange) -> None:
        """Take news of the link to the broker."""
        ...

    def note(self, text: str) -> None:
        """Tell people something that is no event."""
        ...

    def urge(self, text: str) -> None:
        """Tell people something that they must see whatever they chose to be shown."""
        ...

    def final(self, line: dict[str, Any]) -> None:
        """Tell machines how it ended."""
        ...

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show while inside."""
        ...

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Say what is being done while inside."""
        ...


class QuietDisplay:
    """Shows nothing but, on standard error, why an owner can't take part."""

    def __init__(self) -> None:
        self.log = RunLog()
        self._troubles: set[tuple[str, ...]] = set()

    def emit(self, event: Event) -> None:
        """Remember the event."""
        self.log.take(event)
        if not isinstance(event, OwnerTrouble) or event.kind == "warning":
            return
        if self._is_news(event.actor, event.kind, event.text):
            self.urge(_trouble(event))

    def link_changed(self, change: LinkChange) -> None:
        """Say nothing: the link heals by itself."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def urge(self, text: str) -> None:
        """Say it on standard error."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def final(self, line: dict[str, Any]) -> None:
        """Say nothing: people have been told."""

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show nothing."""
        yield

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Show nothing."""
        self.note(text)
        yield

    def _is_news(self, *trouble: str) -> bool:
        """Say whether a trouble, by what tells it apart, was not told before: it comes again."""
        if trouble in self._troubles or len(self._troubles) >= _TROUBLES:
            return False
        self._troubles.add(trouble)
        return True


class JsonDisplay(QuietDisplay):
    """One JSON object a line on standard output; of a step's progress only its beginning.

    With `whole` all of its progress too, for another process that shows it.
    """

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__()
        self._whole = whole
        self._step: tuple[int, Step] | None = None

    def emit(self, event: Event) -> None:
        """Print the event."""
        self.log.take(event)
        if isinstance(event, Progress) and not self._whole:
            step = event.number, event.step
            if step == self._step:
                return
            self._step = step
        print_json(as_json(event))

    def link_changed(self, change: LinkChange) -> None:
        """Print the change."""
        print_json(as_json(change))

    def final(self, line: dict[str, Any]) -> None:
        """Print the last line."""
        print_json(line)


def print_json(line: dict[str, Any]) -> None:
    """Print one object as one line, at once; a number that is not finite becomes null."""
    try:
        sys.stdout.write(json.dumps(plain(line), allow_nan=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        silence()


def silence() -> None:
    """Let standard output go nowhere: whoever read it has gone, and the run goes on."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


class LiveDisplay(QuietDisplay):
    """What happened scrolls by; the round under way stands below, counting down."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._progress: Progress | None = None
        self._put_off: RoundPutOff | None = None
        self._deadline_s = 0.0
        self._began_s = time.monotonic()
        self._linked = True

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Keep the live view on screen while inside; without a terminal only the lines."""
        if not self._console.is_terminal:
            yield
            return
        with Live(
            get_renderable=self._view, console=self._console, refresh_per_second=8, transient=True
        ):
            yield

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Keep the text and a sign of life on screen while inside."""
        if not self._console.is_terminal:
            self.note(text)
            yield
            return
        with self._console.status(text, spinner="line"):
            yield

    def link_changed(self, change: LinkChange) -> None:
        """Print when the link comes, and once when it can't be had."""
        up = change.state is LinkState.OPEN
        if up or (change.state in (LinkState.LOST, LinkState.BLOCKED) and self._linked):
            again = "" if up else "; trying again until it works"
            style = "green" if up else "yellow"
            self._console.print(Text(f"broker: {change.reason}{again}", style=style))
        if change.state is not LinkState.CONNECTING:
            self._linked = up

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, highlight=False)

    def urge(self, text: str) -> None:
        """Print a line that stands out."""
        self._console.print(Text(text, style="bold yellow"))

    def emit(self, event: Event) -> None:
        """Show the event."""
        if isinstance(event, Progress):
            self._progress, self._put_off = event, None
            self._deadline_s = time.monotonic() + event.deadline_s
            return
        if isinstance(event, RoundPutOff):
            self._put_off = event
            self._deadline_s = time.monotonic() + event.seconds
        news = self.log.take(event)
        if isinstance(event, OwnerTrouble):
            news = self._is_news(event.actor, event.kind, event.text)
        elif isinstance(event, Incompatible):
            news = self._is_news(event.actor, "version", event.peer)
        if news:
            for line in _lines(event, self.log):
                self._console.print(line)

    def _view(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=True, header_style="dim")
        for column in ("round", "step", "receipts", "survivors", "deadline", "waits for"):
            table.add_column(column, no_wrap=True, overflow="ellipsis")
        now, next_ = self._progress, self._put_off
        left_s = max(0.0, self._deadline_s - time.monotonic())
        if next_ is not None:
            waits = _waits(next_.missing)
            table.add_row(str(next_.number), "put off", "", "", f"{left_s:.0f} s", waits)
            return table
        if now is None:
            waited_s = time.monotonic() - self._began_s
            table.add_row("-", "starting", "", "", "", f"the first round, {waited_s:.0f} s")
            return table
        table.add_row(
            str(now.number),
            now.step.value,
            f"{now.receipts}/{now.expected}",
            f"{now.survivors}{self.log.of_asked}",
            f"{left_s:.0f} s",
            _waits(now.waiting_for) if now.waiting_for else now.remark or "-",
        )
        return table


def _waits(names: tuple[str, ...]) -> str:
    more = len(names) - _WAITS_SHOWN
    return ", ".join(names[:_WAITS_SHOWN]) + (f" +{more}" if more > 0 else "") or "-"


def _lines(event: Event, log: RunLog) -> Iterator[Text]:
    match event:
        case RoundComplete():
            for name in log.back:
                yield Text(f"round {event.number}: {name} is back", style="green")
            if event.remark:
                yield Text(f"round {event.number}: {event.remark}", style="yellow")
        case StateUpdated():
            yield _round_line(event, log)
        case _ if type(event) in _LINES:
            style, text = _LINES[type(event)](event)
            yield Text(text, style=style)


def _round_line(event: StateUpdated, log: RunLog) -> Text:
    metrics = "  ".join(f"{name} {short(value)}" for name, value in event.metrics.items())
    counted = f"{len(log.survivors)}{log.of_asked} survivors{log.in_turn}"
    return Text(f"round {event.number:>4}  {counted}  {metrics}".rstrip())


def _trouble(event: OwnerTrouble) -> str:
    return f"{event.actor} (for its owner's eyes): {event.kind}: {event.text}"


def _judged(event: AnswersJudged) -> tuple[str, str]:
    if event.liars:
        return "red", f"round {event.number}: false answers of {', '.join(event.liars)}, left out"
    count = len(event.answered)
    return "yellow", f"round {event.number}: of {count} answers some are false, waiting for more"


def _put_off(event: RoundPutOff) -> tuple[str, str]:
    sooner = f", or when one of {_waits(event.missing)} is heard of" if event.missing else ""
    return "yellow", f"round {event.number} begins in {event.seconds:.0f} s{sooner}"


_LINES: dict[type[Event], Callable[[Any], tuple[str, str]]] = {
    TrainerLeft: lambda e: (
        "yellow",
        f"round {e.number}: went on without {e.trainer}: {e.reason}",
    ),
    SuiteChosen: lambda e: ("", f"suite {e.suite}, chosen for {e.dimension:,} values: {e.why}"),
    HolderLeft: lambda e: (
        "yellow",
        f"round {e.number}: went on without {e.holder}, {e.reason} while {e.step.value}",
    ),
    HolderReturned: lambda e: ("green", f"round {e.number}: {e.holder} is back"),
    AnswersJudged: _judged,
    RoundAbandoned: lambda e: ("red", f"round {e.number} abandoned: {e.reason}"),
    RoundPutOff: _put_off,
    TrainersSuspected: lambda e: (
        "yellow" if e.groups else "green",
        f"round {e.number}: {suspicion(e)}",
    ),
    ActorRestarted: lambda e: ("red", f"{e.actor} crashed and was restarted: {e.reason}"),
    OwnerTrouble: lambda e: ("yellow", _trouble(e)),
    Incompatible: lambda e: ("red", advice(e)),
}
