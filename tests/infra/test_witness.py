from __future__ import annotations

import numpy as np
import pytest
from fakes.ports import FakeSpool

from actors.ports import Lane
from infra.memory_queue import Sent
from infra.witness import WatchedSpool, Witness
from protocols.round_config import Roster
from protocols.secagg.field import P31, P61

ROSTER = Roster(
    federation="test",
    coordinator="coordinator",
    holders=("holder-1", "holder-2"),
    trainers=("ann", "bob"),
)
VECTOR = np.random.default_rng(0).normal(size=100)
SCALED = np.rint(VECTOR * 2.0**16).astype("<i8")

FORMS = {
    "float64": VECTOR.astype("<f8"),
    "float32": VECTOR.astype("<f4"),
    "integers": SCALED,
    "p31 residues": P31.encode(SCALED),
    "p61 residues": P61.encode(SCALED),
}


def message(sender: str, body: bytes) -> Sent:
    return Sent(sender=sender, recipient="holder-1", lane=Lane.BULK, body=body)


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("sender", ["ann", "holder-2", "coordinator"])
def test_a_vector_sent_in_clear_is_seen_in_every_form(form: str, sender: str) -> None:
    witness = Witness(ROSTER, fraction_bits=16)
    witness.watch("ann", VECTOR)

    witness.observe(message(sender, b"header" + FORMS[form].tobytes() + b"trailer"))

    assert witness.cleartext_by_recipient == {"holder-1": 1}


def test_a_message_without_any_vector_is_not_counted() -> None:
    witness = Witness(ROSTER, fraction_bits=16)
    witness.watch("ann", VECTOR)

    witness.observe(message("ann", np.random.default_rng(1).bytes(10_000)))

    assert not witness.cleartext_by_recipient
    assert witness.bytes_by_role == {"trainer": 10_000}


# --- shares ---------------------------------------------------------------------------

SHARE = np.random.default_rng(2).bytes(1000)


async def test_a_share_sent_in_clear_is_seen_whoever_sends_it() -> None:
    for sender, keeper, stream in (
        ("ann", "ann", "00/upload/holder-1"),
        ("holder-2", "ann", "00/upload/holder-1"),
        ("holder-1", "holder-1", "00/answer/holder-1"),
    ):
        witness = Witness(ROSTER, fraction_bits=16)
        spool = WatchedSpool(keeper, FakeSpool(), witness)
        await spool.put(stream, 0, SHARE)
        assert await spool.get(stream, 0) == SHARE

        witness.observe(message(sender, b"header" + SHARE))
        witness.observe(message(sender, b"header" + SHARE[::-1]))

        assert witness.shares_watched == 1
        assert witness.shares_by_recipient == {"holder-1": 1}


async def test_what_others_sent_and_what_follows_is_not_watched() -> None:
    witness = Witness(ROSTER, fraction_bits=16)
    spool = WatchedSpool("holder-1", FakeSpool(), witness)

    await spool.put("00/share/ann", 0, SHARE)
    await spool.put("00/answer/holder-1", 1, SHARE)

    assert witness.shares_watched == 0
