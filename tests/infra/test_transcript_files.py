"""Transcripts on disk: durable before their round's end is told, and in the order of rounds."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.transcribed import COORDINATOR, chain, complete, config_of
from fakes.trusting import key_of

from actors.ports import StorageFailed
from infra.system import ThreadOffload
from infra.transcript_files import FileTranscripts, transcripts_in

FIRST = chain()[0]


@pytest.fixture
async def transcripts(tmp_path: Path) -> AsyncIterator[FileTranscripts]:
    offload = ThreadOffload(workers=1)
    yield FileTranscripts(tmp_path / "transcripts", key_of(COORDINATOR), offload)
    await offload.close()


async def test_a_transcript_is_synced_before_it_has_its_name_and_the_name_before_it_is_told(
    transcripts: FileTranscripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, fsync = tmp_path / "transcripts", os.fsync
    folder.mkdir()
    synced: list[tuple[str, int]] = []

    def watched(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(("folder" if is_folder else "file", len(transcripts_in(folder))))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)

    await transcripts.keep(FIRST.transcript)

    assert synced == [("file", 0), ("folder", 1)]


async def test_a_half_written_file_is_no_transcript_and_in_nobodys_way(
    transcripts: FileTranscripts, tmp_path: Path
) -> None:
    folder = tmp_path / "transcripts"
    folder.mkdir()
    (folder / ".round-000001.transcript.incoming").write_bytes(b"half")

    assert transcripts_in(folder) == []
    await transcripts.keep(FIRST.transcript)

    assert [file.name for file in transcripts_in(folder)] == ["round-000001.transcript"]
    assert transcripts_in(folder)[0].read_text() == FIRST.to_text()


async def test_a_damaged_file_is_never_written_over(
    transcripts: FileTranscripts, tmp_path: Path
) -> None:
    await transcripts.keep(FIRST.transcript)
    (file,) = transcripts_in(tmp_path / "transcripts")
    file.write_bytes(b"damaged")

    with pytest.raises(StorageFailed, match="older journal"):
        await transcripts.keep(FIRST.transcript)

    assert file.read_bytes() == b"damaged"


async def test_rounds_above_a_million_come_after_those_below(
    transcripts: FileTranscripts, tmp_path: Path
) -> None:
    for number in (10_000_000, 999_999, 2):
        await transcripts.keep(complete(config_of(number=number)))

    names = [file.name for file in transcripts_in(tmp_path / "transcripts")]
    assert names == [f"round-{number}.transcript" for number in ("000002", "999999", "10000000")]


async def test_a_folder_that_can_not_be_written_is_a_failed_storage(tmp_path: Path) -> None:
    offload = ThreadOffload(workers=1)
    (tmp_path / "transcripts").write_bytes(b"in the way")
    transcripts = FileTranscripts(tmp_path / "transcripts", key_of(COORDINATOR), offload)
    try:
        with pytest.raises(StorageFailed, match="writing"):
            await transcripts.keep(FIRST.transcript)
    finally:
        await offload.close()
