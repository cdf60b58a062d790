"""States on disk: durable before they are told, and never taken for what they are not."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.ports import StorageFailed
from infra.checkpoints import FileCheckpoints
from infra.system import ThreadOffload
from protocols.pieces import Pieces

STATE = b"a model " * 100


@pytest.fixture
async def checkpoints(tmp_path: Path) -> AsyncIterator[FileCheckpoints]:
    offload = ThreadOffload(workers=1)
    yield FileCheckpoints(tmp_path / "states", offload)
    await offload.close()


async def test_a_state_is_synced_before_it_has_its_name_and_the_name_before_it_is_told(
    checkpoints: FileCheckpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states, fsync = tmp_path / "states", os.fsync
    states.mkdir()
    synced: list[tuple[str, int]] = []

    def watched(descriptor: int) -> None:
        about = os.fstat(descriptor)
        what = "folder" if stat.S_ISDIR(about.st_mode) else f"file of {about.st_size} bytes"
        synced.append((what, len(list(states.glob("*.safetensors")))))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)

    await checkpoints.save(1, Pieces.of(STATE))

    assert synced == [(f"file of {len(STATE)} bytes", 0), ("folder", 1)]


async def test_a_state_comes_back_as_it_was(checkpoints: FileCheckpoints) -> None:
    digest = await checkpoints.save(1, Pieces.of(STATE))

    assert await checkpoints.load(digest) == STATE


async def test_a_state_that_has_changed_on_the_disk_is_damage(checkpoints: FileCheckpoints) -> None:
    digest = await checkpoints.save(1, Pieces.of(STATE))
    checkpoints.path(digest).write_bytes(STATE[:-1] + b"!")

    with pytest.raises(StorageFailed, match="is damaged"):
        await checkpoints.load(digest)


async def test_only_the_last_three_states_are_kept(checkpoints: FileCheckpoints) -> None:
    states = [Pieces.of(STATE, bytes([number])) for number in range(4)]
    digests = [await checkpoints.save(number, state) for number, state in enumerate(states)]

    with pytest.raises(StorageFailed, match="has no state"):
        await checkpoints.load(digests[0])
    assert [await checkpoints.load(d) for d in digests[1:]] == [
        STATE + bytes([number]) for number in (1, 2, 3)
    ]
