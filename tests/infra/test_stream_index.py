"""The index of a stream's file against a plain dictionary, and what it takes."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from infra.file_spool import MAX_CHUNK_BYTES, MAX_INDEX
from infra.stream_index import StreamIndex
from infra.stream_records import CHECKSUM_BYTES, Entry

ENTRIES = st.builds(
    Entry,
    st.integers(0, 2**63),
    st.integers(0, MAX_CHUNK_BYTES),
    st.binary(min_size=CHECKSUM_BYTES, max_size=CHECKSUM_BYTES),
)
INDICES = st.integers(0, 8) | st.integers(0, MAX_INDEX)
BATCHES = st.lists(st.dictionaries(INDICES, ENTRIES, max_size=8), max_size=8)


@given(BATCHES, INDICES)
def test_it_has_the_newest_entry_of_every_chunk_and_no_other(
    batches: list[dict[int, Entry]], other: int
) -> None:
    index, plain = StreamIndex(), dict[int, Entry]()
    for batch in batches:
        index.take(batch)
        plain |= batch

    assert index.indices() == frozenset(plain)
    assert {key: index.get(key) for key in plain} == plain
    assert index.get(other) == plain.get(other)


def test_the_chunks_of_a_thousand_uploads_take_less_than_a_megabyte() -> None:
    entries = {chunk: Entry(2**18 * chunk, 2**18, bytes(CHECKSUM_BYTES)) for chunk in range(17)}
    tracemalloc.start()
    try:
        indices = [StreamIndex() for _ in range(1000)]
        for index in indices:
            index.take(entries)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert taken < 2**20
