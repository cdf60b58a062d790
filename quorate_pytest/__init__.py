"""Quorate's plugin for pytest, with the fixture `quorate_simulation`.

It is no part of the three layers, and imports nothing of them until the fixture is used: pytest
loads it in every run of an environment that has Quorate, whatever is tested there.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from infra.chaos.rehearsal import Rehearsal

_SEEDS = 10


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what can be said of all simulated histories at once."""
    group = parser.getgroup("quorate", "simulated federations")
    group.addoption(
        "--quorate-seeds",
        type=_positive,
        metavar="N",
        help="So many histories for each quorate_simulation, whatever a test says.",
    )
    group.addoption(
        "--quorate-jobs",
        type=_positive,
        default=1,
        metavar="N",
        help="On so many processes; 1 if left out.",
    )
    group.addoption(
        "--quorate-keep",
        metavar="FOLDER",
        help="Where histories are kept that failed; in the test's tmp_path if left out.",
    )
    parser.addini(
        "quorate_seeds",
        f"Histories for a quorate_simulation whose test names no number; {_SEEDS} if left out.",
        default=str(_SEEDS),
    )
    parser.addini("quorate_keep", "As --quorate-keep; from the folder of this file.", default="")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(text)
    return int(text)


@pytest.fixture
def quorate_simulation(request: pytest.FixtureRequest, tmp_path: Path) -> Rehearsal:
    """Whole federations in virtual time: `play` a scenario, or a `swarm` of faults.

    A history that breaks a rule, or is not what its scenario expects, fails the test, which tells
    the story and how to replay it.
    """
    # Half the program comes with it: only those pay for it who use it.
    from infra.origins import check_origins  # noqa: PLC0415

    check_origins()

    from infra.chaos.rehearsal import Rehearsal, Settings  # noqa: PLC0415

    config = request.config
    settings = Settings(
        seeds=_seeds(config),
        always=config.getoption("--quorate-seeds"),
        jobs=config.getoption("--quorate-jobs"),
        folder=request.path.parent,
        keep=_keep(request) or tmp_path,
    )
    return Rehearsal(settings, functools.partial(pytest.fail, pytrace=False))


def _seeds(config: pytest.Config) -> int:
    text = str(config.getini("quorate_seeds"))
    try:
        return _positive(text)
    except ValueError:
        raise pytest.UsageError(f"quorate_seeds: {text!r} is no number above 0") from None


def _keep(request: pytest.FixtureRequest) -> Path | None:
    """Return a folder for this test alone, if one was named for all."""
    config = request.config
    # The end of a long name tells more, and a file system takes no more than this.
    name = re.sub(r"[^\w.-]+", "-", request.node.nodeid)[-120:].strip("-")
    if (typed := config.getoption("--quorate-keep")) is not None:
        return config.invocation_params.dir / str(typed) / name
    if written := str(config.getini("quorate_keep")):
        return (config.inipath.parent if config.inipath else config.rootpath) / written / name
    return None
