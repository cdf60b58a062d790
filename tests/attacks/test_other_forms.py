"""Holders and coordinators that sign their words in other bytes than ours: nobody is misled.

What a member said is shown to others by its signature alone, as they can put its message together
themselves. A signature over other bytes of the same meaning would be taken by whoever has the
bytes, and by nobody else.
"""

from __future__ import annotations

from typing import cast

import pytest
from fakes.actor_rig import Committee, Stage, in_virtual_time
from fakes.other_forms import in_another_form

from actors.shareholder import ShareHolder
from protocols.codec import VERSION
from protocols.messages import Message, RoundOpened, Vote, Wire
from protocols.reports import PeerFault, RoundComplete
from protocols.trust.signing import Statement

pytestmark = pytest.mark.attack

SEVEN = {"holders": 7, "threshold": 3, "faults": 2}


class _Twisted(ShareHolder):
    """Says one kind of message in other bytes than anybody else."""

    twisted: type[Message]

    def _signed(self, message: Message, version: int = VERSION) -> bytes:
        if not isinstance(message, self.twisted):
            return super()._signed(message, version)
        wire = cast("Wire", message)

        def sign(digest: bytes) -> bytes:
            statement = Statement.about(self.roster.federation, self.name, wire, digest)
            return self.ports.signatures.sign(statement.to_bytes())

        return in_another_form(self.name, wire, sign)


class TwistedVoter(_Twisted):
    """Its vote is in every certificate of whoever takes it, and no holder can check it."""

    twisted = Vote


class TwistedOpener(_Twisted):
    """Its countersignature is in every announcement of whoever takes it."""

    twisted = RoundOpened


@pytest.mark.parametrize("kind", [TwistedVoter, TwistedOpener])
def test_a_holder_that_signs_other_bytes_stops_no_round_and_is_named(
    kind: type[_Twisted],
) -> None:
    liars = dict.fromkeys(("holder-1", "holder-6"), kind)
    stage = Stage(rounds=1, committee=Committee(**SEVEN, liars=liars))

    in_virtual_time(stage.run())

    stage.check(rounds=1)
    assert len(stage.events_of(RoundComplete)) == 1
    named = {(fault.actor, fault.peer) for fault in stage.events_of(PeerFault)}
    assert named == {("coordinator", "holder-1"), ("coordinator", "holder-6")}
    assert all(
        fault.reason.startswith(f"did not sign this {kind.twisted.__name__}")
        for fault in stage.events_of(PeerFault)
    )
