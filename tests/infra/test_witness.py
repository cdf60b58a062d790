from __future__ import annotations

import numpy as np
import pytest

from actors.ports import Lane
from infra.memory_queue import Sent
from infra.witness import Witness
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
