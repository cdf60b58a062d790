"""Bytes of whole rounds in memory, counted on the bus, beside the formulas."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.casting import cast, outlook_of
from infra.choosing import setting_of
from infra.config import load_job
from infra.config.auto import Candidate
from infra.federation import Federation
from infra.memory_queue import Sent
from infra.witness import Witness
from protocols.costs.setting import Setting
from protocols.costs.traffic import Traffic, traffic_of
from protocols.messages import ShareChunk, read
from protocols.reports import Event
from protocols.round_config import Roster

OWNERS = 3
# What is sent beside the rounds: greetings, goodbyes, an opening that is sent again.
BESIDE = 6000

JOB = """
[job]
name = "counted"
algorithm = "probe"
max_rounds = 1
[probe]
values = {values}
[federation]
broker = "memory"
holders = {holders}
threshold = {threshold}
minimum = 3
[limits]
resend_s = 600.0
opening_s = 600.0
[secure_sum]
fraction_bits = 10
{summed}
""" + "".join(f'[[owner]]\nname = "site-00{i}"\n' for i in range(OWNERS))


@dataclass(frozen=True)
class Silent:
    """A monitor that takes no notes."""

    def emit(self, event: Event) -> None:
        return


class Counting:
    """Bytes to and from each role, and of shares and bulk alone."""

    def __init__(self, roster: Roster) -> None:
        self.bytes: Counter[str] = Counter()
        self.uploads: Counter[str] = Counter()
        self._roster = roster

    def observe(self, sent: Sent) -> None:
        if sent.recipient == "*":
            return  # a model state
        sender = str(self._roster.role(sent.sender))
        recipient = str(self._roster.role(sent.recipient))
        self.bytes[f"{sender} sends"] += len(sent.body)
        self.bytes[f"{recipient} gets"] += len(sent.body)
        if isinstance(read(sent.body)[1], ShareChunk):
            self.uploads[recipient] += len(sent.body)


async def counted(folder: Path, text: str) -> tuple[Setting, Counting]:
    (folder / "job.toml").write_text(text)
    casting = await cast(load_job(folder / "job.toml"))
    counting = Counting(casting.roster)
    witness = Witness(casting.roster, fraction_bits=10)
    federation = Federation(casting, folder / "homes", Silent(), witness)
    federation.watch(counting.observe)
    ended = await federation.run()
    assert (ended.outcome, ended.completed) == ("max rounds", 1)
    outlook = outlook_of(casting.job, casting.assignment.initial)
    return setting_of(casting.job, Candidate(casting.job.secure_sum), outlook), counting


@pytest.mark.parametrize(
    ("summed", "values", "holders", "threshold"),
    [
        ('field = "p31"', 70_000, 5, 3),
        ("checks = true", 5_000, 7, 3),
        ("seeds = true", 70_000, 4, 3),
        ('suite = "packed"\npacking = 3', 120_000, 6, 5),
        ('suite = "masked"', 120_000, 5, 3),
    ],
)
def test_a_round_takes_the_bytes_that_the_formulas_say(
    tmp_path: Path, summed: str, values: int, holders: int, threshold: int
) -> None:
    text = JOB.format(summed=summed, values=values, holders=holders, threshold=threshold)

    setting, counting = asyncio.run(counted(tmp_path, text))
    traffic = traffic_of(setting)

    # Uploads are most of a round: within a thousandth.
    shares = OWNERS * traffic.trainer_up - OWNERS * 155
    assert sum(counting.uploads.values()) == pytest.approx(shares, rel=1e-3)
    for what, formula in _formulas(traffic, holders).items():
        assert counting.bytes[what] == pytest.approx(formula, rel=0.02, abs=holders * BESIDE), what


def _formulas(traffic: Traffic, holders: int) -> dict[str, int]:
    return {
        "trainer sends": OWNERS * traffic.trainer_up,
        "holder gets": holders * traffic.holder_in,
        "holder sends": holders * traffic.holder_out,
        "coordinator gets": traffic.coordinator_in,
    }
