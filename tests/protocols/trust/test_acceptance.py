"""Which rosters a member accepts, and whose messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from fakes.trusting import (
    AUTHORITY,
    END_S,
    FEDERATION,
    MEMBERS,
    START_S,
    VALIDITY,
    key_of,
    whole_body,
)
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import Misuse
from protocols.messages import Vote, Working
from protocols.trust.acceptance import CLOCKS_APART_S, Standing, accepted
from protocols.trust.changes import Validity, founded, handed_over, removed, renewed
from protocols.trust.errors import Doubt, Untrusted
from protocols.trust.key_ring import KeyRing
from protocols.trust.keys import SigningKey
from protocols.trust.roster import RosterBody
from protocols.trust.signing import Statement, require_said

BODY = whole_body()
FIRST = Standing(federation=FEDERATION, authorities=(AUTHORITY.public,))
KNOWN = Standing.after(BODY)
NOW_S = (START_S + END_S) // 2
NEXT = renewed(BODY, VALIDITY)
CID = bytes(range(32))


def refusal(
    body: RosterBody,
    before: Standing = KNOWN,
    *,
    keys: tuple[SigningKey, ...] = (AUTHORITY,),
    now_s: int = NOW_S,
) -> Doubt:
    with pytest.raises(Untrusted) as refused:
        accepted(body.signed_by(keys), before, now_s=now_s)
    return refused.value.doubt


def test_the_first_roster_is_accepted_from_the_authority_that_was_told() -> None:
    assert accepted(BODY.signed_by([AUTHORITY]), FIRST, now_s=NOW_S) == BODY


def test_the_next_epoch_and_the_same_one_again_are_accepted() -> None:
    assert accepted(NEXT.signed_by([AUTHORITY]), KNOWN, now_s=NOW_S) == NEXT
    assert accepted(BODY.signed_by([AUTHORITY]), KNOWN, now_s=NOW_S) == BODY


def test_epochs_may_be_left_out() -> None:
    later = renewed(NEXT, VALIDITY)

    assert accepted(later.signed_by([AUTHORITY]), KNOWN, now_s=NOW_S) == later


def test_an_epoch_never_goes_back() -> None:
    assert refusal(BODY, Standing.after(NEXT)) == "epoch"


def test_another_roster_of_the_same_epoch_is_refused() -> None:
    other = renewed(BODY, replace(VALIDITY, valid_until=END_S + 1))

    assert refusal(other, Standing.after(NEXT)) == "epoch"


def test_of_another_roster_of_the_same_epoch_only_its_signer_is_accused() -> None:
    mallory = key_of("mallory")
    forged = msgspec.structs.replace(BODY, authorities=(mallory.public,))
    second = msgspec.structs.replace(BODY, valid_until=END_S + 1)

    assert refusal(forged, keys=(mallory,)) == "authority"
    with pytest.raises(Untrusted, match="the authority has signed both"):
        accepted(second.signed_by([AUTHORITY]), KNOWN, now_s=NOW_S)


def test_a_next_epoch_that_follows_another_roster_is_refused() -> None:
    fork = msgspec.structs.replace(NEXT, previous=bytes(32))

    assert refusal(fork) == "epoch"


def test_the_roster_of_another_federation_is_refused() -> None:
    assert refusal(msgspec.structs.replace(NEXT, federation="other")) == "federation"


def test_a_roster_of_another_authority_is_refused() -> None:
    mallory = key_of("mallory")
    forged = msgspec.structs.replace(NEXT, authorities=(mallory.public,))

    assert refusal(forged, keys=(mallory,)) == "authority"
    assert refusal(NEXT, keys=(mallory,)) == "authority"


def test_a_change_of_authority_takes_both_signatures() -> None:
    new = key_of("the next authority")
    handed = handed_over(BODY, new.public, VALIDITY)
    both = accepted(handed.signed_by([AUTHORITY, new]), KNOWN, now_s=NOW_S)
    afterwards = renewed(handed, VALIDITY)

    assert both == handed
    assert refusal(handed, keys=(new,)) == "authority"
    assert refusal(handed, keys=(AUTHORITY,)) == "authority"
    after = Standing.after(handed)
    assert accepted(afterwards.signed_by([new]), after, now_s=NOW_S) == afterwards
    assert refusal(renewed(handed, VALIDITY), after, keys=(AUTHORITY,)) == "authority"
    # Whoever missed the handing over does not know the new key.
    assert refusal(afterwards, KNOWN, keys=(new,)) == "authority"


@pytest.mark.parametrize(
    ("now_s", "doubt"),
    [
        (START_S - CLOCKS_APART_S - 1, "early"),
        (START_S - CLOCKS_APART_S, None),
        (END_S + CLOCKS_APART_S - 1, None),
        (END_S + CLOCKS_APART_S, "expired"),
        (2**52, "expired"),
        (0, "early"),
    ],
)
def test_a_roster_is_valid_in_its_time_within_what_clocks_are_apart(
    now_s: int, doubt: Doubt | None
) -> None:
    if doubt is None:
        assert accepted(NEXT.signed_by([AUTHORITY]), KNOWN, now_s=now_s) == NEXT
    else:
        assert refusal(NEXT, now_s=now_s) == doubt


def test_a_roster_without_an_end_does_not_expire() -> None:
    endless = renewed(BODY, Validity())

    assert accepted(endless.signed_by([AUTHORITY]), KNOWN, now_s=2**52) == endless


def test_a_roster_without_the_members_that_are_needed_is_refused() -> None:
    assert refusal(founded(FEDERATION, AUTHORITY.public, VALIDITY), FIRST) == "incomplete"
    for name in ("coordinator", "holder-1", "north"):
        assert refusal(removed(BODY, [name], VALIDITY)) == "incomplete"


@given(st.integers(1, 6), st.integers(1, 6))
def test_only_newer_epochs_are_accepted_whatever_was_seen(seen: int, comes: int) -> None:
    epochs = [BODY]
    for _ in range(6):
        epochs.append(renewed(epochs[-1], VALIDITY))
    standing = Standing.after(epochs[seen])

    if comes >= seen:
        taken = accepted(epochs[comes].signed_by([AUTHORITY]), standing, now_s=NOW_S)
        assert taken.epoch == epochs[comes].epoch
    else:
        assert refusal(epochs[comes], standing) == "epoch"


@pytest.mark.parametrize("wrong", [{"authorities": ()}, {"epoch": 1}, {"digest": bytes(32)}])
def test_a_standing_that_makes_no_sense_can_not_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        replace(FIRST, **wrong)


def test_a_member_is_believed_for_what_it_signed_and_nobody_else() -> None:
    ring, vote = KeyRing.of(BODY, key_of("south")), Vote(cid=CID, set_digest=CID)
    said = Statement.of(FEDERATION, "north", vote)
    signature = said.signed_by(key_of("north"))
    by_south = ring.sign(said.to_bytes())
    other = Vote(cid=CID, set_digest=bytes(32))

    require_said(ring, FEDERATION, "north", vote, signature)

    for federation, sender, message, tried in (
        ("elsewhere", "north", vote, signature),
        (FEDERATION, "south", vote, signature),
        (FEDERATION, "north", vote, by_south),
        (FEDERATION, "stranger", vote, signature),
        (FEDERATION, "north", Working(cid=CID), signature),
        (FEDERATION, "north", other, signature),
        (FEDERATION, "north", vote, signature[:-1]),
        (FEDERATION, "north", vote, b""),
    ):
        with pytest.raises(Untrusted) as refused:
            require_said(ring, federation, sender, message, tried)
        assert refused.value.doubt == "signature"


@pytest.mark.parametrize("name", [name for name, _ in MEMBERS])
def test_every_member_is_believed_with_its_own_key(name: str) -> None:
    message = Working(cid=CID)
    own = KeyRing.of(BODY, key_of(name))
    signature = own.sign(Statement.of(FEDERATION, name, message).to_bytes())

    require_said(KeyRing.of(BODY, key_of("south")), FEDERATION, name, message, signature)


def test_a_member_whose_key_was_changed_is_believed_with_the_new_one_only() -> None:
    entries = tuple(
        msgspec.structs.replace(entry, key=key_of("new").public) if entry.name == "north" else entry
        for entry in BODY.entries
    )
    ring = KeyRing.of(msgspec.structs.replace(BODY, entries=entries), key_of("south"))
    vote = Vote(cid=CID, set_digest=CID)
    said = Statement.of(FEDERATION, "north", vote)

    require_said(ring, FEDERATION, "north", vote, said.signed_by(key_of("new")))
    with pytest.raises(Untrusted):
        require_said(ring, FEDERATION, "north", vote, said.signed_by(key_of("north")))
