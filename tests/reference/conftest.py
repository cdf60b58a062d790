"""Prints what was compared: `pytest -m reference`."""

from __future__ import annotations

import pytest
from _pytest.terminal import TerminalReporter
from fakes.references import Record

_RECORD = pytest.StashKey[Record]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RECORD] = Record()


@pytest.fixture
def reference(request: pytest.FixtureRequest) -> Record:
    return request.config.stash[_RECORD]


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    record = config.stash.get(_RECORD, Record())
    if record.comparisons:
        terminalreporter.section("federated beside the reference on the pooled rows")
        for line in record.lines():
            terminalreporter.write_line(line)
