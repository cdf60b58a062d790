from __future__ import annotations

from typing import Any

import pytest
from fakes.round_parts import answer_of, chunks_of, config_of, key_of, set_of
from msgspec.structs import replace

from protocols.messages import AnswerChunk, ShareChunk
from protocols.secagg.sealed import binding_of, key_fault
from protocols.trust.sealing import CLASSICAL, HYBRID, PUBLIC_BYTES, SealingKey

CONFIG = config_of()
SHARE = chunks_of(CONFIG, "ann")[0]
ANSWER = answer_of(CONFIG, set_of(CONFIG, "ann", "bob", "cat"))[0]
USUAL: dict[str, Any] = {"federation": "test", "sender": "ann", "recipient": "holder-1"}


def bound(chunk: ShareChunk | AnswerChunk = SHARE, **changes: str) -> bytes:
    return binding_of(**(USUAL | changes), chunk=chunk)


def test_a_box_is_bound_to_all_that_both_ends_know_of_it_and_not_to_its_content() -> None:
    others = [
        bound(federation="other"),
        bound(sender="bob"),
        bound(recipient="holder-2"),
        bound(replace(SHARE, index=1)),
        bound(replace(SHARE, header=replace(SHARE.header, share_bytes=1))),
        bound(replace(SHARE, header=replace(SHARE.header, cid=bytes(32)))),
        bound(ANSWER),
    ]

    assert len({bound(), *others}) == 1 + len(others)
    assert bound(replace(SHARE, payload=b"")) == bound()


def test_an_answer_and_a_share_are_never_taken_for_each_other() -> None:
    assert b"share" in bound(SHARE)
    assert b"answer" in bound(ANSWER)


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        (key_of("holder-1"), None),
        (SealingKey(suite=HYBRID, key=bytes(1216)), f"a key of {HYBRID}"),
        (SealingKey(suite=CLASSICAL, key=bytes(32)), "small order"),
        (SealingKey(suite=CLASSICAL, key=bytes(PUBLIC_BYTES[HYBRID])), "1216 bytes"),
    ],
    ids=["in order", "of another suite", "of small order", "too long"],
)
def test_a_key_is_usable_in_a_round_of_its_suite_only(key: SealingKey, fault: str | None) -> None:
    found = key_fault(CONFIG, key)

    assert found is None if fault is None else found is not None and fault in found
