"""A soak: its schedule, its slopes, its judgement; on a stage made of notes, in virtual time."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice

import pytest
from fakes.actor_rig import in_virtual_time
from fakes.round_parts import COORDINATOR, HOLDERS, ROSTER, TRAINERS, answer_of, config_of

from infra.chaos.blows import Blow, Rules, Strike, blows
from infra.chaos.cells import Fault, Party
from infra.chaos.census import BrokerReading, OpenThings, Reading, read_processes
from infra.chaos.drift import Limits, drifts, theil_sen
from infra.chaos.drill import hurt
from infra.chaos.ledger import Ledger
from infra.chaos.percentiles import percentile
from infra.chaos.real_stage import strays
from infra.chaos.soak import Findings, Pace, Progress, Soak
from protocols import messages as m
from protocols.reports import ActorRestarted, RoundComplete
from protocols.round_config import Roster

MIB = 2**20
RULES = Rules(ROSTER, spared=(TRAINERS[0], HOLDERS[0]), holders=2, trainers=1)


# --- the schedule ---------------------------------------------------------------------


def test_the_same_seed_gives_the_same_blows() -> None:
    def first(seed: int) -> list[Blow]:
        return list(islice(blows(seed, RULES), 50))

    assert first(7) == first(7)
    assert first(7) != first(8)


def test_everybody_is_hurt_in_every_way_but_the_spared_are_never_killed() -> None:
    strikes = [one for blow in islice(blows(1, RULES), 3000) for one in blow.strikes]
    seen = {(strike.victim, strike.fault) for strike in strikes}
    everybody = {COORDINATOR, *HOLDERS, *TRAINERS, None}

    killed = everybody - set(RULES.spared)
    assert seen == {
        (name, fault) for name in everybody for fault in Fault if fault != Fault.KILL
    } | {(name, Fault.KILL) for name in killed}


def test_no_more_are_hurt_at_once_than_a_round_can_do_without() -> None:
    together = [blow.strikes for blow in islice(blows(2, RULES), 3000) if len(blow.strikes) > 1]

    assert together
    for strikes in together:
        parties = [strike.party for strike in strikes]
        assert len({strike.victim for strike in strikes}) == len(strikes)
        assert parties.count(Party.TRAINER) <= 1
        assert parties.count(Party.HOLDER) <= 2
    assert any(strikes[0].party is strikes[1].party is Party.HOLDER for strikes in together)


# --- slopes ---------------------------------------------------------------------------


def readings(
    mib: Iterator[float], *, who: str = "ann", life: str = "1", at_s: float = 0.0, fds: int = 20
) -> list[Reading]:
    """Readings of one life, ten seconds apart."""
    return [
        Reading(who, life, at_s + 10 * n, 10.0 * n, round(value * MIB), fds, 4)
        for n, value in enumerate(mib)
    ]


def noise(count: int, *, per_reading: float = 0.0, level: float = 200.0) -> Iterator[float]:
    shaken = random.Random(3)
    return (level + per_reading * n + shaken.uniform(-3, 3) for n in range(count))


def test_slope_is_that_of_the_many_whatever_the_few_say() -> None:
    points = [(float(x), 2.0 * x) for x in range(100)]
    for x in range(0, 100, 5):
        points[x] = (float(x), 1e6)

    assert theil_sen(points) == pytest.approx(2.0)
    assert theil_sen(points[:3]) is None
    assert theil_sen([(1.0, 2.0)] * 9) is None


def test_many_readings_are_thinned_out_and_have_the_same_slope() -> None:
    assert theil_sen([(float(x), -3.0 * x) for x in range(20_000)]) == pytest.approx(-3.0)


def test_steady_process_is_no_problem() -> None:
    (drift,) = drifts(readings(noise(360)), warm_s=600)

    assert drift.percent_per_h == pytest.approx(0, abs=1.5)
    assert drift.problems(Limits()) == []


def test_process_that_grows_is_named() -> None:
    # 18 MiB an hour on 200.
    (drift,) = drifts(readings(noise(360, per_reading=0.05)), warm_s=600)

    assert drift.mib_per_h == pytest.approx(18, rel=0.1)
    assert "ann grows by 8" in drift.problems(Limits())[0]


def test_growth_during_the_warm_up_does_not_count() -> None:
    warm = [50.0 + n for n in range(150)]

    (drift,) = drifts(readings(iter([*warm, *noise(150)])), warm_s=1500)

    assert drift.problems(Limits()) == []


def test_fast_growth_in_a_short_time_is_noise_until_it_is_large() -> None:
    (small,) = drifts(readings(noise(30, per_reading=0.1)), warm_s=60)
    (large,) = drifts(readings(noise(30, per_reading=1.0)), warm_s=60)

    assert small.percent_per_h is not None
    assert small.percent_per_h > 2
    assert small.problems(Limits()) == []
    assert large.problems(Limits())


def test_lives_are_compared_at_equal_age() -> None:
    """Each life grows from its start; none begins with more than the one before."""
    steady, growing = [], []
    for life in range(12):
        at_s = 300.0 * life
        grows = [100 + 8.0 * n for n in range(12)]
        steady += readings(iter(grows), life=str(life), at_s=at_s)
        more = [value + 10 * life for value in grows]
        growing += readings(iter(more), who="bob", life=str(life), at_s=at_s)

    first, second = drifts([*steady, *growing], warm_s=0)

    assert (first.lives, first.percent_per_h, first.problems(Limits())) == (12, 0.0, [])
    assert first.this_life == pytest.approx(8 * 360)
    assert second.mib_per_h == pytest.approx(120)
    assert "bob grows" in second.problems(Limits())[0]


def test_life_that_was_too_short_is_not_compared() -> None:
    lives = [
        one
        for life in range(9)
        for one in readings(iter([50.0, 300.0]), life=str(life), at_s=60.0 * life)
    ]

    (drift,) = drifts(lives, warm_s=0)

    assert (drift.lives, drift.percent_per_h) == (9, None)


def test_files_that_stay_open_are_counted() -> None:
    few = readings(noise(30))
    many = readings(noise(30), at_s=300, fds=25)

    (drift,) = drifts([*few, *many], warm_s=0)

    assert drift.handles_grew == 5
    assert "5 more files and threads" in drift.problems(Limits())[0]


def test_percentiles_are_values_that_were_there() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile(list(map(float, range(1, 201))), 0.99) == 198.0


# --- reading --------------------------------------------------------------------------


def test_processes_are_read_with_their_children() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = read_processes({"me": os.getpid(), "gone": 2**22 + 1}, 5.0)
        child.communicate(b"\n")

    me, *workers = found
    assert (me.who, me.at_s) == ("me", 5.0)
    assert me.rss_bytes > 10 * MIB
    assert me.fds > 2
    assert me.threads >= 1
    assert me.age_s > 0
    (mine,) = [worker for worker in workers if worker.life.startswith(f"{child.pid}-")]
    assert mine.who == "me's worker"
    assert mine.age_s < me.age_s


# --- what is left ---------------------------------------------------------------------


def test_late_answers_of_the_last_round_are_no_strays() -> None:
    last, earlier = config_of(number=4), config_of(number=3)
    answers = [
        *answer_of(last, TRAINERS[:3], "holder-4"),
        *answer_of(last, TRAINERS[:3], "holder-5"),
    ]
    other = list(answer_of(earlier, TRAINERS[:3], "holder-4"))

    assert strays([m.Goodbye(), *answers]) == {}
    assert strays([*answers, *other]) == {"AnswerChunk": len(answers) + len(other)}
    assert strays([m.Accepted(cid=last.cid()), *answers]) == {"Accepted": 1}


# --- the soak -------------------------------------------------------------------------

PACE = Pace(total_s=600, healing_s=60)


def broker(at_s: float, *, waiting: int = 0) -> BrokerReading:
    return BrokerReading(at_s, {"coordinator.control": waiting})


class LivingStage:
    """Has a round every second; without everybody while somebody is down or too much was hurt."""

    def __init__(self, ledger: Ledger, *, enduring: int = 10**6) -> None:
        self.roster: Roster = ROSTER
        self.did: list[str] = []
        self.timed: list[tuple[str, float]] = []
        self.away: set[str | None] = set()
        self._ledger = ledger
        self._enduring = enduring

    async def live(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(1)
            number += 1
            there = tuple(name for name in TRAINERS if name not in self.away)
            if len(self.did) > self._enduring:
                there = there[:2]
            answered, seconds = HOLDERS[:3], 1.0
            self._ledger.emit(
                RoundComplete(
                    job="sum", number=number, survivors=there, answered=answered, seconds=seconds
                )
            )

    async def kill(self, name: str | None) -> None:
        self._hurt("kill", name)
        self.away.add(name)

    async def start(self, name: str | None) -> None:
        self._note("start", name)
        self.away.discard(name)

    def pause(self, name: str | None) -> None:
        self._hurt("pause", name)
        self.away.add(name)

    def resume(self, name: str | None) -> None:
        self._note("resume", name)
        self.away.discard(name)

    async def cut(self, name: str | None) -> None:
        self._hurt("cut", name)

    def _hurt(self, what: str, name: str | None) -> None:
        self.did.append(what)
        self._note(what, name)

    def _note(self, what: str, name: str | None) -> None:
        self.timed.append((f"{what} {name}", asyncio.get_running_loop().time()))


def soaked(
    *, enduring: int = 10**6, leak: int = 0, counting_s: float = 0.0
) -> tuple[Findings, LivingStage, list[Progress]]:
    """Soak for ten minutes; `leak` connections stay behind at each strike."""

    async def run() -> tuple[Findings, LivingStage, list[Progress]]:
        ledger, told = Ledger(), list[Progress]()
        stage = LivingStage(ledger, enduring=enduring)

        async def look(at_s: float) -> tuple[list[Reading], BrokerReading | None]:
            if None in stage.away:
                return [], None
            seen = Reading("ann", "1", at_s, at_s, 200 * MIB, 20, 4)
            return [seen], broker(at_s, waiting=len(stage.did) % 7)

        async def count() -> OpenThings:
            await asyncio.sleep(counting_s)
            return OpenThings(20 + leak * len(stage.did), channels=30, consumers=15)

        living = asyncio.create_task(stage.live())
        findings = await Soak(stage, ledger, PACE, look, count).run(blows(5, RULES), told.append)
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        return findings, stage, told

    return in_virtual_time(run())


def test_soak_strikes_until_its_time_is_over_and_ends_in_a_calm() -> None:
    findings, stage, told = soaked()

    assert findings.problems(PACE, Limits()) == []
    assert len(stage.did) == findings.strikes.total() > 60
    assert not stage.away
    assert len(findings.recoveries_s) < findings.strikes.total()
    assert max(findings.recoveries_s) < 12
    assert 55 <= len(findings.readings) <= 62
    assert [round(progress.at_s) // 30 for progress in told] == list(range(1, 21))
    assert told[-1].rounds["complete"] >= 595
    assert findings.deepest["coordinator.control"] == 6
    assert len(findings.calm) == 2


def test_a_soak_hurts_somebody_even_where_counting_takes_all_of_its_time() -> None:
    findings, stage, _ = soaked(counting_s=600)

    assert len(stage.did) == findings.strikes.total() >= 1
    assert len(findings.recoveries_s) == 1
    assert findings.problems(PACE, Limits()) == []


def test_soak_stops_at_the_blow_that_the_federation_does_not_get_over() -> None:
    findings, stage, _ = soaked(enduring=10)

    assert 11 <= len(stage.did) <= 12
    (text,) = findings.unhealed
    assert "not everybody was back 60 s after" in text
    assert text in findings.problems(PACE, Limits())


def test_connections_that_stay_behind_are_a_problem() -> None:
    findings, stage, _ = soaked(leak=1)

    assert findings.problems(PACE, Limits()) == [
        f"{20 + len(stage.did)} connections after the blows, 20 before them"
    ]


def test_strikes_of_one_blow_come_when_they_should() -> None:
    blow = Blow(
        5.0,
        (
            Strike(Party.TRAINER, "ann", Fault.KILL, after_s=0.0, lasts_s=4.0),
            Strike(Party.HOLDER, "holder-1", Fault.PAUSE, after_s=2.0, lasts_s=1.0),
        ),
    )

    async def run() -> list[tuple[str, float]]:
        ledger = Ledger()
        stage = LivingStage(ledger)

        async def look(at_s: float) -> tuple[list[Reading], BrokerReading | None]:
            return [], broker(at_s)

        async def count() -> None:
            return None

        living = asyncio.create_task(stage.live())
        pace = Pace(total_s=25.0, healing_s=60)
        await Soak(stage, ledger, pace, look, count).run(iter([blow]), lambda progress: None)
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        return stage.timed

    timed = in_virtual_time(run())

    first_s = timed[0][1]
    assert [(what, at_s - first_s) for what, at_s in timed] == [
        ("kill ann", 0.0),
        ("pause holder-1", 2.0),
        ("resume holder-1", 3.0),
        ("start ann", 4.0),
    ]


def test_paused_process_goes_on_even_if_the_soak_is_broken_off() -> None:
    async def run() -> LivingStage:
        stage = LivingStage(Ledger())
        pausing = asyncio.create_task(hurt(stage, Fault.PAUSE, "ann", lasts_s=1000))
        await asyncio.sleep(1)
        assert stage.away == {"ann"}
        pausing.cancel()
        await asyncio.gather(pausing, return_exceptions=True)
        return stage

    assert not in_virtual_time(run()).away


def test_end_of_a_process_that_nobody_brought_about_is_kept() -> None:
    ledger = Ledger()

    ledger.emit(ActorRestarted(actor="ann", reason="its process ended with code 1"))

    assert ledger.crashes == ["ann: its process ended with code 1"]
