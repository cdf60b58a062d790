"""The owner's code and data in a child process of its own: the `Worker` port."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from actors.ports import WorkFailed

from .worker_frames import Parcel, Request, WorkSpec
from .worker_process import Answer, Child, environment

__all__ = ["ProcessWorker", "WorkSpec", "evaluate_state", "fit_alone", "initial_state"]


class ProcessWorker:
    """Keeps one child process for one owner; the `Worker` port.

    The child starts with the first request and stays. After any failure, or when a request is
    cancelled, the child and its own children are killed, and the next request starts afresh.
    What the owner's code prints is logged, at most `worker_process.MAX_LINES` for each request.
    """

    def __init__(self, spec: WorkSpec) -> None:
        self._spec = spec
        self._child: Child | None = None
        self._turn = asyncio.Lock()
        self._closed = False
        self._killed = False

    @property
    def pid(self) -> int | None:
        """Return the process id of the running child."""
        return self._child.transport.get_pid() if self._child else None

    async def compute(self, state: bytes, number: int) -> NDArray[np.float64]:
        """Return the owner's vector (d,) for a round; see the port."""
        parcel = Parcel(Request(op="compute", number=number), state)
        del state  # it goes as it is sent: the vector that comes back takes its place
        _, bulk = await self.request("compute", parcel)
        if len(bulk) % 8:
            raise WorkFailed("crashed", "the child sent half a number")
        return np.frombuffer(bulk, dtype="<f8").astype(np.float64, copy=False)

    async def describe(self) -> tuple[str, ...]:
        """Open the owner's data; return warnings for the owner's own log."""
        reply, _ = await self.request("describe", Parcel(Request(op="describe")))
        return reply.warnings

    async def request(self, what: str, parcel: Parcel) -> Answer:
        """Let the child do something. Raises `WorkFailed`."""
        async with self._turn:
            self._refuse_if_closed()
            try:
                if self._child is not None and (self._killed or self._child.exited.done()):
                    await self._drop()
                child = self._child or await self._started()
                return await self._asked(child, what, parcel, self._spec.compute_s)
            except WorkFailed:
                await self._drop()
                self._refuse_if_closed()
                raise
            except BaseException:
                await self._drop()
                raise

    def kill(self) -> None:
        """Kill the child at once, as a power cut would; the next request starts afresh."""
        if self._child is not None:
            self._child.kill()
            self._killed = True

    async def close(self) -> None:
        """End the child: at once if it computes, else by itself within `close_s`."""
        self._closed = True
        if self._child and self._turn.locked():
            self._child.kill()
        async with self._turn:
            if self._child is None:
                return
            self._child.hang_up()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._spec.close_s):
                    await asyncio.shield(self._child.exited)
            await self._drop()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise WorkFailed("closed", "the worker was closed") from None

    async def _started(self) -> Child:
        loop = asyncio.get_running_loop()
        owner = self._spec.owner
        _, self._child = await loop.subprocess_exec(
            lambda: Child(owner),
            *(sys.executable, "-m", "infra.worker_child"),
            env=environment(self._spec.threads),
            # A Ctrl-C in the terminal is for the actor, which ends the child in good order.
            start_new_session=True,
        )
        start = Parcel(Request(op="start", spec=self._spec))
        await self._asked(self._child, "start", start, self._spec.start_s)
        return self._child

    async def _asked(self, child: Child, what: str, parcel: Parcel, limit_s: float) -> Answer:
        try:
            async with asyncio.timeout(limit_s):
                reply, bulk = await child.ask(parcel)
        except TimeoutError:
            text = f"no answer to {what!r} within {limit_s:g} s"
            raise WorkFailed("timed out", text) from None
        if reply.kind:
            raise WorkFailed(reply.kind, reply.text)
        return reply, bulk

    async def _drop(self) -> None:
        child, self._child, self._killed = self._child, None, False
        if child is not None:
            await child.end()


async def initial_state(spec: WorkSpec) -> bytes:
    """Return the bytes of the state before the first round, made in a child of its own."""
    _, bulk = await _once(spec, Request(op="initial"))
    return bytes(bulk)


async def evaluate_state(spec: WorkSpec, state: bytes) -> dict[str, float]:
    """Measure a model on the data of `spec.owner`; for demos and local comparisons only."""
    reply, _ = await _once(spec, Request(op="evaluate"), state)
    return reply.metrics


async def fit_alone(spec: WorkSpec, epochs: int) -> bytes:
    """Train on the data of `spec.owner` alone; for demos and local comparisons only."""
    _, bulk = await _once(spec, Request(op="fit", number=epochs))
    return bytes(bulk)


async def _once(spec: WorkSpec, request: Request, state: bytes = b"") -> Answer:
    worker = ProcessWorker(spec)
    try:
        return await worker.request(request.op, Parcel(request, state))
    finally:
        await worker.close()
