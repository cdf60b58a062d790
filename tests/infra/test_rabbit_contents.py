"""Bodies that pass by the AMQP library: all that is sent arrives, however the stream is cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from aiormq.abc import ChannelFrame
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp import body, commands, frame, header, heartbeat

from infra.rabbitmq.contents import MOST_BYTES, Contents, FrameError, with_body

FRAME_BYTES = 40  # of a body in one frame; a broker's is 131,064


@dataclass(frozen=True)
class Message:
    channel: int
    tag: int
    payload: bytes
    consumer: str = "consumer"

    def _deliver(self) -> commands.Basic.Deliver:
        return commands.Basic.Deliver(self.consumer, self.tag, False, "exchange", "key")

    def frames(self) -> Iterator[tuple[object, int]]:
        """The frames of its delivery."""
        yield self._deliver(), self.channel
        yield header.ContentHeader(body_size=len(self.payload)), self.channel
        for begin in range(0, len(self.payload), FRAME_BYTES):
            yield body.ContentBody(self.payload[begin : begin + FRAME_BYTES]), self.channel

    def shown(self) -> Iterator[tuple[object, int]]:
        """What the library sees of it."""
        yield self._deliver(), self.channel
        yield header.ContentHeader(body_size=0), self.channel


class Library:
    """What comes through to the library, and what is told beside it."""

    def __init__(self, **bounds: int) -> None:
        self.seen = b""
        self.told: list[bool] = []
        self.contents = Contents(self._see, self.told.append, **bounds)

    def _see(self, data: bytes | memoryview) -> None:
        self.seen += data

    def feed(self, stream: bytes, cuts: Iterable[int] = ()) -> None:
        ends = [0, *sorted({cut % (len(stream) + 1) for cut in cuts}), len(stream)]
        for begin, end in pairwise(ends):
            # As the socket does, from one buffer that is written over.
            received = bytearray(stream[begin:end])
            self.contents.feed(memoryview(received))
            received[:] = bytes(len(received))


def marshalled(frames: Iterable[tuple[object, int]]) -> bytes:
    return b"".join(frame.marshal(value, channel) for value, channel in frames)


MESSAGES = st.builds(
    Message,
    st.integers(1, 3),
    st.integers(1, 2**63 - 1),
    st.binary(max_size=3 * FRAME_BYTES),
    st.from_regex("[a-z0-9.]{0,40}", fullmatch=True),
)
CUTS = st.lists(st.integers(0, 10_000), unique=True)


@given(messages=st.lists(MESSAGES, max_size=5, unique_by=lambda m: (m.channel, m.tag)), cuts=CUTS)
def test_bodies_are_kept_for_who_asks_and_the_library_sees_none(
    messages: list[Message], cuts: list[int]
) -> None:
    library = Library()

    library.feed(marshalled(pair for message in messages for pair in message.frames()), cuts)

    assert library.seen == marshalled(pair for message in messages for pair in message.shown())
    for message in messages:
        found = library.contents.body(message.channel, message.tag)
        assert found == (message.payload or None)  # without any, the library has all of it
        assert library.contents.body(message.channel, message.tag) is None
    assert library.contents.kept == 0


@given(st.data())
def test_frames_of_other_channels_may_come_between(data: st.DataObject) -> None:
    first, second = Message(1, 7, b"a" * 100), Message(2, 7, b"b" * 90)
    waiting = [list(first.frames()), list(second.frames())]
    mixed = []
    while any(waiting):
        chosen = data.draw(st.sampled_from([frames for frames in waiting if frames]))
        mixed.append(chosen.pop(0))
        mixed += [(heartbeat.Heartbeat(), 0)] * data.draw(st.integers(0, 1))
    library = Library()

    library.feed(marshalled(mixed), data.draw(CUTS))

    assert library.contents.body(1, 7) == first.payload
    assert library.contents.body(2, 7) == second.payload


def test_header_comes_only_when_its_body_is_there() -> None:
    """The library takes a message for complete with it."""
    library, message = Library(), Message(1, 1, bytes(100))
    *almost, last = message.frames()
    (deliver, *_) = message.shown()

    library.feed(marshalled(almost))
    assert library.seen == marshalled([deliver])
    assert library.contents.body(1, 1) is None

    library.feed(marshalled([last]))
    assert library.seen == marshalled(message.shown())


@pytest.mark.parametrize(
    "method",
    [
        commands.Basic.Return(312, "no route", "exchange", "key"),
        commands.Basic.GetOk(5, False, "exchange", "key", 0),
    ],
)
def test_bodies_of_what_was_not_delivered_are_the_librarys(method: object) -> None:
    frames = [
        (method, 1),
        (header.ContentHeader(body_size=60), 1),
        (body.ContentBody(bytes(60)), 1),
    ]
    library = Library()

    library.feed(marshalled(frames))

    assert library.seen == marshalled(frames)
    assert library.contents.kept == 0


def test_delivery_that_never_gets_its_body_takes_nobody_elses() -> None:
    cut_off, *_ = Message(1, 1, b"body").frames()
    returned = [
        (commands.Basic.Return(312, "no route", "exchange", "key"), 1),
        (header.ContentHeader(body_size=60), 1),
        (body.ContentBody(bytes(60)), 1),
    ]
    library = Library()

    library.feed(marshalled([cut_off, *returned]))

    assert library.seen == marshalled([cut_off, *returned])
    assert library.contents.kept == 0


def test_larger_bodies_than_ours_are_the_librarys() -> None:
    frames = [
        (commands.Basic.Deliver("consumer", 1, False, "exchange", "key"), 1),
        (header.ContentHeader(body_size=MOST_BYTES + 1), 1),
        (body.ContentBody(bytes(1000)), 1),
    ]
    library = Library()

    library.feed(marshalled(frames))

    assert library.seen == marshalled(frames)


def test_bodies_that_nobody_asked_for_go_with_their_channel() -> None:
    library = Library()
    for channel in (1, 2):
        library.feed(marshalled(Message(channel, 1, b"old").frames()))

    library.contents.forget(1)
    assert library.contents.kept == len(b"old")
    # Its number is given to a new channel, whose tags begin anew.
    library.feed(marshalled([(commands.Channel.OpenOk(), 2)]))

    assert library.contents.body(2, 1) is None
    assert library.contents.kept == 0


NOTICES = marshalled(
    [
        (commands.Basic.Ack(1, False), 3),
        (heartbeat.Heartbeat(), 0),
        (commands.Connection.Blocked("low on memory"), 0),
        # A body that holds the very bytes of such a notice is no notice.
        (body.ContentBody(frame.marshal(commands.Connection.Unblocked(), 0)), 1),
        (commands.Connection.Unblocked(), 0),
        (body.ContentBody(bytes(3000)), 2),
        (commands.Connection.Blocked("low on disk"), 0),
    ]
)


@given(CUTS)
def test_blocked_notices_are_found_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    library = Library()

    library.feed(NOTICES, cuts)

    assert library.told == [True, False, True]
    assert library.seen == NOTICES


@given(stream=st.binary(max_size=200), cuts=CUTS)
@example(stream=b"AMQP\x00\x00\x09\x01", cuts=[])
@example(stream=b"HTTP/1.1 400 Bad Request\r\n\r\n", cuts=[3])
def test_what_is_no_amqp_is_refused_or_left_to_the_library(stream: bytes, cuts: list[int]) -> None:
    library = Library()
    try:
        library.feed(stream, cuts)
    except FrameError:
        return
    assert stream.startswith(library.seen)
    if stream[:4] in (b"AMQP", b"HTTP"):
        assert library.seen == stream


@pytest.mark.parametrize(
    "stream",
    [
        marshalled(Message(1, 1, bytes(100)).frames())[:-1] + b"\x00",
        marshalled(Message(1, 1, b"").frames())[:-1] + b"\x00",
        # A body without a header, and one of more bytes than the header said.
        marshalled([next(Message(1, 1, b"").frames()), (body.ContentBody(b"x"), 1)]),
        marshalled([*Message(1, 1, b"ab").shown()][:1])
        + marshalled([(header.ContentHeader(body_size=2), 1), (body.ContentBody(b"abc"), 1)]),
        # Cut short, though whole as a frame.
        b"\x01\x00\x01\x00\x00\x00\x06\x00\x3c\x00\x3c\x01a\xce",
        marshalled([next(Message(1, 1, b"").frames())])
        + b"\x02\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x00\xce",
    ],
)
def test_frames_that_break_the_protocol_are_refused(stream: bytes) -> None:
    with pytest.raises(FrameError):
        Library().feed(stream)


@given(payload=st.binary(min_size=1, max_size=5 * FRAME_BYTES))
def test_published_message_has_the_frames_that_the_library_would_make(payload: bytes) -> None:
    properties = commands.Basic.Properties(delivery_mode=2, message_id="m", headers={"x": 1})
    method = commands.Basic.Publish(exchange="exchange", routing_key="key", mandatory=True)

    def published(content: bytes) -> bytes:
        parts = [content[at : at + FRAME_BYTES] for at in range(0, len(content), FRAME_BYTES)]
        first = [method, header.ContentHeader(body_size=len(content), properties=properties)]
        return ChannelFrame.marshall(7, [*first, *map(body.ContentBody, parts)]).payload

    made = with_body(published(b""), payload, most_bytes=FRAME_BYTES)

    assert made == published(payload)


def test_a_broker_that_sends_more_than_anybody_asked_for_is_hung_up_on() -> None:
    library = Library(most_held_bytes=250)
    first, second, third = (Message(number, 1, bytes(100)) for number in (1, 2, 3))

    library.feed(marshalled(first.frames()))  # waits to be asked for
    assert library.contents.kept == 100
    library.feed(marshalled([*second.frames()][:2]))  # was announced only
    with pytest.raises(FrameError, match="more than anybody asked for"):
        library.feed(marshalled([*third.frames()][:2]))


def test_a_body_that_was_asked_for_makes_room_for_others() -> None:
    library = Library(most_held_bytes=250)

    for tag in range(1, 9):
        message = Message(1, tag, bytes(100))
        library.feed(marshalled(message.frames()))
        assert library.contents.body(1, tag) == message.payload


def test_what_was_announced_and_is_given_up_makes_room_again() -> None:
    library = Library(most_held_bytes=250)
    message = Message(1, 1, bytes(200))

    for _ in range(9):
        library.feed(marshalled([*message.frames()][:2]))

    library.feed(marshalled([*message.frames()][2:]))
    assert library.contents.body(1, 1) == message.payload


def test_two_headers_of_one_message_are_no_frames() -> None:
    """The longer one would otherwise say how long the body of the shorter one is."""
    library = Library()
    deliver, longer, *_ = Message(1, 1, bytes(100)).frames()
    _, shorter, *_ = Message(1, 1, b"1").frames()

    with pytest.raises(FrameError, match="two headers"):
        library.feed(marshalled([deliver, longer, shorter]))
