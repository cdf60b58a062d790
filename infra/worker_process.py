"""One child process as its worker sees it: frames in and out, the owner's prints, its end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress
from typing import Any, cast

from actors.ports import WorkFailed
from protocols.codec import Undecodable, parse

from .worker_frames import FrameReader, Parcel, Reply

MAX_LINES = 1000  # of an owner's output in one computation
MAX_LINE = 500
_DRAIN_S = 2.0
_SLICE_BYTES = 2**20

log = logging.getLogger(__name__)

Answer = tuple[Reply, memoryview]
_Frame = tuple[bytes, memoryview]


class Child(asyncio.SubprocessProtocol):
    """One child process: its frames on stdout, the owner's prints on stderr."""

    transport: asyncio.SubprocessTransport

    def __init__(self, owner: str) -> None:
        loop = asyncio.get_running_loop()
        self._output = _Output(owner)
        self._frames = FrameReader()
        self._reply: asyncio.Future[_Frame | None] = loop.create_future()
        self.exited: asyncio.Future[None] = loop.create_future()
        self._lost: asyncio.Future[None] = loop.create_future()
        self._listens = asyncio.Event()
        self._listens.set()
        self._deaf = False

    async def ask(self, parcel: Parcel) -> Answer:
        """Send a request and wait for the reply. Raises `WorkFailed` when the child dies."""
        self._output.begin()
        self._reply = asyncio.get_running_loop().create_future()
        await self._send(parcel)
        waited: set[asyncio.Future[Any]] = {self._reply, self.exited}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        frame = await self._last_frame()
        if frame is None:
            raise _crash(self.transport.get_returncode())
        try:
            return parse(frame[0], Reply), frame[1]
        except Undecodable as error:
            raise WorkFailed("crashed", f"the child sent no reply of ours: {error}") from None

    def hang_up(self) -> None:
        """Let the child end by itself."""
        self._stdin.close()

    def kill(self) -> None:
        """Kill the child and all that it started, unless they left its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.transport.get_pid(), signal.SIGKILL)

    async def end(self) -> None:
        """Kill what still runs; return when nothing of it is left here."""
        if not self.exited.done():
            self.kill()
        await asyncio.shield(self.exited)
        await asyncio.wait({self._lost}, timeout=_DRAIN_S)
        # Someone outside the group may still hold the pipes open.
        self.transport.close()
        await asyncio.shield(self._lost)

    async def _send(self, parcel: Parcel) -> None:
        """Write all of it, a slice at a time, for as long as the child listens."""
        for piece in parcel:
            for begin in range(0, len(piece), _SLICE_BYTES):
                if self._deaf:
                    return
                self._stdin.write(piece[begin : begin + _SLICE_BYTES])
                await self._listens.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.SubprocessTransport, transport)
        self._stdin = cast(asyncio.WriteTransport, self.transport.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        if fd == 2:
            self._output.feed(cast(bytes, data))
            return
        try:
            self._frames.feed(cast(bytes, data))
            frame = self._frames.next()
        except Undecodable:
            self.kill()
            return
        if frame is not None and not self._reply.done():
            self._reply.set_result(frame)

    def pause_writing(self) -> None:
        self._listens.clear()

    def resume_writing(self) -> None:
        self._listens.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 0:
            self._deaf = True
            self._listens.set()
        if fd == 1 and not self._reply.done():
            self._reply.set_result(None)

    def process_exited(self) -> None:
        # What the child left behind would hold the pipes open.
        self.kill()
        self._deaf = True
        self._listens.set()
        if not self.exited.done():
            self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._output.finish()
        if not self._lost.done():
            self._lost.set_result(None)

    async def _last_frame(self) -> _Frame | None:
        """Return the reply; when the child has gone, wait a moment for what is in the pipe."""
        if not self._reply.done():
            await asyncio.wait({self._reply}, timeout=_DRAIN_S)
        if not self._reply.done():
            return None
        frame = self._reply.result()
        # A vector may be large: only the asker keeps it.
        self._reply = asyncio.get_running_loop().create_future()
        if frame is None:
            await asyncio.wait({self.exited}, timeout=_DRAIN_S)
        return frame


class _Output:
    """Logs an owner's output line by line, within bounds."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._rest = b""
        self._left = MAX_LINES

    def begin(self) -> None:
        """Allow `MAX_LINES` again."""
        self._left = MAX_LINES

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[: 4 * MAX_LINE]
        for line in lines:
            self._log(line)

    def finish(self) -> None:
        """Log a last line without an end."""
        if self._rest:
            self._log(self._rest)
        self._rest = b""

    def _log(self, line: bytes) -> None:
        if self._left < 0:
            return
        self._left -= 1
        if self._left < 0:
            log.warning(
                "%s: prints more than %d lines; the rest is left out", self._owner, MAX_LINES
            )
            return
        text = line[: 4 * MAX_LINE].decode(errors="replace").rstrip()[:MAX_LINE]
        # No control sequences of the owner's code in our terminal.
        printable = "".join(c if c.isprintable() or c == "\t" else "?" for c in text)
        log.info("%s: %s", self._owner, printable)


def environment(threads: int) -> dict[str, str]:
    """Return the environment variables of a child: ours without our own settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("QUORATE_")}
    return {
        **inherited,
        # No folder of the owner can hide ours.
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }


def _crash(code: int | None) -> WorkFailed:
    if code is None:
        return WorkFailed("crashed", "the child closed its channel")
    if code == -signal.SIGKILL:
        text = "the child process was killed (SIGKILL), maybe because memory ran out"
        return WorkFailed("killed (out of memory?)", text)
    if code < 0:
        return WorkFailed("crashed", f"the child process ended by {signal.Signals(-code).name}")
    return WorkFailed("crashed", f"the child process ended with exit code {code}")
