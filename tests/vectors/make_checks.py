"""Make the known answers of the checks: decoding by exhaustive search, and the public coin.

    python tests/vectors/make_checks.py

A second implementation on purpose, in plain integers and as slow as the definitions: a word is
decoded by trying the polynomial through every group of as many points as it has terms. The tests
take it as their oracle, too.
"""

from __future__ import annotations

import hashlib
import json
from itertools import combinations
from pathlib import Path
from typing import Any

from vectors.make_shamir import PRIMES, random_residues

HERE = Path(__file__).parent
REPETITIONS = {"p31": 4, "p61": 2}
# points, terms, faults by assumption, and the positions that are made wrong
CASES = [
    (range(1, 11), 4, 3, []),
    (range(1, 11), 4, 3, [7]),
    (range(1, 11), 4, 3, [0, 4, 9]),
    (range(1, 11), 4, 3, [0, 1, 2, 3]),
    (range(1, 11), 7, 1, [5]),
    (range(1, 11), 7, 1, [5, 6]),
    (range(1, 6), 3, 2, []),
    (range(1, 6), 3, 2, [2]),
    (range(1, 6), 3, 1, [2]),
    (range(1, 6), 3, 3, []),
    (range(1, 6), 3, 3, [4]),
    (range(1, 5), 4, 0, []),
    (range(1, 5), 4, 0, [1]),
    (range(1, 6), 4, 0, [1]),
    ([2, 3, 5, 7, 11, 64, 13], 3, 2, [1, 5]),
    ([9, 4, 200, 255, 1], 1, 2, [0, 3]),
]


def value(p: int, coefficients: list[int], x: int) -> int:
    return sum(c * pow(x, k, p) for k, c in enumerate(coefficients)) % p


def times(p: int, one: list[int], other: list[int]) -> list[int]:
    result = [0] * (len(one) + len(other) - 1)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            result[i + j] = (result[i + j] + a * b) % p
    return result


def through(p: int, points: list[int], values: list[int]) -> list[int]:
    """Return the coefficients of the polynomial through these points, by Lagrange."""
    total = [0] * len(points)
    for own, y in zip(points, values, strict=True):
        basis, below = [1], 1
        for other in points:
            if other != own:
                basis = times(p, basis, [-other % p, 1])
                below = below * (own - other) % p
        scale = y * pow(below, -1, p)
        total = [(a + scale * b) % p for a, b in zip(total, basis, strict=True)]
    return total


def decoded(p: int, points: list[int], word: list[int], terms: int, faults: int) -> dict[str, Any]:
    """Search all groups of points for a codeword that `faults` liars can't have made up.

    With s = n - terms points to spare, another codeword than the right one is off in
    s + 1 - faults positions or more, so nearer ones are right.
    """
    spare = len(points) - terms
    for positions in combinations(range(len(points)), terms):
        guess = through(p, [points[i] for i in positions], [word[i] for i in positions])
        wrong = [i for i, x in enumerate(points) if value(p, guess, x) != word[i]]
        if not wrong and (spare == 0 or spare < faults):
            return {"outcome": "unverified", "coefficients": guess}
        if len(wrong) <= faults and len(wrong) < spare + 1 - faults:
            return {"outcome": "codeword", "coefficients": guess, "wrong": wrong}
    return {"outcome": "garbled"}


def drawn(p: int, label: str, count: int) -> list[int]:
    return [
        int.from_bytes(hashlib.sha256(f"{label}/{i}".encode()).digest()) % p for i in range(count)
    ]


def words(field: str) -> list[dict[str, Any]]:
    p, made = PRIMES[field], []
    for number, (points, terms, faults, spoilt) in enumerate(CASES):
        coefficients = drawn(p, f"coefficients {number}", terms)
        word = [value(p, coefficients, x) for x in points]
        for position, error in zip(spoilt, drawn(p, f"errors {number}", len(spoilt)), strict=True):
            word[position] = (word[position] + (error or 1)) % p
        case = {"points": list(points), "terms": terms, "faults": faults, "word": word}
        made.append({**case, **decoded(p, list(points), word, terms, faults)})
    return made


def bound(domain: bytes, context: bytes, parts: dict[int, bytes]) -> bytes:
    text = b"".join(len(part).to_bytes(8, "big") + part for part in (domain, context))
    for place, part in sorted(parts.items()):
        text += place.to_bytes(8, "big") + len(part).to_bytes(8, "big") + part
    return hashlib.sha256(text).digest()


def rows(field: str, seed: bytes, context: bytes, use: tuple[str, int], count: int) -> Any:
    """Return the coefficients of one use of a coin, a list for each repetition."""
    purpose, index = use
    parts = (b"quorate prg 1", b"check", context, purpose.encode(), index.to_bytes(8, "big"))
    info = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    flat = random_residues(field, seed, info, REPETITIONS[field] * count)
    return [flat[k * count : (k + 1) * count] for k in range(REPETITIONS[field])]


def coin(field: str) -> dict[str, Any]:
    context = hashlib.sha256(b"frozen set").digest()
    openings = {place: hashlib.sha256(b"opening %d" % place).digest() for place in (0, 1, 3, 12)}
    commitments = {
        place: hashlib.sha256(
            b"quorate coin opening\x00" + context + place.to_bytes(8, "big") + opening
        ).hexdigest()
        for place, opening in openings.items()
    }
    seed = hashlib.shake_256(bound(b"quorate public coin", context, openings)).digest(32)
    return {
        "context": context.hex(),
        "openings": {str(place): opening.hex() for place, opening in openings.items()},
        "commitments": {str(place): committed for place, committed in commitments.items()},
        "seed": seed.hex(),
        "rho": [rows(field, seed, context, ("rho", chunk << 32), 3) for chunk in (0, 1)],
        "lambda": rows(field, seed, context, ("lambda", 0), 5),
    }


def vectors(field: str) -> dict[str, Any]:
    return {"field": field, "words": words(field), "coin": coin(field)}


if __name__ == "__main__":
    for name in PRIMES:
        (HERE / f"checks_{name}.json").write_text(json.dumps(vectors(name), indent=1) + "\n")
