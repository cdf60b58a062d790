"""A child process in a copy of the code, bounded in time, and the CPU time that it took."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its exit code, negative for a signal, and what it wrote and spent."""

    code: int
    out: str
    errors: str
    cpu_s: float

    @property
    def last_line(self) -> str:
        """Return the last line of its output."""
        return _last_line(self.out)

    def __str__(self) -> str:
        last = _last_line(self.errors) or self.last_line
        return f"ended with {self.code} after {self.cpu_s:.0f} CPU seconds: {last}"


def python(copy: Path, arguments: Sequence[str], *, within_s: float) -> Ended:
    """Run `python ARGUMENTS` in a copy, on the copy's packages; kill it after so long."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONSAFEPATH": "1"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=copy,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
        )
        status, cpu_s = _waited(child.pid, within_s)
        child.returncode = os.waitstatus_to_exitcode(status)
        return Ended(child.returncode, _text(out), _text(errors), cpu_s)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


def _waited(pid: int, within_s: float) -> tuple[int, float]:
    def end() -> None:
        with suppress(ProcessLookupError):  # it ended by itself in this very moment
            os.kill(pid, signal.SIGKILL)

    timer = threading.Timer(within_s, end)
    timer.start()
    try:
        # `wait4` and not `wait`: only it tells the CPU time of this one child.
        _, status, usage = os.wait4(pid, 0)
    finally:
        timer.cancel()
    return status, usage.ru_utime + usage.ru_stime
