"""What is written past the system's cache, and where a file system can't do that."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from itertools import pairwise
from mmap import mmap
from pathlib import Path
from typing import Any

import pytest

from infra.block_writer import UNIT_BYTES, BlockWriter


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def content(descriptor: int) -> bytes:
    return os.pread(descriptor, 1 << 26, 0)


def is_direct(descriptor: int) -> bool:
    return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT)


@pytest.fixture
def direct_file(file: int) -> int:
    """A file that can be written past the cache; some file systems have none."""
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, flags | os.O_DIRECT)
        os.pwritev(file, [mmap(-1, UNIT_BYTES)], 0)
    except OSError as error:
        pytest.skip(f"the file system has no O_DIRECT: {error}")
    fcntl.fcntl(file, fcntl.F_SETFL, flags)
    return file


def pieces_of(length: int) -> list[bytes]:
    """Return pieces of odd lengths, so many bytes in all."""
    whole = os.urandom(length)
    cuts = [0, *sorted({min(length, 60 + number * 700_001) for number in range(9)}), length]
    return [whole[a:b] for a, b in pairwise(cuts)]


@pytest.mark.parametrize("units", [0, 1, 2, 511, 1024, 1025, 3000])
def test_pieces_of_any_length_follow_each_other(file: int, units: int) -> None:
    writer = BlockWriter()
    first, second = pieces_of(UNIT_BYTES), pieces_of(units * UNIT_BYTES)

    writer.write(file, first, 0)
    writer.write(file, second, UNIT_BYTES)

    assert content(file) == b"".join(first + second)


def test_what_was_there_before_stays(file: int) -> None:
    before = os.urandom(3 * UNIT_BYTES)
    os.pwrite(file, before, 0)
    piece = os.urandom(UNIT_BYTES)

    BlockWriter().write(file, [piece], UNIT_BYTES)

    assert not is_direct(file)
    assert content(file) == before[:UNIT_BYTES] + piece + before[2 * UNIT_BYTES :]


def test_the_cache_is_passed_by_in_every_write(
    direct_file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, modes = os.pwritev, []

    def watched(descriptor: int, buffers: Any, offset: int) -> int:
        modes.append(is_direct(descriptor))
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(os, "pwritev", watched)

    BlockWriter().write(direct_file, pieces_of(5000 * UNIT_BYTES), 0)

    assert len(modes) > 1
    assert all(modes)


def test_a_file_system_that_knows_only_the_cache_is_written_through_it(
    file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = fcntl.fcntl, []

    def unable(descriptor: int, command: int, flags: int = 0) -> int:
        if command == fcntl.F_SETFL and flags & os.O_DIRECT:
            asked.append(descriptor)
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(descriptor, command, flags)

    monkeypatch.setattr(fcntl, "fcntl", unable)
    pieces = pieces_of(700 * UNIT_BYTES)

    BlockWriter().write(file, pieces, 0)

    assert asked == [file]
    assert content(file) == b"".join(pieces)


@pytest.mark.parametrize("at", [0, 1])
def test_a_direct_write_that_is_refused_is_done_through_the_cache(
    direct_file: int, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    real, modes = os.pwritev, []

    def refused(descriptor: int, buffers: Any, offset: int) -> int:
        modes.append(is_direct(descriptor))
        if len(modes) > at and is_direct(descriptor):
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(os, "pwritev", refused)
    pieces = pieces_of(3000 * UNIT_BYTES)

    BlockWriter().write(direct_file, pieces, 0)

    assert modes[: at + 2] == [*[True] * (at + 1), False]
    assert not any(modes[at + 1 :])
    assert content(direct_file) == b"".join(pieces)


def test_a_write_that_is_cut_short_goes_on_where_it_ended(
    file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwritev

    def short(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        return real(descriptor, [buffers[0][: 5 * UNIT_BYTES]], offset)

    monkeypatch.setattr(os, "pwritev", short)
    pieces = pieces_of(20 * UNIT_BYTES)

    BlockWriter().write(file, pieces, 0)

    assert content(file) == b"".join(pieces)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_an_error_of_the_disk_is_raised_and_not_tried_otherwise(
    file: int, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    calls = []

    def failed(descriptor: int, *_: object) -> int:
        calls.append(descriptor)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pwritev", failed)

    with pytest.raises(OSError, match=os.strerror(number)):
        BlockWriter().write(file, [bytes(UNIT_BYTES)], 0)

    assert calls == [file]


def test_what_is_refused_through_the_cache_too_is_raised(
    file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed(*_: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "pwritev", failed)

    with pytest.raises(OSError, match="Invalid argument"):
        BlockWriter().write(file, [bytes(UNIT_BYTES)], 0)
