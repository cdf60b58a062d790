"""What every journal promises."""

import asyncio

import pytest
from contracts.homes import JournalHome
from fakes.ports import yield_turns

from actors.ports import Journal, StorageFailed

LARGEST = 16 << 20


async def test_new_journal_is_empty(journal: Journal) -> None:
    assert await journal.load() == {}


async def test_committed_keys_are_there_after_reopening(
    journal: Journal, journal_home: JournalHome
) -> None:
    await journal.commit([("round/2", b"two"), ("round/10", b""), ("a", b"\x00\xff")])
    await journal.close()

    found = await (await journal_home.open()).load()

    assert found == {"a": b"\x00\xff", "round/10": b"", "round/2": b"two"}


async def test_load_is_sorted_by_key(journal: Journal) -> None:
    await journal.commit([(key, b"") for key in ("é", "b", "a/2", "a", "Z", "\N{OX}", "")])

    assert list(await journal.load()) == sorted(("é", "b", "a/2", "a", "Z", "\N{OX}", ""))


async def test_none_deletes_and_an_absent_key_may_be_deleted(journal: Journal) -> None:
    await journal.commit([("kept", b"1"), ("gone", b"2")])

    await journal.commit([("gone", None), ("never", None)])

    assert await journal.load() == {"kept": b"1"}


async def test_last_write_of_a_key_in_one_commit_counts(journal: Journal) -> None:
    await journal.commit([("a", b"1"), ("b", b"1"), ("a", b"2"), ("b", None)])

    assert await journal.load() == {"a": b"2"}


async def test_empty_commit_changes_nothing(journal: Journal) -> None:
    await journal.commit([("a", b"1")])

    await journal.commit([])

    assert await journal.load() == {"a": b"1"}


async def test_largest_value_is_kept_and_a_larger_one_refuses_the_whole_commit(
    journal: Journal,
) -> None:
    await journal.commit([("large", bytes(LARGEST))])

    with pytest.raises(StorageFailed, match="'larger'"):
        await journal.commit([("small", b""), ("larger", bytes(LARGEST + 1))])

    assert await journal.load() == {"large": bytes(LARGEST)}


async def test_later_change_of_the_callers_buffer_does_not_reach_the_journal(
    journal: Journal,
) -> None:
    writes: list[tuple[str, bytes | None]] = [("a", b"1")]

    commit = asyncio.create_task(journal.commit(writes))
    await yield_turns(1)
    writes[0] = ("b", b"2")
    await commit

    assert await journal.load() == {"a": b"1"}


async def test_commits_from_several_tasks_all_arrive(journal: Journal) -> None:
    await asyncio.gather(*(journal.commit([(f"{n:02}", b"%d" % n)]) for n in range(20)))

    assert await journal.load() == {f"{n:02}": b"%d" % n for n in range(20)}


@pytest.mark.parametrize("turns", range(6))
async def test_cancelled_commit_is_all_there_or_not_at_all(
    journal: Journal, journal_home: JournalHome, turns: int
) -> None:
    await journal.commit([("before", b"")])

    commit = asyncio.create_task(journal.commit([("a", b"1"), ("b", b"2")]))
    await yield_turns(turns)
    commit.cancel()
    await asyncio.gather(commit, return_exceptions=True)

    seen = await journal.load()
    assert sorted(seen) in (["before"], ["a", "b", "before"])
    await journal.commit([("after", b"")])
    await journal.close()
    assert await (await journal_home.open()).load() == {**seen, "after": b""}


async def test_open_journal_cannot_be_opened_again(
    journal: Journal, journal_home: JournalHome
) -> None:
    with pytest.raises(StorageFailed, match="open already"):
        await journal_home.open()

    await journal.commit([("still", b"usable")])


async def test_closed_journal_refuses_work_and_may_be_closed_again(journal: Journal) -> None:
    await journal.close()
    await journal.close()

    with pytest.raises(StorageFailed, match="open it again"):
        await journal.commit([("a", b"")])
    with pytest.raises(StorageFailed, match="open it again"):
        await journal.load()
