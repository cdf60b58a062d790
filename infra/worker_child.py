"""The child process beside an owner's data: runs the owner's code and answers its worker.

Start: `python -m infra.worker_child`, by `infra.workers` only. The first request carries the
`WorkSpec`. What the owner's code prints goes to stderr, never into the channel.
"""

from __future__ import annotations

import os
import queue
import resource
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from actors.ports import WorkFailed
from protocols.codec import Undecodable, parse
from protocols.errors import Misuse, Unfit
from protocols.learning.algorithms import TABULAR
from protocols.learning.state import State

from .worker_frames import MAX_TEXT, FrameReader, Parcel, Reply, Request, WorkSpec

Answer = tuple[Reply, bytes | memoryview]


class Task(Protocol):
    """An owner's code and data; every method may run for long and may fail in any way."""

    def describe(self) -> tuple[str, ...]:
        """Open the data and return warnings for the owner's own log."""
        ...

    def initial(self) -> State:
        """Return the state before the first round; needs no data."""
        ...

    def compute(self, state: State) -> NDArray[np.float64]:
        """Return the owner's vector (d,)."""
        ...

    def evaluate(self, state: State) -> dict[str, float]:
        """Measure the model on this owner's data; for demos and comparisons only."""
        ...

    def fit(self, epochs: int) -> State:
        """Train from the start on this owner's data alone; for demos and comparisons only."""
        ...


class Channel:
    """Frames from and to the worker, on descriptors that the owner's code does not know."""

    def __init__(self) -> None:
        self._source, self._sink = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        self._inbox: queue.SimpleQueue[tuple[bytes, memoryview] | None] = queue.SimpleQueue()
        self._busy = False
        threading.Thread(target=self._read, daemon=True).start()

    def receive(self) -> tuple[Request, bytes] | None:
        """Wait for the next request; None when the worker has gone or closed."""
        self._busy = False
        frame = self._inbox.get()
        if frame is None:
            return None
        self._busy = True
        return parse(frame[0], Request), bytes(frame[1])

    def send(self, answer: Answer) -> None:
        """Write all of an answer."""
        for piece in Parcel(*answer):
            left = piece
            while left:
                left = left[os.write(self._sink, left) :]

    def _read(self) -> None:
        reader = FrameReader()
        try:
            while data := os.read(self._source, 2**20):
                reader.feed(data)
                while frame := reader.next():
                    self._inbox.put(frame)
        finally:
            self._inbox.put(None)
            # The worker is gone, maybe killed: nobody waits for what is being computed.
            if self._busy and os.getpgrp() == os.getpid():
                os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Answer requests until the worker closes the channel."""
    channel = Channel()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="replace")  # type: ignore[union-attr]
    task: Task | None = None
    place = ""
    while request := channel.receive():
        wanted, bulk = request
        try:
            if wanted.spec is not None:
                place = wanted.spec.task
                task = _open_task(wanted.spec)
                answer: Answer = Reply(), b""
            else:
                answer = _perform(task, wanted, bulk)
        # The owner's code may raise anything, SystemExit too; the worker hears of all of it.
        except BaseException as error:  # noqa: BLE001
            answer = _failure(error, place), b""
        channel.send(answer)


def _open_task(spec: WorkSpec) -> Task:
    if spec.refused:
        raise WorkFailed("not allowed", spec.refused)
    if spec.kind in TABULAR:
        from .table_task import TableTask  # noqa: PLC0415

        _limit_memory(spec.memory_mb)
        return TableTask(spec)
    if spec.kind == "probe":
        from .probe_task import ProbeTask  # noqa: PLC0415

        _limit_memory(spec.memory_mb)
        return ProbeTask(spec)
    from .torch_task import TorchTask  # noqa: PLC0415  # torch is heavy: only where it is needed

    _limit_memory(spec.memory_mb)
    return TorchTask(spec)


def _perform(task: Task | None, request: Request, bulk: bytes) -> Answer:
    if task is None:
        raise Misuse("a request before the start")
    match request.op:
        case "describe":
            return Reply(warnings=tuple(text[:MAX_TEXT] for text in task.describe())), b""
        case "initial":
            return Reply(), task.initial().to_bytes()
        case "compute":
            vector = task.compute(State.from_bytes(bulk))
            return Reply(), np.ascontiguousarray(vector, dtype="<f8").ravel().view(np.uint8).data
        case "evaluate":
            return Reply(metrics=task.evaluate(State.from_bytes(bulk))), b""
        case "fit":
            return Reply(), task.fit(request.number).to_bytes()
    raise Misuse(f"unknown request {request.op}")


def _limit_memory(memory_mb: int) -> None:
    """Bound what the process may allocate, code and libraries apart; of effect on Linux only."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mb * 2**20, hard))


def _lift_memory_limit() -> None:
    """Make room to tell what happened."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def _failure(error: BaseException, task: str) -> Reply:
    if _is_memory_error(error):
        _lift_memory_limit()
        return Reply(kind="out of memory", text=_text(error, task))
    if isinstance(error, (WorkFailed, Unfit)):
        return Reply(kind=error.kind, text=_bounded(str(error)))
    if isinstance(error, Undecodable):
        return Reply(kind="model does not load", text=_bounded(str(error)))
    # For the owner's log: where exactly its code went wrong.
    traceback.print_exception(error, limit=-10, chain=False)
    return Reply(kind="code failed", text=_text(error, task))


def _is_memory_error(error: BaseException) -> bool:
    # torch reports it as a plain RuntimeError.
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def _text(error: BaseException, task: str) -> str:
    """Say what was raised, and where in the owner's own code."""
    first_line = (str(error).strip().splitlines() or [""])[0]
    what = f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
    fix = ""
    if isinstance(error, ModuleNotFoundError):
        fix = ": install it where this trainer runs, or copy it beside the task file"
    return _bounded(f"{what[: MAX_TEXT // 2]} ({_where(error, task)}){fix}")


def _where(error: BaseException, task: str) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    folder = str(Path(task).resolve().parent) if task else ""
    own = [frame for frame in frames if folder and frame.filename.startswith(folder + os.sep)]
    for frame in reversed(own or frames):
        return f"{frame.filename}, line {frame.lineno}"
    return "nowhere"


def _bounded(text: str) -> str:
    return text.encode(errors="replace").decode()[:MAX_TEXT]


if __name__ == "__main__":
    main()
