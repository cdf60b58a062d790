"""Make the known answers of the suite `shamir`, in plain Python integers.

    python tests/vectors/make_shamir.py

This is a second implementation on purpose: HKDF from `hmac`, counter mode from single AES
blocks, polynomials from `pow`. It shares nothing with `protocols.secagg` but the round config
that gives the cid. The tests take it as their oracle, too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from protocols.round_config import RoundConfig

HERE = Path(__file__).parent
PRIMES = {"p31": 2**31 - 1, "p61": 2**61 - 1}
WORD_BYTES = {"p31": 4, "p61": 8}
TRAINERS, HOLDERS, THRESHOLD, CHUNK_BYTES = 3, 5, 3, 1024


def hkdf_sha256(seed: bytes, info: bytes) -> bytes:
    """RFC 5869 with no salt and one block of output."""
    pseudo_random_key = hmac.digest(bytes(32), seed, "sha256")
    return hmac.digest(pseudo_random_key, info + b"\x01", "sha256")


def key_stream(key: bytes) -> Iterator[int]:
    """AES-256 in counter mode from zero, one block at a time."""
    block_cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 (one block)
    counter = 0
    while True:
        yield from block_cipher.update(counter.to_bytes(16, "big"))
        counter += 1


def random_residues(field: str, seed: bytes, info: bytes, count: int) -> list[int]:
    p, size = PRIMES[field], WORD_BYTES[field]
    stream = key_stream(hkdf_sha256(seed, info))
    accepted: list[int] = []
    while len(accepted) < count:
        word = int.from_bytes(bytes(next(stream) for _ in range(size)), "little") & p
        if word != p:
            accepted.append(word)
    return accepted


def info_of(cid: bytes, chunk: int) -> bytes:
    parts = (b"quorate prg 1", b"shamir", cid, b"coefficients", chunk.to_bytes(8, "big"))
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def shares_of(p: int, secrets: list[int], rows: list[list[int]], holders: int) -> list[list[int]]:
    """Evaluate secret + Σ rows[k-1] · x^k at x = 1..holders."""
    polynomials = list(zip(secrets, *rows, strict=True))
    return [
        [sum(c * pow(x, k, p) for k, c in enumerate(poly)) % p for poly in polynomials]
        for x in range(1, holders + 1)
    ]


def opened(p: int, points: list[int], rows: list[list[int]]) -> list[int]:
    """Interpolate at zero by the textbook formula."""
    weights = []
    for own in points:
        weight = 1
        for other in points:
            if other != own:
                weight = weight * other * pow(other - own, -1, p) % p
        weights.append(weight)
    return [
        sum(w * share for w, share in zip(weights, column, strict=True)) % p
        for column in zip(*rows, strict=True)
    ]


def packed(field: str, residues: list[int]) -> str:
    return b"".join(r.to_bytes(WORD_BYTES[field], "little") for r in residues).hex()


def config_of(field: str) -> RoundConfig:
    return RoundConfig(
        job="vectors",
        number=7,
        suite="shamir",
        field=field,
        dimension=CHUNK_BYTES // WORD_BYTES[field] + 4,  # a full chunk and a short one
        fraction_bits=16,
        holders=HOLDERS,
        trainers=TRAINERS,
        threshold=THRESHOLD,
        faults=0,
        vote=True,
        quorum=3,
        minimum=3,
        chunk_bytes=CHUNK_BYTES,
        beat_ms=1000,
        sealing="x25519",
        state=hashlib.sha256(b"state").digest(),
        roster=hashlib.sha256(b"roster").digest(),
    )


def values_of(field: str, trainer: int, count: int) -> list[int]:
    limit = (PRIMES[field] - 1) // 2 // TRAINERS
    spread = [
        int.from_bytes(hashlib.sha256(f"{trainer}/{j}".encode()).digest()) % (2 * limit + 1) - limit
        for j in range(count - 6)
    ]
    return [0, 1, -1, *spread, limit, -limit, limit if trainer else -limit]


def contribution(config: RoundConfig, trainer: int) -> dict[str, Any]:
    p, full = PRIMES[config.field], CHUNK_BYTES // WORD_BYTES[config.field]
    seed = hashlib.sha256(f"seed {trainer}".encode()).digest()
    values = values_of(config.field, trainer, config.dimension)
    chunks = []
    for chunk, start in enumerate(range(0, config.dimension, full)):
        secrets = [v % p for v in values[start : start + full]]
        size, info = len(secrets), info_of(config.cid(), chunk)
        flat = random_residues(config.field, seed, info, (THRESHOLD - 1) * size)
        rows = [flat[k * size : (k + 1) * size] for k in range(THRESHOLD - 1)]
        chunks.append(shares_of(p, secrets, rows, HOLDERS))
    return {"seed": seed.hex(), "values": values, "shares": chunks}


def vectors(field: str) -> dict[str, Any]:
    """Return one round: three trainers, five holders, two chunks."""
    p, config = PRIMES[field], config_of(field)
    given = [contribution(config, trainer) for trainer in range(TRAINERS)]
    answers = [
        [
            [sum(words) % p for words in zip(*(g["shares"][c][h] for g in given), strict=True)]
            for h in range(HOLDERS)
        ]
        for c in range(len(given[0]["shares"]))
    ]
    total = [sum(column) for column in zip(*(g["values"] for g in given), strict=True)]
    for g in given:
        g["shares"] = [[packed(field, share) for share in chunk] for chunk in g["shares"]]
    plain = msgspec.to_builtins(config, builtin_types=(bytes,))
    return {
        "config": {k: v.hex() if isinstance(v, bytes) else v for k, v in plain.items()},
        "cid": config.cid().hex(),
        "contributions": given,
        "answers": [[packed(field, answer) for answer in chunk] for chunk in answers],
        "sum": total,
    }


if __name__ == "__main__":
    for name in PRIMES:
        text = json.dumps(vectors(name), indent=1) + "\n"
        (HERE / f"shamir_{name}.json").write_text(text)
