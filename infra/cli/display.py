"""What a run shows while it runs: a live view for people, JSON lines for machines, or nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from infra.run_log import RunLog, as_json
from protocols.reports import (
    ActorRestarted,
    Event,
    HolderLeft,
    HolderReturned,
    OwnerTrouble,
    Progress,
    RoundAbandoned,
    StateUpdated,
    Step,
    TrainerLeft,
    TrainerReturned,
)


class Display(Protocol):
    """Shows events as they come; a monitor."""

    log: RunLog

    def emit(self, event: Event) -> None:
        """Take one event."""
        ...

    def note(self, text: str) -> None:
        """Tell people something that is no event."""
        ...

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show while inside."""
        ...


class QuietDisplay:
    """Shows nothing."""

    def __init__(self) -> None:
        self.log = RunLog()

    def emit(self, event: Event) -> None:
        """Remember the event."""
        self.log.emit(event)

    def note(self, text: str) -> None:
        """Say nothing."""

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show nothing."""
        yield


class JsonDisplay(QuietDisplay):
    """One JSON object a line on standard output; of a step's progress only its beginning."""

    def __init__(self) -> None:
        super().__init__()
        self._step: tuple[int, Step] | None = None

    def emit(self, event: Event) -> None:
        """Print the event."""
        super().emit(event)
        if isinstance(event, Progress):
            step = event.number, event.step
            if step == self._step:
                return
            self._step = step
        print_json(as_json(event))


def print_json(line: dict[str, Any]) -> None:
    """Print one object as one line, at once."""
    sys.stdout.write(json.dumps(line, allow_nan=False) + "\n")
    sys.stdout.flush()


class LiveDisplay(QuietDisplay):
    """What happened scrolls by; the round under way stands below, counting down."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._progress: Progress | None = None
        self._deadline_s = 0.0
        self._live: Live | None = None

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Keep the live view on screen while inside; without a terminal only the lines."""
        if not self._console.is_terminal:
            yield
            return
        with Live(
            get_renderable=self._view, console=self._console, refresh_per_second=8, transient=True
        ) as live:
            self._live = live
            yield
        self._live = None

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, highlight=False)

    def emit(self, event: Event) -> None:
        """Show the event."""
        super().emit(event)
        if isinstance(event, Progress):
            self._progress = event
            self._deadline_s = time.monotonic() + event.deadline_s
            return
        line = _line(event, self.log)
        if line is not None:
            self._console.print(line)

    def _view(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=True, header_style="dim")
        for column in ("round", "step", "receipts", "survivors", "waits for", "deadline"):
            table.add_column(column)
        now = self._progress
        if now is None:
            table.add_row("-", "starting", "", "", "", "")
            return table
        left_s = max(0.0, self._deadline_s - time.monotonic())
        waits = ", ".join(now.waiting_for[:4]) + (" …" if len(now.waiting_for) > 4 else "")
        table.add_row(
            str(now.number),
            now.step.value,
            f"{now.receipts}/{now.expected}",
            str(now.survivors),
            waits or "-",
            f"{left_s:.0f} s",
        )
        return table


def _line(event: Event, log: RunLog) -> Text | None:
    if isinstance(event, StateUpdated):
        return _round_line(event, log)
    describe = _LINES.get(type(event))
    if describe is None:
        return None
    style, text = describe(event)
    return Text(text, style=style)


def _round_line(event: StateUpdated, log: RunLog) -> Text:
    survivors = len(log.survivors.get(event.number, ()))
    metrics = "  ".join(f"{name} {value:.4g}" for name, value in event.metrics.items())
    return Text(f"round {event.number:>4}  {survivors} survivors  {metrics}")


_LINES: dict[type[Event], Callable[[Any], tuple[str, str]]] = {
    TrainerLeft: lambda e: (
        "yellow",
        f"round {e.number}: went on without {e.trainer}: {e.reason}",
    ),
    TrainerReturned: lambda e: ("green", f"round {e.number}: {e.trainer} is back"),
    HolderLeft: lambda e: (
        "yellow",
        f"round {e.number}: went on without {e.holder}, silent while {e.step.value}",
    ),
    HolderReturned: lambda e: ("green", f"round {e.number}: {e.holder} is back"),
    RoundAbandoned: lambda e: ("red", f"round {e.number} abandoned: {e.reason}"),
    ActorRestarted: lambda e: ("red", f"{e.actor} crashed and was restarted: {e.reason}"),
    OwnerTrouble: lambda e: (
        "yellow",
        f"{e.actor} (for its owner's eyes): {e.kind}: {e.text}",
    ),
}
