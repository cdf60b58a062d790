"""What tests of telemetry need: a job of five trainers and five holders, link news, HTTP."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from fakes.round_parts import ROSTER, TIMING

from infra.telemetry.subject import Subject
from protocols.secagg.coordinating import Plan

PLAN = Plan(
    job="sum",
    suite="shamir",
    field="p61",
    fraction_bits=0,
    threshold=3,
    vote=True,
    quorum=3,
    minimum=3,
    chunk_bytes=1024,
    sealing="x25519",
    abandoned_rounds=3,
    timing=TIMING,
)


class State(Enum):
    CONNECTING = 1
    OPEN = 2
    BLOCKED = 3
    LOST = 4
    CLOSED = 5


@dataclass(frozen=True)
class News:
    state: State
    reason: str = ""
    reconnects: int = 0


def subject(name: str = "coordinator") -> Subject:
    return Subject(name=name, roster=ROSTER, plan=PLAN)


def get(url: str, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Ask a telemetry server; return status and body."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=20)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
