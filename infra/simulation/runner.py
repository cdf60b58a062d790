"""From a plan and a seed to a history: faults, then a healed core that must go on, then the end."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np

from actors.ports import Lane
from protocols.effects import carried_by
from protocols.round_config import Roster, RoundConfig
from protocols.secagg.coin import Coin
from protocols.secagg.coordinating import Coordinating
from protocols.secagg.coordinating import Plan as Rounds
from protocols.secagg.field import FIELDS
from protocols.secagg.means import Means
from protocols.secagg.suite import Garbled
from protocols.secagg.suites import SUITES
from protocols.trust.sealing import CLASSICAL

from .apart_checks import HELD_BACK, held_back
from .broker import SimBroker
from .checks import Checks, WatchedProbe
from .director import Director
from .faults import Plan, Size
from .ghost import Ghost, Rule, Violation
from .job import assignment_of, probe_of, roster_of
from .logs import logs_shown_to
from .loop import SimLoop, Standstill
from .onlooker import Onlooker
from .search_checks import SEARCHED
from .signatures import IdealSignatures
from .stage import Stage
from .trace import Trace
from .traps import trapped
from .watch import Watch
from .witness import Witness
from .worker import Owner
from .world import World

_SETTLE_S = 90.0
# After the healing: the round under way, and the first in which the dead are missed.
_ABANDONED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What came of a plan and a seed. `digest` is the SHA-256 of its trace.

    `held_back`: the core could not go on beside earlier sums until the others were back.
    """

    seed: int
    plan: Plan
    violations: tuple[Violation, ...]
    completed: int
    abandoned: int
    simulated_s: float
    messages: int
    steps: int
    fired: dict[str, int]
    digest: str
    held_back: bool = False
    trace: str = ""


def run(
    plan: Plan,
    seed: int,
    *,
    keep_trace: bool = False,
    witness: Witness | None = None,
    onlooker: Onlooker | None = None,
) -> History:
    """Run one history. The same plan and seed give the same one, on every machine.

    A `witness` takes down what is worth telling, and changes nothing. Must not be called inside
    an event loop.
    """
    warm_up()
    history = _Run(plan, seed, witness, keep_trace=keep_trace)
    if onlooker is not None:
        history.ghost.onlookers.append(onlooker)
    return history.history()


def run_until_broken(plan: Plan, seed: int) -> History:
    """Run one history up to the instant in which the first rule is broken, if one is.

    It is the same as that of `run`, which goes on.
    """
    warm_up()
    history = _Run(plan, seed, None, keep_trace=False)
    history.ends_when_broken = True
    return history.history()


class _Run:
    ends_when_broken = False
    _held_back = False

    def __init__(self, plan: Plan, seed: int, witness: Witness | None, *, keep_trace: bool) -> None:
        self._plan = plan
        self._seed = seed
        size = plan.size
        # At run time what is not implemented raises when it is called.
        self.loop = SimLoop()  # type: ignore[abstract]
        self._trace = Trace(keep=keep_trace)
        self.stage = Stage(seed, self.loop, self._trace, plan.rates)
        self.roster = roster_of(size)
        self.ghost = Ghost(self.roster, {}, self.loop)
        self.checks = Checks(self.ghost, fraction_bits=8)
        plain = probe_of(self.roster, size)
        probe = WatchedProbe(
            owners=plain.owners,
            values=plain.values,
            max_rounds=plain.max_rounds,
            max_staleness=plain.max_staleness,
            checks=self.checks,
        )
        watch: Watch = self.checks
        if witness is not None:
            watch = witness.beside(self.checks, plan)
            self._trace.heard = witness.heard
        self.world = World(self.stage, watch, assignment_of(size, probe), self.roster)
        owners = {
            name: Owner(name, plain, self.stage, size.training_s, self.checks.computed)
            for name in self.roster.trainers
        }
        self.world.furnish(SimBroker(self.stage, size.queue_messages), owners)
        for name, host in self.world.hosts.items():
            self.ghost.disks[name] = host.disk
        self.director = Director(plan, self.world, self.ghost)

    def history(self) -> History:
        with logs_shown_to(self.checks), trapped(), _no_garbage_collection():
            try:
                self._live()
            except Standstill as error:
                self.ghost.violated(Rule.ALIVE, "everybody", str(error))
            finally:
                failures = list(self.loop.failures)
                self.loop.bury()
        for text in failures:
            self.ghost.violated(Rule.QUIET, "somebody", text)
        ghost = self.ghost
        return History(
            seed=self._seed,
            plan=self._plan,
            violations=tuple(ghost.violations),
            completed=len(ghost.complete),
            abandoned=len(ghost.abandoned),
            simulated_s=self.loop.now_s,
            messages=self.checks.messages,
            steps=self.loop.steps,
            fired={name: count for name, count in sorted(self.stage.fired.items()) if count},
            digest=self._trace.digest(),
            held_back=self._held_back,
            trace=self._trace.text(),
        )

    def _live(self) -> None:
        for name in self.world.names:
            self.world.start(name)
        self.director.schedule()
        enough = self._enough if self._plan.rounds else _never
        self._run_until(enough, limit_s=self._plan.faulty_s)
        for phase in (self._heal, self._end) if self._plan.healed_s > 0 else ():
            if not self._broken():
                phase()

    def _run_until(self, over: Callable[[], bool], *, limit_s: float) -> bool:
        if not self.ends_when_broken:
            return self.loop.run_until(over, limit_s=limit_s)
        return self.loop.run_until(lambda: self._broken() or over(), limit_s=limit_s)

    def _broken(self) -> bool:
        return self.ends_when_broken and bool(self.ghost.violations)

    def _enough(self) -> bool:
        ended = len(self.ghost.complete) + len(self.ghost.abandoned)
        return self._plan.rounds <= ended

    # --- the second phase -------------------------------------------------------------

    def _heal(self) -> None:
        """Heal a core, leave the others dead, and see that rounds complete."""
        plan, world = self._plan, self.world
        self.director.heal()
        core = plan.core or world.names
        for name in world.names:
            if name in core:
                world.hosts[name].dead = False
                world.start(name)
            else:
                world.kill(name)
        self.stage.tell(f"healed {' '.join(core)}")
        if self._goes_on(core) or self._broken():
            return
        # Only earlier sums keep these from a sum: then it must help to bring the others back.
        self._held_back = True
        for name in world.names:
            world.hosts[name].dead = False
            world.start(name)
        self.stage.tell("all are brought back")
        # In the coordinator's name holders can be bound to sets that exclude each other: it can
        # always stop its own job, and that is all that it gets.
        if not self._goes_on(world.names) and not self.ghost.lies.sets:
            text = "no set of all trainers may be summed beside earlier ones"
            self.ghost.violated(Rule.ALIVE, self.roster.coordinator, text)

    def _goes_on(self, core: tuple[str, ...]) -> bool:
        """See that rounds complete; return False if earlier sums forbid every sum of these."""
        plan, ghost = self._plan, self.ghost
        wanted, abandoned = len(ghost.complete) + plan.healed_rounds, len(ghost.abandoned)
        limit_s = self.loop.now_s + plan.healed_s
        if not self._run_until(lambda: len(ghost.complete) >= wanted, limit_s=limit_s):
            reasons = list(ghost.abandoned.values())[abandoned:]
            said = any(HELD_BACK in reason for reason in reasons)
            if said and held_back(ghost, plan.size, core):
                return False
            missing = wanted - len(ghost.complete)
            text = f"{missing} of {plan.healed_rounds} rounds are missing after {plan.healed_s} s"
            ghost.violated(Rule.ALIVE, self.roster.coordinator, text)
        elif not self._broken() and (vain := _vain(ghost, abandoned)) > (
            _ABANDONED + plan.size.batches  # earlier sums may keep each of them from one
        ):
            text = f"{vain} rounds were abandoned after the healing"
            ghost.violated(Rule.ALIVE, self.roster.coordinator, text)
        return True

    def _end(self) -> None:
        """End the job in good order; nothing secret is left, and no queue is full."""
        world, coordinator = self.world, self.roster.coordinator
        world.stop(coordinator)
        limit_s = self.loop.now_s + _SETTLE_S
        if not self._run_until(lambda: world.ended is not None, limit_s=limit_s):
            self.ghost.violated(Rule.ALIVE, coordinator, "a stopped job does not end")
            return
        alive = [name for name in world.names if world.hosts[name].alive]
        self._run_until(lambda: self._settled(alive), limit_s=self.loop.now_s + _SETTLE_S)
        self._check_what_is_left(alive)

    def _settled(self, alive: list[str]) -> bool:
        depth = self.world.depth
        waits = any(depth(name, lane) for name in alive for lane in Lane)
        return not waits and not any(self._streams(name) for name in alive)

    def _streams(self, name: str) -> list[str]:
        """Name the streams of rounds on a disk; a result of its own a trainer may keep."""
        return [s for s in self.world.hosts[name].disk.chunks if not s.startswith(carried_by(""))]

    def _check_what_is_left(self, alive: list[str]) -> None:
        # The coordinator has ended with the job; its disk is still there.
        for name in dict.fromkeys((self.roster.coordinator, *alive)):
            disk = self.world.hosts[name].disk
            self.checks.boxes.left(name, disk.records)
            if left := self._streams(name):
                text = f"{len(left)} streams are left: {left[0]}"
                self.ghost.violated(Rule.GONE, name, text)
            if any(key.startswith(("round/", "bulk/")) for key in disk.records):
                self.ghost.violated(Rule.GONE, name, "records of a round are left")
        for queue in self.world.broker.queues():
            if queue.most > queue.limit:
                text = f"{queue.most} messages where {queue.limit} fit"
                self.ghost.violated(Rule.BOUNDED, queue.name, text)


def _vain(ghost: Ghost, since: int) -> int:
    """Count the rounds that were abandoned since then and did not narrow who garbles sums."""
    return sum(SEARCHED not in reason for reason in list(ghost.abandoned.values())[since:])


def _never() -> bool:
    return False


_warm: list[bool] = []


def warm_up() -> None:
    """Compile the kernels and read what is read once: both need the real world."""
    if _warm:
        return
    for size in (Size(), Size(packing=2), Size(masked=True)):
        roster = roster_of(size)
        assignment = assignment_of(size, probe_of(roster, size))
        _warm_suite(_config(assignment.plan, size, roster))
        Coordinating(roster, assignment.plan, Means(bytes, IdealSignatures("")))
    _warm.append(True)


def _config(plan: Rounds, size: Size, roster: Roster) -> RoundConfig:
    return RoundConfig(
        **{name: getattr(plan, name) for name in ("job", "fraction_bits", "threshold")},
        **{name: getattr(plan, name) for name in ("vote", "quorum", "minimum", "slots", "packing")},
        **{name: getattr(plan, name) for name in ("suite", "field", "parameters", "chunk_bytes")},
        faults=plan.faults,
        number=1,
        dimension=4,
        holders=size.holders,
        trainers=size.trainers,
        beat_ms=1000,
        sealing=CLASSICAL,
        state=bytes(32),
        roster=roster.digest(),
    )


def _warm_suite(config: RoundConfig) -> None:
    suite, values = SUITES[config.suite], np.arange(4, dtype=np.int64)
    shares = suite.protect(config, values[suite.covers(config, 0)], bytes(32), 0)
    total = suite.add(config, None, shares[0])
    total = suite.add(config, total, shares[0])
    suite.answer(config, total)
    opened = suite.open(config, dict(enumerate(shares)))
    coin = Coin(field=FIELDS[config.field], seed=bytes(32), context=b"warm")
    suite.vouch(config, coin, 0, dict(enumerate(shares)))
    suite.vouch_opened(config, coin, 0, opened)
    if suite.bulk is not None:
        hidden = suite.bulk.hiding(config, bytes(32)).protect(0, values)
        with suppress(Garbled):  # a sum that is wrong is for the histories to find
            suite.bulk.unhiding(config, opened, 1).open(0, suite.bulk.add(config, 0, None, hidden))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Collect afterwards: collecting in a history takes time and changes nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
