"""Message bodies on their way past the AMQP library, which would copy each of them six times.

The library sees every message without its body. On the way in, bodies are taken out of the bytes
that the broker sends and kept until the message is asked for; on the way out they are put behind
the header that the library made. Frames are those of AMQP 0-9-1, section 4.2.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

Emit = Callable[[bytes | memoryview], None]

_HEAD = struct.Struct(">BHI")  # type, channel, payload bytes
_METHOD = struct.Struct(">HH")
_SIZE = struct.Struct(">Q")
_METHOD_FRAME, _HEADER_FRAME, _BODY_FRAME, _HEARTBEAT_FRAME = 1, 2, 3, 8
_KINDS = (_METHOD_FRAME, _HEADER_FRAME, _BODY_FRAME, _HEARTBEAT_FRAME)
_END = 0xCE
_END_BYTES = 1

_BLOCKED, _UNBLOCKED = (10, 60), (10, 61)
_CHANNEL_OPENED = (20, 11)
_DELIVER = (60, 60)
_SIZE_AT = _HEAD.size + 4  # in a header frame, behind class and weight
_TAG_AT = _HEAD.size + _METHOD.size  # in a delivery: the consumer's tag, then the message's

# Larger bodies, of which we send none, go through the library and grow as they come.
MOST_BYTES = 2**25
# Of all messages that are on their way or wait: a broker that keeps to the prefetch stays below.
MOST_HELD_BYTES = 2**30


class FrameError(ConnectionError):
    """What the broker sent are no frames."""


@dataclass(slots=True)
class _Content:
    """A message that has begun to come in; without a header while that is still to come."""

    tag: int
    header: bytes = b""
    size: int = 0
    body: io.BytesIO = field(default_factory=io.BytesIO)


class Contents:
    """Takes bodies out of a stream of frames and gives the rest to `emit`, frame by frame.

    `blocked` hears the broker's notices that it blocks publishers, or no longer: the library
    answers them by itself and tells nobody.
    """

    def __init__(
        self,
        emit: Emit,
        blocked: Callable[[bool], None],
        *,
        most_held_bytes: int = MOST_HELD_BYTES,
    ) -> None:
        self._emit = emit
        self._most_held_bytes = most_held_bytes
        self._held_bytes = 0  # by bodies, those that are still to come included
        self._blocked = blocked
        self._frame = bytearray()  # the frame that has begun to come in, unless it is a body's
        self._left = 0  # bytes of a body's frame that are still to come, its end included
        self._coming: _Content | None = None  # whose frame that is
        self._contents: dict[int, _Content] = {}
        self._bodies: dict[int, dict[int, bytes]] = {}
        self._foreign = False  # no AMQP: for the library to tell what it is

    def feed(self, data: memoryview) -> None:
        """Take in the next bytes, cut anywhere. Raises `FrameError`."""
        while data and not self._foreign:
            taken = self._take_body(data) if self._left else self._take_frame(data)
            data = data[taken:]
        if data:
            self._emit(data)

    def body(self, channel: int, tag: int) -> bytes | None:
        """Hand out the body of a delivered message, once; None for one that the library has."""
        body = self._bodies.get(channel, {}).pop(tag, None)
        self._held_bytes -= len(body or b"")
        return body

    def forget(self, channel: int) -> None:
        """Let go of the bodies that nobody asked for."""
        self._held_bytes -= sum(map(len, self._bodies.pop(channel, {}).values()))

    @property
    def holds_back(self) -> bool:
        """Whether a message has begun to come in of which the library sees the end later."""
        return bool(self._contents)

    @property
    def kept(self) -> int:
        """How many bodies wait to be asked for."""
        return sum(len(body) for bodies in self._bodies.values() for body in bodies.values())

    # --- frames -----------------------------------------------------------------------

    def _take_frame(self, data: memoryview) -> int:
        """Collect a frame's head, then the rest; leave where a body begins."""
        frame = self._frame
        wanted = _HEAD.size if len(frame) < _HEAD.size else self._whole_bytes()
        taken = min(len(data), wanted - len(frame))
        frame += data[:taken]
        if len(frame) < wanted:
            return taken
        if wanted == _HEAD.size:
            self._begin(*_HEAD.unpack(frame))
        else:
            self._whole(bytes(frame))
            frame.clear()
        return taken

    def _whole_bytes(self) -> int:
        _, _, size = _HEAD.unpack_from(self._frame)
        return _HEAD.size + int(size) + _END_BYTES

    def _begin(self, kind: int, channel: int, size: int) -> None:
        if kind not in _KINDS or size > MOST_BYTES:
            self._foreign = True
            self._emit(bytes(self._frame))
        elif self._begins_body(kind, channel, size):
            self._frame.clear()

    def _begins_body(self, kind: int, channel: int, size: int) -> bool:
        content = self._contents.get(channel)
        if kind != _BODY_FRAME or content is None:
            return False
        if not content.header or content.body.tell() + size > content.size:
            raise FrameError("the broker sent a body that it had not announced")
        self._coming, self._left = content, size + _END_BYTES
        return True

    def _whole(self, frame: bytes) -> None:
        kind, channel, _ = _HEAD.unpack_from(frame)
        if frame[-1] != _END:
            raise FrameError("the broker sent a frame without its end")
        if kind == _METHOD_FRAME:
            self._method(channel, frame)
        elif kind == _HEADER_FRAME and channel in self._contents:
            self._header(channel, frame)
            return
        self._emit(frame)

    def _method(self, channel: int, frame: bytes) -> None:
        if (unfinished := self._contents.pop(channel, None)) is not None:
            self._held_bytes -= unfinished.size
        method = _METHOD.unpack_from(frame, _HEAD.size) if len(frame) > _TAG_AT else None
        if method in (_BLOCKED, _UNBLOCKED) and channel == 0:
            self._blocked(method == _BLOCKED)
        elif method == _CHANNEL_OPENED:
            self.forget(channel)
        elif method == _DELIVER:
            at = _TAG_AT + 1 + frame[_TAG_AT]
            if len(frame) < at + _SIZE.size:
                raise FrameError("the broker sent a delivery that is cut short")
            self._contents[channel] = _Content(*_SIZE.unpack_from(frame, at))

    def _header(self, channel: int, frame: bytes) -> None:
        """Hold the header back until its body is there, and let it say that there is none."""
        if len(frame) < _SIZE_AT + _SIZE.size:
            raise FrameError("the broker sent a header that is cut short")
        (size,) = _SIZE.unpack_from(frame, _SIZE_AT)
        content = self._contents[channel]
        if content.header:
            raise FrameError("the broker sent two headers of one message")
        if not 0 < size <= MOST_BYTES:
            del self._contents[channel]
            self._emit(frame)
            return
        self._held_bytes += size
        if self._held_bytes > self._most_held_bytes:
            raise FrameError("the broker sent more than anybody asked for")
        content.size = size
        content.header = _with_size(frame, _SIZE_AT, 0)
        # At its full length at once, so that it is never copied while it grows.
        content.body.seek(size - 1)
        content.body.write(b"\0")
        content.body.seek(0)

    def _take_body(self, data: memoryview) -> int:
        content = self._coming
        if content is None:
            raise FrameError("a body of nobody")
        part = data[: min(len(data), self._left - _END_BYTES)]
        content.body.write(part)
        taken = len(part)
        if taken < len(data):
            if data[taken] != _END:
                raise FrameError("the broker sent a frame without its end")
            taken += _END_BYTES
        self._left -= taken
        if not self._left and content.body.tell() == content.size:
            self._complete(content)
        return taken

    def _complete(self, content: _Content) -> None:
        _, channel, _ = _HEAD.unpack_from(content.header)
        del self._contents[channel]
        bodies = self._bodies.setdefault(channel, {})
        self._held_bytes -= len(bodies.get(content.tag, b""))  # a tag that comes again
        bodies[content.tag] = content.body.getvalue()
        self._emit(content.header)


def with_body(published: bytes, body: bytes, *, most_bytes: int) -> bytes:
    """Return the frames of a message that was published without a body, with this one.

    `published` are a method's frame and a header's; a frame of a body has `most_bytes` at most.
    """
    _, channel, size = _HEAD.unpack_from(published)
    header_at = _HEAD.size + size + _END_BYTES
    frames: list[bytes | memoryview] = [_with_size(published, header_at + _SIZE_AT, len(body))]
    view = memoryview(body)
    for begin in range(0, len(body), most_bytes):
        part = view[begin : begin + most_bytes]
        frames += [_HEAD.pack(_BODY_FRAME, channel, len(part)), part, bytes([_END])]
    return b"".join(frames)


def _with_size(frames: bytes, at: int, size: int) -> bytes:
    return frames[:at] + _SIZE.pack(size) + frames[at + _SIZE.size :]
