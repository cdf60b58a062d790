"""A whole federation on the memory bus that asks some of its owners in each round."""

from __future__ import annotations

import json
from collections import defaultdict
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from infra.casting import Casting, cast
from infra.cli.display import LiveDisplay
from infra.cli.session import Result, run_federation, summary
from infra.config import load_job
from infra.federation import Federation
from infra.run_log import as_json, plain
from infra.witness import Sent
from protocols.batches import split
from protocols.messages import Accepted, Announce, CloseRound, ShareChunk, read
from protocols.reports import Event, RoundBegan

JOB = """
[job]
name = "turns"
algorithm = "probe"
max_rounds = 6
[probe]
values = 20
[federation]
broker = "memory"
holders = 3
threshold = 2
minimum = 3
sample = 4
[limits]
opening_s = 20.0
patience_s = 20.0
[secure_sum]
fraction_bits = 10
""" + "".join(f'[[owner]]\nname = "site-{place:02}"\n' for place in range(8))


class Listening:
    """Who was told what by the coordinator, and who answered, by round."""

    def __init__(self, federation: Federation) -> None:
        self.announced: dict[bytes, set[str]] = defaultdict(set)
        self.spoke: dict[bytes, set[str]] = defaultdict(set)
        self.closed: dict[bytes, set[str]] = defaultdict(set)
        self.began: list[RoundBegan] = []
        federation.watch(self.observe)
        federation.listen(self)

    def observe(self, sent: Sent) -> None:
        if sent.recipient == "*":
            return  # a model state
        _, message = read(sent.body)
        match message:
            case Announce():
                self.announced[message.config.cid()].add(sent.recipient)
            case CloseRound():
                self.closed[message.cid].add(sent.recipient)
            case Accepted():
                self.spoke[message.cid].add(sent.sender)
            case ShareChunk():
                self.spoke[message.header.cid].add(sent.sender)

    def emit(self, event: Event) -> None:
        if isinstance(event, RoundBegan):
            self.began.append(event)


class Run:
    """A run of the job, and what was heard of it."""

    def __init__(self, casting: Casting, result: Result, display: LiveDisplay, text: str) -> None:
        self.casting, self.result, self.display, self.text = casting, result, display, text
        self.heard: Listening


@pytest.fixture
async def run(tmp_path: Path) -> Run:
    (tmp_path / "job.toml").write_text(JOB)
    casting = await cast(load_job(tmp_path / "job.toml"))
    heard: list[Listening] = []
    screen = StringIO()
    display = LiveDisplay(Console(file=screen, width=200))
    (tmp_path / "home").mkdir()
    result = await run_federation(
        casting,
        tmp_path / "home",
        display,
        prepare=lambda federation: heard.append(Listening(federation)),
    )
    found = Run(casting, result, display, screen.getvalue())
    (found.heard,) = heard
    return found


async def test_each_round_is_of_one_batch_and_nobody_else_says_a_word(run: Run) -> None:
    batches = split(run.casting.roster, 2)
    everybody = {*run.casting.roster.holders, *run.casting.roster.trainers}

    assert run.result.ended.outcome == "max rounds"
    survivors = run.result.algorithm.result(run.result.state)["survivors_by_round"]
    # Rounds are counted from 1, and round 1 asks the second batch.
    assert survivors == [sorted(batches[number % 2]) for number in range(1, 7)]
    assert len(run.heard.announced) == 6
    for cid, asked in run.heard.announced.items():
        assert asked in batches
        assert run.heard.spoke[cid] == asked
        assert run.heard.closed[cid] == everybody


async def test_events_the_screen_and_the_summary_say_whose_turn_it_was(run: Run) -> None:
    began = [as_json(event) for event in run.heard.began]
    told = summary(run.result, run.display, {})

    assert [(event["asked"], event["drawn"], event["batches"]) for event in began] == [
        (4, (number % 2 + 1,), 2) for number in range(1, 7)
    ]
    assert "round    1  4 of 4 survivors (batch 2 of 2)" in run.text
    assert "round    2  4 of 4 survivors (batch 1 of 2)" in run.text
    assert told["rounds_by_batch"] == {"1 of 2": 3, "2 of 2": 3}
    assert told["dropped_trainers"] == []
    assert json.loads(json.dumps(plain(told)))["rounds"] == 6
