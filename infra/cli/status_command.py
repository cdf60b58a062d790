"""`quorate status`: what the processes of one home, or of a folder of homes, say of themselves."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from infra.phrases import duration, names
from infra.telemetry.health import HealthLimits, ailments
from infra.telemetry.snapshot import FILE, Models, Peer, Reading, Snapshot, read_home
from infra.telemetry.waiting import why

from .display import print_json

WELL, TROUBLE, USAGE = 0, 1, 2

_SETTINGS = "actor.toml"
_WATCH_S = 2.0
_SILENT_S = 10.0
_PIPED_COLUMNS = 160
_PEERS = 40  # that are shown
_TROUBLES = 5


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """What to show: of which folder, with or without the reasons, once or again and again."""

    folder: Path
    why: bool = False
    json: bool = False
    watch: bool = False


def show_status(request: StatusRequest, *, wait: Callable[[float], None] = time.sleep) -> int:
    """Show it and return the exit code: 0 all run and are well, 1 not so, 2 no home there."""
    homes = find_homes(request.folder)
    if not homes:
        text = (
            f"{request.folder}: neither the home of an actor nor a folder of homes; name the "
            f"folder that quorate provision made, or one in it"
        )
        if request.json:
            print_json({"kind": "error", "problems": [text]})
        else:
            sys.stderr.write(text + "\n")
        return USAGE
    code = WELL
    try:
        while True:
            readings = [read_home(home) for home in homes]
            code = WELL if all(not trouble(reading) for reading in readings) else TROUBLE
            _show(request, readings)
            if not request.watch:
                return code
            wait(_WATCH_S)
            homes = find_homes(request.folder) or homes
    except KeyboardInterrupt:
        return code  # how a watch ends


def find_homes(folder: Path) -> list[Path]:
    """Return the folder itself if an actor lives there, or else those in it where one does."""
    if _is_home(folder):
        return [folder]
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _is_home(path))


def trouble(reading: Reading) -> str:
    """Say what is wrong with a process, nothing when it runs and is well."""
    state = reading.snapshot
    if state is None:
        return reading.problem
    if not reading.running:
        return reading.absence()
    if reading.stale:
        return f"says nothing for {duration(reading.age_s)}"
    link = state.link
    if link is not None and link.state == "blocked":
        return f"the broker takes nothing for {duration(link.state_s)}: {link.reason}"
    if link is not None and link.state != "open":
        return f"no link for {duration(link.down_s)}: {link.reason}"
    return "; ".join(ailments(state, 0.0, HealthLimits()))


def _is_home(path: Path) -> bool:
    return (path / _SETTINGS).is_file() or (path / FILE).is_file()


def _show(request: StatusRequest, readings: list[Reading]) -> None:
    others = {r.snapshot.actor: r for r in readings if r.snapshot is not None}
    if request.json:
        _print(readings, others)
        return
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _PIPED_COLUMNS
    if request.watch and console.is_terminal:
        console.clear()
    if len(readings) == 1:
        _show_one(console, readings[0], why=request.why)
    else:
        _show_all(console, readings, why=request.why)
    if not request.why:
        return
    for reading in readings:
        console.print(f"\n{_name(reading)}")
        for line in why(reading, others):
            console.print(f"  {line}")


def _print(readings: list[Reading], others: dict[str, Reading]) -> None:
    troubles = {}
    for reading in readings:
        wrong = trouble(reading)
        if wrong:
            troubles[_name(reading)] = wrong
        print_json(
            {
                "kind": "status",
                "home": str(reading.home),
                "running": reading.running,
                "well": not wrong,
                "trouble": wrong,
                "age_s": round(reading.age_s, 3),
                "why": list(why(reading, others)),
                "status": _plain(reading.snapshot),
            }
        )
    running = sum(reading.running for reading in readings)
    print_json(
        {
            "kind": "summary",
            "homes": len(readings),
            "running": running,
            "well": not troubles,
            "troubles": troubles,
        }
    )


def _plain(state: Snapshot | None) -> Any:
    return None if state is None else msgspec.to_builtins(state)


def _name(reading: Reading) -> str:
    return reading.home.name if reading.snapshot is None else reading.snapshot.actor


def _show_all(console: Console, readings: list[Reading], *, why: bool) -> None:
    """Show a line for each; what is wrong with it follows where the reasons do not."""
    table = _table("actor", "role", "state", "link", "round", "done", "crashes")
    for reading in readings:
        state = reading.snapshot
        if state is None:
            table.add_row(_name(reading), "", "not started")
            continue
        link, number = (_link(state), _round(state)) if reading.running else ("", "")
        counts = str(state.completed), str(state.restarts)
        table.add_row(state.actor, state.role, _life(reading, state), link, number, *counts)
    console.print(table)
    for reading in readings:
        if (wrong := trouble(reading)) and not why:
            console.print(f"{_name(reading)}: {wrong}")
    for reading in readings:
        if reading.snapshot is not None and reading.snapshot.role == "coordinator":
            _show_peers(console, reading, reading.snapshot)


def _show_one(console: Console, reading: Reading, *, why: bool) -> None:
    state = reading.snapshot
    if state is None:
        if not why:
            console.print(f"{_name(reading)}: {reading.problem}")
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, text in _facts(reading, state):
        table.add_row(name, text)
    console.print(table)
    _show_peers(console, reading, state)
    for told in () if why else state.troubles[-_TROUBLES:]:
        console.print(f"{duration(told.age_s + reading.age_s)} ago: {told.text}")


def _facts(reading: Reading, state: Snapshot) -> Iterator[tuple[str, str]]:
    yield state.actor, f"{state.role} of job {state.job}"
    since = datetime.fromtimestamp(state.since).astimezone().isoformat(" ", "seconds")
    yield "process", f"{_life(reading, state)}, pid {state.pid}, since {since}"
    if wrong := trouble(reading):
        yield "trouble", wrong
    if state.link is not None:
        yield "link", f"{_link(state)}, made again {state.link.reconnects} times"
    yield from _under_way(reading, state)
    abandoned = f", {state.abandoned} abandoned" if state.abandoned else ""
    yield "rounds", f"{state.completed} done{abandoned}"
    if state.last_round:
        yield "last", state.last_round
    if state.outcome:
        yield "job", state.outcome
    for text in state.evidence:
        yield "evidence", f"{text}, and signed both"
    if state.restarts:
        yield "restarts", str(state.restarts)
    if state.inbox:
        yield "inbox", f"{state.inbox} messages, the oldest for {duration(state.inbox_oldest_s)}"
    yield from _served(reading, state)


def _under_way(reading: Reading, state: Snapshot) -> Iterator[tuple[str, str]]:
    now = state.round
    if now is not None and now.asked:
        yield "asks", f"{now.asked} of {state.rules.trainers} trainers, {now.turn}"
    if now is not None and now.step is not None:
        counted = f"{now.receipts}/{now.expected}, {now.survivors} survivors"
        yield "round", f"{_round(state)}: {counted}, waits for {names(now.waiting_for)}"
        if now.remark:
            yield "held back", now.remark
    elif now is not None:
        yield "round", _round(state)
    if state.suspicion:
        yield "suspects", state.suspicion
    if (next_ := state.put_off) is not None:
        left = duration(next_.left_s - reading.age_s)
        sooner = f", or when one of {names(next_.missing)} is back" if next_.missing else ""
        yield "round", f"{next_.number} begins in {left}{sooner}"


def _served(reading: Reading, state: Snapshot) -> Iterator[tuple[str, str]]:
    if state.models is not None:
        yield "models", _models(state.models)
    if state.metrics_url is not None and reading.running:
        yield "metrics", state.metrics_url


def _show_peers(console: Console, reading: Reading, state: Snapshot) -> None:
    table = _table("actor", "role", "state", "last heard of", "software")
    for peer in state.peers[:_PEERS]:
        heard = "never" if peer.heard_s is None else f"{duration(peer.heard_s + reading.age_s)} ago"
        table.add_row(peer.name, peer.role, _presence(state, peer), heard, peer.software)
    console.print()
    console.print(f"as {state.actor} knows:")
    console.print(table)
    if len(state.peers) > _PEERS:
        console.print(f"and {len(state.peers) - _PEERS} more")


def _presence(state: Snapshot, peer: Peer) -> str:
    if peer.left is not None:
        return f"left in round {peer.left}: {peer.reason}"
    if peer.heard_s is None:
        return "not heard of yet"
    waited_for = state.round is not None and peer.name in state.round.waiting_for
    # Who works for a round says so four times in its patience.
    silent = peer.heard_s > max(_SILENT_S, state.rules.patience_s / 2)
    return "silent" if waited_for and silent else "present"


def _life(reading: Reading, state: Snapshot) -> str:
    if not reading.running:
        return "not running"
    return "silent" if reading.stale else f"{state.life} {duration(time.time() - state.since)}"


def _link(state: Snapshot) -> str:
    link = state.link
    if link is None:
        return ""
    return f"{link.state} {duration(link.down_s or link.state_s)}"


def _round(state: Snapshot) -> str:
    now = state.round
    return "" if now is None else f"{now.number} {now.step or 'begun'}"


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _models(models: Models) -> str:
    told = [f"{models.served} served ({models.served_bytes / 2**20:.1f} MiB)"]
    if models.pulled or models.pulled_bytes:
        told = [f"{models.pulled} pulled ({models.pulled_bytes / 2**20:.1f} MiB)"]
    told += [f"{count} {how}" for how, count in models.failures.items()]
    return "over HTTPS " + ", ".join(told)
