"""One process of `rounds.py`: an actor, all trainers that have no process of their own, or nobody.

    python benchmarks/round_role.py SOCKET FOLDER NAME JSON-OF-THE-CASE

NAME is an actor's name, or `trainers`, or `idle` for a process that only watches its own event
loop. The real actor and machine, journal, spool, signatures and boxes; the bus is `round_hub.py`.
It says `ready`, begins when a line comes in, and prints one JSON line when its part is over.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from contextlib import AsyncExitStack, nullcontext
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from round_hub import Wire, WireLink
from stalls import Stalls, stalls
from trust_ports import MemoryJournal, Owner

from actors.actor import Actor, Ports
from actors.coordinator import Assignment, Coordinator, CoordinatorPorts
from actors.ports import Spool
from actors.shareholder import ShareHolder
from actors.trainer import Trainer, TrainerPorts
from infra.checkpoints import FileCheckpoints
from infra.file_spool import FileSpool
from infra.heap import give_back, settle_heap
from infra.hpke_sealing import HpkeSealing
from infra.sqlite_journal import SqliteJournal
from infra.system import SystemClock, SystemEntropy, ThreadOffload
from protocols.learning.job import Algorithm, Opened, Verdict
from protocols.learning.layout import Layout
from protocols.learning.state import State
from protocols.reports import Event, PeerFault, Progress, RoundAbandoned, Step
from protocols.round_config import Roster, RoundConfig, majority
from protocols.secagg.chunks import written_out
from protocols.secagg.coordinating import Plan
from protocols.secagg.patience import Timing
from protocols.secagg.suites import SUITES
from protocols.trust.key_ring import KeyRing
from protocols.trust.keys import SigningKey
from protocols.trust.sealing import suites
from protocols.trust.transcript import Transcript

HOLDERS = 5
CHUNK_BYTES = 256 * 1024  # what a job file says that says nothing
LARGEST = 8000  # of a value; fits three slots for 1000 trainers
WARM_VALUES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One federation: how many sum how much with which suite, for how many rounds."""

    suite: str
    trainers: int
    values: int
    rounds: int = 1
    blame: bool = False
    apart: int = 3  # trainers that have a process each

    @property
    def threshold(self) -> int:
        return 4 if self.suite == "packed" else 3

    def roster(self) -> Roster:
        """Return who takes part."""
        return Roster(
            federation="bench",
            coordinator="coordinator",
            holders=tuple(f"holder-{number + 1}" for number in range(HOLDERS)),
            trainers=tuple(f"site-{number + 1:04}" for number in range(self.trainers)),
            keys=bytes(32),
        )

    def observed(self) -> tuple[str, ...]:
        """Name the trainers whose processor time is taken, each in a process of its own."""
        return self.roster().trainers[: self.apart]

    def shape(self) -> dict[str, Any]:
        """Return what plan and configuration of a round share."""
        masked = self.suite == "masked"
        return {
            "job": "bench",
            "suite": self.suite,
            "packing": 2 if self.suite == "packed" else 0,
            "parameters": "A" if masked else "",
            "slots": 3 if masked else 0,
            "field": "p31",
            "fraction_bits": 0,
            "threshold": self.threshold,
            "faults": 0,
            "vote": True,
            "quorum": majority(HOLDERS),
            "minimum": 3,
            "chunk_bytes": CHUNK_BYTES,
            "sealing": suites()[0],
        }

    def plan(self) -> Plan:
        """Return the plan of all rounds."""
        timing = Timing(grace_s=600, patience_s=36000, round_s=36000, resend_s=36000)
        return Plan(**self.shape(), abandoned_rounds=1, timing=timing, epoch=1)

    def config(self) -> RoundConfig:
        """Return the configuration of a short round like these."""
        roster = self.roster()
        return RoundConfig(
            **self.shape(),
            number=1,
            dimension=min(self.values, WARM_VALUES),
            holders=HOLDERS,
            trainers=len(roster.trainers),
            beat_ms=1000,
            state=bytes(32),
            roster=roster.digest(),
        )


def base_of(case: Case) -> NDArray[np.float64]:
    """Return the numbers of which each trainer has a window: all differ, and none is copied."""
    drawn = np.random.default_rng(7).integers(-LARGEST, LARGEST, case.values + case.trainers)
    return drawn.astype(np.float64)


def right_digest(case: Case) -> str:
    """Return the SHA-256 of the right sum of one round."""
    sums = np.concatenate(([0.0], np.cumsum(base_of(case))))
    total = sums[case.trainers : case.trainers + case.values] - sums[: case.values]
    return hashlib.sha256(total.tobytes()).hexdigest()


class Averaging(Algorithm[None]):
    """An algorithm whose state is a model of d float64; each sum has to be the right one."""

    def __init__(self, case: Case, right: str) -> None:
        self._case, self._right = case, right

    def layout(self, state: State) -> Layout:
        return Layout({"model": (self._case.values,)})

    def local(self, state: State, data: None) -> NDArray[np.float64]:
        raise SystemExit("each owner has a vector of its own")

    def update(self, state: State, opened: Opened) -> State:
        if hashlib.sha256(opened.total.data).hexdigest() != self._right:
            raise SystemExit("the opened sum is wrong: these figures would mean nothing")
        model = opened.total  # nobody else looks at it any more
        model /= len(opened.survivors)
        model += state.arrays["model"]
        return state.evolved({"model": model}, round=state.count("round") + 1)

    def verdict(self, state: State) -> Verdict:
        return Verdict(over=state.count("round") >= self._case.rounds, reason="")

    def metrics(self, state: State) -> dict[str, float]:
        return {}


class Signed:
    """Transcripts that are signed and dropped."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    async def keep(self, transcript: Transcript) -> None:
        transcript.signed_by(self._key).to_text()


class Quiet:
    """A monitor that ends the run where a round was disturbed; looks at memory step by step."""

    def __init__(self) -> None:
        self.peak_bytes: dict[str, int] = {}
        self._step = ""

    def emit(self, event: Event) -> None:
        match event:
            case PeerFault() | RoundAbandoned():
                sys.exit(f"not an undisturbed run: {event}")
            case Progress(step=step) if step.value != self._step:
                self.look()
                self._step = step.value
                if step is Step.UPDATING:
                    give_back()  # as the process of a coordinator does
            case _:
                return

    def look(self) -> None:
        """Take note of the largest memory in the step that ends, and begin another."""
        peak = max(memory_bytes("VmHWM"), self.peak_bytes.get(self._step, 0))
        self.peak_bytes[self._step] = peak
        forget_peak()


class Below:
    """One spool for many: each has its streams below its own name."""

    def __init__(self, spool: Spool, name: str) -> None:
        self._spool, self._name = spool, name

    async def put(self, stream: str, index: int, chunk: bytes) -> None:
        await self._spool.put(f"{self._name}/{stream}", index, chunk)

    async def get(self, stream: str, index: int) -> bytes:
        return await self._spool.get(f"{self._name}/{stream}", index)

    async def indices(self, stream: str) -> frozenset[int]:
        return await self._spool.indices(f"{self._name}/{stream}")

    async def erase(self, prefix: str) -> None:
        await self._spool.erase(f"{self._name}/{prefix}")

    async def streams(self) -> tuple[str, ...]:
        return ()  # a benchmark begins with none


class Role:
    """The actors of one process."""

    def __init__(self, case: Case, name: str, folder: Path) -> None:
        self.case, self.name, self.folder = case, name, folder
        self.roster = case.roster()
        everybody = (self.roster.coordinator, *self.roster.holders, *self.roster.trainers)
        seeds = {name: hashlib.sha256(name.encode()).digest() for name in everybody}
        self._keys = {name: SigningKey.from_seed(seed) for name, seed in seeds.items()}
        self._public = {name: key.public for name, key in self._keys.items()}
        self.monitor = Quiet()

    async def actors(self, wire: Wire, stack: AsyncExitStack) -> list[Actor]:
        """Return the actors, ready to run."""
        threads = ThreadOffload(workers=2)
        stack.push_async_callback(threads.close)
        if self.name == "trainers":
            return await self._trainers(wire, threads, stack)
        journal = await SqliteJournal.open(self.folder / "journal.sqlite")
        stack.push_async_callback(journal.close)
        spool = FileSpool(self.folder / "spool")
        stack.push_async_callback(spool.close)
        link = await wire.open(self.name)
        ports = self._ports(self.name, link, spool, threads, journal)
        match self.roster.role(self.name):
            case "holder":
                return [ShareHolder(self.name, self.roster, ports)]
            case "trainer":
                return [self._trainer(self.name, link, ports)]
        return [self._coordinator(link, ports, threads)]

    def _coordinator(self, link: WireLink, ports: Ports, threads: ThreadOffload) -> Coordinator:
        model = np.ones(self.case.values)
        assignment = Assignment(
            plan=self.case.plan(),
            algorithm=Averaging(self.case, (self.folder.parent / "right").read_text()),
            initial=State(arrays={"model": model}, facts={"round": 0}),
            transcripts=Signed(self._keys[self.name]),
        )
        checkpoints = FileCheckpoints(self.folder / "checkpoints", threads)
        return Coordinator(self.roster, ports, assignment, CoordinatorPorts(link, checkpoints))

    async def _trainers(
        self, wire: Wire, threads: ThreadOffload, stack: AsyncExitStack
    ) -> list[Actor]:
        spool, made = FileSpool(self.folder / "spool"), list[Actor]()
        stack.push_async_callback(spool.close)
        for name in self.roster.trainers[self.case.apart :]:
            link = await wire.open(name)
            ports = self._ports(name, link, Below(spool, name), threads, MemoryJournal())
            made.append(self._trainer(name, link, ports))
        return made

    def _trainer(self, name: str, link: WireLink, ports: Ports) -> Trainer:
        number = self.roster.trainers.index(name)
        owner = Owner(self._base[number : number + self.case.values])
        return Trainer(name, self.roster, ports, TrainerPorts(link, owner))

    @cached_property
    def _base(self) -> NDArray[np.float64]:
        return base_of(self.case)

    def _ports(self, name: str, link: Any, spool: Any, threads: Any, journal: Any) -> Ports:
        return Ports(
            transport=link,
            clock=SystemClock(),
            journal=journal,
            spool=spool,
            offload=threads,
            monitor=self.monitor,
            signatures=KeyRing(self._keys[name], self._public),
            entropy=SystemEntropy(),
            sealing=HpkeSealing(),
        )


def warm_up(case: Case) -> None:
    """Have all kernels compiled or loaded."""
    config, suite = case.config(), SUITES[case.suite]
    values = np.arange(config.dimension, dtype=np.int64) % 100
    opened = []
    for chunk in range(suite.chunks(config)):
        shares = suite.protect(config, values[suite.covers(config, chunk)], bytes(32), chunk)
        sums = [suite.add(config, None, written_out(config, chunk, share)) for share in shares]
        answers = {place: suite.answer(config, total) for place, total in enumerate(sums)}
        opened.append(suite.open(config, answers))
    bulk = suite.bulk
    if bulk is not None:
        hiding = bulk.hiding(config, bytes(32))
        unhiding = bulk.unhiding(config, np.concatenate(opened), 1)
        for chunk in range(bulk.chunks(config)):
            payload = hiding.protect(chunk, values[bulk.covers(config, chunk)])
            unhiding.open(chunk, bulk.add(config, chunk, None, payload))


def memory_bytes(kind: str) -> int:
    """Return a figure of /proc/self/status: VmRSS now, VmHWM at most since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) * 1024


def forget_peak() -> None:
    """Begin to look for the largest resident memory anew."""
    Path("/proc/self/clear_refs").write_text("5")


async def lived(case: Case, name: str, socket: Path, folder: Path) -> dict[str, Any]:
    """Run the actors of this process to their end and return what it took."""
    async with AsyncExitStack() as stack:
        wire = await Wire.to(socket)
        stack.push_async_callback(wire.close)
        role = Role(case, name, folder)
        actors = [] if name == "idle" else await role.actors(wire, stack)
        settle_heap(spare=name != "coordinator")  # as in its own process
        print("ready", flush=True)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, sys.stdin.readline)
        forget_peak()
        idle, cpu_s, began_s = memory_bytes("VmRSS"), time.process_time(), time.monotonic()
        watched = name not in case.observed()  # to watch costs what a trainer costs
        with stalls(blame=case.blame) if watched else nullcontext(Stalls()) as found:
            tasks = [asyncio.create_task(actor.run(), name=actor.name) for actor in actors]
            if name != "coordinator":
                await loop.run_in_executor(None, sys.stdin.readline)
                for actor in actors:
                    actor.stop()
            await asyncio.gather(*tasks)
        role.monitor.look()
        report = asdict(found)
        report["stacks"] = dict(found.stacks.most_common(8))
        return report | {
            "name": name,
            "cpu_s": time.process_time() - cpu_s - found.own_s,
            "wall_s": time.monotonic() - began_s,
            "idle_bytes": idle,
            "peak_bytes": max(role.monitor.peak_bytes.values()),
            "peaks": role.monitor.peak_bytes,
        }


def main() -> None:
    """Live as what the command line says."""
    socket, folder, name, case = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    told = Case(**json.loads(case))
    folder.mkdir(parents=True, exist_ok=True)
    warm_up(told)
    print(json.dumps(asyncio.run(lived(told, name, socket, folder))), flush=True)


if __name__ == "__main__":
    main()
