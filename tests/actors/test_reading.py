"""Long messages are read before their turn, decided on in it, and looked at no less."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from fakes.round_parts import ROSTER, chunks_of, config_of
from msgspec.structs import replace

from actors.ports import Lane
from actors.reading import Decide, Reading
from infra.simulation.signatures import IdealSignatures, signed
from protocols.codec import Undecodable, seal
from protocols.effects import Effect, Report
from protocols.errors import PeerViolation
from protocols.messages import ShareChunk, Wire, Working
from protocols.versions import Versions

MIB = 2**20
CHUNK = chunks_of(config_of(), "ann")[0]
FEDERATION = ROSTER.federation


def long_chunk(index: int = 0, size: int = 2**16) -> ShareChunk:
    return replace(CHUNK, index=index, payload=bytes(size))


@dataclass(frozen=True)
class Came:
    """A delivery in memory."""

    body: bytes
    sender: str | None = "ann"
    lane: Lane = Lane.BULK
    redelivered: bool = False

    async def ack(self) -> None:
        pass


@dataclass
class Machine:
    """Decides nothing and remembers what it was asked; opens boxes while it has the key."""

    has_key: bool = True
    opened: list[int] = field(default_factory=list)
    asked: list[tuple[str, Wire]] = field(default_factory=list)

    def unboxed(self, sender: str, message: Wire) -> Wire | None:
        if not isinstance(message, ShareChunk):
            return message
        if not self.has_key:
            return None
        if message.header_signature == b"spoilt":
            raise PeerViolation(sender, "a sealed box does not open")
        self.opened.append(message.index)
        return replace(message, header_signature=b"open")

    def decide(self, sender: str, message: Wire, signature: bytes) -> list[Effect]:
        self.asked.append((sender, message))
        return []

    def states(self) -> list[bytes]:
        """Return of each chunk that it was asked about whether its box was open."""
        return [said.header_signature for _, said in self.asked if isinstance(said, ShareChunk)]

    def reading(self) -> Reading:
        signatures = IdealSignatures("holder-1")
        return Reading(self, ROSTER, signatures, Versions("holder-1"))


def came(message: Wire) -> Came:
    return Came(signed(FEDERATION, "ann", message))


def test_a_long_message_is_opened_when_it_comes_and_decided_on_in_its_turn() -> None:
    machine = Machine()
    reading = machine.reading()

    turns = [reading.ahead(came(long_chunk(index))) for index in range(3)]

    assert (machine.opened, machine.asked) == ([0, 1, 2], [])
    for turn in turns:
        assert turn is not None
        assert turn() == []
    assert machine.opened == [0, 1, 2]
    assert [(sender, type(said)) for sender, said in machine.asked] == 3 * [("ann", ShareChunk)]
    assert machine.states() == 3 * [b"open"]


def test_a_short_message_waits_for_its_turn() -> None:
    machine = Machine()
    reading = machine.reading()
    short = came(CHUNK), came(Working(cid=bytes(32)))

    assert [reading.ahead(one) for one in short] == [None, None]
    assert machine.opened == []
    for one in short:
        reading.read(one)
    assert len(machine.asked) == 2


def test_what_has_no_key_yet_is_opened_in_its_turn_if_there_is_one_then() -> None:
    machine = Machine(has_key=False)
    reading = machine.reading()
    early, late = came(long_chunk(0)), came(long_chunk(1))
    assert reading.ahead(early) is None
    assert reading.ahead(late) is None

    reading.read(early)
    machine.has_key = True
    reading.read(late)

    assert machine.states() == [b"", b"open"]


def test_eight_mib_are_read_ahead_and_more_when_there_is_room_again() -> None:
    machine = Machine()
    reading = machine.reading()

    def ahead(index: int) -> Decide | None:
        return reading.ahead(came(long_chunk(index, 3 * MIB)))

    first, second, third = ahead(0), ahead(1), ahead(2)

    assert first is not None
    assert second is not None
    assert third is None
    first()
    assert ahead(3) is not None
    assert ahead(4) is None
    assert machine.opened == [0, 1, 3]


def test_the_first_is_read_ahead_whatever_its_size() -> None:
    machine = Machine()
    reading = machine.reading()
    whole = replace(long_chunk(0), payload=bytes(4 * MIB))

    turns = [reading.ahead(came(whole)) for _ in range(2)]

    assert turns[0] is not None
    assert turns[1] is None


FAULTS = {
    "unsigned": (Came(seal("ann", long_chunk())), "did not sign this ShareChunk"),
    "signed by another": (
        Came(signed(FEDERATION, "bob", long_chunk(), name="ann")),
        "did not sign this ShareChunk",
    ),
    "of another federation": (
        Came(signed("elsewhere", "ann", long_chunk())),
        "did not sign this ShareChunk",
    ),
    "of a stranger": (
        Came(signed(FEDERATION, "mallory", long_chunk()), sender="mallory"),
        "is no member of the federation",
    ),
    "under anothers name": (
        Came(signed(FEDERATION, "ann", long_chunk()), sender="bob"),
        "sent a message under the name 'ann'",
    ),
    "a box that does not open": (
        came(replace(long_chunk(), header_signature=b"spoilt")),
        "a sealed box does not open",
    ),
    "of a wrong type": (
        Came(seal("ann", replace(long_chunk(), index=-1))),
        "Expected `int` >= 0",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_has_a_fault_is_not_read_ahead_and_told_in_its_turn(fault: str) -> None:
    machine = Machine()
    reading = machine.reading()
    delivery, reason = FAULTS[fault]

    assert reading.ahead(delivery) is None

    with pytest.raises(PeerViolation) as told:
        reading.read(delivery)
    assert told.value.reason.startswith(reason)
    assert told.value.peer == delivery.sender
    assert machine.asked == []


def test_bytes_that_are_no_message_are_told_in_their_turn() -> None:
    reading = Machine().reading()
    garbage = Came(bytes(2**17))

    assert reading.ahead(garbage) is None
    with pytest.raises(Undecodable):
        reading.read(garbage)


def test_a_long_message_of_another_version_is_answered_in_its_turn() -> None:
    machine = Machine()
    reading = machine.reading()
    newer = Came(seal("ann", long_chunk(), version=7))

    assert reading.ahead(newer) is None

    told = reading.read(newer)
    assert machine.asked == []
    assert any(not isinstance(effect, Report) for effect in told)
