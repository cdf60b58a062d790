"""The `Spool` of a simulated host."""

from __future__ import annotations

from actors.ports import StorageFailed
from infra.file_spool import checked_chunk, checked_name

from .disk import Disk
from .stage import Stage
from .watch import Watch


class SimSpool:
    """Chunks on the host's disk; rot is noticed when a chunk is read, and a put mends it."""

    def __init__(self, host: str, disk: Disk, stage: Stage, watch: Watch) -> None:
        self._host = host
        self._disk = disk
        self._stage = stage
        self._watch = watch

    async def put(self, stream: str, index: int, chunk: bytes) -> None:
        """Keep a chunk."""
        checked_chunk(stream, index, chunk)
        if self._disk.full:
            raise StorageFailed(f"the disk of {self._host} is full")
        self._disk.rotten.pop((stream, index), None)
        self._disk.chunks.setdefault(stream, {})[index] = bytes(chunk)

    async def get(self, stream: str, index: int) -> bytes:
        """Return one chunk."""
        checked_name(stream)
        if (stream, index) in self._disk.rotten:
            raise StorageFailed(f"chunk {index} of {stream!r} is damaged")
        try:
            return self._disk.chunks[stream][index]
        except KeyError:
            raise StorageFailed(f"chunk {index} of {stream!r} is not in the spool") from None

    async def indices(self, stream: str) -> frozenset[int]:
        """Return which chunks of a stream are there."""
        return frozenset(self._disk.chunks.get(checked_name(stream), {}))

    async def erase(self, prefix: str) -> None:
        """Delete the stream and those below."""
        below = f"{checked_name(prefix)}/"
        for stream in list(self._disk.chunks):
            if stream == prefix or stream.startswith(below):
                del self._disk.chunks[stream]

    async def streams(self) -> tuple[str, ...]:
        """Return the names of all streams, sorted."""
        return tuple(sorted(self._disk.chunks))
