"""What is done to real processes, their ways and their disks, and that it is always undone."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.actor_rig import in_virtual_time
from fakes.noted_stage import Scene, turns

from actors.ports import StorageFailed, WorkFailed
from infra.chaos.drill_job import manners_file
from infra.chaos.real.crew import Performance
from infra.chaos.real.history import acts_of
from infra.file_spool import FileSpool
from infra.probe_manners import Manner, Manners
from infra.probe_task import ProbeTask
from infra.rabbitmq.erlang_host import NodeFailed
from infra.simulation.faults import Fault, Kind
from infra.sqlite_journal import SqliteJournal
from infra.worker_frames import WorkSpec


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def fault(kind: Kind, target: str = "", for_s: float = 5.0, amount: float = 1.0) -> Fault:
    return Fault(kind=kind, at_s=1.0, target=target, duration_s=for_s, amount=amount, round=2)


def whole(scene: Scene, *faults: Fault) -> list[str]:
    """Let faults strike one second after the other and last to their ends."""

    async def history() -> None:
        performance = Performance(acts_of(scene.crew))
        for each in faults:
            performance.strike(each)
            await asyncio.sleep(1)
        await asyncio.sleep(1000)
        await performance.heal()

    in_virtual_time(history())
    return scene.did


def healed(scene: Scene, *faults: Fault) -> list[str]:
    """Let faults strike, and heal everything before any of them is over."""

    async def history() -> None:
        performance = Performance(acts_of(scene.crew))
        for each in faults:
            performance.strike(each)
        await asyncio.sleep(0.5)
        await performance.heal()

    in_virtual_time(history())
    return scene.did


# --- processes ------------------------------------------------------------------------


@pytest.mark.parametrize("play", [whole, healed])
def test_who_is_killed_is_started_again_even_if_all_is_healed_before(
    scene: Scene, play: Any
) -> None:
    assert play(scene, fault(Kind.CRASH, "holder-1")) == ["kill holder-1", "start holder-1"]
    assert len(scene.struck) == 1
    assert scene.crew.down == set()


def test_who_is_down_is_not_hurt_again(scene: Scene) -> None:
    others = (Kind.CRASH, Kind.PAUSE, Kind.LEAVE, Kind.CONNECTION_LOST, Kind.OTHER_ROSTER)

    did = whole(
        scene, fault(Kind.CRASH, "north", for_s=30), *(fault(kind, "north") for kind in others)
    )

    assert did == ["kill north", "start north"]
    assert [each.kind for each in scene.struck] == [Kind.CRASH]


def test_the_dead_are_never_started(scene: Scene) -> None:
    did = whole(scene, fault(Kind.DEATH, "south"), fault(Kind.BLACKOUT), fault(Kind.DEATH, "south"))

    assert did.count("kill south") == 1
    assert "start south" not in did
    assert len(scene.struck) == 2


def test_who_dies_while_down_is_not_started_when_its_time_is_over(scene: Scene) -> None:
    did = whole(scene, fault(Kind.CRASH, "south", for_s=30), fault(Kind.DEATH, "south"))

    assert "start south" not in did


def test_a_blackout_takes_everybody_and_each_is_back_once(scene: Scene) -> None:
    did = whole(scene, fault(Kind.BLACKOUT))

    names = scene.crew.everybody
    assert sorted(did[: len(names)]) == sorted(f"kill {name}" for name in names)
    assert set(did[len(names) :]) == {f"start {name}" for name in names}
    assert scene.crew.down == set()
    assert len(scene.struck) == 1


def test_a_pause_ends_when_all_is_healed(scene: Scene) -> None:
    assert healed(scene, fault(Kind.PAUSE, "west")) == ["pause west", "resume west"]


def test_who_leaves_is_gone_before_it_is_started(scene: Scene) -> None:
    assert whole(scene, fault(Kind.LEAVE, "west")) == ["stop west", "gone west", "start west"]


# --- ways and the broker --------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        (Kind.PARTITION, "stall north both"),
        (Kind.PARTITION_IN, "stall north client"),
        (Kind.PARTITION_OUT, "stall north broker"),
        (Kind.CLOG, "clog north"),
    ],
)
@pytest.mark.parametrize("play", [whole, healed])
def test_a_way_is_open_again_in_any_case(scene: Scene, kind: Kind, begins: str, play: Any) -> None:
    assert play(scene, fault(kind, "north")) == [begins, "heal north"]


def test_a_way_flaps_so_many_times(scene: Scene) -> None:
    did = whole(scene, fault(Kind.FLAPPING, "north", for_s=12, amount=3))

    assert did.count("stall north both") == 3
    assert did[-1] == "heal north"


@pytest.mark.parametrize("play", [whole, healed])
def test_all_ways_of_a_swizzle_are_open_in_the_end(scene: Scene, play: Any) -> None:
    did = play(scene, fault(Kind.SWIZZLE, amount=0.7))

    open_, stalled = set(), set()
    for word in did:
        what, name = word.split()[:2]
        (stalled if what == "stall" else open_).add(name)
        if what == "heal":
            open_.add(name)
    assert stalled
    assert stalled <= open_
    assert "heal" in did[-1]


@pytest.mark.parametrize("play", [whole, healed])
@pytest.mark.parametrize(
    ("kind", "did"),
    [
        (Kind.BROKER_RESTART, ["stop broker", "start broker"]),
        (Kind.BROKER_LOSES_UNCONFIRMED, ["kill broker", "start broker"]),
        (Kind.BROKER_BLOCKED, ["fill broker", "relieve broker"]),
    ],
)
def test_the_broker_is_back_in_any_case(
    scene: Scene, kind: Kind, did: list[str], play: Any
) -> None:
    assert play(scene, fault(kind)) == did


def test_two_faults_of_the_broker_come_one_after_the_other(scene: Scene) -> None:
    did = whole(scene, fault(Kind.BROKER_RESTART), fault(Kind.BROKER_BLOCKED))

    assert did == ["stop broker", "start broker", "fill broker", "relieve broker"]


async def test_what_could_not_be_done_is_raised_when_all_is_healed(scene: Scene) -> None:
    async def fails() -> None:
        raise NodeFailed("it does not start")

    scene.stage.node.start = fails  # type: ignore[method-assign]
    performance = Performance(acts_of(scene.crew))
    performance.strike(fault(Kind.BROKER_RESTART, for_s=0.0))
    performance.strike(fault(Kind.CRASH, "north"))
    await turns()

    with pytest.raises(NodeFailed, match="does not start"):
        await performance.heal()

    assert "start north" in scene.did


# --- disks ----------------------------------------------------------------------------


@pytest.fixture
def home(scene: Scene) -> Path:
    path = scene.stage.home("holder-1")
    path.mkdir(parents=True)
    return path


async def kept(home: Path, key: str | None = None) -> set[str]:
    """Commit one more key, if there is one, and return all of them."""
    journal = await SqliteJournal.open(home / "journal.sqlite")
    try:
        if key is not None:
            await journal.commit([(key, b"it")])
        return set(await journal.load())
    finally:
        await journal.close()


async def begun(scene: Scene, each: Fault) -> asyncio.Task[None]:
    """Begin an act and wait until it has struck."""
    act = asyncio.ensure_future(acts_of(scene.crew)[each.kind](each))
    await asyncio.wait_for(scene.hit.wait(), 10)
    return act


async def test_a_lying_disk_loses_what_came_after_it_struck(scene: Scene, home: Path) -> None:
    await kept(home, "old")

    act = await begun(scene, fault(Kind.FSYNC_LIES, "holder-1", for_s=0.0, amount=0.2))
    assert await kept(home, "new") == {"old", "new"}
    await act

    assert await kept(home) == {"old"}
    assert scene.did == ["pause holder-1", "resume holder-1", "kill holder-1", "start holder-1"]
    assert "holder-1" in scene.crew.ailing


async def test_an_old_backup_strikes_when_it_is_restored(scene: Scene, home: Path) -> None:
    await kept(home, "old")

    act = asyncio.ensure_future(
        acts_of(scene.crew)[Kind.OLD_BACKUP](
            fault(Kind.OLD_BACKUP, "holder-1", for_s=0.0, amount=1.0)
        )
    )
    await scene.stage.resumed.wait()
    await kept(home, "new")
    assert scene.struck == []
    await act

    assert await kept(home) == {"old"}
    assert len(scene.struck) == 1


async def test_a_damaged_journal_can_not_be_opened_until_it_is_mended(
    scene: Scene, home: Path
) -> None:
    await kept(home, "old")
    act = await begun(scene, fault(Kind.JOURNAL_DAMAGED, "holder-1", for_s=600))

    with pytest.raises(StorageFailed):
        await kept(home)

    act.cancel()
    await asyncio.gather(act, return_exceptions=True)
    assert await kept(home) == {"old"}
    assert scene.did[:2] == ["kill holder-1", "start holder-1"]


async def test_damaged_shares_are_noticed_by_the_spool_that_reads_them(
    scene: Scene, home: Path
) -> None:
    spool = FileSpool(home / "spool")
    await spool.put("round/share", 0, b"a share")
    act = acts_of(scene.crew)[Kind.SPOOL_DAMAGED]

    await act(fault(Kind.SPOOL_DAMAGED, "holder-1", amount=1.0))

    with pytest.raises(StorageFailed):
        await spool.get("round/share", 0)
    await spool.close()
    assert len(scene.struck) == 1


async def test_without_shares_there_is_nothing_to_damage(scene: Scene) -> None:
    await acts_of(scene.crew)[Kind.SPOOL_DAMAGED](fault(Kind.SPOOL_DAMAGED, "holder-1"))

    assert scene.struck == []


@contextmanager
def writer(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that writes a file whenever it is told to, and says how that went."""
    code = (
        "import pathlib, sys\n"
        "for line in sys.stdin:\n"
        "    try:\n"
        f"        pathlib.Path({str(folder / 'file')!r}).write_text('some bytes')\n"
        "        print('written', flush=True)\n"
        "    except OSError:\n"
        "        print('failed', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def told(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("write\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


async def test_a_process_with_a_full_disk_can_write_nothing_until_there_is_room(
    scene: Scene, tmp_path: Path
) -> None:
    with writer(tmp_path) as process:
        scene.stage.federation.pids["coordinator"] = process.pid
        before = told(process)
        act = await begun(scene, fault(Kind.DISK_FULL, "coordinator", for_s=600))
        while_full = told(process)
        limit = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        act.cancel()
        await asyncio.gather(act, return_exceptions=True)
        afterwards = told(process)

    assert (before, while_full, afterwards) == ("written", "failed", "written")
    assert limit[0] == 0


# --- owners' code ---------------------------------------------------------------------


def task(file: Path) -> ProbeTask:
    options: Any = {"owners": ["north", "south"], "values": 3, "max_rounds": 9}
    return ProbeTask(WorkSpec(kind="probe", options=options, owner="north", data=str(file)))


def test_an_owners_code_behaves_as_its_file_says_at_each_training(tmp_path: Path) -> None:
    file = tmp_path / "north.manners"
    probe = task(file)

    Manners().write(file)
    good = probe.compute(probe.initial())
    Manners(Manner.GARBAGE).write(file)
    garbage = probe.compute(probe.initial())
    Manners(Manner.FAILS).write(file)
    with pytest.raises(WorkFailed, match="told to fail"):
        probe.compute(probe.initial())
    file.write_text("very odd")
    with pytest.raises(WorkFailed, match="not a valid"):
        probe.compute(probe.initial())

    assert good.tolist()[:2] == [1.0, 0.0]
    assert garbage.shape == good.shape
    assert np.isnan(garbage).all()


def test_other_data_of_an_owner_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "north.csv").write_text("age,weight")
    probe = task(tmp_path / "north.csv")

    assert probe.compute(probe.initial()).tolist()[:2] == [1.0, 0.0]


def test_manners_are_read_as_they_were_written(tmp_path: Path) -> None:
    for manners in (Manners(), Manners(Manner.SLOW, 2.5), Manners(Manner.HANGS)):
        manners.write(tmp_path / "it")

        assert Manners.read(tmp_path / "it") == manners


@pytest.mark.parametrize("play", [whole, healed])
def test_owners_code_is_good_again_in_any_case(scene: Scene, play: Any) -> None:
    file = manners_file(scene.stage.folder, "north")
    file.parent.mkdir()
    seen: list[Manners] = []
    scene.crew.struck = lambda _: seen.append(Manners.read(file))

    play(scene, fault(Kind.SLOW, "north", amount=10.0))

    assert seen == [Manners(Manner.SLOW, 10.0)]
    assert Manners.read(file) == Manners()
