"""Make the known answers of signatures: which bytes are signed, and what the signature is.

    python tests/vectors/make_trust.py

A second implementation on purpose: Ed25519 in plain integers, as RFC 8032 defines it, and the
signed bytes put together by hand. The tests take it as their oracle, too.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

HERE = Path(__file__).parent
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT = pow(2, (P - 1) // 4, P)

Point = tuple[int, int]
CASES = [
    ("trial", b"\x00" * 32, "north", "Goodbye", b""),
    ("trial", bytes(range(32)), "holder-1", "Vote", b"any bytes"),
    ("t", b"\xff" * 32, "a", "V", b"\x00" * 100_000),
    ("a" * 63, bytes(range(32)), "b" * 63, "ShareChunk", b"\x80"),
]
BINDINGS = [
    ("share", "trial", bytes(range(32)), "north", "holder-1", b"\x07" * 32, 0),
    ("answer", "trial", b"\xff" * 32, "holder-1", "coordinator", bytes(32), 2**32 - 1),
]


def add(one: Point, other: Point) -> Point:
    """Add two points of the curve -x² + y² = 1 + d·x²·y²."""
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P)
    return x % P, y % P


def times(factor: int, point: Point) -> Point:
    total: Point = (0, 1)
    while factor:
        if factor & 1:
            total = add(total, point)
        point, factor = add(point, point), factor >> 1
    return total


def to_bytes(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def from_bytes(text: bytes) -> Point | None:
    """Return the point, None where the bytes are no canonical encoding of one."""
    number = int.from_bytes(text, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT % P
    if x * x % P != square or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else P - x), y


BASE = from_bytes((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or (0, 0)


def _scalar(seed: bytes) -> tuple[int, bytes]:
    digest = hashlib.sha512(seed).digest()
    return int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254, digest[32:]


def public(seed: bytes) -> bytes:
    return to_bytes(times(_scalar(seed)[0], BASE))


def _hash(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


def sign(seed: bytes, message: bytes) -> bytes:
    secret, prefix = _scalar(seed)
    nonce = _hash(prefix, message)
    commitment = to_bytes(times(nonce, BASE))
    response = (nonce + _hash(commitment, public(seed), message) * secret) % L
    return commitment + response.to_bytes(32, "little")


def fits(key: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether a signature fits, without the cofactor; points of small order sign nothing."""
    point = from_bytes(key)
    response = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or point is None or times(8, point) == (0, 1) or response >= L:
        return False
    challenge = _hash(signature[:32], key, message)
    right = add(times(response, BASE), times(L * 8 - challenge, point))
    return to_bytes(right) == signature[:32]


def statement(federation: str, round_id: bytes, sender: str, kind: str, body: bytes) -> bytes:
    """Put the signed bytes together by hand; the version of the protocol is 1."""
    digest = hashlib.sha256(body).digest()
    return b"".join(
        [
            b"\x0fquorate/message\x00\x00\x00\x01\x05",
            b"\x00\x00\x00" + bytes([len(federation)]) + federation.encode(),
            b"\x00\x00\x00\x20" + round_id,
            b"\x00\x00\x00" + bytes([len(sender)]) + sender.encode(),
            b"\x00\x00\x00" + bytes([len(kind)]) + kind.encode(),
            b"\x00\x00\x00\x20" + digest,
        ]
    )


def binding(*fields: str | bytes | int) -> bytes:
    """Put together what a sealed box is bound to; an integer has four bytes."""
    found = [b"\x0equorate/sealed\x00\x00\x00\x01\x07"]
    for field in fields:
        raw = field.to_bytes(4, "big") if isinstance(field, int) else field
        raw = raw.encode() if isinstance(raw, str) else raw
        found.append(b"\x00\x00\x00" + bytes([len(raw)]) + raw)
    return b"".join(found)


def _shown(field: str | bytes | int) -> str | int:
    return field.hex() if isinstance(field, bytes) else field


def main() -> None:
    statements = []
    for number, (federation, round_id, sender, kind, body) in enumerate(CASES):
        seed = hashlib.sha256(b"seed %d" % number).digest()
        signed = statement(federation, round_id, sender, kind, body)
        statements.append(
            {
                "federation": federation,
                "round_id": round_id.hex(),
                "sender": sender,
                "type_name": kind,
                "body_digest": hashlib.sha256(body).hexdigest(),
                "seed": seed.hex(),
                "key": public(seed).hex(),
                "statement": signed.hex(),
                "signature": sign(seed, signed).hex(),
            }
        )
    bindings = [
        {"fields": [_shown(field) for field in fields], "bytes": binding(*fields).hex()}
        for fields in BINDINGS
    ]
    text = json.dumps({"statements": statements, "bindings": bindings}, indent=1)
    (HERE / "trust.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
