"""What comes in is read once, and means the same however often, and by whomever, it is heard."""

from __future__ import annotations

import msgspec
import pytest

from protocols.codec import MAX_MESSAGE_BYTES, Undecodable, canonical, seal
from protocols.errors import Misuse, PeerViolation
from protocols.messages import CheckValues, Vote, Welcome
from protocols.trust.heard import heard
from protocols.trust.signing import Statement

CID = bytes(range(32))
VOTE = Vote(cid=CID, set_digest=b"\x07" * 32)


def statement_of(federation: str, sender: str, message: Vote | Welcome | CheckValues) -> bytes:
    return Statement.of(federation, sender, message).to_bytes()


def test_an_envelope_and_its_message_are_heard() -> None:
    said = heard(seal("north", VOTE, signature=b"s" * 64))

    assert said.message == VOTE
    assert (said.envelope.sender, said.envelope.signature) == ("north", b"s" * 64)


def test_the_statement_is_that_of_the_federation_that_asks() -> None:
    said = heard(seal("north", VOTE))

    for federation in ("trial", "other", "trial"):
        assert said.statement(federation) == statement_of(federation, "north", VOTE)


def test_the_statement_is_about_the_message_and_not_about_the_bytes_that_came() -> None:
    other = {"number": 3, "type": "Welcome", "job": "known"}  # another order of the fields
    body = msgspec.msgpack.encode(other)
    envelope = {"v": 1, "sender": "north", "signature": b"", "body": body}

    said = heard(msgspec.msgpack.encode(envelope))

    assert said.message == Welcome(job="known", number=3)
    assert body != canonical(said.message)
    assert said.statement("trial") == statement_of("trial", "north", Welcome(job="known", number=3))


def test_the_same_bytes_are_read_once_and_others_are_not_mixed_up_with_them() -> None:
    first, second = seal("north", VOTE), seal("south", VOTE)

    assert heard(first) is heard(bytes(bytearray(first)))
    assert heard(second).envelope.sender == "south"


def test_what_is_long_is_not_kept() -> None:
    message = CheckValues(cid=CID, coin=CID, about=((0, 100),), values=((2**60,) * 8,) * 100)
    body = seal("north", message)

    assert len(body) > 4096
    assert heard(body) is not heard(body)
    assert heard(body).statement("trial") == statement_of("trial", "north", message)


@pytest.mark.parametrize("body", [b"", b"\xc1", b"x" * 40])
def test_what_can_not_be_read_is_refused_each_time(body: bytes) -> None:
    for _ in range(2):
        with pytest.raises(Undecodable):
            heard(body)


def test_what_is_too_long_is_refused() -> None:
    with pytest.raises(Undecodable, match="limit"):
        heard(bytes(MAX_MESSAGE_BYTES + 1))


def test_a_bad_message_is_its_senders_fault_each_time() -> None:
    body = seal("north", VOTE).replace(b"Vote", b"Void")

    for _ in range(2):
        with pytest.raises(PeerViolation):
            heard(body)


def test_a_sender_of_no_name_makes_no_statement() -> None:
    said = heard(seal("No Name", VOTE))

    with pytest.raises(Misuse):
        said.statement("trial")
