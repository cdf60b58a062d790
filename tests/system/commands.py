"""The command `quorate` as a child process: started, read, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QUORATE = str(Path(sys.executable).parent / "quorate")
LIMIT_S = 280  # so that nothing hangs for ever: how fast it is, is not tested
GONE_S = 20.0  # for the end of processes on a busy machine; one that is left behind stays


@dataclass(frozen=True)
class Ended:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line of standard output, which must be JSON objects and nothing else."""
        found = [json.loads(line, parse_constant=_no_constant) for line in self.out.splitlines()]
        assert all(isinstance(line, dict) for line in found)
        return found

    @property
    def summary(self) -> dict[str, Any]:
        last = self.lines[-1]
        assert last["kind"] == "summary"
        return last


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def quorate(*arguments: object) -> Ended:
    words = [QUORATE, *map(str, arguments)]
    done = subprocess.run(  # the exit code is what tests look at
        words, check=False, capture_output=True, text=True, timeout=LIMIT_S
    )
    return Ended(done.returncode, done.stdout, done.stderr)


class Running:
    """A `quorate run … --json` under way."""

    def __init__(self, *arguments: object) -> None:
        command, *rest = map(str, arguments)
        words = [QUORATE, command, *rest, "--json"]
        if command == "drain":
            words = [sys.executable, str(Path(__file__).parent / "drain.py"), *rest]
        self.process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._seen = ""

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._seen += line
            event: dict[str, Any] = json.loads(line)
            if wanted(event):
                return event
        raise AssertionError(f"ended before: {self._seen} {self.ended().err}")

    def told(self, wanted: str) -> None:
        """Wait until it has said this to people."""
        assert self.process.stderr is not None
        said = ""
        for line in self.process.stderr:
            said += line
            if wanted in line:
                return
        raise AssertionError(f"ended before: {said} {self.ended().out}")

    def listens(self) -> None:
        """Wait until it hears SIGTERM: before that, it is no more than a Python that starts."""
        status = Path(f"/proc/{self.process.pid}/status")
        while not _caught(status.read_text()) >> (signal.SIGTERM - 1) & 1:
            assert self.process.poll() is None, self.ended().err
            time.sleep(0.005)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> Ended:
        out, err = self.process.communicate(timeout=LIMIT_S)
        return Ended(self.process.returncode, self._seen + out, err)

    def children(self) -> set[int]:
        """Return the process ids of its workers; none once it has ended."""
        return {pid for pid, parent in _workers() if parent == self.process.pid}


@contextmanager
def running(*arguments: object) -> Iterator[Running]:
    run = Running(*arguments)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.communicate()


def began(number: int) -> Callable[[dict[str, Any]], bool]:
    return lambda event: event["kind"] == "round_began" and event["number"] == number


def updated(number: int) -> Callable[[dict[str, Any]], bool]:
    return lambda event: event["kind"] == "state_updated" and event["number"] == number


def left_behind(pids: set[int]) -> set[int]:
    """Return which of the processes are still there when all had their time to end."""
    end_s = time.monotonic() + GONE_S
    while left := {pid for pid in pids if _runs(pid)}:
        if time.monotonic() > end_s:
            return left
        time.sleep(0.02)
    return set()


def _caught(status: str) -> int:
    """Return the signals that a process has handlers for, one bit each."""
    line = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return int(line.split()[1], 16)


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _workers() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"infra.worker_child" in command:
            yield int(folder.name), parent


def pause(pid: int) -> None:
    """Let a process hang."""
    os.kill(pid, signal.SIGSTOP)
