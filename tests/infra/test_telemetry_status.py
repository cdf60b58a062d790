"""The board, the file it becomes, and `quorate status` on top of it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.ports import FakeClock
from fakes.telemetry_parts import News, State, subject
from typer.testing import CliRunner

from infra.cli.main import app
from infra.cli.status_command import StatusRequest, find_homes, show_status, trouble
from infra.http_blobs import BlobTraffic, Pulled, Served
from infra.telemetry.snapshot import FILE, HEARTBEAT_S, Reading, encode, read_home
from infra.telemetry.status import Life, StatusBoard
from infra.telemetry.status_file import StatusFile
from protocols.reports import (
    ActorRestarted,
    EvidenceKept,
    HolderLeft,
    HolderReturned,
    JobEnded,
    OwnerTrouble,
    PeerFault,
    Progress,
    RoundAbandoned,
    RoundBegan,
    RoundComplete,
    RoundPutOff,
    SharesChecked,
    StateUpdated,
    Step,
    TookPart,
    TrainerLeft,
)


def board_of(name: str = "coordinator", clock: FakeClock | None = None) -> StatusBoard:
    board = StatusBoard(subject(name), clock or FakeClock(), lambda: (0, 0.0))
    board.live(Life.RUNNING)
    board.link(News(State.OPEN))
    return board


def progress(step: Step = Step.COLLECTING, receipts: int = 3) -> Progress:
    return Progress(
        job="sum",
        number=7,
        step=step,
        receipts=receipts,
        expected=25,
        survivors=0,
        waiting_for=("ann",),
        deadline_s=30.0,
    )


class Home:
    """A home with a process in it that is this test's own."""

    def __init__(self, path: Path, board: StatusBoard, clock: FakeClock | None = None) -> None:
        path.mkdir(exist_ok=True)
        self.clock = clock or FakeClock()
        self.writes = 0
        self.content_s = 0.0
        self.board = board
        self.file = StatusFile(path, self.clock, self._content)

    def _content(self) -> bytes:
        self.writes += 1
        self.clock._now_s += self.content_s
        return encode(self.board.snapshot())


# --- the board ------------------------------------------------------------------------


async def test_a_round_is_followed_from_its_beginning_to_its_end() -> None:
    clock = FakeClock()
    board = board_of(clock=clock)

    board.take(RoundBegan(job="sum", number=7, dimension=2))
    await clock.advance(2.0)
    board.take(progress(Step.OPENING))
    await clock.advance(3.0)
    board.take(progress(Step.COLLECTING, 1))
    await clock.advance(4.0)
    board.take(progress(Step.COLLECTING, 2))
    await clock.advance(5.0)
    now = board.snapshot().round
    board.take(RoundComplete(job="sum", number=7, survivors=("ann",), answered=(), seconds=14.0))
    board.take(StateUpdated(job="sum", number=7, completed=7, metrics={}))
    after = board.snapshot()

    assert now is not None
    assert (now.number, now.step, now.receipts) == (7, "collecting", 2)
    assert (now.age_s, now.step_s, now.deadline_s) == (14.0, 9.0, 25.0)
    assert after.round is None
    assert after.completed == 7
    assert after.last_round == "round 7: complete in 14.0 s"


async def test_peers_are_heard_leave_and_return() -> None:
    clock = FakeClock()
    board = board_of(clock=clock)

    board.heard("holder-1")
    await clock.advance(3.0)
    board.heard("stranger")
    board.take(HolderLeft(number=3, holder="holder-2", step=Step.OPENING))
    board.take(TrainerLeft(number=3, trainer="ann", step=Step.COLLECTING, reason="late"))
    board.take(TrainerLeft(number=3, trainer="bob", step=Step.COLLECTING, reason="late"))
    before = {peer.name: peer for peer in board.snapshot().peers}
    board.take(HolderReturned(number=4, holder="holder-2"))
    board.take(RoundComplete(job="sum", number=4, survivors=("ann",), answered=(), seconds=1))
    after = {peer.name: peer for peer in board.snapshot().peers}

    assert before["holder-1"].heard_s == 3.0
    assert before["holder-3"].heard_s is None
    assert (before["holder-2"].left, before["holder-2"].reason) == (3, "silent while opening")
    assert before["ann"].reason == "late"
    assert "stranger" not in before
    assert (after["holder-2"].left, after["holder-2"].heard_s) == (None, 0.0)
    assert after["ann"].left is None
    assert after["bob"].left == 3


async def test_a_link_that_does_not_come_back_is_down_since_it_was_lost() -> None:
    clock = FakeClock()
    board = board_of(clock=clock)

    for state in (State.LOST, State.CONNECTING, State.LOST, State.CONNECTING):
        board.link(News(state, "refused" if state is State.LOST else "connecting to b:1"))
        await clock.advance(10.0)
    down = board.snapshot().link
    board.link(News(State.OPEN, reconnects=1))
    up = board.snapshot().link

    assert down is not None
    assert up is not None
    assert (down.state, down.state_s, down.down_s) == ("connecting", 10.0, 40.0)
    assert down.reason == "refused"
    assert (up.state, up.down_s, up.reconnects) == ("open", 0.0, 1)
    assert [told.text for told in board.snapshot().troubles] == ["link lost: refused"]


def test_all_that_a_check_of_shares_found_is_told() -> None:
    board = board_of()

    board.take(SharesChecked(job="sum", number=6, checked="verified", inconsistent=(), disputed=()))
    board.take(
        SharesChecked(
            job="sum",
            number=7,
            checked="detected",
            inconsistent=("ann", "bob"),
            disputed=(("cat", ("holder-1",)),),
            too_long=("dan",),
        )
    )

    assert [told.text for told in board.snapshot().troubles] == [
        "round 7: shares of ann, bob belong to no vector",
        "round 7: vectors of dan are longer than the bound",
        "round 7: shares of cat do not fit some holders'",
    ]


def test_troubles_are_bounded_and_an_owners_are_for_its_home_only() -> None:
    board = board_of("ann")

    for number in range(50):
        board.take(PeerFault(actor="ann", peer="holder-1", reason=f"fault {number} " + "x" * 9999))
    board.take(OwnerTrouble(actor="ann", kind="not a number", text="Jane Doe is 'x'"))
    snapshot = board.snapshot()

    assert len(snapshot.troubles) == 10
    assert max(len(told.text) for told in snapshot.troubles) <= 500
    assert b"Jane" in encode(snapshot)
    assert b"Jane" not in encode(snapshot, public=True)


def test_evidence_is_shown_once_however_often_it_is_told() -> None:
    board = board_of("holder-1")
    found = EvidenceKept(
        actor="holder-1", offender="coordinator", what="proposed two different sets", cid="ab" * 32
    )

    for _ in range(3):
        board.take(found)

    text = "coordinator proposed two different sets in round abababababababab"
    assert board.snapshot().evidence == (text,)
    assert [told.text for told in board.snapshot().troubles] == [
        f"evidence: {text}, and signed both"
    ]


def test_restarts_and_the_end_of_a_job_are_remembered() -> None:
    board = board_of()

    board.take(ActorRestarted(actor="coordinator", reason="OSError: disk"))
    restarting = board.snapshot()
    board.take(RoundAbandoned(job="sum", number=2, reason="too few"))
    board.take(JobEnded(job="sum", outcome="failed", reason="too few", completed=1))
    ended = board.snapshot()

    assert (restarting.life, restarting.restarts) == ("restarting", 1)
    assert (ended.outcome, ended.completed, ended.abandoned) == ("failed: too few", 1, 1)


def test_a_trainer_counts_the_rounds_it_contributed_to() -> None:
    board = board_of("ann")

    board.take(TookPart(actor="ann", job="sum", number=1, outcome="contributed"))
    board.take(TookPart(actor="ann", job="sum", number=2, outcome="late"))

    assert board.snapshot().completed == 1
    assert board.snapshot().last_round == "round 2: late"
    assert {peer.name for peer in board.snapshot().peers} >= {"coordinator", "holder-5"}


# --- the file -------------------------------------------------------------------------


async def test_the_file_is_written_once_a_second_and_at_once_for_what_matters(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path, board_of())
    home.file.write()

    for _ in range(10):
        home.file.changed(important=False)
        await home.clock.advance(0.05)
        home.file.tick()
    assert home.writes == 1
    await home.clock.advance(0.5)
    home.file.tick()
    assert home.writes == 2
    await home.clock.advance(0.2)
    home.file.changed(important=True)
    assert home.writes == 3
    for _ in range(100):
        home.file.changed(important=True)
    assert home.writes == 3
    home.file.close()


async def test_the_file_beats_even_when_nothing_happens(tmp_path: Path) -> None:
    home = Home(tmp_path, board_of())
    home.file.write()

    await home.clock.advance(HEARTBEAT_S)
    home.file.tick()

    assert home.writes == 2
    home.file.close()


async def test_a_file_that_takes_long_to_write_is_written_less_often(tmp_path: Path) -> None:
    home = Home(tmp_path, board_of())
    home.content_s = 0.2
    home.file.write()

    for _ in range(35):
        home.file.changed(important=True)
        await home.clock.advance(0.1)
        home.file.tick()
    assert home.writes == 1
    await home.clock.advance(0.6)
    home.file.tick()

    assert home.writes == 2
    home.file.close()


def test_the_file_is_for_its_owners_eyes_and_always_whole(tmp_path: Path) -> None:
    home = Home(tmp_path, board_of())

    home.file.write()

    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    assert {path.name for path in tmp_path.iterdir()} == {FILE, "status.lock"}
    home.file.close()


def test_a_home_that_is_gone_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = Home(tmp_path / "home", board_of())
    (tmp_path / "home").rmdir()

    home.file.write()
    home.file.write()

    assert len(caplog.records) == 1


def test_a_process_is_told_apart_from_what_it_left(tmp_path: Path) -> None:
    home = Home(tmp_path, board_of())
    home.file.write()

    running = read_home(tmp_path)
    home.file.close()
    ended = read_home(tmp_path)

    assert running.running
    assert not ended.running
    assert ended.snapshot is not None


_PROCESS = """
import sys, time
from pathlib import Path
from fakes.ports import FakeClock
from fakes.telemetry_parts import subject
from infra.telemetry.snapshot import encode
from infra.telemetry.status import StatusBoard
from infra.telemetry.status_file import StatusFile
board = StatusBoard(subject("ann"), FakeClock(), lambda: (0, 0.0))
file = StatusFile(Path(sys.argv[1]), FakeClock(), lambda: encode(board.snapshot()))
file.write()
print("written", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_is_not_running(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", _PROCESS, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        alive = read_home(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        dead = read_home(tmp_path)

    assert alive.running
    assert alive.snapshot is not None
    assert alive.snapshot.pid == process.pid
    assert not dead.running


def test_a_reader_does_not_keep_a_process_from_its_lock(tmp_path: Path) -> None:
    home = Home(tmp_path, board_of())
    with (tmp_path / "status.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        home.file.write()  # the lock is taken just now
    home.file.write()

    assert read_home(tmp_path).running
    home.file.close()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"actor": 3}', b"\xff"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)

    reading = read_home(tmp_path)

    assert reading.snapshot is None
    assert "damaged" in reading.problem


# --- the command ----------------------------------------------------------------------


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_running_home_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = Home(tmp_path, board_of())
    home.board.take(RoundBegan(job="sum", number=7, dimension=2))
    home.board.take(progress())
    home.file.write()

    code = show_status(StatusRequest(tmp_path, why=True))
    home.file.close()

    shown = capsys.readouterr().out
    assert code == 0
    assert "coordinator of job sum" in shown
    assert "7 collecting: 3/25, 0 survivors, waits for ann" in shown
    assert "in 30 s the round is abandoned unless 3 more contributions are complete" in shown
    assert "holder-5" in shown


def test_what_holds_the_job_back_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path, board_of())
    home.board.live(Life.RUNNING)
    home.board.take(replace(progress(), remark="eve is missing"))
    home.file.write()
    show_status(StatusRequest(tmp_path))
    home.board.take(
        RoundPutOff(
            job="sum", number=8, abandoned=2, seconds=90.0, missing=("eve",), reason="too few"
        )
    )
    home.board.take(RoundAbandoned(job="sum", number=7, reason="too few"))
    home.file.write()
    show_status(StatusRequest(tmp_path))
    home.file.close()

    first, second = capsys.readouterr().out.split("process", 2)[1:]
    assert "held back eve is missing" in " ".join(first.split())
    assert "round 8 begins in 1 min 30 s, or when one of eve is back" in " ".join(second.split())


@pytest.mark.parametrize(
    ("actor", "endings", "line"),
    [
        ("coordinator", (Served.SENT, Served.REFUSED), "1 served (2.0 MiB), 1 refused"),
        ("ann", (Pulled.WHOLE, Pulled.FALSE), "1 pulled (2.0 MiB), 1 false bytes"),
    ],
)
def test_models_over_https_are_shown_with_what_failed(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    actor: str,
    endings: tuple[Served | Pulled, Served | Pulled],
    line: str,
) -> None:
    home, traffic = Home(tmp_path, board_of(actor)), BlobTraffic()
    home.board.models(traffic)
    traffic.ended(endings[0], 2 * 2**20)
    traffic.ended(endings[1])
    home.file.write()

    show_status(StatusRequest(tmp_path))
    home.file.close()

    assert f"over HTTPS {line}" in capsys.readouterr().out


def test_the_command_line_has_it(tmp_path: Path) -> None:
    home = Home(tmp_path, board_of("holder-1"))
    home.file.write()

    well = CliRunner().invoke(app, ["status", "--home", str(tmp_path), "--json"])
    home.file.close()
    ended = CliRunner().invoke(app, ["status", "--home", str(tmp_path), "--why"])
    nowhere = CliRunner().invoke(app, ["status", "--home", str(tmp_path / "nowhere")])

    assert [well.exit_code, ended.exit_code, nowhere.exit_code] == [0, 1, 2]
    assert json.loads(well.stdout.splitlines()[-1])["kind"] == "summary"
    assert "start it: quorate holder" in ended.stdout


def test_a_stopped_home_is_trouble_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path, board_of("ann"))
    home.file.write()
    home.file.close()

    code = show_status(StatusRequest(tmp_path, why=True))

    shown = capsys.readouterr().out
    assert code == 1
    assert "not running" in shown
    assert f"start it: quorate trainer --home {tmp_path}" in shown


def test_a_folder_of_homes_shows_all_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coordinator = Home(tmp_path / "coordinator", board_of())
    coordinator.board.take(progress())
    ann = Home(tmp_path / "ann", board_of("ann"))
    for home in (coordinator, ann):
        home.file.write()
    ann.file.close()
    (tmp_path / "logs").mkdir()

    code = show_status(StatusRequest(tmp_path, json=True))
    coordinator.file.close()

    told = lines(capsys)
    show_status(StatusRequest(tmp_path))
    table = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["ann", "trainer", "not"] for line in table)
    assert any(line.startswith("ann: not running: killed") for line in table)
    assert "as coordinator knows:" in table
    assert code == 1
    assert [line["kind"] for line in told] == ["status", "status", "summary"]
    assert told[-1]["running"] == 1
    assert list(told[-1]["troubles"]) == ["ann"]  # type: ignore[call-overload]
    why = told[1]["why"]
    assert isinstance(why, list)
    assert any(line.startswith("ann: not running: killed") for line in why)


def test_a_home_where_nothing_ran_yet_is_no_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "actor.toml").touch()

    assert show_status(StatusRequest(tmp_path)) == 1
    assert "no process has run here yet" in capsys.readouterr().out


def test_a_folder_without_homes_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_status(StatusRequest(tmp_path)) == 2
    assert show_status(StatusRequest(tmp_path / "absent")) == 2
    assert "neither the home of an actor nor a folder of homes" in capsys.readouterr().err


def test_a_watch_looks_again_until_it_is_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path, board_of())
    home.file.write()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            home.file.close()
        if len(waits) == 4:
            raise KeyboardInterrupt

    code = show_status(StatusRequest(tmp_path, json=True, watch=True), wait=wait)

    summaries = [line for line in lines(capsys) if line["kind"] == "summary"]
    assert [line["running"] for line in summaries] == [1, 1, 1, 0]
    assert code == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda board: board.link(News(State.LOST, "refused")), "^no link for 0 s: refused$"),
        (
            lambda board: board.link(News(State.BLOCKED, "low on disk")),
            "^the broker takes nothing for 0 s: low on disk$",
        ),
        (lambda board: board.live(Life.RESTARTING, "disk full"), "crashed .* disk full"),
    ],
)
def test_trouble_of_a_running_process_is_trouble(change: object, told: str) -> None:
    board = board_of("holder-1")
    change(board)  # type: ignore[operator]

    found = trouble(Reading(Path("h"), board.snapshot(), running=True))

    assert re.search(told, found)


def test_a_home_is_found_by_what_is_in_it(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "actor.toml").touch()
    (tmp_path / "b" / FILE).touch()

    assert find_homes(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    assert find_homes(tmp_path / "a") == [tmp_path / "a"]
