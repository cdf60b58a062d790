from __future__ import annotations

import json
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from safetensors.numpy import save

from protocols.codec import Undecodable
from protocols.errors import Misuse
from protocols.learning.state import State


def example() -> State:
    return State(
        arrays={
            "w": np.arange(6, dtype=np.float32).reshape(2, 3),
            "count": np.array(7, dtype=np.int64),
            "a": np.array([0.1, 0.2]),
        },
        facts={"phase": "mean", "round": 3, "ok": True, "history": [[0.5, 1.0], []]},
    )


def raw(header: dict[str, object], body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def with_facts(facts: str) -> bytes:
    return raw({"__metadata__": {"facts": facts}})


def test_state_comes_back_from_its_bytes() -> None:
    state = example()

    back = State.from_bytes(state.to_bytes())

    assert back.facts == state.facts
    assert back.arrays.keys() == state.arrays.keys()
    for name, array in state.arrays.items():
        assert back.arrays[name].dtype == array.dtype
        assert back.arrays[name].shape == array.shape
        np.testing.assert_array_equal(back.arrays[name], array)


def test_empty_state_comes_back() -> None:
    back = State.from_bytes(State().to_bytes())

    assert dict(back.arrays) == {}
    assert dict(back.facts) == {}


def test_bytes_do_not_depend_on_the_order_of_names() -> None:
    state = example()
    turned = State(
        arrays=dict(reversed(state.arrays.items())), facts=dict(reversed(state.facts.items()))
    )

    assert turned.to_bytes() == state.to_bytes()


def test_bytes_do_not_depend_on_the_memory_order() -> None:
    matrix = np.arange(6.0).reshape(2, 3)

    fortran = State(arrays={"m": np.asfortranarray(matrix)})

    assert fortran.to_bytes() == State(arrays={"m": matrix}).to_bytes()


def test_arrays_that_came_in_are_read_only() -> None:
    back = State.from_bytes(example().to_bytes())

    assert not back.arrays["a"].flags.writeable


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not safetensors",
        b"\xff" * 64,
        example().to_bytes()[:-1],
        example().to_bytes() + b"x",
        raw({}),
        raw({"__metadata__": {"other": "{}"}}),
        with_facts("[]"),
        with_facts("{"),
        with_facts('{"a":NaN}'),
        with_facts('{"a":null}'),
        with_facts('{"a":{"b":1}}'),
        with_facts('{"a":1,"a":2}'),
        with_facts("[" * 100_000),
        raw(
            {
                "__metadata__": {"facts": "{}"},
                "h": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]},
            },
            b"\0\0",
        ),
    ],
)
def test_malformed_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Undecodable):
        State.from_bytes(data)


def test_any_truncation_is_refused() -> None:
    data = example().to_bytes()

    for size in range(len(data)):
        with pytest.raises(Undecodable):
            State.from_bytes(data[:size])


def test_array_of_another_type_is_misuse() -> None:
    with pytest.raises(Misuse, match="bool"):
        State(arrays={"mask": np.array([True])})  # type: ignore[dict-item]


def test_fact_that_is_not_finite_is_misuse() -> None:
    with pytest.raises(Misuse):
        State(facts={"loss": float("nan")}).to_bytes()


def test_fact_of_another_type_is_named_when_it_is_read() -> None:
    state = example()

    assert state.count("round") == 3
    assert state.number("round") == 3.0
    for read in (state.count, state.number, state.items):
        with pytest.raises(Undecodable, match="phase"):
            read("phase")
    with pytest.raises(Undecodable, match="ok"):
        state.count("ok")
    with pytest.raises(Undecodable, match="round"):
        state.text("round")
    with pytest.raises(Undecodable, match="absent"):
        state.floats("absent")


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(
    lambda name: name != "__metadata__"
)
SOME_ARRAYS = st.dictionaries(
    NAMES,
    st.sampled_from([np.float32, np.float64, np.int64]).flatmap(
        lambda kind: npst.arrays(kind, npst.array_shapes(min_dims=0, max_dims=3, min_side=0))
    ),
    max_size=5,
)


@given(arrays=SOME_ARRAYS, facts=st.dictionaries(NAMES, NAMES, max_size=3))
def test_the_bytes_are_those_that_the_library_writes(
    arrays: dict[str, Any], facts: dict[str, str]
) -> None:
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))

    written = State(arrays=arrays, facts=facts).to_bytes()

    assert written == save(arrays, metadata={"facts": text})


def test_an_array_in_another_order_is_written_as_it_is_read() -> None:
    array = np.arange(12.0).reshape(3, 4).T

    read = State.from_bytes(State(arrays={"a": array}).to_bytes())

    assert np.array_equal(read.arrays["a"], array)


def test_the_pieces_of_a_state_are_its_arrays_and_no_copy_of_them() -> None:
    state = State(arrays={"a": np.ones(500_000), "b": np.ones(500_000)})
    tracemalloc.start()
    try:
        pieces = state.to_pieces()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(pieces) > 8_000_000
    assert peak < 10_000
