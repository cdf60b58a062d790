"""What every adapter of `Sealing` guarantees: real boxes, and those of the simulator."""

from __future__ import annotations

import pytest

from actors.ports import Sealing
from infra.hpke_sealing import HpkeSealing
from infra.simulation.sealing import SimSealing
from protocols.trust.errors import Untrusted
from protocols.trust.sealing import OVERHEAD_BYTES, BoxKey, SealingKey, SuiteName, suites

CONTENT = bytes(range(256)) * 8


@pytest.fixture(params=["hpke", "simulated"])
def sealing(request: pytest.FixtureRequest) -> Sealing:
    return HpkeSealing() if request.param == "hpke" else SimSealing("north", 7)


@pytest.fixture(params=suites())
def key(request: pytest.FixtureRequest) -> BoxKey:
    suite: SuiteName = request.param
    return BoxKey.from_entropy(suite, bytes(range(32)))


@pytest.mark.parametrize("content", [b"", b"\0", CONTENT, bytes(2**20)])
def test_a_box_opens_as_what_was_sealed(sealing: Sealing, key: BoxKey, content: bytes) -> None:
    box = sealing.seal(key.sealing_key, b"info", content)

    assert sealing.open(key, b"info", box) == content
    assert len(box) == len(content) + OVERHEAD_BYTES[key.sealing_key.suite]


def test_a_box_opens_with_no_other_key_and_no_other_info(sealing: Sealing, key: BoxKey) -> None:
    suite = key.sealing_key.suite
    other = BoxKey.from_entropy(suite, bytes(32))
    box = sealing.seal(key.sealing_key, b"info", CONTENT)

    for opener, info in ((other, b"info"), (key, b"inf"), (key, b"info\0"), (key, b"")):
        with pytest.raises(Untrusted, match="does not open"):
            sealing.open(opener, info, box)


def test_no_damaged_box_opens(sealing: Sealing, key: BoxKey) -> None:
    box = sealing.seal(key.sealing_key, b"info", CONTENT[:40])
    damaged = [box[:i] + bytes([box[i] ^ 1]) + box[i + 1 :] for i in range(len(box))]

    for wrong in (*damaged, box[:-1], box + b"\0", box[1:], b"", b"x"):
        with pytest.raises(Untrusted, match="does not open"):
            sealing.open(key, b"info", wrong)


def test_what_is_in_a_box_is_not_to_be_seen_and_no_two_boxes_are_alike(
    sealing: Sealing, key: BoxKey
) -> None:
    boxes = [sealing.seal(key.sealing_key, b"info", CONTENT) for _ in range(3)]

    assert len(set(boxes)) == 3
    assert not [i for i in range(0, len(CONTENT), 8) for box in boxes if CONTENT[i : i + 8] in box]


def test_nothing_is_sealed_to_a_key_that_nobody_may_have(sealing: Sealing, key: BoxKey) -> None:
    usable = key.sealing_key
    nobodys = SealingKey(suite=usable.suite, key=usable.key[:-32] + bytes(32))

    with pytest.raises(Untrusted, match="small order"):
        sealing.seal(nobodys, b"info", CONTENT)


def test_simulated_boxes_are_the_same_in_each_run_of_a_seed(key: BoxKey) -> None:
    def boxes(host: str, seed: int) -> list[bytes]:
        sealing = SimSealing(host, seed)
        return [sealing.seal(key.sealing_key, b"info", CONTENT) for _ in range(2)]

    assert boxes("north", 7) == boxes("north", 7)
    assert not set(boxes("north", 7)) & {*boxes("north", 8), *boxes("south", 7)}
