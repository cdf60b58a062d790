"""The log, a JSON object a line for machines, or short lines for people."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Literal

from infra.run_log import as_json, plain
from protocols.reports import (
    ActorRestarted,
    Event,
    EvidenceKept,
    HolderLeft,
    Incompatible,
    PeerFault,
    Progress,
    Refusal,
    RoundAbandoned,
    TrainerLeft,
)

_FILE_BYTES = 10 * 2**20
_FILES = 5
_ITEMS = 50  # of a list in an event
# In the addresses that libraries like to quote.
_PASSWORD = re.compile(r"(\w+://[^\s:/@]*):[^\s@/]+@")

_events = logging.getLogger("quorate.events")

Form = Literal["auto", "json", "human"]


@dataclass(slots=True)
class Where:
    """What every line of this process's log is about; `round` follows the events."""

    actor: str
    job: str
    round: int | None = None


class JsonLines(logging.Formatter):
    """One JSON object a line; passwords in addresses are struck out."""

    def __init__(self, where: Where) -> None:
        super().__init__()
        self._where = where

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "actor": self._where.actor,
            "job": self._where.job,
            "round": self._where.round,
            "message": record.getMessage(),
        }
        event = getattr(record, "event", None)
        if isinstance(event, dict):
            line["event"] = event
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            trace = self.formatException(record.exc_info)
            line["error"] = {"type": type(error).__name__, "text": str(error), "trace": trace}
        return redacted(json.dumps(plain(line), default=str, ensure_ascii=False))


class HumanLines(logging.Formatter):
    """`12:03:04 WARNING north round 3: what happened`, and the traceback of an error."""

    def __init__(self, where: Where) -> None:
        super().__init__()
        self._where = where

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        number = "" if self._where.round is None else f" round {self._where.round}"
        text = f"{at} {record.levelname} {self._where.actor}{number}: {record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return redacted(text)


class PrivateFile(RotatingFileHandler):
    """A log file for the eyes of its user only: it may speak of an owner's data."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return TextIOWrapper(os.fdopen(descriptor, "ab"), encoding="utf-8", errors="replace")


def log_handler(where: Where, *, form: Form = "auto", file: Path | None = None) -> logging.Handler:
    """Return a handler for standard error, or for a file of 10 MiB with five older ones.

    `auto` is for people where standard error is a terminal, and JSON elsewhere. To be added
    to the root logger by whoever runs the process.
    """
    handler: logging.Handler = (
        logging.StreamHandler(sys.stderr)
        if file is None
        else PrivateFile(file, maxBytes=_FILE_BYTES, backupCount=_FILES)
    )
    for_people = form == "human" or (form == "auto" and file is None and sys.stderr.isatty())
    handler.setFormatter(HumanLines(where) if for_people else JsonLines(where))
    return handler


def log_event(event: Event) -> None:
    """Write an event to the log; progress only where everything is logged."""
    level = _level(event)
    if not _events.isEnabledFor(level):
        return
    fields = {name: _brief(value) for name, value in as_json(event).items()}
    told = {name: value for name, value in fields.items() if name not in ("kind", "job")}
    text = " ".join(f"{name}={plain(value)}" for name, value in told.items() if value != "")
    kind = str(fields["kind"]).replace("_", " ")
    _events.log(level, "%s %s", kind, text, extra={"event": plain(fields)})


def follow(event: Event, where: Where) -> None:
    """Let the log know which round an event belongs to."""
    number = getattr(event, "number", None)
    if isinstance(number, int):
        where.round = number


def redacted(text: str) -> str:
    """Return a text without the passwords of the addresses in it."""
    return _PASSWORD.sub(r"\1:***@", text)


def _level(event: Event) -> int:
    match event:
        case Progress():
            return logging.DEBUG
        case RoundAbandoned() | TrainerLeft() | HolderLeft() | Refusal() | Incompatible():
            return logging.WARNING
        case PeerFault() | EvidenceKept() | ActorRestarted():
            return logging.DEBUG  # whoever reports these has logged them
    return logging.INFO


def _brief(value: Any) -> Any:
    if isinstance(value, tuple) and len(value) > _ITEMS:
        return [*value[:_ITEMS], f"and {len(value) - _ITEMS} more"]
    return value


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, tz=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
