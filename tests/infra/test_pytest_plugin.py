"""The plugin for pytest: what a test of one's own gets from `quorate_simulation`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.chaos.reproduction import Reproduction
from infra.cli.main import app
from infra.simulation.ghost import Rule

ROOT = Path(__file__).parents[2]
CAST = "[cast]\ntrainers = 4\nholders = 3\nthreshold = 2\nminimum = 3\ntraining_s = 0.5\n"
SCENARIO = f"""
[scenario]
title = "Small"
shows = "A kill."

{CAST}
[run]
rounds = 3

[[fault]]
do = "kill"
who = "holder-2"
round = 2
step = "vote"
"""
JOB = """
[job]
name = "j"
algorithm = "probe"
max_rounds = 3

[federation]
broker = "memory"
holders = 3
threshold = 2
minimum = 3

[[owner]]
name = "north"

[[owner]]
name = "west-wing"

[[owner]]
name = "south"
"""
PLANTED = """
import pytest
from protocols.secagg.contributing import Contributing

@pytest.fixture(autouse=True)
def planted(monkeypatch):
    monkeypatch.setattr(Contributing, "restore", lambda self, records: None)
"""


@pytest.fixture(autouse=True)
def own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("COLUMNS", "200")
    # Where one of the last two is set, pytest repeats the whole text of a failure in its summary.
    for name in ("PYTEST_ADDOPTS", "CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    """Run pytest as its user does, in a process of its own, with warnings as errors."""
    plain = ("-p", "quorate_pytest", "-p", "no:cacheprovider", "-W", "error")
    return pytester.runpytest_subprocess(*plain, *words, timeout=600)


def run_plain(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    """Run pytest without the plugin for coroutines, which warns where it is not configured."""
    return run(pytester, "-p", "no:asyncio", *words)


def commands(result: pytest.RunResult) -> list[list[str]]:
    """Return what the output says is to be typed, without the program's name."""
    text = result.stdout.str()
    return [line.split()[1:] for line in re.findall(r"^again: (quorate .*)$", text, re.MULTILINE)]


def test_a_scenario_is_played_from_a_file_a_text_a_dictionary_and_the_gallery(
    pytester: pytest.Pytester,
) -> None:
    pytester.makefile(".toml", small=SCENARIO)
    pytester.makepyfile(
        f"""
        import tomllib
        from pathlib import Path
        TEXT = {SCENARIO!r}

        def test_ways(quorate_simulation):
            asked = ["small.toml", Path("small.toml"), TEXT, tomllib.loads(TEXT)]
            outcomes = [quorate_simulation.play(one, seeds=2, first=4) for one in asked]
            assert len({{each.digest for each in outcomes}}) == 1
            assert (outcomes[0].seeds, outcomes[0].completed, outcomes[0].abandoned) == (2, 6, 0)
            assert [story.seed for story in outcomes[0].stories] == [4, 5]
            assert outcomes[0].report.strikes == {{"kill": 2}}

        def test_gallery(quorate_simulation):
            assert quorate_simulation.play("holder-dies-in-vote", seeds=1).completed > 1

        def test_swarm(quorate_simulation):
            tally = quorate_simulation.swarm(seeds=2, first=10)
            assert sorted(tally.digests) == [10, 11]
            assert not tally.failing
        """
    )

    result = run_plain(pytester)

    result.assert_outcomes(passed=3)


def test_the_number_of_histories_is_the_tests_the_ini_files_or_the_command_lines(
    pytester: pytest.Pytester,
) -> None:
    pytester.makefile(".toml", small=SCENARIO)
    pytester.makeini("[pytest]\nquorate_seeds = 2\n")
    pytester.makepyfile(
        """
        def test_numbers(quorate_simulation):
            print("NAMED", quorate_simulation.play("small.toml", seeds=1).seeds)
            print("LEFT OUT", quorate_simulation.play("small.toml").seeds)
            print("SWARM", quorate_simulation.swarm(cast={"trainers": 3, "holders": 3,
                  "threshold": 2, "minimum": 3, "training_s": 0.5}).seeds)
        """
    )

    plain = run_plain(pytester, "-s")
    more = run_plain(pytester, "-s", "--quorate-seeds", "3", "--quorate-jobs", "2")

    plain.stdout.fnmatch_lines(["*NAMED 1", "LEFT OUT 2", "SWARM 2"])
    more.stdout.fnmatch_lines(["*NAMED 3", "LEFT OUT 3", "SWARM 3"])


def test_a_job_file_of_ones_own_is_played_with_its_owners_names(
    pytester: pytest.Pytester,
) -> None:
    folder = pytester.mkdir("deep")
    (folder / "job.toml").write_text(JOB, encoding="utf-8")
    (folder / "test_mine.py").write_text(
        """
HEAD = {"scenario": {"title": "Mine", "shows": "It."}, "run": {"rounds": 2}}
CAST = {"job": "job.toml", "training_s": 0.5}
KILL = {"do": "kill", "who": "west-wing", "round": 1, "step": "upload"}

def test_mine(quorate_simulation):
    outcome = quorate_simulation.play({**HEAD, "cast": CAST, "fault": [KILL]}, seeds=1)
    assert [strike.target for strike in outcome.stories[0].strikes] == ["west-wing"]
    assert outcome.stories[0].complete[0].survivors == ("north", "west-wing", "south")

def test_swarm(quorate_simulation):
    assert quorate_simulation.swarm(CAST, seeds=2).seeds == 2

def test_too_much_is_expected(quorate_simulation):
    expect = {"completed_at_most": 1}
    quorate_simulation.play({**HEAD, "cast": CAST, "fault": [], "expect": expect}, seeds=1)
""",
        encoding="utf-8",
    )

    result = run_plain(pytester, "--quorate-keep", "kept")

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["! seed 0: 2 rounds complete, not 1 or fewer"])
    # A scenario that has no file gets one, and finds the job from wherever it is played.
    (words,) = commands(result)
    assert Path(words[1]).is_relative_to(pytester.path / "kept")
    assert tomllib.loads(Path(words[1]).read_text("utf-8"))["cast"]["job"] == str(
        folder / "job.toml"
    )
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 1
    assert "! seed 0: 2 rounds complete, not 1 or fewer" in ended.stdout


def test_a_broken_rule_fails_the_test_with_its_story_and_a_file_to_replay(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeini("[pytest]\nquorate_keep = kept\n")
    pytester.makeconftest(PLANTED)
    pytester.makepyfile(
        test_mine=f"""
        TEXT = {SCENARIO!r}.replace("holder-2", "trainer-2").replace('"vote"', '"upload"')

        def test_swarm(quorate_simulation):
            quorate_simulation.swarm(seeds=1, first=1)

        def test_play(quorate_simulation):
            quorate_simulation.play(TEXT, seeds=2)
        """
    )

    result = run_plain(pytester)

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "1 of 1 histories broke a rule",
            f"seed 1 broke a rule: *{Rule.ONE_CONTRIBUTION.value}*",
            "*  seconds  round and step *",
            "*! t??: *",
            f"*X t??: {Rule.ONE_CONTRIBUTION.value}*",
            "again: quorate chaos replay *seed-1.json",
            "2 of 2 histories of scenario failed",
            "again: quorate chaos *scenario.toml --seed 0",
            "and in the same way: scenario seed 1",
            "again: quorate chaos replay *scenario-seed-0.json",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    swarm, scenario, played = commands(result)
    for words, name in ((swarm, "test_swarm"), (scenario, "test_play"), (played, "test_play")):
        assert Path(words[-1] if words[1] == "replay" else words[1]).parent == (
            pytester.path / "kept" / f"test_mine.py-{name}"
        )
    kept = Reproduction.read(Path(swarm[-1]))
    assert (kept.seed, len(kept.plan.faults)) == (1, 1)
    # Without the planted bug it is mended.
    assert CliRunner().invoke(app, swarm).exit_code == 0
    assert CliRunner().invoke(app, played).exit_code == 0


def test_what_can_not_be_played_is_told_in_sentences(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio

        def test_missing(quorate_simulation):
            quorate_simulation.play("nowhere.toml")

        def test_mistakes(quorate_simulation):
            quorate_simulation.play("[scenario]\\ntitle = 3\\n")

        def test_syntax(quorate_simulation):
            quorate_simulation.play("[scenario\\n")

        def test_none(quorate_simulation):
            quorate_simulation.swarm(seeds=0)

        def test_loop(quorate_simulation):
            async def within():
                quorate_simulation.swarm(seeds=1)
            asyncio.run(within())
        """
    )

    result = run_plain(pytester)
    wrong = run_plain(pytester, "--quorate-seeds", "none")

    result.assert_outcomes(failed=5)
    result.stdout.fnmatch_lines(
        [
            "*nowhere.toml: can't be read*",
            "scenario.title: 3 is *",
            "scenario, line 1, column *",
            "seeds: 0 histories show nothing; ask for 1 or more",
            "a simulation has a loop of its own: write the test as def, not as async def",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    wrong.stderr.fnmatch_lines(["*--quorate-seeds: invalid*'none'*"])


def test_a_number_in_the_ini_file_that_is_none_is_told_so(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nquorate_seeds = many\n")
    pytester.makepyfile("def test_it(quorate_simulation): pass")

    result = run_plain(pytester)

    result.stdout.fnmatch_lines(["*quorate_seeds: 'many' is no number above 0"])
    assert result.ret != 0


def test_who_does_not_use_it_pays_nothing(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import sys
        BEFORE = set(sys.modules)

        def pytest_unconfigure():
            ours = ("infra", "actors", "protocols", "numpy", "numba", "msgspec")
            print("LOADED", sorted(name for name in ours if name in sys.modules))
        """
    )
    pytester.makepyfile("def test_it(): pass")

    result = run_plain(pytester, "-s")
    alone = subprocess.run(
        [sys.executable, "-c", "import pytest, sys; before = set(sys.modules)\n"
         "import quorate_pytest; print(*sorted(set(sys.modules) - before))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["LOADED []"])
    assert alone.stdout.split() == ["quorate_pytest"]


def test_the_entry_point_is_called_as_the_module_so_that_either_way_loads_it_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

    assert project["project"]["entry-points"]["pytest11"] == {"quorate_pytest": "quorate_pytest"}
    assert "quorate_pytest" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_a_folder_that_hides_our_packages_is_told_to_those_who_use_it_only(
    pytester: pytest.Pytester,
) -> None:
    pytester.mkpydir("infra")
    pytester.makepyfile(
        """
        def test_other(): pass
        def test_it(quorate_simulation): pass
        """
    )
    pytester.makeini("[pytest]\npythonpath = .\n")

    result = run_plain(pytester)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*No module named 'infra.origins'"])


def test_the_example_runs(pytester: pytest.Pytester) -> None:
    result = run(pytester, str(ROOT / "examples" / "breast_cancer"), "--quorate-seeds", "2")

    # Of two histories, eight rounds each, not forty.
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*(16, 0) == *"])
