"""Scenario files: what they stand for, and every mistake at once with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.chaos.cells import Moment, Party
from infra.chaos.scenario import Script, load_scenario, plan_of
from infra.chaos.scenario.actions import ACTIONS, WORDS
from infra.chaos.scenario.schema import SECTIONS
from infra.chaos.scenario.steps import aim_of, moment_of
from infra.config import ConfigError
from infra.simulation.faults import ANYBODY, Aim, Kind, Plan, Point

HEAD = """
[scenario]
title = "A test"
shows = "What a test shows."
"""
CAST = """
[cast]
trainers = 10
holders = 5
threshold = 3
minimum = 4
"""
RUN = """
[run]
rounds = 6
limit_s = 300
"""
JOB = """
[job]
name = "clinics"
algorithm = "probe"
max_rounds = 3

[federation]
broker = "memory"
holders = 4
threshold = 3
minimum = 3
vote = false

[[owner]]
name = "north"

[[owner]]
name = "south"

[[owner]]
name = "west-wing"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def scenario(folder: Path, *parts: str) -> Script:
    path = folder / "it.toml"
    path.write_text("\n".join(parts), encoding="utf-8")
    return load_scenario(path)


def problems(folder: Path, *parts: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        scenario(folder, *parts)
    return refused.value.problems


def fault(**keys: str) -> str:
    return "\n[[fault]]\n" + "\n".join(f"{key} = {value}" for key, value in keys.items())


# --- what a file stands for -----------------------------------------------------------


def test_a_kill_in_a_step_of_a_round_is_one_aimed_crash(folder: Path) -> None:
    blow = fault(do='"kill"', who='"holder-2"', round="3", step='"vote"', for_s="20")

    plan = plan_of(scenario(folder, HEAD, CAST, RUN, blow), 0)

    (planned,) = plan.faults
    assert (planned.kind, planned.target, planned.round) == (Kind.CRASH, "h2", 3)
    assert planned.aim == Aim(point=Point.BEFORE_SEND, what="Vote")
    assert (planned.duration_s, plan.rounds, plan.faulty_s) == (20.0, 6, 300.0)
    assert (plan.size.trainers, plan.size.holders, plan.size.threshold) == (10, 5, 3)


def test_a_share_of_the_trainers_is_drawn_anew_for_each_round_and_seed(folder: Path) -> None:
    blow = fault(do='"kill"', who='"trainers"', share="0.3", round='"every"')
    script = scenario(folder, HEAD, CAST, RUN, blow)

    plans = [plan_of(script, seed) for seed in range(3)]

    for plan in plans:
        chosen = [[f.target for f in plan.faults if f.round == k] for k in range(1, 7)]
        assert [len(dict.fromkeys(names)) for names in chosen] == [3] * 6
        assert len({tuple(names) for names in chosen}) > 1
    assert len({plan.faults for plan in plans}) == 3
    assert plans[1] == plan_of(script, 1)
    assert Plan.from_json(plans[1].to_json()) == plans[1]


def test_a_chance_decides_for_each_target(folder: Path) -> None:
    blow = fault(do='"cut"', who='"trainers"', chance="0.5", round='"every"')
    script = scenario(folder, HEAD, CAST, RUN, blow)

    counts = [len(plan_of(script, seed).faults) for seed in range(20)]

    assert len(set(counts)) > 3
    assert 20 * 60 * 0.4 < sum(counts) < 20 * 60 * 0.6


def test_a_fault_does_not_change_what_is_drawn_for_the_others(folder: Path) -> None:
    one = fault(do='"kill"', who='"trainers"', count="2", round="2")
    two = fault(do='"cut"', who='"trainers"', count="2", round="2")

    alone = plan_of(scenario(folder, HEAD, CAST, RUN, one), 4).faults
    both = plan_of(scenario(folder, HEAD, CAST, RUN, one, two), 4).faults

    assert [f for f in both if f.kind is Kind.CRASH] == list(alone)


def test_groups_times_and_repetition(folder: Path) -> None:
    groups = '\n[groups]\nwest = ["holder-1", "trainer-2"]\n'
    blow = fault(do='"partition"', who='["west", "coordinator"]', at_s="20", every_s="100")

    faults = plan_of(scenario(folder, HEAD, CAST, RUN, groups, blow), 0).faults

    assert {(f.target, f.at_s) for f in faults} == {
        (name, at_s) for name in ("h1", "t02", "coordinator") for at_s in (20.0, 120.0, 220.0)
    }
    assert {f.duration_s for f in faults} == {15.0}


def test_the_cast_may_come_from_a_job_file_and_owners_keep_their_names(folder: Path) -> None:
    (folder / "job.toml").write_text(JOB, encoding="utf-8")
    blow = fault(do='"kill"', who='"west-wing"', round="2", step='"upload"')

    script = scenario(folder, HEAD, '[cast]\njob = "job.toml"\n', RUN, blow)

    size = script.size
    assert (size.trainers, size.holders, size.threshold, size.minimum) == (3, 4, 3, 3)
    assert size.vote is False
    assert [f.target for f in plan_of(script, 0).faults] == ["t03"]


def test_the_dead_stay_dead_while_a_round_can_do_without_them(folder: Path) -> None:
    def die(names: str) -> str:
        return fault(do='"die"', who=names, round="1")

    few = plan_of(scenario(folder, HEAD, CAST, RUN, die('["holder-1", "holder-2"]')), 0)
    many = plan_of(
        scenario(folder, HEAD, CAST, RUN, die('["holder-1", "holder-2", "holder-3"]')), 0
    )

    assert "h1" not in few.core
    assert len(few.core) == 14
    assert many.core == ()


@pytest.mark.parametrize("party", Party)
@pytest.mark.parametrize("moment", Moment)
def test_every_step_can_be_aimed_at_for_every_party_and_is_known_again(
    party: Party, moment: Moment
) -> None:
    for side in ("before", "after"):
        aim = aim_of(party, moment, side, coordinator="coordinator")

        assert moment_of(party, aim) is moment
        assert aim.by in ("", ANYBODY, "coordinator")
        if party is Party.BROKER:
            assert aim.by


def test_there_is_a_word_for_every_class_of_fault() -> None:
    aimed = {Kind.CRASH_AT_COMMIT, Kind.CRASH_AT_SEND}  # a kill in a step

    assert set(WORDS) == set(Kind) - aimed
    assert len(ACTIONS) == len(WORDS)


# --- mistakes -------------------------------------------------------------------------


def test_every_mistake_is_told_at_once_with_its_place(folder: Path) -> None:
    found = problems(
        folder,
        '[scenario]\ntitle = "x"\n',
        '[cast]\ntrainers = 5\nholders = 3\nthreshold = 4\nminimum = 9\nvote = "no"\n',
        "[run]\nrounds = 0\n[grups]\na = 1\n",
        fault(do='"kil"', who='"holder-9"', round="2"),
        fault(do='"kill"', who='"trainer-1"', at_s="3", step='"vote"'),
        "[expect]\ncompleted_at_leas = 3\n",
    )

    assert found == [
        'grups: unknown at the top of the file; did you mean "groups"?',
        'scenario.shows: missing; add shows = "The round opens without it."',
        'cast.vote: "no" is not true or false, without quotes; write for example vote = true',
        "cast.threshold: threshold 4 is above the 3 holders; use 2 to 3",
        "cast.minimum: 9 is above the 5 trainers, so no sum would ever be opened; use 5 or less",
        "run.rounds: 0 is too small; use 1 or more",
        'expect.completed_at_leas: unknown key; did you mean "completed_at_least"?',
        'fault[1].do: "kil" is nothing that can be done; did you mean "kill"?',
        'fault[1].who: "holder-9" is nobody of this cast; did you mean "holder-3"?',
        "fault[2].step: belongs to round; remove it, or at_s",
    ]


SENSELESS: list[tuple[dict[str, str], str]] = [
    ({"do": '"kill"', "round": "2"}, "fault[1].who: missing"),
    ({"do": '"restart"', "who": '"holder-1"', "round": "2"}, "fault[1].who: "),
    ({"do": '"die"', "who": '"coordinator"', "round": "2"}, "fault[1].who: "),
    ({"do": '"lying-disk"', "who": '"everybody"', "round": "2"}, "fault[1].who: "),
    ({"do": '"kill"', "who": '"trainers"'}, "fault[1].round: say when"),
    ({"do": '"kill"', "who": '"trainers"', "round": "2", "at_s": "3"}, "fault[1].round: "),
    ({"do": '"kill"', "who": '"trainers"', "round": "7"}, "fault[1].round: 7 is above"),
    ({"do": '"kill"', "who": '"trainers"', "round": '"some"'}, "fault[1].round: "),
    ({"do": '"kill"', "who": '"trainers"', "round": "true"}, "fault[1].round: "),
    ({"do": '"kill"', "who": '"trainers"', "at_s": "300"}, "fault[1].at_s: 300 is after"),
    ({"do": '"kill"', "who": "[]", "round": "2"}, "fault[1].who: "),
    ({"do": '"kill"', "who": '"holders"', "count": "6", "round": "2"}, "fault[1].count: 6"),
    (
        {"do": '"kill"', "who": '"holders"', "count": "1", "share": "0.5", "round": "2"},
        "fault[1].count: share is given too",
    ),
    ({"do": '"cut"', "who": '"holder-1"', "for_s": "2", "round": "2"}, "fault[1].for_s: "),
    ({"do": '"kill"', "who": '"holder-1"', "amount": "2", "round": "2"}, "fault[1].amount: "),
    (
        {"do": '"kill"', "who": '"holder-1"', "every_s": "2", "round": "2"},
        "fault[1].every_s: belongs to at_s",
    ),
    (
        {"do": '"kill"', "who": '"holder-1"', "side": '"after"', "round": "2"},
        "fault[1].side: belongs to step",
    ),
    (
        {
            "do": '"kill"',
            "who": '"holder-1"',
            "side": '"after"',
            "round": "2",
            "step": '"upload"',
        },
        "fault[1].side: in upload, holder-1 only listens",
    ),
    (
        {
            "do": '"kill"',
            "who": '"holder-1"',
            "after_s": "1",
            "round": "2",
            "step": '"upload"',
        },
        "fault[1].after_s: step says when already",
    ),
]


@pytest.mark.parametrize(("keys", "problem"), SENSELESS)
def test_what_makes_no_sense_in_a_fault_is_refused(
    folder: Path, keys: dict[str, str], problem: str
) -> None:
    (found,) = problems(folder, HEAD, CAST, RUN, fault(**keys))

    assert found.startswith(problem)
    assert ";" in found or "," in found, "it says what to do"


def test_a_vote_can_not_be_aimed_at_where_there_is_none(folder: Path) -> None:
    blow = fault(do='"kill"', who='"holder-1"', round="2", step='"vote"')

    found = problems(folder, HEAD, CAST + "vote = false\n", RUN, blow)

    assert found == ["fault[1].step: there is no vote in this cast; use open"]


def test_a_vote_can_not_be_aimed_at_where_the_job_has_none(folder: Path) -> None:
    (folder / "job.toml").write_text(JOB, encoding="utf-8")
    blow = fault(do='"kill"', who='"holder-1"', round="2", step='"vote"')

    found = problems(folder, HEAD, '[cast]\njob = "job.toml"\n', RUN, blow)

    assert found == ["fault[1].step: there is no vote in this cast; use open"]


def test_a_job_with_mistakes_and_numbers_beside_a_job_are_refused(folder: Path) -> None:
    (folder / "job.toml").write_text(JOB.replace("holders = 4", "holders = 0"), encoding="utf-8")

    found = problems(folder, HEAD, '[cast]\njob = "job.toml"\ntrainers = 5\n', RUN)

    assert found == [
        "cast.trainers: stands in the job file too; remove it, or remove job",
        "cast.job: job.toml: federation.holders: 0 is too small; use 1 or more",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('holders = ["holder-1"]', "groups.holders: the name of somebody else"),
        ('west = ["holder-7"]', 'groups.west: "holder-7" is nobody of this cast'),
        ('west = ["broker"]', "groups.west: the broker belongs to no group"),
        ("west = []", "groups.west: [] is no list of names"),
    ],
)
def test_groups_are_checked(folder: Path, text: str, problem: str) -> None:
    (found,) = problems(folder, HEAD, CAST, RUN, f"\n[groups]\n{text}\n")

    assert found.startswith(problem)


def test_expectations_that_can_not_come_true_are_refused(folder: Path) -> None:
    expect = "\n[expect]\ncompleted_at_least = 7\ncompleted_at_most = 2\nsurvivors_at_least = 11\n"

    found = problems(folder, HEAD, CAST, RUN, expect)

    assert [text.split(":")[0] for text in found] == [
        "expect.completed_at_least",
        "expect.completed_at_most",
        "expect.survivors_at_least",
    ]


def test_what_is_no_scenario_file_is_told_as_such(folder: Path) -> None:
    assert problems(folder, "[scenario") == [
        f"{folder / 'it.toml'}, line 1, column 10: Expected ']' at the end of a table "
        f"declaration; correct the TOML there"
    ]
    with pytest.raises(ConfigError, match="can't be read"):
        load_scenario(folder / "none.toml")
    with pytest.raises(ConfigError, match="name the scenario file itself"):
        load_scenario(folder)


def test_too_many_strikes_are_refused(folder: Path) -> None:
    blow = fault(do='"cut"', who='"everybody"', at_s="0", every_s="0.1")

    found = problems(folder, HEAD, CAST, RUN, blow)

    assert found == ["fault: above 20000 strikes in all; choose fewer rounds or targets"]


def test_the_example_of_the_documentation_is_in_order(folder: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "scenarios.md"
    example = page.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]

    script = scenario(folder, example)

    assert len(script.blows) == 3
    assert plan_of(script, 0).faults


def test_the_documentation_names_every_action_and_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")

    keys = [key for model in SECTIONS.values() for key in model.model_fields]
    missing = [word for word in (*ACTIONS, *keys) if f"`{word}" not in page]
    assert missing == []
