"""Events as JSON lines, read back: what a process printed is what its parent takes."""

from __future__ import annotations

import json
from math import nan
from typing import Any, get_args

import msgspec

from protocols.reports import Event

from .rabbitmq.link import LinkChange
from .run_log import kind_of

_EVENTS: dict[str, type[Any]] = {kind_of(event): event for event in (*get_args(Event), LinkChange)}


def read_line(line: bytes) -> dict[str, Any] | None:
    """Return the object of a line, None where it is none of ours."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("kind"), str) else None


def read_event(line: dict[str, Any]) -> Event | LinkChange | None:
    """Return the event or the change of the link that a line tells, None for any other line.

    A number that was not finite is nan. Raises `ValueError` for an event that is not whole.
    """
    kind = _EVENTS.get(line["kind"])
    if kind is None:
        return None
    fields = {key: value for key, value in line.items() if key != "kind"}
    if "trouble" in fields:
        fields["kind"] = fields.pop("trouble")
    if "metrics" in fields:
        metrics = fields["metrics"]
        if not isinstance(metrics, dict):
            raise ValueError("the metrics of an event are no object")
        fields["metrics"] = {k: nan if v is None else v for k, v in metrics.items()}
    event: Event | LinkChange = msgspec.convert(fields, kind)
    return event
