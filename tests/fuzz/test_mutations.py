"""Valid examples that were spoiled, by hypothesis: taken, or refused as promised."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.mutations import spoiled
from fuzz.seeds import CORPUS
from fuzz.target import Target
from fuzz.targets import TARGETS


@cache
def samples_of(name: str) -> tuple[bytes, ...]:
    return tuple(file.read_bytes() for file in sorted((CORPUS / name).glob("valid-*")))


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_spoiled_bytes_are_taken_or_refused_as_promised(
    target: Target, data: st.DataObject
) -> None:
    target.takes(data.draw(spoiled(samples_of(target.name))))


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_what_is_cut_short_is_taken_or_refused_as_promised(target: Target) -> None:
    data = min(samples_of(target.name), key=len)
    step = 1 + len(data) // 60

    for length in range(0, len(data), step):
        target.takes(data[:length])
