"""Scenarios on real processes: what is possible, how fast, when faults strike. No broker here."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fakes.actor_rig import in_virtual_time
from fakes.noted_stage import Scene
from fakes.round_parts import COORDINATOR, HOLDERS, ROSTER, TRAINERS, config_of, opening
from typer.testing import CliRunner

from infra.chaos import gallery
from infra.chaos.cells import Moment, Party
from infra.chaos.drill_job import drill_job
from infra.chaos.real.director import Director
from infra.chaos.real.history import acts_of
from infra.chaos.real.possible import IMPOSSIBLE, obstacles
from infra.chaos.real.theatre import RealBroker, job_of
from infra.chaos.scenario import People, Script, load_scenario
from infra.chaos.scenario.actions import ACTIONS
from infra.chaos.scenario.steps import aim_of
from infra.chaos.sightings import Sighting, Watch
from infra.cli.main import app
from infra.rabbitmq import policy
from infra.rabbitmq.address import BrokerAddress
from infra.simulation.faults import Fault, Kind
from protocols import messages as m
from protocols.reports import RoundBegan

CAST = """
[scenario]
title = "A test"
shows = "What a test shows."

[cast]
trainers = 5
holders = 3
threshold = 2
minimum = 4
training_s = 3

[run]
rounds = 4
limit_s = 400
"""
NAMES = (COORDINATOR, *HOLDERS, *TRAINERS)
PEOPLE = People(
    {**{name: name for name in NAMES}, "broker": ""},
    {
        COORDINATOR: Party.COORDINATOR,
        "broker": Party.BROKER,
        **dict.fromkeys(HOLDERS, Party.HOLDER),
        **dict.fromkeys(TRAINERS, Party.TRAINER),
    },
    {"everybody": NAMES, "holders": HOLDERS, "trainers": TRAINERS},
)


def script(folder: Path, text: str) -> Script:
    path = folder / "it.toml"
    path.write_text(CAST + text, encoding="utf-8")
    return load_scenario(path)


def theatre(**other: Any) -> RealBroker:
    return RealBroker(Path("/nowhere"), **other)


# --- what is possible -----------------------------------------------------------------


def test_each_action_can_be_done_for_real_or_has_a_reason_why_not(tmp_path: Path) -> None:
    done = acts_of(Scene(tmp_path).crew).keys()

    for word, action in ACTIONS.items():
        assert (action.kind in done) is not (action.kind in IMPOSSIBLE), word


def test_what_is_not_possible_is_told_with_its_place_and_the_reason(tmp_path: Path) -> None:
    written = script(
        tmp_path,
        """
[messages]
doubled = 0.1
overtaken = 1.0

[[fault]]
do = "kill"
who = "holder-1"
round = 1

[[fault]]
do = "drift-clock"
who = "trainer-1"
round = 2

[[fault]]
do = "slow"
who = ["holder-2", "trainer-1"]
round = 2

[[fault]]
do = "damage-journal"
who = "holder-2"
round = 3
for_s = 61
""",
    )

    messages, clock, slow, journal = theatre().obstacles(written)

    assert messages.startswith("messages (doubled, overtaken): ")
    assert clock.startswith('fault[2] "drift-clock": ')
    assert slow.startswith('fault[3] "slow": only training')
    assert journal.startswith('fault[4] "damage-journal": 15.25 real seconds')
    assert len(theatre(pace=5.0).obstacles(written)) == 3, "twelve seconds are fine"


def test_a_roster_that_no_job_may_have_and_too_many_processes_are_told(tmp_path: Path) -> None:
    text = '\n[[fault]]\ndo = "other-roster"\nwho = "trainer-2"\nround = 1\n'
    few = CAST.replace("trainers = 5", "trainers = 4")
    many = CAST.replace("trainers = 5", "trainers = 37")
    (tmp_path / "few.toml").write_text(few + text, encoding="utf-8")
    (tmp_path / "many.toml").write_text(many, encoding="utf-8")

    (roster,) = theatre().obstacles(load_scenario(tmp_path / "few.toml"))
    (cast,) = theatre().obstacles(load_scenario(tmp_path / "many.toml"))

    assert roster.startswith('fault[1] "other-roster": ')
    assert cast == "cast: 41 actors; there are at most 40 real processes"
    assert obstacles(theatre().fitted(script(tmp_path, text))) == ()


def test_most_of_the_gallery_is_possible() -> None:
    scripts = [gallery.scenario(name) for name in gallery.names()]

    not_possible = [each.name for each in scripts if theatre().obstacles(each)]

    assert not_possible == ["bad-network", "wrong-clocks"]


# --- how fast -------------------------------------------------------------------------

TIMES = """
[[fault]]
do = "pause"
who = "trainer-1"
at_s = 40
every_s = 200
for_s = 20

[[fault]]
do = "old-backup"
who = "holder-1"
round = 2
after_s = 2
amount = 8

[[fault]]
do = "slow"
who = "trainer-2"
round = 3

[expect]
recovered_within_s = 60
completed_at_least = 3
"""


def test_all_times_are_divided_and_bounds_get_their_slack(tmp_path: Path) -> None:
    fitted = theatre(pace=4.0).fitted(script(tmp_path, TIMES))

    pause, backup, slow = fitted.blows
    assert (pause.times_s, pause.for_s) == ((10.0, 60.0), 5.0)
    assert (backup.after_s, backup.for_s, backup.amount) == (0.5, 0.5, 2.0)
    assert (slow.for_s, slow.amount) == (7.5, 10.0), "ten times as long stays ten times"
    assert (fitted.size.training_s, fitted.limit_s) == (0.75, 100.0)
    assert fitted.expect.recovered_within_s == 60 / 4 + 20
    assert fitted.expect.everybody_within_s is None
    assert (fitted.expect.completed_at_least, fitted.rounds) == (3, 4)


def test_a_history_ends_after_its_minutes(tmp_path: Path) -> None:
    written = script(tmp_path, TIMES)

    assert theatre(pace=1.0, minutes=2.0).fitted(written).limit_s == 120.0
    assert theatre(pace=1.0, minutes=20.0).fitted(written).limit_s == 400.0


def test_people_have_the_names_of_real_actors(tmp_path: Path) -> None:
    people = theatre().fitted(script(tmp_path, "")).people

    assert people.hosts["holder-2"] == "holder-2"
    assert people.label("trainer-3") == "trainer-3"
    assert people.party("") is Party.BROKER


async def test_the_job_has_the_cast_of_the_scenario(tmp_path: Path) -> None:
    fitted = theatre(pace=4.0).fitted(script(tmp_path, TIMES))

    job, casting = await drill_job(
        tmp_path, BrokerAddress.parse("amqp://a:b@127.0.0.1:1/"), job_of(fitted, 4.0)
    )

    plan, roster = casting.assignment.plan, casting.roster
    assert roster.trainers == fitted.people.groups["trainers"]
    assert roster.holders == fitted.people.groups["holders"]
    assert (plan.threshold, plan.minimum, plan.vote) == (2, 4, True)
    assert plan.timing.patience_s == 4.0
    assert job.limits.compute_s == 17.5, "so long that slow training is not taken for hanging"
    assert all(owner.data is not None and owner.data.exists() for owner in job.owners)


def test_a_coordinator_waits_for_those_who_have_to_find_a_broker_again(tmp_path: Path) -> None:
    restart = '\n[[fault]]\ndo = "restart"\nround = 2\n'
    calm, away = script(tmp_path, ""), script(tmp_path, restart)

    assert job_of(theatre(pace=2.0).fitted(calm), 2.0).patience_s == 6.0
    assert job_of(theatre(pace=4.0).fitted(calm), 4.0).patience_s == 4.0
    assert job_of(theatre(pace=4.0).fitted(away), 4.0).patience_s == policy.TRAINERS.longest_wait_s


# --- when faults strike ---------------------------------------------------------------

CONFIG = config_of(number=4)


def began(number: int) -> RoundBegan:
    return RoundBegan(job="sum", number=number, dimension=200)


def fault(target: str, step: str = "", **other: Any) -> Fault:
    aim = None
    if step:
        aim = aim_of(PEOPLE.party(target), Moment(step), "before", coordinator=COORDINATOR)
    return Fault(kind=Kind.CRASH, at_s=other.pop("at_s", 0.0), target=target, aim=aim, **other)


class Told:
    """A director, and what it lets strike at which time."""

    def __init__(self, *faults: Fault) -> None:
        self.struck: list[tuple[float, str]] = []
        watch = Watch(ROSTER, threshold=3)
        self.director = Director(PEOPLE, faults, watch, self._strike)
        self.director.see(Sighting(COORDINATOR, HOLDERS[0], opening(config_of(number=4))))

    def _strike(self, fault: Fault) -> None:
        self.struck.append((asyncio.get_running_loop().time(), fault.target))


def test_faults_of_the_run_and_of_rounds_strike_at_their_time() -> None:
    async def history() -> list[tuple[float, str]]:
        told = Told(
            fault("holder-1", at_s=7.0),
            fault("holder-2", at_s=1.0, round=2),
            fault("holder-3", round=3),
        )
        await asyncio.sleep(100)
        for number in (1, 2, 2, 4):
            told.director.told(began(number))
            await asyncio.sleep(5)
        return told.struck

    assert in_virtual_time(history()) == [
        (106.0, "holder-2"),
        (107.0, "holder-1"),
        (115.0, "holder-3"),
    ]


def vote(holder: str, number: int = 4) -> Sighting:
    cid = config_of(number=number).cid()
    return Sighting(holder, COORDINATOR, m.Vote(cid=cid, set_digest=bytes(32)))


async def test_a_fault_in_a_step_strikes_once_in_its_round_at_its_victim() -> None:
    told = Told(fault("holder-2", "vote", round=4), fault("holder-3", "vote", round=5))

    for sighting in (vote("holder-1"), vote("holder-2"), vote("holder-2"), vote("holder-3")):
        told.director.see(sighting)

    assert [name for _, name in told.struck] == ["holder-2"]


async def test_nothing_strikes_after_the_end() -> None:
    told = Told(fault("holder-2", "vote", round=4), fault("holder-1", at_s=0.0))
    told.director.told(began(1))

    told.director.end()
    told.director.see(vote("holder-2"))
    await asyncio.sleep(0.01)

    assert told.struck == []


# --- as it is typed -------------------------------------------------------------------


def chaos(*words: str) -> tuple[int, list[dict[str, Any]]]:
    ended = CliRunner().invoke(app, ["chaos", *words])
    return ended.exit_code, [json.loads(line) for line in ended.stdout.splitlines()]


def test_a_scenario_that_is_not_possible_is_refused_with_the_faults_that_are_why() -> None:
    code, lines = chaos("wrong-clocks", "--real", "--json")

    assert code == 2
    assert [text.partition(":")[0] for text in lines[0]["problems"]] == [
        'fault[1] "jump-clock"',
        'fault[2] "drift-clock"',
        'fault[3] "drift-clock"',
    ]


def test_what_of_the_gallery_is_not_possible_is_listed_in_the_lines_and_on_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gallery, "names", lambda: ("bad-network", "wrong-clocks"))
    page = tmp_path / "report.html"

    code, lines = chaos("gallery", "--run", "--real", "--json", "--html", str(page))

    *told, summary = lines
    assert code == 0
    assert [(line["scenario"], line["outcome"]) for line in told] == [
        ("bad-network", "not playable"),
        ("wrong-clocks", "not playable"),
    ]
    assert summary["not_playable"] == ["bad-network", "wrong-clocks"]
    assert "a TCP connection loses, doubles and reorders no message" in page.read_text()


@pytest.mark.parametrize(
    "words",
    [
        ("calm", "--real", "--jobs", "2"),
        ("calm", "--pace", "2"),
        ("calm", "--minutes", "2"),
        ("calm", "--real", "--pace", "0"),
        ("--real", "--pace", "2"),
        ("--seeds", "2", "--pace", "2"),
        ("gallery", "--real"),
        ("gallery", "--run", "--pace", "2"),
        ("gallery", "--run", "--real", "--jobs", "2"),
        ("gallery", "--html", "it.html"),
        ("gallery", "--run", "--html", "/nowhere/at/all.html"),
    ],
)
def test_words_that_make_no_sense_are_refused(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["chaos", *words]).exit_code == 2
