"""Make the known answers of the suite `packed`, in plain Python integers.

    python tests/vectors/make_packed.py

A second implementation on purpose: the coefficients of a polynomial come from a linear system,
solved by elimination, and everything else from evaluating it; the generator is that of
`make_shamir`. It shares nothing with `protocols.secagg` but the round config that gives the cid.
The tests take it as their oracle, too.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
from vectors.make_shamir import CHUNK_BYTES, PRIMES, TRAINERS, WORD_BYTES, packed, random_residues

from protocols.round_config import RoundConfig

HERE = Path(__file__).parent
HOLDERS, THRESHOLD, PACKING = 7, 5, 3  # two holders learn nothing


def coefficients(p: int, points: list[int], values: list[int]) -> list[int]:
    """Solve Σ c_k · x^k = y for every point, by Gauss-Jordan elimination."""
    size = len(points)
    lines = [[pow(x, k, p) for k in range(size)] + [y] for x, y in zip(points, values, strict=True)]
    for k in range(size):
        pivot = next(i for i in range(k, size) if lines[i][k] % p)
        lines[k], lines[pivot] = lines[pivot], lines[k]
        inverse = pow(lines[k][k], p - 2, p)
        lines[k] = [entry * inverse % p for entry in lines[k]]
        for i in range(size):
            if i != k:
                factor = lines[i][k]
                lines[i] = [(a - factor * b) % p for a, b in zip(lines[i], lines[k], strict=True)]
    return [line[-1] for line in lines]


def value(p: int, polynomial: list[int], x: int) -> int:
    return sum(c * pow(x, k, p) for k, c in enumerate(polynomial)) % p


def shares_of(
    p: int, secrets: list[list[int]], at: list[int], given: dict[int, list[int]], holders: int
) -> list[list[int]]:
    """Return the shares of all places, column by column; those of `given` are as they are."""
    points = [*at, *(place + 1 for place in given)]
    polynomials = [
        coefficients(p, points, list(column))
        for column in zip(*secrets, *given.values(), strict=True)
    ]
    return [[value(p, f, place + 1) for f in polynomials] for place in range(holders)]


def opened(p: int, points: list[int], rows: list[list[int]], at: list[int]) -> list[list[int]]:
    """Return the values at some points of the polynomials through all the rows."""
    polynomials = [coefficients(p, points, list(column)) for column in zip(*rows, strict=True)]
    return [[value(p, f, x) for f in polynomials] for x in at]


def info_of(suite: str, cid: bytes, purpose: str, index: int) -> bytes:
    parts = (b"quorate prg 1", suite.encode(), cid, purpose.encode(), index.to_bytes(8, "big"))
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def config_of(field: str, **changes: Any) -> RoundConfig:
    usual: dict[str, Any] = {
        "job": "vectors",
        "number": 7,
        "suite": "packed",
        "packing": PACKING,
        "field": field,
        # A full chunk, and a last one that does not fill its columns.
        "dimension": CHUNK_BYTES // WORD_BYTES[field] * PACKING + 4,
        "fraction_bits": 16,
        "holders": HOLDERS,
        "trainers": TRAINERS,
        "threshold": THRESHOLD,
        "faults": 0,
        "vote": True,
        "quorum": 4,
        "minimum": 3,
        "chunk_bytes": CHUNK_BYTES,
        "beat_ms": 1000,
        "sealing": "x25519",
        "state": hashlib.sha256(b"state").digest(),
        "roster": hashlib.sha256(b"roster").digest(),
    }
    return RoundConfig(**(usual | changes))


def values_of(field: str, trainer: int, count: int) -> list[int]:
    limit = (PRIMES[field] - 1) // 2 // TRAINERS
    spread = [
        int.from_bytes(hashlib.sha256(f"{trainer}/{j}".encode()).digest()) % (2 * limit + 1) - limit
        for j in range(count - 6)
    ]
    return [0, 1, -1, *spread, limit, -limit, limit if trainer else -limit]


def rows_of(p: int, values: list[int], packing: int) -> list[list[int]]:
    """Cut a chunk into k equal rows, filled up with zeros."""
    words = -(-len(values) // packing)
    filled = [v % p for v in values] + [0] * (words * packing - len(values))
    return [filled[j * words : (j + 1) * words] for j in range(packing)]


def chunk_of(config: RoundConfig, seed: bytes, chunk: int, values: list[int]) -> list[list[int]]:
    """Share one chunk; the first T holders get the random words themselves."""
    secrets = rows_of(PRIMES[config.field], values, config.packing)
    words, privacy = len(secrets[0]), config.threshold - config.packing
    info = info_of("packed", config.cid(), "given shares", chunk)
    flat = random_residues(config.field, seed, info, privacy * words)
    given = {place: flat[place * words : (place + 1) * words] for place in range(privacy)}
    at = [-j for j in range(1, config.packing + 1)]
    return shares_of(PRIMES[config.field], secrets, at, given, config.holders)


def contribution(config: RoundConfig, trainer: int) -> dict[str, Any]:
    full = CHUNK_BYTES // WORD_BYTES[config.field] * config.packing
    seed = hashlib.sha256(f"seed {trainer}".encode()).digest()
    values = values_of(config.field, trainer, config.dimension)
    chunks = [
        chunk_of(config, seed, chunk, values[start : start + full])
        for chunk, start in enumerate(range(0, config.dimension, full))
    ]
    return {"seed": seed.hex(), "values": values, "shares": chunks}


def vectors(field: str) -> dict[str, Any]:
    """Return one round: three trainers, seven holders, two chunks."""
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
        (HERE / f"packed_{name}.json").write_text(text)
