"""How the workers of pytest-xdist share the tests: by files, those that take long first."""

from __future__ import annotations

import os

import pytest

MOST_WORKERS = 8  # each of them has up to a gigabyte, and a broker of its own
# Where tests start processes or play many histories. The others are through in a moment, which is
# what the end is for: there a worker that has nothing left to do waits for the others.
LONG = ("tests/system/", "tests/simulation/", "tests/mutants/", "tests/staging/", "tests/infra/")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than there are processors, because many tests wait."""
    return min((os.cpu_count() or 1) + 1, MOST_WORKERS)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put long files first in a worker; one process alone keeps the order of names."""
    if hasattr(config, "workerinput"):
        items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    places = (place for place, folder in enumerate(LONG) if item.nodeid.startswith(folder))
    return next(places, len(LONG))
