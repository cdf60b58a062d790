"""How commands speak: the chosen display, log lines, errors in plain words."""

from __future__ import annotations

import copy
import logging
import sys
from pathlib import Path

from rich.console import Console

from infra.config import ConfigError
from infra.telemetry import Where, log_handler
from infra.telemetry.json_log import PrivateFile

from .display import Display, JsonDisplay, LiveDisplay, QuietDisplay, print_json, silence

_LOG_BYTES = 5 * 2**20


class _Screen(Console):
    """A console whose reader may go away: the run goes on."""

    def on_broken_pipe(self) -> None:
        """Print into nothing from now on; rich would end the process in mid-run."""
        self.quiet = True
        silence()


console = _Screen(highlight=False)


class _WithoutTraceback(logging.Formatter):
    """Says what happened; where in our code it happened stands in the run's log file."""

    def format(self, record: logging.LogRecord) -> str:
        plain = copy.copy(record)
        plain.exc_info = plain.exc_text = None
        return super().format(plain)


def display_of(output: str) -> Display:
    """Return the display for `json`, `quiet` or `live`, and set up the log.

    `events` is `json` with all progress, for a process that reads along.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_WithoutTraceback("%(levelname)s %(message)s"))
    # People are told of warnings by the display, in better words.
    handler.setLevel(logging.WARNING if output in ("json", "events") else logging.ERROR)
    if output == "live":
        handler.addFilter(lambda record: record.name != "actors.supervision")
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # It logs a traceback for every lost connection; the link says what happened in a line.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    match output:
        case "json" | "events":
            return JsonDisplay(whole=output == "events")
        case "quiet":
            return QuietDisplay()
    return LiveDisplay(console)


def log_to(file: Path) -> None:
    """Keep everything of the log in a file too, with what the owners' code prints; bounded."""
    handler = PrivateFile(file, maxBytes=_LOG_BYTES, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)


def keep_log(file: Path, where: Where, output: str) -> None:
    """Keep all of an actor's log in a file, and with `json` its warnings on standard error too."""
    root = logging.getLogger()
    if output == "json":
        for plain in list(root.handlers):
            root.removeHandler(plain)
        warnings = log_handler(where, form="json")
        warnings.setLevel(logging.WARNING)
        root.addHandler(warnings)
    root.addHandler(log_handler(where, form="json", file=file))
    root.setLevel(logging.INFO)


def show_config_error(error: ConfigError, output: str) -> None:
    """Name every problem at once, in the form that was asked for."""
    if output in ("json", "events"):
        print_json({"kind": "error", "problems": list(error.problems)})
        reason = f"{len(error.problems)} problems, see the line before"
        if len(error.problems) == 1:
            reason = error.problems[0]
        print_json({"kind": "summary", "outcome": "refused", "reason": reason, "converged": False})
        return
    problems = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    count = len(error.problems)
    problems.print(f"{count} problem{'s' if count > 1 else ''}:")
    for problem in error.problems:
        problems.print(f"  - {problem}")


def show_interrupted(output: str) -> None:
    """Say that a signal came before the run began or after it ended."""
    reason = "by a signal, outside of a run: nothing was lost"
    if output in ("json", "events"):
        print_json({"kind": "summary", "outcome": "stopped", "reason": reason, "converged": False})
        return
    Console(stderr=True, highlight=False, markup=False).print(f"stopped {reason}")
