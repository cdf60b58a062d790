"""What is sealed between actors, what does not open, and what it costs the loop."""

from __future__ import annotations

import asyncio

import pytest
from fakes.actor_rig import Stage, in_virtual_time
from fakes.ports import SeededEntropy, yield_turns
from fakes.round_parts import answer_of, chunks_of, config_of, set_of
from msgspec.structs import replace

from actors.seals import Chunk, Seals
from infra.hpke_sealing import HpkeSealing
from infra.memory_queue import Sent
from infra.simulation.signatures import IdealSignatures, header_signature
from protocols.errors import PeerViolation
from protocols.messages import AnswerChunk, RoundOpened, ShareChunk
from protocols.reports import ActorRestarted, PeerFault, RoundComplete
from protocols.trust.sealing import BoxKey, SealingKey, suites

CONFIG = config_of()
SHARE, LATER = chunks_of(CONFIG, "ann")
ANSWER = answer_of(CONFIG, set_of(CONFIG, "ann", "bob", "cat"))[0]


def seals_of(name: str, federation: str = "test") -> Seals:
    return Seals(name, federation, HpkeSealing(), IdealSignatures(name))


def signed_by(sender: str, chunk: Chunk, federation: str = "test") -> Chunk:
    signature = header_signature(federation, sender, chunk.header)
    return replace(chunk, header_signature=signature)


@pytest.fixture(params=suites())
def key(request: pytest.FixtureRequest) -> BoxKey:
    return BoxKey.from_entropy(request.param, SeededEntropy().bytes(32))


async def test_only_the_recipient_sees_what_is_in_a_chunk(key: BoxKey) -> None:
    sealed = await seals_of("ann").sealed(SHARE, "holder-1", key.sealing_key)

    assert SHARE.payload[:16] not in sealed.payload
    assert seals_of("holder-1").opened("ann", sealed, key) == signed_by("ann", SHARE)


async def test_an_answer_opens_at_the_coordinator(key: BoxKey) -> None:
    sealed = await seals_of("holder-1").sealed(ANSWER, "coordinator", key.sealing_key)

    opened = seals_of("coordinator").opened("holder-1", sealed, key)
    assert opened == signed_by("holder-1", ANSWER)


async def test_a_header_that_its_sender_did_not_sign_opens_no_box(key: BoxKey) -> None:
    sealed = await seals_of("ann").sealed(SHARE, "holder-1", key.sealing_key)
    other = replace(SHARE.header, share_bytes=SHARE.header.share_bytes + 1)
    holder = seals_of("holder-1")
    holder.opened("ann", sealed, key)

    for sender, chunk in (
        ("ann", replace(sealed, header_signature=b"")),
        ("ann", replace(sealed, header_signature=bytes(64))),
        ("ann", replace(sealed, header=other)),
        ("bob", sealed),
    ):
        with pytest.raises(PeerViolation, match="did not sign this ContributionHeader") as refused:
            holder.opened(sender, chunk, key)
        assert refused.value.peer == sender


async def test_a_box_opens_as_nothing_but_what_it_was_sealed_as(key: BoxKey) -> None:
    sealed = await seals_of("ann").sealed(SHARE, "holder-1", key.sealing_key)
    other_header = replace(SHARE.header, share_digests=SHARE.header.share_digests[::-1])
    holder = seals_of("holder-1")
    attempts = {
        "in another's name": lambda: holder.opened("bob", signed_by("bob", sealed), key),
        "as another chunk": lambda: holder.opened("ann", replace(sealed, index=1), key),
        "of another contribution": lambda: holder.opened(
            "ann", signed_by("ann", replace(sealed, header=other_header)), key
        ),
        "by another holder": lambda: seals_of("holder-2").opened("ann", sealed, key),
        "in another federation": lambda: seals_of("holder-1", "other").opened(
            "ann", signed_by("ann", sealed, "other"), key
        ),
        "damaged": lambda: holder.opened("ann", replace(sealed, payload=sealed.payload[1:]), key),
        "in clear": lambda: holder.opened("ann", signed_by("ann", SHARE), key),
    }

    for what, attempt in attempts.items():
        with pytest.raises(PeerViolation, match="a sealed box does not open") as refused:
            attempt()
        assert refused.value.peer == ("bob" if what == "in another's name" else "ann"), what


# --- whole rounds ---------------------------------------------------------------------


def in_clear(stage: Stage) -> list[Sent]:
    """Return the messages with a piece of any share or answer that anybody ever kept."""
    kept = [chunk for home in stage.homes.values() for _, _, chunk in home.spool.ever]
    pieces = {chunk[at : at + 16] for chunk in kept for at in range(0, len(chunk) - 16, 64)}
    assert len(pieces) > 500
    return [sent for sent, _ in stage.messages if any(piece in sent.body for piece in pieces)]


def test_whoever_sees_all_messages_sees_no_share_and_no_answer() -> None:
    stage = Stage(rounds=2)
    in_virtual_time(stage.run())

    stage.check(rounds=2)
    assert len(stage.messages_of(ShareChunk)) >= 2 * 4 * 5 * 2
    assert stage.messages_of(AnswerChunk)
    assert in_clear(stage) == []


class Clear:
    """Boxes that everybody can look into."""

    def seal(self, _key: SealingKey, _info: bytes, content: bytes) -> bytes:
        return content

    def open(self, _key: BoxKey, _info: bytes, box: bytes) -> bytes:
        return box


def test_shares_in_clear_would_be_seen() -> None:
    stage = Stage()
    stage.sealing = Clear()
    in_virtual_time(stage.run())

    kinds = {type(message) for sent, message in stage.messages if sent in in_clear(stage)}
    assert kinds == {ShareChunk, AnswerChunk}


class Spoiling(HpkeSealing):
    """Damages one box in so many, the first too."""

    def __init__(self, one_in: int) -> None:
        self.sealed = 0
        self.spoiled = 0
        self._one_in = one_in

    def seal(self, key: SealingKey, info: bytes, content: bytes) -> bytes:
        box = super().seal(key, info, content)
        self.sealed += 1
        if self.sealed % self._one_in != 1:
            return box
        self.spoiled += 1
        return box[:-1] + bytes([box[-1] ^ 1])


def test_what_does_not_open_is_told_with_its_sender_and_costs_time_only() -> None:
    stage = Stage(rounds=2)
    stage.sealing = spoiling = Spoiling(7)

    in_virtual_time(stage.run())

    assert len(stage.faults) == spoiling.spoiled > 5
    faults = stage.events_of(PeerFault)
    assert {fault.reason for fault in faults} == {
        "a sealed box does not open: damaged, or not for us"
    }
    assert {fault.peer for fault in faults} >= {"ann", "bob", "cat", "dan"}
    assert not stage.events_of(ActorRestarted)
    stage.faults.clear()
    stage.check(rounds=2)


def test_each_round_has_keys_of_its_own_and_none_is_left_after_it() -> None:
    stage = Stage(rounds=3)
    in_virtual_time(stage.run())

    opened = [(s.sender, m) for s, m in stage.messages if isinstance(m, RoundOpened)]
    keys = {(name, message.cid): message.sealing_key.key for name, message in opened}
    assert len(keys) == len(set(keys.values())) == 3 * 5
    stage.check(rounds=3)
    seeds = {k.sealing_key.key: k for n, c in keys for k in stage.keys(n, c)}
    assert len(seeds) == 15
    for home in stage.homes.values():
        assert not [key for key in home.journal.contents() if "key" in key]


@pytest.mark.parametrize("name", ["holder-1", "coordinator"])
def test_a_party_that_crashes_while_shares_come_in_opens_them_with_the_same_key(name: str) -> None:
    stage = Stage()

    async def crashing() -> None:
        for _ in range(2000):
            await yield_turns(1)
            if len(stage.messages_of(ShareChunk)) >= 12:
                break
        stage.bus.disconnect(name)

    in_virtual_time(stage.run(during=crashing))

    assert [event.actor for event in stage.events_of(ActorRestarted)] == [name]
    assert not stage.events_of(PeerFault)
    assert [event.number for event in stage.events_of(RoundComplete)] == [1]
    stage.check()


# --- the loop -------------------------------------------------------------------------


async def test_between_two_chunks_that_are_sealed_others_get_their_turn() -> None:
    turns: list[None] = []
    sealed: list[int] = []

    class Noting(HpkeSealing):
        def seal(self, key: SealingKey, info: bytes, content: bytes) -> bytes:
            sealed.append(len(turns))
            return super().seal(key, info, content)

    async def others() -> None:
        while True:
            turns.append(None)
            await asyncio.sleep(0)

    seals = Seals("ann", "test", Noting(), IdealSignatures("ann"))
    key = BoxKey.from_entropy(suites()[0], bytes(32)).sealing_key
    beside = asyncio.create_task(others())

    for _ in range(4):
        await seals.sealed(LATER, "holder-1", key)

    beside.cancel()
    assert len(sealed) == len(set(sealed)) == 4
