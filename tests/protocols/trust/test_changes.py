"""What the authority may do to a roster."""

from __future__ import annotations

import msgspec
import pytest
from fakes.trusting import AUTHORITY, END_S, VALIDITY, key_of, request_of, whole_body

from protocols.trust.changes import Validity, added, handed_over, removed, renewed, rotated
from protocols.trust.errors import Doubt, Untrusted
from protocols.trust.requests import Request, SignedRequest

BODY = whole_body()


def why_not_added(signed: SignedRequest) -> Doubt:
    with pytest.raises(Untrusted) as refused:
        added(BODY, [signed], VALIDITY)
    return refused.value.doubt


def test_each_change_is_the_next_epoch_and_names_the_one_before() -> None:
    new = key_of("new").public
    for changed in (
        added(BODY, [request_of("new")], VALIDITY),
        removed(BODY, ["south"], VALIDITY),
        rotated(BODY, request_of("south", key="new", replaces="south"), VALIDITY),
        renewed(BODY, VALIDITY),
        handed_over(BODY, new, VALIDITY),
    ):
        assert changed.epoch == BODY.epoch + 1
        assert changed.previous == BODY.digest()
        assert changed.federation == BODY.federation


def test_new_members_come_last_in_the_order_of_their_requests() -> None:
    changed = added(BODY, [request_of("z", "holder"), request_of("a", "holder")], VALIDITY)

    assert changed.names().holders == ("holder-1", "holder-2", "z", "a")


def test_a_key_or_name_that_is_taken_is_not_added() -> None:
    assert why_not_added(request_of("north", key="new")) == "key"
    assert why_not_added(request_of("new", key="north")) == "key"
    assert why_not_added(request_of("new", key="the authority")) == "key"
    assert why_not_added(request_of("new", "coordinator")) == "form"
    with pytest.raises(Untrusted):
        added(BODY, [request_of("new"), request_of("new")], VALIDITY)
    with pytest.raises(Untrusted):
        added(BODY, [request_of("new"), request_of("newer", key="new")], VALIDITY)


def test_a_request_for_another_federation_is_not_added() -> None:
    key = key_of("new")
    asked = Request(federation="other", name="new", role="trainer", key=key.public)

    assert why_not_added(asked.signed_by(key)) == "federation"


def test_a_request_that_its_key_did_not_sign_is_not_added() -> None:
    forged = request_of("new").request.signed_by(key_of("mallory"))

    assert why_not_added(forged) == "signature"


def test_a_request_to_rotate_is_not_added() -> None:
    assert why_not_added(request_of("new", key="newer", replaces="new")) == "key"


def test_a_removed_member_can_come_back_but_its_key_can_not() -> None:
    without = removed(BODY, ["south", "north"], VALIDITY)

    assert [entry.key for entry in without.revoked] == sorted(
        key_of(name).public for name in ("south", "north")
    )
    assert {entry.epoch for entry in without.revoked} == {without.epoch}
    with pytest.raises(Untrusted) as refused:
        added(without, [request_of("south")], VALIDITY)
    assert refused.value.doubt == "revoked"
    again = added(without, [request_of("south", key="new")], VALIDITY)
    assert again.entry("south") is not None
    assert again.revoked == without.revoked


def test_strangers_can_not_be_removed() -> None:
    with pytest.raises(Untrusted, match="nobody-known"):
        removed(BODY, ["south", "nobody-known"], VALIDITY)


def test_a_rotation_keeps_place_and_role_and_revokes_the_old_key() -> None:
    changed = rotated(
        BODY, request_of("holder-1", "holder", key="new", replaces="holder-1"), VALIDITY
    )

    assert changed.names().holders == BODY.names().holders
    assert [entry.key for entry in changed.revoked] == [key_of("holder-1").public]
    entry = changed.entry("holder-1")
    assert entry is not None
    assert entry.key == key_of("new").public


def test_a_rotation_needs_the_old_key_unless_it_was_lost() -> None:
    alone = request_of("south", key="new")

    with pytest.raises(Untrusted, match="--lost") as refused:
        rotated(BODY, alone, VALIDITY)

    assert refused.value.doubt == "signature"
    assert rotated(BODY, alone, VALIDITY, lost=True).entry("south") is not None


@pytest.mark.parametrize(
    "signed",
    [
        request_of("stranger", key="new", replaces="stranger"),
        request_of("south", key="new", replaces="north"),
        request_of("south", "holder", key="new", replaces="south"),
        request_of("south", key="north", replaces="south"),
        request_of("south"),
        msgspec.structs.replace(
            request_of("south", key="new", replaces="south"), old_signature=bytes(64)
        ),
    ],
    ids=["stranger", "another's key", "another role", "a key that is taken", "same", "forged"],
)
@pytest.mark.parametrize("lost", [False, True])
def test_a_rotation_for_something_else_is_refused(signed: SignedRequest, lost: bool) -> None:
    with pytest.raises(Untrusted):
        rotated(BODY, signed, VALIDITY, lost=lost)


def test_a_revoked_key_can_not_be_rotated_to() -> None:
    once = rotated(BODY, request_of("south", key="new", replaces="south"), VALIDITY)

    with pytest.raises(Untrusted) as refused:
        rotated(once, request_of("south", replaces="new"), VALIDITY)

    assert refused.value.doubt == "revoked"


def test_a_roster_that_ends_before_it_begins_can_not_be_signed() -> None:
    with pytest.raises(Untrusted, match="ends before it begins"):
        renewed(BODY, Validity(valid_from=END_S, valid_until=END_S))


def test_a_member_can_not_be_the_authority_as_well() -> None:
    with pytest.raises(Untrusted, match="same key"):
        handed_over(BODY, key_of("south").public, VALIDITY)
    assert AUTHORITY.public in BODY.authorities
