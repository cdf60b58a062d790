"""Tests until the first that fails: `python -m mutants.failing TESTS`, in a copy.

Prints one JSON object as its last line: `caught` is the test that failed and `text` how;
`breakdown` says instead why the code or the tests do not run. What is not so is null.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from . import own_code

_OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "--tb=line")


class _Failures:
    """A plugin of pytest's that remembers the first test that failed, and what it raised."""

    def __init__(self) -> None:
        self.test: str | None = None
        self.kind = ""
        self.text = ""
        self.in_test = False

    def pytest_exception_interact(
        self, node: pytest.Item | pytest.Collector, call: pytest.CallInfo[object]
    ) -> None:
        """Hear of an exception in a test, in what it stands on, or in reading its file."""
        if self.test is None and call.excinfo is not None:
            self.test, self.kind = node.nodeid, call.excinfo.typename
            self.text = str(call.excinfo.value)[:300]
            self.in_test = call.when == "call"


def main(tests: Sequence[str]) -> dict[str, object]:
    """Run tests until one fails; return what is printed."""
    own_code.require(Path.cwd())
    failures = _Failures()
    code = pytest.main([*_OPTIONS, *tests], plugins=[failures])
    text = f"{failures.kind}: {failures.text}"
    if code == pytest.ExitCode.OK:
        return {"caught": None, "text": None, "breakdown": None}
    runs = failures.in_test and failures.kind not in own_code.BREAKDOWNS
    if code == pytest.ExitCode.TESTS_FAILED and runs:
        return {"caught": failures.test, "text": text, "breakdown": None}
    breakdown = f"{failures.test}: {text}" if failures.test else f"pytest ended with {code}"
    return {"caught": None, "text": text, "breakdown": breakdown}


if __name__ == "__main__":
    told = main(sys.argv[1:])
    print(f"\n{json.dumps(told)}")
