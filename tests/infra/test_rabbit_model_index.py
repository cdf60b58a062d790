"""The index of the model stream on a link that fails in ways nobody thought of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
from fakes.rabbit_rig import TIMEOUT_S

from infra.rabbitmq.model_index import ModelIndex
from infra.rabbitmq.publication import Publication
from infra.rabbitmq.stream_reading import OFFSET, WarnOnce

DIGEST = sha256(b"model").digest()
ENTRY = Publication(digest=DIGEST, size=5, chunk_bytes=5, begin=1, end=3, tag=bytes(8))


@dataclass
class Entry:
    """A message of the index."""

    body: bytes
    headers: dict[str, int]

    async def ack(self) -> None:
        pass


class OddLink:
    """Holds one entry, and fails at the first so many subscriptions."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def subscribe(
        self,
        queue: str,
        take: Callable[[Any], None],
        *,
        prefetch: int,
        arguments: Callable[[], dict[str, Any]],
    ) -> str:
        if self.failures:
            self.failures -= 1
            raise ZeroDivisionError("a fault of ours")
        arguments()
        take(Entry(ENTRY.to_bytes(), {OFFSET: 0}))
        return queue

    async def unsubscribe(self, subscription: str) -> None:
        pass


@pytest.mark.parametrize("failures", [1, 3])
async def test_index_that_failed_is_logged_and_followed_again(
    failures: int, caplog: pytest.LogCaptureFixture
) -> None:
    index = ModelIndex(OddLink(failures), WarnOnce("ann"))  # type: ignore[arg-type]
    told: asyncio.Queue[Publication | None] = asyncio.Queue()

    with index.listening(DIGEST, told.put_nowait):
        assert told.get_nowait() is None
        async with asyncio.timeout(TIMEOUT_S):
            assert await told.get() == ENTRY

    await index.close()
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [
        "a fault of ours"
    ] * failures
