"""Our side of `peers.py`: a round by the suite alone, or by all actors and machines.

    python benchmarks/peer_ours.py pipeline WAY TRAINERS VALUES LOST
    python benchmarks/peer_ours.py round WAY TRAINERS VALUES LOST [--trust]
    python benchmarks/peer_ours.py rate VALUES

WAY is `shamir`, `shamir+seeds`, `packed+seeds` or `masked`: five holders, of whom two learn
nothing; three of them open a sum, or four with packed shares (k = 2). Over p31 with 20 fraction
bits; under a mask with as many slots as these and the values leave room for.

`pipeline` is what the arithmetic of one round takes on one thread, chunk by chunk as in a round:
real vectors to integers, shares, their bytes, the sums of five holders, opening, and real numbers
again. `round` is whole rounds in this process, in memory: a coordinator, five share-holders, all
trainers, their messages as bytes on the memory bus, digests, votes; with --trust also signatures
and sealed boxes. LOST trainers do all their work, and then nothing of it arrives. `rate` shares
and opens, 3 of 5. One JSON line: processor seconds of all threads. Wrong sums end the run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from trust_ports import Owner
from trust_rig import CHUNK_BYTES, HOLDERS, Kept, Rig, Size, Sums, Variant, vector_of

from actors.coordinator import Assignment, Coordinator, CoordinatorPorts
from actors.trainer import Trainer, TrainerPorts
from infra.heap import settle_heap
from protocols.effects import Effect, Prepare, Upload
from protocols.learning.state import State
from protocols.round_config import RoundConfig, SumSuite, majority
from protocols.secagg.chunks import written_out
from protocols.secagg.coordinating import Plan
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.masked.layout import chosen
from protocols.secagg.patience import Timing
from protocols.secagg.suites import SUITES
from protocols.trust.sealing import suites

FRACTION_BITS = 20
LARGEST = 1.0  # of the values of `pipeline`
PATIENCE_S = 5.0  # with the lost; the survivors are in long before, or the sum is wrong
ROUNDS = 3  # the first one has the greetings in it and is not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How vectors are shared."""

    suite: SumSuite
    threshold: int
    packing: int = 0
    seeds: bool = False


WAYS = {
    "shamir": Way(suite="shamir", threshold=3),
    "shamir+seeds": Way(suite="shamir", threshold=3, seeds=True),
    "packed+seeds": Way(suite="packed", threshold=4, packing=2, seeds=True),
    "masked": Way(suite="masked", threshold=3),
}


def layout_of(way: Way, trainers: int, largest: float) -> dict[str, Any]:
    """Return how values of at most `largest` lie under a mask, if there is one."""
    if way.suite != "masked":
        return {}
    layout = chosen(trainers, int(largest * 2**FRACTION_BITS))
    if layout is None:
        sys.exit(f"no layout has room for {largest} of {trainers} trainers")
    return {"parameters": layout.parameters.name, "slots": layout.slots}


def config_of(way: Way, trainers: int, values: int) -> RoundConfig:
    """Return the configuration of a round."""
    return RoundConfig(
        job="peers",
        number=1,
        suite=way.suite,
        packing=way.packing,
        seeds=way.seeds,
        field="p31",
        dimension=values,
        fraction_bits=FRACTION_BITS,
        holders=HOLDERS,
        trainers=trainers,
        threshold=way.threshold,
        faults=0,
        vote=True,
        quorum=majority(HOLDERS),
        minimum=3,
        chunk_bytes=CHUNK_BYTES,
        beat_ms=1000,
        sealing="x25519",
        state=bytes(32),
        roster=bytes(32),
        **layout_of(way, trainers, LARGEST),
    )


# --- the suite alone ------------------------------------------------------------------


def contribution(
    config: RoundConfig, vector: NDArray[np.float64], seed: bytes
) -> tuple[list[tuple[bytes, ...]], list[bytes]]:
    """Return what a trainer sends: by chunk and holder, and to the coordinator."""
    suite, fixed_point = SUITES[config.suite], FixedPoint.of(config)
    shares = [
        suite.protect(config, fixed_point.encode(vector[suite.covers(config, chunk)]), seed, chunk)
        for chunk in range(suite.chunks(config))
    ]
    bulk = suite.bulk
    if bulk is None:
        return shares, []
    hiding = bulk.hiding(config, seed)
    return shares, [
        hiding.protect(chunk, fixed_point.encode(vector[bulk.covers(config, chunk)]))
        for chunk in range(bulk.chunks(config))
    ]


class Totals:
    """What five holders and a coordinator have of a round."""

    def __init__(self, config: RoundConfig) -> None:
        self._config, self._suite = config, SUITES[config.suite]
        self._shares: list[list[Any]] = [
            [None] * config.holders for _ in range(self._suite.chunks(config))
        ]
        bulk = self._suite.bulk
        self._blocks: list[Any] = [] if bulk is None else [None] * bulk.chunks(config)
        self._contributors = 0

    def add(self, shares: list[tuple[bytes, ...]], blocks: list[bytes]) -> None:
        """Add one trainer's contribution."""
        config, suite, bulk = self._config, self._suite, self._suite.bulk
        self._contributors += 1
        for chunk, row in enumerate(shares):
            words = [written_out(config, chunk, piece) for piece in row]
            totals = zip(self._shares[chunk], words, strict=True)
            self._shares[chunk] = [suite.add(config, total, word) for total, word in totals]
        if bulk is not None:
            for chunk, block in enumerate(blocks):
                self._blocks[chunk] = bulk.add(config, chunk, self._blocks[chunk], block)

    def opened(self) -> NDArray[np.float64]:
        """Return the sum."""
        config, suite, bulk, pieces = self._config, self._suite, self._suite.bulk, []
        for totals in self._shares:
            answers = {place: suite.answer(config, total) for place, total in enumerate(totals)}
            pieces.append(suite.open(config, answers))
        if bulk is not None:
            unhiding = bulk.unhiding(config, np.concatenate(pieces), self._contributors)
            pieces = [unhiding.open(chunk, total) for chunk, total in enumerate(self._blocks)]
        return FixedPoint.of(config).decode(np.concatenate(pieces)[: config.dimension])


def pipeline(config: RoundConfig, lost: int) -> float:
    """Return the processor seconds of a round by the suite alone."""
    totals, right, spent_s = Totals(config), np.zeros(config.dimension), 0.0
    for trainer in range(config.trainers):
        vector = np.random.default_rng(trainer).uniform(-LARGEST, LARGEST, config.dimension)
        began = time.process_time()
        given = contribution(config, vector, trainer.to_bytes(32, "big"))
        if trainer >= lost:
            totals.add(*given)
        spent_s += time.process_time() - began
        right += vector if trainer >= lost else 0.0
    began = time.process_time()
    total = totals.opened()
    spent_s += time.process_time() - began
    if np.abs(total - right).max() > config.trainers * 2.0**-FRACTION_BITS:
        sys.exit("the opened sum is wrong: these figures would mean nothing")
    return spent_s


def rate(values: int) -> dict[str, float]:
    """Return how many integers a second are shared and opened, 3 of 5, on one thread."""
    config, suite = config_of(WAYS["shamir"], 3, values), SUITES["shamir"]
    integers = np.arange(values, dtype=np.int64) - values // 2
    seconds = []
    for turn in range(6):
        began = time.thread_time()
        for chunk in range(suite.chunks(config)):
            part = integers[suite.covers(config, chunk)]
            shares = suite.protect(config, part, turn.to_bytes(32, "big"), chunk)
            opened = suite.open(config, {place: shares[place] for place in (1, 3, 4)})
            if not np.array_equal(opened, part):
                sys.exit("opened something else")
        seconds.append(time.thread_time() - began)
    return {"values_per_s": values / statistics.median(seconds[1:])}


# --- whole rounds ---------------------------------------------------------------------


class Lost(Trainer):
    """Does all its work; then nothing of it arrives, and it is silent."""

    def next_wake_s(self) -> float | None:
        """Return that there is nothing to say: who says that it is at work is waited for."""
        return None

    prepared = 0

    def perform(self, effect: Effect) -> None:
        """Begin computing, but no upload."""
        Lost.prepared += isinstance(effect, Prepare)
        if not isinstance(effect, Upload):
            super().perform(effect)


class SurvivorSums(Sums):
    """Looks whether the sum is that of the survivors."""

    def __init__(self, size: Size, lost: int) -> None:
        super().__init__(size)
        self._right = sum(vector_of(n, size.values) for n in range(lost, size.trainers))


class LossyRig(Rig):
    """A federation that loses some of its trainers in every round."""

    def __init__(self, variant: Variant, size: Size, way: Way, lost: int) -> None:
        super().__init__(variant, size, None)
        self._way, self.lost = way, lost

    async def _coordinator(self, stack: AsyncExitStack) -> Coordinator:
        name, kept = self.roster.coordinator, Kept(self._keys[self.roster.coordinator])
        assignment = Assignment(
            plan=self._plan(),
            algorithm=SurvivorSums(self.size, self.lost),
            initial=State(facts={"round": 0}),
            transcripts=kept if self.variant.signatures else None,
        )
        own = CoordinatorPorts(self._bus.blobs(name), kept)
        return Coordinator(self.roster, await self._ports(name, stack), assignment, own)

    async def _trainer(self, number: int, stack: AsyncExitStack) -> Trainer:
        name, kind = self.roster.trainers[number], Lost if number < self.lost else Trainer
        own = TrainerPorts(self._bus.blobs(name), Owner(vector_of(number, self.size.values)))
        return kind(name, self.roster, await self._ports(name, stack), own)

    def _plan(self) -> Plan:
        way, plan = self._way, super()._plan()
        timing = Timing(grace_s=3, patience_s=PATIENCE_S, round_s=3600, resend_s=600)
        largest = np.abs(vector_of(self.size.trainers, self.size.values)).max()
        changes = layout_of(way, self.size.trainers, largest)
        changes |= {"suite": way.suite, "packing": way.packing, "seeds": way.seeds}
        return _replaced(plan, threshold=way.threshold, timing=timing, **changes)


def _replaced(plan: Plan, **changes: Any) -> Plan:
    fields = {name: getattr(plan, name) for name in Plan.__dataclass_fields__}
    return Plan(**(fields | changes))


def whole_round(rig: LossyRig) -> dict[str, Any]:
    """Return the processor seconds of a round, and the bytes on the bus."""
    settle_heap(spare=True)
    asyncio.run(rig.run())
    if Lost.prepared != ROUNDS * rig.lost:
        sys.exit("not every lost trainer did its work: these figures would mean nothing")
    sent = sum(rig.watch.sent_bytes.values()) // len(rig.watch.cpu_s)
    return {
        "cpu_s": statistics.median(rig.watch.cpu_s),
        "sent_bytes": sent,
    }


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("pipeline", "round", "rate"))
    parser.add_argument("words", nargs="+")
    parser.add_argument("--trust", action="store_true")
    options = parser.parse_args()
    if options.what == "rate":
        print(json.dumps(rate(int(options.words[0]))))
        return
    way, (trainers, values, lost) = WAYS[options.words[0]], map(int, options.words[1:])
    config = config_of(way, trainers, values)
    if options.what == "pipeline":
        pipeline(replace(config, trainers=4), 1)  # compiles
        print(json.dumps({"cpu_s": pipeline(config, lost)}))
        return
    best = suites()[0] if options.trust else None
    variant = Variant(name="peers", signatures=options.trust, sealing=best)
    size = Size(trainers=trainers, values=values, field="p31", rounds=ROUNDS, disk=None)
    print(json.dumps(whole_round(LossyRig(variant, size, way, lost))))


if __name__ == "__main__":
    main()
