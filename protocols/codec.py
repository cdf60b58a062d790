"""msgpack in and out: bounded, typed, canonical.

The library `msgpack` reads the bytes under limits, `msgspec` checks the result against the
message types: unknown, missing and mistyped fields are refused, as are repeated keys. Short bytes
and chunks are read by `msgspec` alone where they are the canonical ones of what it finds: nothing
can be repeated in those, and it takes a tenth of the time. The envelope around a message has one
form only, and is opened without a copy of what is in it.
"""

from __future__ import annotations

import hashlib
import math
import struct
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgpack
import msgspec
import msgspec.inspect
import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from .errors import OtherVersion, PeerViolation

VERSION = 1
MAX_MESSAGE_BYTES = 16 * 2**20
SIGNATURE_BYTES = 64
_MAX_ITEMS = 1 << 20
# From here on bytes are spliced in, so that a chunk is copied once on its way out.
_SPLICED_BYTES = 4096
_SHORT_BYTES = 1 << 16  # above, to encode again costs more than it saves

Schema = TypeVar("Schema")


class Undecodable(ValueError):
    """Bytes that are not a message of ours; the text says why, never what they held."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What travels: who sends, the sender's signature, and the exact bytes of the message.

    This shape is the same in all versions `v` of the protocol, so that any two can tell each
    other that they differ. What is signed says `protocols.trust.signing`; whether it was, the
    actor checks.
    """

    v: Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
    sender: Annotated[str, msgspec.Meta(max_length=63)]
    signature: Annotated[bytes, msgspec.Meta(max_length=SIGNATURE_BYTES)]
    body: memoryview

    def __repr__(self) -> str:
        return f"Envelope(sender={self.sender!r}, <{len(self.body)} bytes>)"


_BODY: bytes = msgpack.packb("body")
_ENCODER = msgspec.msgpack.Encoder()
_ENVELOPE = msgspec.msgpack.Decoder(Envelope)


@cache
def _decoder(schema: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(schema)


def canonical(value: Any) -> bytes:
    """Encode a struct or plain data; equal values give equal bytes: fields keep their order."""
    return b"".join(_pieces(value))


def digest_of(value: Any) -> bytes:
    """Return the SHA-256 of `canonical`, without a copy of large fields."""
    digest = hashlib.sha256()
    for piece in _pieces(value):
        digest.update(piece)
    return digest.digest()


def _pieces(value: Any) -> list[bytes]:
    """Return what `canonical` joins; a large field is a piece of its own, uncopied."""
    kind: Any = type(value)  # a class does not pass for something hashable
    for name in _long_fields(kind):
        if _is_large(getattr(value, name)):
            return _spliced(value)
    return [_ENCODER.encode(value)]


@cache
def _long_fields(kind: type) -> tuple[str, ...]:
    """Name the fields of a struct, if it is one, that may hold large bytes."""
    if not issubclass(kind, msgspec.Struct):
        return ()
    fields = ((field.name, msgspec.inspect.type_info(field.type)) for field in structs.fields(kind))
    return tuple(name for name, info in fields if _may_be_long(info))


def _may_be_long(info: msgspec.inspect.Type) -> bool:
    if not isinstance(info, msgspec.inspect.BytesType):
        return False
    return info.max_length is None or info.max_length >= _SPLICED_BYTES


def _spliced(value: msgspec.Struct) -> list[bytes]:
    plain: dict[str, Any] = msgspec.to_builtins(value, builtin_types=(bytes,))
    packer = msgpack.Packer(use_bin_type=True, autoreset=False)
    packer.pack_map_header(len(plain))
    pieces: list[bytes] = []
    for name, field in plain.items():
        packer.pack(name)
        if _is_large(field):
            pieces += [packer.bytes(), _bin_head(len(field)), field]
            packer.reset()
        else:
            packer.pack(field)
    return [*pieces, packer.bytes()]


def _is_large(field: Any) -> bool:
    return isinstance(field, bytes) and len(field) >= _SPLICED_BYTES


@lru_cache(maxsize=1024)
def _bin_head(length: int) -> bytes:
    """Return what precedes so many bytes in msgpack."""
    if length < 2**8:
        return struct.pack(">BB", 0xC4, length)
    return struct.pack(">BH", 0xC5, length) if length < 2**16 else struct.pack(">BI", 0xC6, length)


@lru_cache(maxsize=4096)
def _envelope_start(version: int, sender: str) -> bytes:
    """Return what precedes the signature."""
    fields = {"v": version, "sender": sender, "signature": b"", "body": b""}
    head: bytes = msgpack.packb(fields, use_bin_type=True)
    return head.removesuffix(_bin_head(0) + _BODY + _bin_head(0))


def _envelope_head(version: int, sender: str, signature: bytes, length: int) -> bytes:
    """Return what precedes a body of so many bytes."""
    start = _envelope_start(version, sender)
    return b"".join([start, _bin_head(len(signature)), signature, _BODY, _bin_head(length)])


def parse(data: bytes | memoryview, schema: type[Schema]) -> Schema:
    """Decode bytes of anybody into `schema`.

    Raises:
        Undecodable: too long, not msgpack, repeated keys, or not of the schema.
    """
    _require_length(data)
    # Before anything is built of them: what the schema has no place for takes no memory.
    value = _typed(data, schema)
    return value if _is_our_form(value, data) else _parse_any(data, schema)


def _is_our_form(value: Any, data: bytes | memoryview) -> bool:
    """Return whether bytes are the canonical ones of what was read from them, if that is cheap.

    Large fields are not compared: where all around them is in its place, so are they.
    """
    kind: Any = type(value)  # a class does not pass for something hashable
    large = [field for name in _long_fields(kind) if _is_large(field := getattr(value, name))]
    if not large:
        # Bytes are compared as such: views are, item by item.
        return len(data) <= _SHORT_BYTES and _ENCODER.encode(value) == bytes(data)
    begin = 0
    for piece in _spliced(value):
        end = begin + len(piece)
        if not any(piece is field for field in large) and data[begin:end] != piece:
            return False
        begin = end
    return begin == len(data)


def _typed(data: bytes | memoryview, schema: type[Schema]) -> Schema:
    """Decode without a look at repeated keys; takes memory for what fits the schema only."""
    wanted: Any = schema  # a type variable does not pass for something hashable
    try:
        value: Schema = _decoder(wanted).decode(data)
    # The schema library's own text names the place, and never the value.
    except msgspec.ValidationError as error:
        raise Undecodable(str(error)) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Undecodable(f"not msgpack: {type(error).__name__}") from None
    return value


def _parse_any(data: bytes | memoryview, schema: type[Schema]) -> Schema:
    """Decode bytes of the schema that may be written in another way than ours."""
    try:
        plain = msgpack.unpackb(
            data,
            object_pairs_hook=_without_repeats,
            strict_map_key=True,
            max_str_len=4096,
            max_bin_len=MAX_MESSAGE_BYTES,
            max_array_len=_MAX_ITEMS,
            max_map_len=256,
            max_ext_len=0,
        )
        return msgspec.convert(plain, schema, builtin_types=(bytes,))
    # The schema library's own text names the place, and never the value.
    except msgspec.ValidationError as error:
        raise Undecodable(str(error)) from None
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise Undecodable(f"not msgpack: {type(error).__name__}") from None


def _require_length(data: bytes | memoryview) -> None:
    if len(data) > MAX_MESSAGE_BYTES:
        raise Undecodable(f"{len(data)} bytes are above the limit of {MAX_MESSAGE_BYTES}")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("repeated key")
    return fields


def seal(
    sender: str,
    message: msgspec.Struct,
    *,
    version: int = VERSION,
    signature: bytes = b"",
) -> bytes:
    """Return the bytes that travel for a message.

    Args:
        sender: who says it.
        message: what.
        version: of the envelope.
        signature: the sender's; without it nobody believes the message.
    """
    pieces = _pieces(message)
    head = _envelope_head(version, sender, signature, sum(map(len, pieces)))
    return b"".join([head, *pieces])


def opened(data: bytes) -> Envelope:
    """Return the envelope of bytes of anybody; its body is a view of them.

    There is one form for each envelope, and no other is taken.

    Raises:
        Undecodable: too long, not an envelope, or not in that form.
    """
    _require_length(data)
    try:
        envelope = _ENVELOPE.decode(data)
    except msgspec.ValidationError as error:
        raise Undecodable(str(error)) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Undecodable(f"not msgpack: {type(error).__name__}") from None
    length = len(envelope.body)
    head = _envelope_head(envelope.v, envelope.sender, envelope.signature, length)
    if len(head) + length != len(data) or not data.startswith(head):
        raise Undecodable("an envelope in another form than the canonical one")
    return envelope


def unseal(data: bytes, schema: type[Schema]) -> tuple[Envelope, Schema]:
    """Return the envelope and the message; `schema` may be a union of tagged types.

    The signature is not checked here: only who has the members' keys can.

    Raises:
        Undecodable: the envelope itself can't be read, so nobody can be named.
        OtherVersion: the named sender speaks another version of the protocol.
        PeerViolation: the named sender sent a bad message.
    """
    envelope = opened(data)
    if envelope.v != VERSION:
        raise OtherVersion(envelope.sender, envelope.v, bytes(envelope.body))
    try:
        return envelope, parse(envelope.body, schema)
    except Undecodable as error:
        raise PeerViolation(envelope.sender, str(error)) from None


class Tensor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A numpy array on the wire: raw little-endian bytes, shape and type."""

    dtype: Literal["<u4", "<u8", "<i8", "<f4", "<f8"]
    shape: tuple[int, ...]
    data: bytes

    def __repr__(self) -> str:
        return f"Tensor({self.dtype}, {self.shape})"


def to_tensor(array: NDArray[Any]) -> Tensor:
    """Copy an array into its wire form; it must have one of the five types."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return msgspec.convert(
        {"dtype": little.dtype.str, "shape": array.shape, "data": little.tobytes()},
        Tensor,
        builtin_types=(bytes,),
    )


def from_tensor(tensor: Tensor) -> NDArray[Any]:
    """Return the array (read-only, no copy).

    Raises:
        Undecodable: the shape is impossible or disagrees with the number of bytes.
    """
    if len(tensor.shape) > 8 or any(extent < 0 for extent in tensor.shape):
        raise Undecodable("the shape is not one of an array")
    if math.prod(tensor.shape) * np.dtype(tensor.dtype).itemsize != len(tensor.data):
        raise Undecodable("the shape does not fit the number of bytes")
    try:
        return np.frombuffer(tensor.data, dtype=tensor.dtype).reshape(tensor.shape)
    except ValueError:  # empty, yet with an extent above what numpy can count
        raise Undecodable("the shape is not one of an array") from None
