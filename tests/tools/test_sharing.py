"""What several workers do for `make test` is told as if one process had done it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SHARED = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
HAS_A_BROKER = """
import brokers, pytest

@pytest.mark.broker
def test_something():
    brokers._versions.add("{version}")
"""


@pytest.fixture(autouse=True)
def own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.pathsep.join(filter(None, [str(TESTS.parent), str(TESTS)]))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    pytester.makeini("[pytest]\nmarkers = broker: needs a real RabbitMQ\n")
    plugins = ("-p", "brokers", "-p", "sharing", "-p", "no:asyncio", "-p", "no:cacheprovider")
    return pytester.runpytest_subprocess(*plugins, *words, timeout=200)


@pytest.mark.parametrize("ways", [(), SHARED], ids=["alone", "shared"])
def test_brokers_are_counted_and_named_whoever_had_them(
    pytester: pytest.Pytester, ways: tuple[str, ...]
) -> None:
    for name, version in (("one", "3.10.8"), ("other", "4.1.0")):
        pytester.makepyfile(**{f"test_{name}": HAS_A_BROKER.format(version=version)})

    result = run(pytester, *ways)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["2 tests ran against RabbitMQ 3.10.8 and 4.1.0"])


def test_what_takes_long_comes_first_where_several_share_it_and_files_stay_whole(
    pytester: pytest.Pytester,
) -> None:
    for folder in ("actors", "infra", "system"):
        file = pytester.path / "tests" / folder / f"test_{folder}.py"
        file.parent.mkdir(parents=True)
        file.write_text("def test_one():\n    pass\n\ndef test_two():\n    pass\n")

    result = run(pytester, "-n", "1", *SHARED[2:], "-v")

    ran = [line.split("::")[0].split("/")[1] for line in result.outlines if "PASSED" in line]
    assert ran == ["system", "system", "infra", "infra", "actors", "actors"]
