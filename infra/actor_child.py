"""One actor in a child process, as its parent sees it: lines, signals, its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .event_lines import read_line
from .homes import Role

log = logging.getLogger(__name__)

_LINE_BYTES = 16 * 2**20  # of one event; those that name many actors are long
_LAST_WORDS = 300

Hear = Callable[[dict[str, Any]], None]


class ActorChild:
    """A `quorate coordinator`, `holder` or `trainer` that ends when this process does."""

    def __init__(self, home: Path, role: Role, hear: Hear) -> None:
        self.last_words = ""
        self._home = home
        self._role = role
        self._hear = hear
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id, None before the start and after the end."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def run(self) -> int:
        """Start the process and return its exit code, negative for a signal, once it has ended.

        When cancelled, the process is killed.
        """
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "infra.cli.main", self._role),
            *("--home", str(self._home), "--tied"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=_LINE_BYTES,
            # A Ctrl-C in the terminal is for the parent, which ends its children in good order.
            start_new_session=True,
        )
        try:
            await asyncio.gather(self._read_events(process), self._read_words(process))
            return await process.wait()
        finally:
            self.send(signal.SIGKILL)
            await process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; of no effect once the process has ended."""
        if self.pid is not None and self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _read_events(self, process: Process) -> None:
        async for line in _lines(process.stdout):
            found = read_line(line)
            if found is None:
                log.warning("%s: printed what is no event of ours", self._home.name)
            else:
                self._hear(found)

    async def _read_words(self, process: Process) -> None:
        async for line in _lines(process.stderr):
            text = line.decode(errors="replace").rstrip()
            self.last_words = text[:_LAST_WORDS] or self.last_words
            log.info("%s: %s", self._home.name, text)


async def _lines(stream: asyncio.StreamReader | None) -> AsyncIterator[bytes]:
    if stream is None:
        return
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # longer than the limit; what is left of it is no event either
            continue
        if not line:
            return
        yield line
