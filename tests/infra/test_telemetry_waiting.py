"""What `--why` says of a waiting round is what the coordinator then does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from fakes.ports import FakeClock
from fakes.round_parts import (
    HOLDERS,
    ROSTER,
    TIMING,
    TRAINERS,
    config_of,
    contribution,
    opening,
    said_open,
    set_of,
)
from fakes.signatures import MEANS
from fakes.telemetry_parts import News, State, subject

from infra.phrases import duration, names
from infra.telemetry.snapshot import Reading, Snapshot
from infra.telemetry.status import Life, StatusBoard
from infra.telemetry.waiting import why
from protocols.codec import VERSION
from protocols.messages import Accepted, Have, Pledged, Vote, Wire
from protocols.reports import (
    ActorRestarted,
    Event,
    Incompatible,
    JobEnded,
    OwnerTrouble,
    PeerFault,
    PeerJoined,
    RoundBegan,
    RoundPutOff,
    Step,
    TrainersSuspected,
)
from protocols.secagg.differencing import Apart, bitmap
from protocols.secagg.gathering import Gathering
from protocols.secagg.patience import Patience
from protocols.secagg.sets import set_digest

CONFIG = config_of()
CID = CONFIG.cid()
HOME = Path("/homes/coordinator")


class Round:
    """A real round at a coordinator, watched by a board."""

    def __init__(self) -> None:
        everybody = (*HOLDERS, *TRAINERS)
        self.gathering = Gathering(
            opening(CONFIG), ROSTER, Patience(TIMING, 0.0), expected=everybody, means=MEANS
        )

    def hear(self, sender: str, message: Wire) -> None:
        self.gathering.receive(0.0, sender, message)

    def opened(self, *holders: str) -> None:
        for name in holders:
            self.hear(name, said_open(CONFIG, name))

    def have(self, trainers: tuple[str, ...], holders: tuple[str, ...] = HOLDERS) -> None:
        for name in trainers:
            self.hear(name, Accepted(cid=CID))
        held = tuple(contribution(CONFIG, name) for name in trainers)
        for name in holders:
            self.hear(name, Have(cid=CID, contributions=held))

    def vote(self, *holders: str) -> None:
        digest = set_digest(CID, self.gathering.chosen)
        for name in holders:
            self.hear(name, Vote(cid=CID, set_digest=digest))

    def reading(self) -> Reading:
        board = board_of("coordinator")
        board.take(RoundBegan(job="sum", number=CONFIG.number, dimension=2))
        board.take(self.gathering.progress(0.0))
        return Reading(HOME, board.snapshot(), running=True)


def board_of(name: str) -> StatusBoard:
    board = StatusBoard(subject(name), FakeClock(), lambda: (0, 0.0))
    board.live(Life.RUNNING)
    board.link(News(State.OPEN))
    return board


def two_opened() -> Round:
    now = Round()
    now.opened("holder-1", "holder-2")
    return now


def three_opened() -> Round:
    now = Round()
    now.opened("holder-1", "holder-2", "holder-3")
    return now


def collecting(*trainers: str, holders: tuple[str, ...] = HOLDERS) -> Round:
    now = Round()
    now.opened(*HOLDERS)
    now.have(trainers, holders)
    return now


def voting(*voters: str) -> Round:
    now = collecting(*TRAINERS)
    assert now.gathering.chosen == set_of(CONFIG, *TRAINERS)
    now.vote(*voters)
    return now


CASES: dict[str, tuple[Callable[[], Round], Step, str]] = {
    "too few holders": (
        two_opened,
        Step.OPENING,
        "in 30 s the round is abandoned unless 1 more holder answers: 2 of 5 holders have "
        "opened it, 3 are enough",
    ),
    "enough holders": (
        three_opened,
        Step.OPENING,
        "in 2 s the round goes on without holder-4 and holder-5: 3 of 5 holders have opened it, "
        "3 are enough",
    ),
    "too few trainers": (
        lambda: collecting("ann", "bob"),
        Step.COLLECTING,
        "in 30 s the round is abandoned unless 1 more contribution is complete at 3 holders: "
        "2 of 5 trainers have one, the minimum is 3",
    ),
    "just enough trainers": (
        lambda: collecting("ann", "bob", "cat"),
        Step.COLLECTING,
        "in 30 s the round goes on without dan and eve, except for those whose contribution is "
        "complete at 3 holders by then: 3 of 5 trainers have one, the minimum is 3",
    ),
    "enough trainers": (
        lambda: collecting("ann", "bob", "cat", "dan"),
        Step.COLLECTING,
        "in 30 s the round goes on without eve, except for those whose contribution is complete "
        "at 3 holders by then: 4 of 5 trainers have one, the minimum is 3",
    ),
    "only copies missing": (
        lambda: collecting(*TRAINERS, holders=HOLDERS[:4]),
        Step.COLLECTING,
        "in 2 s the round goes on, and nobody is left out: 5 of 5 trainers have one, the "
        "minimum is 3",
    ),
    "too few votes": (
        lambda: voting("holder-1"),
        Step.VOTING,
        "in 30 s the round is abandoned unless 2 more of holder-2, holder-3, holder-4 and "
        "holder-5 answer: 1 votes are in, 3 are needed",
    ),
    "no answers": (
        lambda: voting("holder-1", "holder-2", "holder-3"),
        Step.RELEASING,
        "in 30 s the round is abandoned unless 3 more of holder-1, holder-2, holder-3, holder-4 "
        "and holder-5 answer: 0 answers are in, 3 are needed",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_foretold_is_what_happens(case: str) -> None:
    build, step, foretold = CASES[case]
    now = build()
    gathering = now.gathering
    assert gathering.step is step

    lines = list(why(now.reading(), {}))
    left_s = gathering.progress(0.0).deadline_s
    gathering.advance(left_s - 0.01)
    before = gathering.step
    gathering.advance(left_s)

    assert foretold in lines
    assert before is step
    abandoned, goes_on = gathering.abandoned is not None, gathering.step is not step
    assert ("is abandoned" in foretold) == abandoned
    assert ("goes on" in foretold) == goes_on


@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("too few")])
def test_as_many_more_as_it_asks_for_are_enough(case: str) -> None:
    now = CASES[case][0]()
    before = now.gathering.step

    match before:
        case Step.OPENING:
            now.opened("holder-3")
        case Step.COLLECTING:
            now.have(("cat",), HOLDERS[:3])
        case _:
            now.vote("holder-2", "holder-3")
    if now.gathering.step is before:
        now.gathering.advance(now.gathering.progress(0.0).deadline_s)

    assert now.gathering.abandoned is None
    assert now.gathering.step is not before


def test_the_opened_sum_has_no_deadline() -> None:
    now = voting("holder-1", "holder-2", "holder-3")
    now.gathering.step = Step.UPDATING

    lines = list(why(now.reading(), {}))

    assert lines[0] == "round 1, updating for 0 s, waits for nobody"
    assert "this has no deadline" in lines[1]


def test_a_round_that_was_just_taken_up_says_so() -> None:
    board = board_of("coordinator")
    board.take(RoundBegan(job="sum", number=4, dimension=2))

    (line,) = why(Reading(HOME, board.snapshot(), running=True, age_s=3.0), {})

    assert line.startswith("round 4 was begun, or taken up again, 3 s ago and nobody has answered")


def test_the_deadline_goes_on_while_nothing_is_written() -> None:
    now = collecting("ann", "bob", "cat", "dan")
    reading = now.reading()

    later = list(why(Reading(HOME, reading.snapshot, running=True, age_s=12.0), {}))
    last = list(why(Reading(HOME, reading.snapshot, running=True, age_s=19.0), {}))

    assert any(line.startswith("in 18 s the round goes on") for line in later)
    assert any(line.startswith("in 11 s the round goes on") for line in last)


def test_a_passed_deadline_foretells_nothing() -> None:
    snapshot = collecting("ann", "bob").reading().snapshot
    assert snapshot is not None
    assert snapshot.round is not None
    round_ = msgspec.structs.replace(snapshot.round, deadline_s=-1.0)
    late = msgspec.structs.replace(snapshot, round=round_)

    lines = list(why(Reading(HOME, late, running=True), {}))

    assert any("deadline of this step has passed" in line for line in lines)
    assert any("not while there is no way to the broker" in line for line in lines)
    assert not any("unless" in line for line in lines)


def test_words_on_the_shares_are_waited_for() -> None:
    config = config_of(checks=True)
    everybody = (*HOLDERS, *TRAINERS)
    gathering = Gathering(
        opening(config), ROSTER, Patience(TIMING, 0.0), expected=everybody, means=MEANS
    )
    for name in HOLDERS:
        gathering.receive(0.0, name, said_open(config, name))
    held = tuple(contribution(config, name) for name in TRAINERS)
    for name in HOLDERS:
        gathering.receive(0.0, name, Have(cid=config.cid(), contributions=held))
    board = board_of("coordinator")
    board.take(gathering.progress(0.0))

    lines = list(why(Reading(HOME, board.snapshot(), running=True), {}))

    assert lines[0].startswith("round 1, checking for 0 s, waits for words on the shares: holder-1")
    assert lines[1].startswith("in 30 s the round is abandoned unless 4 more of holder-1")
    gathering.advance(30.0)
    assert gathering.abandoned is not None


def test_a_round_that_earlier_sums_hold_back_says_who_can_help() -> None:
    now = Round()
    now.gathering.receipts.keep_apart(Apart((frozenset(TRAINERS),), 3))
    for name in HOLDERS:
        now.hear(name, Pledged(cid=CID, apart=3, sets=(bitmap(TRAINERS, TRAINERS),)))
    now.opened(*HOLDERS)
    now.gathering.leave("eve", 0.0)
    now.have(("ann", "bob", "cat", "dan"))

    lines = list(why(now.reading(), {}))
    now.gathering.advance(30.0)

    assert lines[1].endswith("1 of that set are missing (eve): the job goes on when they are back")
    assert lines[2].startswith("in 30 s the round is abandoned, unless they are back by then")
    assert now.gathering.abandoned == lines[1]


def put_off(missing: tuple[str, ...] = (), abandoned: int = 1) -> RoundPutOff:
    return RoundPutOff(
        job="sum", number=3, abandoned=abandoned, seconds=20.0, missing=missing, reason="too few"
    )


def test_it_says_who_may_garble_sums_and_what_to_do_until_nobody_is_suspected() -> None:
    board = board_of("coordinator")
    groups = (("ann", "bob"), ("cat", "dan"))
    board.take(
        TrainersSuspected(job="sum", number=3, groups=groups, left_out=("cat", "dan"), asked_at=8)
    )
    board.take(put_off())
    suspected = list(why(Reading(HOME, board.snapshot(), running=True), {}))
    board.take(TrainersSuspected(job="sum", number=9, groups=(), left_out=(), asked_at=0))
    cleared = list(why(Reading(HOME, board.snapshot(), running=True), {}))

    assert suspected[0] == (
        "a sum was garbled, and the mask of one of ann or bob does not belong to its secret: they "
        "take part in turns until it is known whose; sums with cat and dan were garbled, and so "
        "few can't be told apart: their owners should look at their trainers (version, memory, "
        "disk); they are tried again when 8 rounds of the job are completed"
    )
    assert suspected[1:] == cleared


def test_between_two_rounds_it_says_when_the_next_begins_and_who_could_hurry_it() -> None:
    board = board_of("coordinator")
    board.take(put_off())
    alone = list(why(Reading(HOME, board.snapshot(), running=True, age_s=4.0), {}))
    board.take(put_off(("holder-5", "eve"), abandoned=2))
    missed = list(why(Reading(HOME, board.snapshot(), running=True), {}))

    assert alone == ["round 3 begins in 16 s: the last round was abandoned, as too few"]
    assert missed[0] == (
        "round 3 begins in 20 s, or as soon as holder-5 or eve is heard of: 2 rounds were "
        "abandoned, as too few"
    )
    assert [line.split(":")[0] for line in missed[1:]] == ["holder-5", "eve"]


@pytest.mark.parametrize(
    "after",
    [
        RoundBegan(job="sum", number=3, dimension=2),
        JobEnded(job="sum", outcome="stopped", reason="", completed=0),
    ],
)
def test_what_was_put_off_is_forgotten_when_it_begins_or_the_job_ends(after: Event) -> None:
    board = board_of("coordinator")
    board.take(put_off())
    assert board.snapshot().put_off is not None

    board.take(after)

    assert board.snapshot().put_off is None


def test_who_is_waited_for_is_told_with_the_last_sign_of_life() -> None:
    now = collecting("ann", "bob", "cat")
    board = board_of("coordinator")
    board.take(now.gathering.progress(0.0))
    board.take(PeerJoined(actor="dan", role="trainer", software="0.1", suites=()))

    lines = list(why(Reading(HOME, board.snapshot(), running=True, age_s=5.0), {}))

    assert any(line.startswith("dan: last heard of 5 s ago; on its machine: ") for line in lines)
    assert any(line.startswith("eve: never heard of since") for line in lines)


def others(change: Callable[[StatusBoard], None], **reading: object) -> list[str]:
    board = board_of("eve")
    change(board)
    usual: dict[str, object] = {"running": True, "age_s": 1.0}
    eve = Reading(Path("/homes/eve"), board.snapshot(), **(usual | reading))  # type: ignore[arg-type]
    now = collecting("ann", "bob", "cat", "dan")
    return [line for line in why(now.reading(), {"eve": eve}) if line.startswith("eve")]


def test_a_home_on_the_same_machine_says_more() -> None:
    trouble = OwnerTrouble(actor="eve", kind="missing file", text="eve.csv is not there")

    stopped = others(lambda board: None, running=False, age_s=125.0)
    stuck = others(lambda board: None, age_s=90.0)
    cut_off = others(lambda board: board.link(News(State.LOST, "refused")))
    ill = others(lambda board: board.take(trouble))

    assert stopped == [
        "eve: not running: killed, or crashed; last heard of 2 min 5 s ago; "
        "start it: quorate trainer --home /homes/eve"
    ]
    assert "has said nothing for 1 min 30 s" in stuck[0]
    assert "its link to the broker is lost: refused" in cut_off[0]
    assert "missing file: eve.csv is not there" in ill[0]


def said(state: Snapshot, *, running: bool = True, age_s: float = 0.0) -> str:
    return "\n".join(why(Reading(HOME, state, running=running, age_s=age_s), {}))


def test_the_own_link_is_named_first() -> None:
    board = board_of("coordinator")
    board.link(News(State.BLOCKED, "low on disk"))
    blocked = said(board.snapshot())
    board.link(News(State.LOST, "connection refused"))
    lost = said(board.snapshot())

    assert blocked.startswith("the broker has taken no messages for 0 s (low on disk)")
    assert lost.startswith("there has been no link to the broker for 0 s (connection refused)")
    assert f"quorate doctor {HOME} says what is wrong" in lost


def test_a_process_that_is_not_running_can_be_started() -> None:
    board = board_of("holder-1")
    killed = said(board.snapshot(), running=False)
    board.live(Life.ENDED)
    ended = said(board.snapshot(), running=False, age_s=60.0)

    assert "not running: killed, or crashed; last heard of 0 s ago" in killed
    assert "not running: ended 1 min ago" in ended
    assert all("start it: quorate holder --home /homes/coordinator" in t for t in (killed, ended))


def test_of_an_actor_that_is_built_again_the_link_says_nothing() -> None:
    board = board_of("holder-1")
    board.link(News(State.CLOSED, "closed by us"))
    board.take(ActorRestarted(actor="holder-1", reason="StorageFailed: no space left"))

    lines = said(board.snapshot()).splitlines()

    assert lines[0] == "the actor crashed and is built again: StorageFailed: no space left"
    assert not any("closed by us" in line for line in lines)


def test_what_went_wrong_lately_is_told_each_once() -> None:
    board = board_of("holder-1")
    board.take(PeerFault(actor="holder-1", peer="ann", reason="did not sign this Hello"))
    for _ in range(3):
        board.take(Incompatible(actor="holder-1", peer="coordinator", versions=(VERSION + 1,)))

    lines = said(board.snapshot(), age_s=3.0).splitlines()

    assert lines.count("3 s ago: dropped a message of ann: did not sign this Hello") == 1
    told = [line for line in lines if "speaks version" in line]
    assert len(told) == 1
    assert told[0].endswith("upgrade holder-1")


def test_a_home_in_which_nothing_ran_says_how_to_start() -> None:
    lines = list(why(Reading(HOME, None, problem="no process has run here yet"), {}))

    start = f"start it: quorate coordinator|holder|trainer --home {HOME}"
    assert lines == ["no process has run here yet", start]


def test_a_process_that_hangs_is_no_process_that_waits() -> None:
    assert "its event loop hangs" in said(board_of("ann").snapshot(), age_s=60.0)


def test_holders_and_trainers_tell_what_they_know() -> None:
    board = board_of("ann")
    assert "does what coordinator asks for: nothing was heard" in said(board.snapshot())

    board.heard("coordinator")

    assert "coordinator asks for: last heard of 7 s ago" in said(board.snapshot(), age_s=7.0)


def test_durations_and_names_read_well() -> None:
    shown = [duration(s) for s in (0, 59.4, 60, 200, 3600, 7265, 90_000)]

    assert shown == ["0 s", "59 s", "1 min", "3 min 20 s", "1 h", "2 h 1 min", "1 d 1 h"]
    assert names(()) == "nobody"
    assert names(("a",)) == "a"
    assert names(("a", "b")) == "a and b"
    assert names(tuple("abcdefg")) == "a, b, c, d, e and 2 more"


def test_whose_turn_it_is_is_told_and_how_many_of_them_are_awaited() -> None:
    now = collecting("ann", "bob")
    board = board_of("coordinator")
    began = RoundBegan(job="sum", number=1, dimension=2, asked=4, drawn=(2,), batches=3)
    board.take(began)
    board.take(now.gathering.progress(0.0))

    lines = list(why(Reading(HOME, board.snapshot(), running=True), {}))

    assert (
        "it asks 4 of 5 trainers, those of batch 2 of 3; the others have nothing to do in it, and "
        "nobody waits for them"
    ) in lines
    assert any("2 of 4 trainers have one, the minimum is 3 of each batch" in line for line in lines)


def test_a_round_that_asks_everybody_says_nothing_of_batches() -> None:
    assert not any("batch" in line for line in why(collecting("ann").reading(), {}))
