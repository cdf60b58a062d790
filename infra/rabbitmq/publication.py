"""A blob on the model stream as data: its entry in the index and the headers of its chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from protocols.codec import Undecodable, canonical, parse
from protocols.pieces import Pieces

MAX_CHUNK_BYTES = 4 * 2**20  # with room to spare below what RabbitMQ 4 takes as one message
MAX_BLOB_BYTES = 4 * 2**30
DIGEST_BYTES = 32
TAG_BYTES = 8

MARK = "mark"  # the header of a message that only marks a place in the stream

_MAX_ENTRY_BYTES = 1024

Digest = Annotated[bytes, msgspec.Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
HexDigest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Tag = Annotated[bytes, msgspec.Meta(min_length=TAG_BYTES, max_length=TAG_BYTES)]
Size = Annotated[int, msgspec.Meta(ge=0, le=MAX_BLOB_BYTES)]
Offset = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]


class Malformed(ValueError):
    """A message on a stream that is none of ours; the text says why."""


class Publication(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One time that a blob was written to the model stream; its entry in the index.

    Every chunk lies between the offsets `begin` and `end`, and at each of these is a mark.
    `tag` tells two publications of the same blob apart.
    """

    v: Literal[1] = 1
    digest: Digest
    size: Size
    chunk_bytes: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHUNK_BYTES)]
    begin: Offset
    end: Offset
    tag: Tag

    @property
    def count(self) -> int:
        """Return the number of chunks; an empty blob has none."""
        return -(-self.size // self.chunk_bytes)

    def length(self, index: int) -> int:
        """Return how many bytes a chunk has."""
        return min(self.chunk_bytes, self.size - index * self.chunk_bytes)

    def to_bytes(self) -> bytes:
        """Return the entry of the index."""
        return canonical(self)

    @classmethod
    def from_bytes(cls, body: bytes) -> Publication:
        """Read an entry of the index. Raises `Malformed`."""
        if len(body) > _MAX_ENTRY_BYTES:
            raise Malformed(f"{len(body)} bytes are no entry of the index")
        try:
            return parse(body, cls)
        except Undecodable as error:
            raise Malformed(f"an entry of the index can't be read: {error}") from None


class ChunkHead(msgspec.Struct, frozen=True, kw_only=True):
    """The headers of a chunk: of which blob it is, and which piece."""

    digest: HexDigest  # as text: the client library can't encode bytes in headers
    index: Annotated[int, msgspec.Meta(ge=0, lt=MAX_BLOB_BYTES)]
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_BLOB_BYTES)]
    size: Size

    def to_headers(self) -> dict[str, str | int | bytes]:
        """Return the headers of the message."""
        return dict(msgspec.structs.asdict(self))

    @classmethod
    def from_headers(cls, headers: Mapping[str, Any]) -> ChunkHead:
        """Read the headers of a message. Raises `Malformed`."""
        try:
            return msgspec.convert(dict(headers), cls)
        except msgspec.ValidationError as error:
            raise Malformed(f"the headers of a chunk can't be read: {error}") from None

    def belongs_to(self, publication: Publication) -> bool:
        """Return whether a publication has such a chunk."""
        return (
            self.digest == publication.digest.hex()
            and (self.count, self.size) == (publication.count, publication.size)
            and self.index < self.count
        )


def cut(publication: Publication, blob: Pieces) -> Iterator[tuple[ChunkHead, bytes]]:
    """Yield a blob's chunks in order, each copied only when it is asked for."""
    digest, count, step = publication.digest.hex(), publication.count, publication.chunk_bytes
    for index in range(count):
        head = ChunkHead(digest=digest, index=index, count=count, size=publication.size)
        yield head, blob.between(index * step, (index + 1) * step)
