"""Receipts in few messages: each keeps its signature, none is lost, and the length is bounded."""

from __future__ import annotations

from protocols.codec import SIGNATURE_BYTES, seal
from protocols.messages import Contribution, Goodbye, Have
from protocols.secagg.bundling import MOST, joined, receipts

CID = bytes(32)


def signature(name: str) -> bytes:
    return name.encode().ljust(SIGNATURE_BYTES, b".")


def told(*names: str, cid: bytes = CID, digest: bytes = bytes(32)) -> Have:
    (have,) = receipts(cid, dict.fromkeys(names, digest), {name: signature(name) for name in names})
    return have


def trainers(have: Have | None) -> list[str]:
    assert have is not None
    return [one.trainer for one in have.contributions]


def test_a_joined_message_has_every_contribution_with_its_own_signature() -> None:
    both = joined(told("bob", "dan"), told("ann"))

    assert trainers(both) == ["bob", "dan", "ann"]
    assert both is not None
    assert both.signatures == tuple(map(signature, ("bob", "dan", "ann")))


def test_what_both_tell_is_told_once() -> None:
    both = joined(told("ann", "bob"), told("bob", "cat"))

    assert both == joined(told("ann", "bob"), told("cat"))


def test_messages_of_two_rounds_are_not_joined() -> None:
    assert joined(told("ann"), told("bob", cid=b"2" * 32)) is None


def test_two_contributions_of_one_trainer_are_not_joined() -> None:
    assert joined(told("ann"), told("ann", digest=b"2" * 32)) is None


def test_signed_ones_are_not_joined_with_unsigned_ones() -> None:
    one = Contribution(trainer="bob", digest=bytes(32))
    bare = Have(cid=CID, contributions=(one,))

    assert joined(told("ann"), bare) is None
    assert joined(bare, told("ann")) is None


def test_only_receipts_are_joined() -> None:
    assert joined(told("ann"), Goodbye()) is None
    assert joined(Goodbye(), Goodbye()) is None


def test_a_message_takes_in_so_many_and_no_more() -> None:
    names = [f"t{number:04}" for number in range(MOST)]

    assert len(trainers(joined(told(*names[:-1]), told(names[-1])))) == MOST
    assert joined(told(*names), told("ann")) is None


def test_receipts_of_many_are_split() -> None:
    names = [f"t{number:04}" for number in range(2 * MOST + 1)]
    complete = dict.fromkeys(names, bytes(32))

    split = receipts(CID, complete, {name: signature(name) for name in names})

    assert [len(one.contributions) for one in split] == [MOST, MOST, 1]
    assert [name for one in split for name in trainers(one)] == names
    assert [s for one in split for s in one.signatures] == [signature(name) for name in names]


def test_nothing_complete_is_no_message() -> None:
    assert receipts(CID, {}, {}) == []


def test_the_longest_message_is_read_in_its_turn_like_short_ones() -> None:
    names = [f"{number:064}" for number in range(MOST)]

    (longest,) = receipts(CID, dict.fromkeys(names, bytes(32)), {n: signature(n) for n in names})

    assert len(seal("h", longest, signature=bytes(SIGNATURE_BYTES))) < 2**16
