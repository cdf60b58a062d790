from __future__ import annotations

import asyncio
import itertools
import logging
import os
import re
import struct
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from actors.ports import WorkFailed
from infra import worker_process
from infra.worker_frames import (
    MAX_BULK_BYTES,
    MAX_HEADER_BYTES,
    FrameReader,
    Option,
    Parcel,
    Request,
)
from infra.workers import ProcessWorker, WorkSpec, evaluate_state, fit_alone, initial_state
from protocols.codec import Undecodable, parse
from protocols.learning.federated.fedavg import FedAvg
from protocols.learning.federated.trainable import InitialModel
from protocols.learning.logistic import Logistic
from protocols.learning.state import State

# One task file for all of it: what `train` does is told by owner.data.
TASK = """
import os, signal, sys, threading
import numpy as np
import torch
import neighbour

def model():
    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))

class Rows:
    def __init__(self, what):
        self.what = what
        rng = np.random.default_rng(neighbour.SEED)
        self.x = rng.normal(size=(40, 2)).astype(np.float32)
        self.y = rng.integers(0, 3, size=40)
    def __len__(self):
        return len(self.y)

def data(owner):
    if owner.data == "no data":
        raise FileNotFoundError("no such table")
    if owner.data == "no rows":
        return torch.zeros(0, 2), torch.zeros(0)
    return Rows(owner.data)

def evaluate(model, data):
    if data.what == "bad metrics":
        return {"loss": 1.0}
    return {"loss": 2.0, "accuracy": 0.5}

def train(model, data, settings):
    globals()["do_" + data.what.split()[0]](model, data, settings)

def do_nothing(model, data, settings):
    pass

do_bad = do_nothing

def do_settings(model, data, settings):
    with torch.no_grad():
        model[0].bias += torch.tensor([settings.epochs, settings.round, settings.learning_rate])

def do_raise(model, data, settings):
    raise ValueError("boom")  # line of the boom

def do_hang(model, data, settings):
    os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "600")
    print("hanging", flush=True)
    threading.Event().wait()

def do_eat(model, data, settings):
    meal = []
    while True:
        meal.append(bytearray(50_000_000))

def do_tensor(model, data, settings):
    meal = []
    while True:
        meal.append(torch.ones(10_000_000))

def do_print(model, data, settings):
    print("to stdout", "\\x1b[31m")
    sys.stderr.write("to stderr\\n")
    os.write(1, b"raw bytes to 1\\n")
    for i in range(100_000):
        print("line", i)
    assert sys.stdin.read() == ""

def do_exit(model, data, settings):
    sys.exit(3)

def do_os_exit(model, data, settings):
    os._exit(7)

def do_kill(model, data, settings):
    os.kill(os.getpid(), signal.SIGKILL)

def do_abort(model, data, settings):
    os.abort()

def do_shape(model, data, settings):
    model[0] = torch.nn.Linear(2, 4)

def do_once(model, data, settings):
    if not neighbour.MARK.exists():
        neighbour.MARK.touch()
        raise ValueError("only the first time")
"""
OPTIONS: dict[str, int | float] = {"local_epochs": 5, "learning_rate": 0.25}
Open = Callable[..., ProcessWorker]


@pytest.fixture
def task(tmp_path: Path) -> str:
    (tmp_path / "neighbour.py").write_text(
        "import pathlib\nSEED = 5\nMARK = pathlib.Path(__file__).with_name('mark')\n"
    )
    path = tmp_path / "task.py"
    path.write_text(textwrap.dedent(TASK))
    return str(path)


@pytest_asyncio.fixture
async def open_worker(task: str) -> AsyncIterator[Open]:
    opened: list[ProcessWorker] = []

    def opening(what: str, **changes: object) -> ProcessWorker:
        spec = WorkSpec(kind="fedavg", options=dict(OPTIONS), owner="ann", task=task, data=what)
        opened.append(ProcessWorker(msgspec.structs.replace(spec, **changes)))
        return opened[-1]

    yield opening
    for worker in opened:
        await worker.close()
    assert not children_since_start()


# Brokers of other tests may be running beside these.
_BEFORE: set[int] = set()


@pytest.fixture(autouse=True)
def _look_around() -> None:
    _BEFORE.clear()
    _BEFORE.update(child.pid for child in psutil.Process().children(recursive=True))


def children_since_start() -> list[psutil.Process]:
    """Return what workers left behind; the tests' broker may have been started meanwhile."""
    children = psutil.Process().children(recursive=True)
    return [c for c in children if c.pid not in _BEFORE and not _of_a_broker(c)]


def _of_a_broker(child: psutil.Process) -> bool:
    try:
        names = [child.name(), *(parent.name() for parent in child.parents())]
    except psutil.NoSuchProcess:
        return False
    return any(name.startswith(("beam", "erl", "rabbitmq")) for name in names)


@pytest.fixture
def printed() -> Iterator[asyncio.Event]:
    """Return an event that is set when an owner's code has printed a line."""
    event = asyncio.Event()

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            event.set()

    listening, level = Listening(), worker_process.log.level
    worker_process.log.addHandler(listening)
    worker_process.log.setLevel(logging.INFO)
    yield event
    worker_process.log.removeHandler(listening)
    worker_process.log.setLevel(level)


def start_state() -> bytes:
    """Return a state of the task's model, made without torch."""
    ones = {name: np.ones(3, dtype=np.float32) for name in ("0.bias", "1.weight", "1.bias")}
    running = {f"1.running_{name}": np.ones(3, dtype=np.float32) for name in ("mean", "var")}
    arrays = {
        **ones,
        **running,
        "0.weight": np.ones((3, 2), dtype=np.float32),
        "1.num_batches_tracked": np.array(0, dtype=np.int64),
    }
    buffers = frozenset(name for name in arrays if name.startswith("1.") and "_" in name)
    state = FedAvg().start(InitialModel(arrays=arrays, buffers=buffers))
    return state.evolved(round=4).to_bytes()


async def failure(worker: ProcessWorker) -> WorkFailed:
    with pytest.raises(WorkFailed) as caught:
        await worker.compute(start_state(), 0)
    assert worker.pid is None
    return caught.value


async def test_vector_holds_weighted_change_weight_and_metrics(open_worker: Open) -> None:
    worker = open_worker("settings")

    vector = await worker.compute(start_state(), 0)

    assert vector[:3].tolist() == [40 * 5, 40 * 4, 40 * 0.25]
    assert not vector[3:-4].any()
    assert vector[-4:].tolist() == [40, 40, 80, 20]


async def test_state_goes_before_the_vector_comes_and_only_its_owner_keeps_that() -> None:
    """A model may be as large as the memory allows, but once."""
    mib, values = 2**20, 4 * 2**20
    options: dict[str, Option] = {"owners": ["ann"], "values": values}
    worker = ProcessWorker(WorkSpec(kind="probe", options=options, owner="ann"))
    await worker.describe()
    tracemalloc.start()
    try:
        total = {"total": np.zeros(values)}
        states = [State(arrays=total, facts={"round": 3, "survivors": []}).to_bytes()]
        del total
        tracemalloc.reset_peak()
        assert tracemalloc.get_traced_memory()[1] > 32 * mib

        vector = await worker.compute(states.pop(), 0)

        assert vector.nbytes > 32 * mib
        now, peak = tracemalloc.get_traced_memory()
        assert peak < 40 * mib
        del vector
        assert now - tracemalloc.get_traced_memory()[0] > 32 * mib
    finally:
        tracemalloc.stop()
        await worker.close()


@given(
    bulks=st.lists(st.binary(max_size=50), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 40), min_size=1),
)
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    bulks: list[bytes], cuts: list[int]
) -> None:
    requests = [Request(op="compute", number=number) for number, _ in enumerate(bulks)]
    stream = b"".join(
        piece for pair in zip(requests, bulks, strict=True) for piece in Parcel(*pair)
    )
    reader, found, sizes = FrameReader(), [], itertools.cycle(cuts)

    while stream:
        size = next(sizes)
        reader.feed(stream[:size])
        stream = stream[size:]
        while frame := reader.next():
            found.append((parse(frame[0], Request), bytes(frame[1])))

    assert found == list(zip(requests, bulks, strict=True))


@pytest.mark.parametrize("lengths", [(MAX_HEADER_BYTES + 1, 0), (0, MAX_BULK_BYTES + 1)])
def test_frame_above_the_bounds_is_refused_before_it_takes_memory(lengths: tuple[int, int]) -> None:
    with pytest.raises(Undecodable):
        FrameReader().feed(struct.pack(">IQ", *lengths))


async def test_child_stays_between_computations(open_worker: Open) -> None:
    worker = open_worker("nothing")

    await worker.compute(start_state(), 0)
    first = worker.pid
    await worker.compute(start_state(), 1)

    assert worker.pid == first


@pytest.mark.parametrize(
    ("what", "kind", "text"),
    [
        ("raise", "code failed", r"ValueError: boom \(.*task\.py, line BOOM\)"),
        ("exit", "code failed", r"SystemExit: 3 \(.*task\.py, line \d+\)"),
        ("eat", "out of memory", r"MemoryError \(.*task\.py, line \d+\)"),
        ("tensor", "out of memory", r"RuntimeError: .*can't allocate memory.*task\.py"),
        ("os_exit", "crashed", "exit code 7"),
        ("abort", "crashed", "SIGABRT"),
        ("kill", "killed (out of memory?)", "SIGKILL"),
        ("shape", "bad result", r"0\.bias has shape \(4,\) after training, before \(3,\)"),
        ("bad metrics", "bad result", "gives no accuracy"),
        ("no data", "code failed", r"FileNotFoundError: no such table \(.*task\.py"),
    ],
)
async def test_failure_of_the_owners_code_is_named(
    open_worker: Open, what: str, kind: str, text: str
) -> None:
    boom = TASK[: TASK.index("# line of the boom")].count("\n") + 1

    error = await failure(open_worker(what, memory_mb=1500))

    assert error.kind == kind
    assert re.search(text.replace("BOOM", str(boom)), str(error)), str(error)


async def test_hanging_code_is_ended_with_all_that_it_started(
    open_worker: Open,
) -> None:
    error = await failure(open_worker("hang", compute_s=0.3))

    assert error.kind == "timed out"
    assert not children_since_start()


async def test_cancelled_computation_is_ended(open_worker: Open, printed: asyncio.Event) -> None:
    worker = open_worker("hang")
    computing = asyncio.ensure_future(worker.compute(start_state(), 0))
    await printed.wait()

    computing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await computing

    assert worker.pid is None
    assert not children_since_start()


async def test_closing_ends_what_is_being_computed(
    open_worker: Open, printed: asyncio.Event
) -> None:
    worker = open_worker("hang")
    computing = asyncio.ensure_future(worker.compute(start_state(), 0))
    await printed.wait()

    await worker.close()

    with pytest.raises(WorkFailed, match="was closed"):
        await computing
    with pytest.raises(WorkFailed, match="was closed"):
        await worker.compute(start_state(), 0)


PARENT = """
import asyncio, logging, sys
import msgspec
from infra.workers import ProcessWorker, WorkSpec

class Killing(logging.Handler):
    def emit(self, record):
        print(worker.pid, flush=True)

async def main():
    global worker
    worker = ProcessWorker(WorkSpec(kind="fedavg", options={}, owner="ann", task=sys.argv[1],
                                    data="hang"))
    await worker.compute(bytes.fromhex(sys.argv[2]), 0)

logging.getLogger("infra.worker_process").addHandler(Killing())
logging.getLogger("infra.worker_process").setLevel(logging.INFO)
asyncio.run(main())
"""


def test_child_does_not_outlive_a_worker_that_is_killed(task: str) -> None:
    command = [sys.executable, "-c", PARENT, task, start_state().hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        family = [child, *child.children(recursive=True)]

        parent.kill()
        _, alive = psutil.wait_procs(family, timeout=20)

    assert len(family) == 2  # the child and what the task started
    assert alive == []


async def test_what_the_code_prints_is_logged_within_bounds(
    open_worker: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=worker_process.__name__)

    vector = await open_worker("print").compute(start_state(), 0)

    lines = [record.getMessage() for record in caplog.records]
    assert vector[-3] == 40
    assert lines[:3] == ["ann: to stdout ?[31m", "ann: to stderr", "ann: raw bytes to 1"]
    assert len(lines) == worker_process.MAX_LINES + 1
    assert lines[-1] == "ann: prints more than 1000 lines; the rest is left out"


async def test_owner_finds_the_traceback_in_its_log(
    open_worker: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=worker_process.__name__)

    await failure(open_worker("raise"))

    assert any('raise ValueError("boom")' in record.getMessage() for record in caplog.records)


async def test_next_computation_after_a_failure_starts_afresh(open_worker: Open) -> None:
    worker = open_worker("once")
    assert "only the first time" in str(await failure(worker))

    vector = await worker.compute(start_state(), 0)

    assert vector[-3] == 40


async def test_state_of_another_model_does_not_load(open_worker: Open) -> None:
    worker = open_worker("nothing")
    other = FedAvg().start(InitialModel(arrays={"x": np.zeros(1)})).to_bytes()

    for state in (b"no state", other):
        with pytest.raises(WorkFailed) as caught:
            await worker.compute(state, 0)
        assert caught.value.kind == "model does not load"


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        (None, "missing file", "no task file"),
        ("def model(:\n", "code failed", "SyntaxError: .*, line 1"),
        ("\nimport absent_library\n", "code failed", "ModuleNotFoundError: .*, line 2.*copy it"),
        ("def model(): pass\n", "code failed", r"has no function data\(\)"),
    ],
)
async def test_task_file_that_does_not_load_is_named(
    tmp_path: Path, source: str | None, kind: str, text: str
) -> None:
    path = tmp_path / "mine.py"
    if source is not None:
        path.write_text(source)
    spec = WorkSpec(kind="fedavg", options={}, owner="ann", task=str(path))

    with pytest.raises(WorkFailed) as caught:
        await initial_state(spec)

    assert caught.value.kind == kind
    assert re.search(text, str(caught.value)), str(caught.value)


async def test_descriptors_and_children_do_not_leak(tmp_path: Path) -> None:
    spec = table_spec(tmp_path, "a,y\n1,0\n2,1\n")
    await initial_state(spec)
    before = psutil.Process().num_fds()

    for _ in range(3):
        await initial_state(spec)

    assert psutil.Process().num_fds() == before
    assert not children_since_start()


def table_spec(folder: Path, text: str) -> WorkSpec:
    path = folder / "table.csv"
    path.write_text(text)
    options: dict[str, str | list[str]] = {"features": ["a"], "target": "y"}
    return WorkSpec(kind="logistic", options=options, owner="ann", data=str(path))


async def test_table_is_summed_without_torch(tmp_path: Path) -> None:
    worker = ProcessWorker(table_spec(tmp_path, "a,y\n1,0\n2,1\n4.5,1\n"))
    algorithm = Logistic(features=("a",), target="y")
    state = algorithm.start()

    try:
        vector = await worker.compute(state.to_bytes(), 0)
        libraries = {Path(part.path).name for part in psutil.Process(worker.pid).memory_maps()}
    finally:
        await worker.close()

    sums = algorithm.layout(state).unpack(vector)
    assert (sums["rows"], sums["sum"], sums["totals"]) == (3.0, [7.5], [2.0])
    assert not [name for name in libraries if "torch" in name]


async def test_trouble_with_the_table_keeps_its_kind(tmp_path: Path) -> None:
    worker = ProcessWorker(table_spec(tmp_path, "a,y\n1,0\nx,1\n"))

    try:
        with pytest.raises(WorkFailed, match="line 3, column 'a'") as caught:
            await worker.describe()
    finally:
        await worker.close()

    assert caught.value.kind == "not a number"


async def test_warnings_are_for_the_owner(tmp_path: Path) -> None:
    worker = ProcessWorker(table_spec(tmp_path, "a,y\n1,1\n2,1\n"))

    try:
        warnings = await worker.describe()
    finally:
        await worker.close()

    assert len(warnings) == 1
    assert "same in all rows" in warnings[0]


async def test_regression_can_be_fitted_alone_for_comparison(tmp_path: Path) -> None:
    spec = table_spec(tmp_path, "a,y\n1,0\n2,0\n3,1\n4.5,1\n")

    state = await fit_alone(spec, 1)
    metrics = await evaluate_state(spec, state)

    assert State.from_bytes(state).facts["converged"] is True
    assert metrics["accuracy"] == 1.0


async def test_unknown_option_is_named(tmp_path: Path) -> None:
    spec = msgspec.structs.replace(table_spec(tmp_path, ""), options={"lr": 1})

    with pytest.raises(WorkFailed, match="has no option 'lr'") as caught:
        await initial_state(spec)

    assert caught.value.kind == "bad options"


async def test_child_has_a_session_of_its_own(tmp_path: Path) -> None:
    worker = ProcessWorker(table_spec(tmp_path, "a,y\n1,1\n2,1\n"))

    try:
        await worker.describe()
        assert worker.pid is not None
        assert os.getsid(worker.pid) == worker.pid != os.getsid(0)
    finally:
        await worker.close()


async def test_an_owner_without_rows_is_told_so(open_worker: Open) -> None:
    worker = open_worker("no rows")

    with pytest.raises(WorkFailed, match="returned no rows") as failed:
        await worker.describe()

    assert failed.value.kind == "empty"


async def test_a_child_that_was_killed_while_idle_is_replaced(open_worker: Open) -> None:
    worker = open_worker("nothing")
    await worker.describe()
    before = worker.pid

    worker.kill()
    await worker.describe()

    assert worker.pid not in (None, before)
