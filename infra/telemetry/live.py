"""Numbers that change by themselves: computed when the page is fetched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from protocols.reports import Step

from .link_watch import STATES
from .snapshot import Link, Round, Snapshot


class LiveNumbers(Collector):
    """Turns the state of the moment into gauges."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return nothing: no name is known before the first fetch, and none is needed."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the gauges."""
        state = self._snapshot()
        yield _gauge("inbox_messages", "Received and not acknowledged", state.inbox)
        yield _gauge("inbox_oldest_seconds", "Age of the oldest of them", state.inbox_oldest_s)
        if state.link is not None:
            yield from _of_link(state.link)
        if state.role == "coordinator":
            yield from _of_round(state.round)
            yield from _of_peers(state)


class HomeNumbers(Collector):
    """Sizes on disk, measured now and then because that takes a while."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._spool_bytes: int | None = None
        self._free_bytes: int | None = None

    def measure(self) -> None:
        """Walk through the spool; to be called in a thread of its own."""
        self._spool_bytes = _size(self._home / "spool")
        self._free_bytes = shutil.disk_usage(self._home).free

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return nothing, as above."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield what was measured last."""
        if self._spool_bytes is not None:
            yield _gauge("spool_bytes", "Bytes in the home's spool", self._spool_bytes)
        if self._free_bytes is not None:
            yield _gauge("home_free_bytes", "Free on the home's file system", self._free_bytes)


def _of_link(link: Link) -> Iterable[GaugeMetricFamily]:
    states = GaugeMetricFamily("quorate_link_state", "The link's state", labels=["state"])
    for state in STATES:
        states.add_metric([state], float(state == link.state))
    yield states
    yield _gauge("link_state_seconds", "Since it is in that state", link.state_s)


def _of_round(now: Round | None) -> Iterable[GaugeMetricFamily]:
    steps = GaugeMetricFamily("quorate_round_step", "The step under way", labels=["step"])
    for step in Step:
        steps.add_metric([step.value], float(now is not None and now.step == step.value))
    yield steps
    waiting, left_s = 0, 0.0
    if now is not None:
        yield _gauge("round_number", "The round under way", now.number)
        waiting, left_s = len(now.waiting_for), max(0.0, now.deadline_s or 0.0)
    yield _gauge("round_waiting_for", "Actors that the step waits for", waiting)
    yield _gauge("round_deadline_seconds", "How long the step still waits", left_s)


def _of_peers(state: Snapshot) -> Iterable[GaugeMetricFamily]:
    away = GaugeMetricFamily("quorate_away", "Actors that are not waited for", labels=["role"])
    for role in ("holder", "trainer"):
        gone = sum(peer.left is not None for peer in state.peers if peer.role == role)
        away.add_metric([role], gone)
    yield away
    # Trainers may be many, holders are few.
    silent = GaugeMetricFamily(
        "quorate_holder_silent_seconds", "Since a holder was heard of", labels=["holder"]
    )
    for peer in state.peers:
        if peer.role == "holder" and peer.heard_s is not None:
            silent.add_metric([peer.name], peer.heard_s)
    yield silent


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"quorate_{name}", text, value=value)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat(follow_symlinks=False).st_size if path.is_file() else 0
        except FileNotFoundError:
            continue  # erased in the meantime
    return total
