"""Make the known answers of the suite `masked`, in plain Python integers.

    python tests/vectors/make_masked.py

This is a second implementation on purpose, as slow as the definitions: the Gaussian's table from
a Taylor series, public polynomials interpolated from their evaluations, products coefficient by
coefficient (for the toy; for the large degree by a recursive transform), one big modulus instead
of its primes where something is opened. It shares nothing with `protocols.secagg.masked`. The
tests take it as their oracle, too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from vectors.make_shamir import hkdf_sha256, key_stream, opened, random_residues, shares_of

HERE = Path(__file__).parent
CID = hashlib.sha256(b"a masked round").digest()
TRAINERS, HOLDERS, THRESHOLD = 3, 5, 3
TAIL, SIGMA = 60, (33, 5)


@dataclass(frozen=True)
class Ring:
    degree: int
    primes: tuple[int, ...]
    block_polynomials: int
    span_values: int


TOY = Ring(16, (1073643521, 1073479681, 1073184769), 8, 800)
A = Ring(4096, (1073643521, 1073479681, 1073184769), 16, 2**24)
B = Ring(8192, (*A.primes, 1073053697, 1072857089, 1072496641), 4, 2**24)
CASES = {"toy": (TOY, 3, 900), "A": (A, 3, 900), "B": (B, 6, 900)}


def info_of(purpose: str, index: int) -> bytes:
    parts = (b"quorate prg 1", b"masked", CID, purpose.encode(), index.to_bytes(8, "big"))
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def words(seed: bytes, purpose: str, index: int, size: int, count: int) -> list[int]:
    stream = key_stream(hkdf_sha256(seed, info_of(purpose, index)))
    return [
        int.from_bytes(bytes(next(stream) for _ in range(size)), "little") for _ in range(count)
    ]


# --- the Gaussian ---------------------------------------------------------------------


def exp_minus(numerator: int, denominator: int, bits: int) -> int:
    """Return 2^bits · exp(-numerator / denominator), by the series of its inverse."""
    term = total = 1 << bits
    for k in range(1, 600):
        term = term * numerator // (denominator * k)
        total += term
    return (1 << (2 * bits)) // total


@cache
def gaussian_thresholds() -> list[int]:
    """Return 2 · round(2^63 · Pr[|x| >= k]) for k = 1..TAIL."""
    bits = 400
    square = 2 * SIGMA[0] ** 2
    weights = [exp_minus(k * k * SIGMA[1] ** 2, square, bits) for k in range(TAIL + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    return [
        2 * ((2 * 2 * sum(weights[k:]) * 2**63 + total) // (2 * total)) for k in range(1, TAIL + 1)
    ]


def samples(seed: bytes, purpose: str, index: int, count: int) -> list[int]:
    table, drawn = gaussian_thresholds(), []
    for word in words(seed, purpose, index, 8, count):
        magnitude = sum(word < threshold for threshold in table)
        drawn.append(-magnitude if word & 1 else magnitude)
    return drawn


# --- the ring -------------------------------------------------------------------------


def root(order: int, p: int) -> int:
    """Return g^((p-1)/order) for the smallest g for which that has this order."""
    g = 2
    while pow(pow(g, (p - 1) // order, p), order // 2, p) != p - 1:
        g += 1
    return pow(g, (p - 1) // order, p)


def reversed_bits(index: int, bits: int) -> int:
    return sum(((index >> k) & 1) << (bits - 1 - k) for k in range(bits))


def exponents(degree: int) -> list[int]:
    """Return in the order of the wire the e for which a polynomial is known at psi^e."""
    bits = degree.bit_length() - 1
    rows = 2 ** (bits // 2)
    columns = degree // rows
    return [
        2 * reversed_bits(r * columns + c, bits) + 1 for c in range(columns) for r in range(rows)
    ]


def interpolated(degree: int, p: int, values: list[int]) -> list[int]:
    """Return the coefficients of a polynomial from its values at psi^e, e odd."""
    psi, at = root(2 * degree, p), dict(zip(exponents(degree), values, strict=True))
    # a_i = 1/N · psi^-i · Σ_k â(psi^(2k+1)) · omega^(-ik)
    sums = summed([at[2 * k + 1] for k in range(degree)], pow(psi, -2, p), p)
    share = pow(degree, -1, p)
    return [share * pow(psi, -i, p) * sums[i] % p for i in range(degree)]


def summed(values: list[int], omega: int, p: int) -> list[int]:
    """Return Σ_k values[k] · omega^(ik) for each i, by halves."""
    if len(values) == 1:
        return values
    even = summed(values[::2], omega * omega % p, p)
    odd = summed(values[1::2], omega * omega % p, p)
    turned = [pow(omega, i, p) * value for i, value in enumerate(odd)]
    pairs = list(zip(even, turned, strict=True))
    return [(a + b) % p for a, b in pairs] + [(a - b) % p for a, b in pairs]


def multiplied(p: int, one: list[int], other: list[int]) -> list[int]:
    """Return the product modulo X^N + 1."""
    degree = len(one)
    if degree > 64:
        psi = root(2 * degree, p)
        twisted = [[x * pow(psi, i, p) for i, x in enumerate(each)] for each in (one, other)]
        points = [summed(each, psi * psi % p, p) for each in twisted]
        product = summed([a * b % p for a, b in zip(*points, strict=True)], pow(psi, -2, p), p)
        share = pow(degree, -1, p)
        return [share * pow(psi, -i, p) * x % p for i, x in enumerate(product)]
    result = [0] * degree
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            if i + j < degree:
                result[i + j] += a * b
            else:
                result[i + j - degree] -= a * b
    return [x % p for x in result]


# --- the suite ------------------------------------------------------------------------


def noise_bits(trainers: int) -> int:
    """Return ceil(log2(24 · sigma · sqrt(trainers))) + 1."""
    bits = 0
    while (2**bits * SIGMA[1]) ** 2 < (24 * SIGMA[0]) ** 2 * trainers:
        bits += 1
    return bits + 1


def slot_width(ring: Ring, slots: int, trainers: int) -> int:
    return min((prod(ring.primes).bit_length() - 1 - noise_bits(trainers)) // slots, 62)


def cut(ring: Ring, slots: int, values: list[int]) -> list[list[int]]:
    size = slots * ring.degree * ring.block_polynomials
    return [values[start : start + size] for start in range(0, len(values), size)]


def span_of(ring: Ring, slots: int, block: int) -> int:
    return block // max(1, ring.span_values // (slots * ring.degree * ring.block_polynomials))


def coefficients(ring: Ring, slots: int, block: list[int]) -> int:
    least = min(128, ring.degree * ring.block_polynomials)
    return max(-(-len(block) // slots), least)


@cache
def public(ring: Ring, p: int, block: int, count: int) -> list[list[int]]:
    """Return the polynomials of a block modulo p."""
    needed = -(-count // ring.degree) * ring.degree
    stream = key_stream(hkdf_sha256(CID, info_of(f"public {p}", block)))
    accepted: list[int] = []
    while len(accepted) < needed:
        word = int.from_bytes(bytes(next(stream) for _ in range(4)), "little") & (2**30 - 1)
        if word < p:
            accepted.append(word)
    return [
        interpolated(ring.degree, p, accepted[start : start + ring.degree])
        for start in range(0, needed, ring.degree)
    ]


def secret(ring: Ring, seed: bytes, span: int) -> list[int]:
    return samples(seed, "secret", span, ring.degree)


def masks(ring: Ring, p: int, block: int, count: int, s: list[int]) -> list[int]:
    """Return the coefficients of a·s for the polynomials of a block, those that are used."""
    polynomials = public(ring, p, block, count)
    return [x for a in polynomials for x in multiplied(p, a, s)][:count]


def plain(slots: int, width: int, kappa: int, block: list[int], count: int) -> list[int]:
    """Return 2^kappa · Pack(x) as signed integers, one for each coefficient."""
    filled = block + [0] * (slots * count - len(block))
    return [
        sum(filled[k * count + i] << (kappa + k * width) for k in range(slots))
        for i in range(count)
    ]


def masked(ring: Ring, slots: int, seed: bytes, number: int, block: list[int]) -> list[list[int]]:
    """Return c modulo each prime."""
    count, kappa = coefficients(ring, slots, block), noise_bits(TRAINERS)
    message = plain(slots, slot_width(ring, slots, TRAINERS), kappa, block, count)
    noise = samples(seed, "noise", number, count)
    s = secret(ring, seed, span_of(ring, slots, number))
    return [
        [
            (hidden + e + m) % p
            for hidden, e, m in zip(masks(ring, p, number, count, s), noise, message, strict=True)
        ]
        for p in ring.primes
    ]


def packed(residues: list[int]) -> bytes:
    """Write 30-bit residues in sixteen rows; bits 2k, 2k + 1 of the last go to the k-th."""
    length = -(-len(residues) // 16)
    padded = residues + [0] * (16 * length - len(residues))
    rows = [padded[k * length : (k + 1) * length] for k in range(16)]
    return b"".join(
        (low | (((last >> (2 * k)) & 3) << 30)).to_bytes(4, "little")
        for k in range(15)
        for low, last in zip(rows[k], rows[15], strict=True)
    )


def combined(primes: tuple[int, ...], residues: list[int]) -> int:
    """Return the integer below the product of the primes with these residues."""
    whole = prod(primes)
    parts = zip(residues, primes, strict=True)
    return sum(r * (whole // p) * pow(whole // p, -1, p) for r, p in parts) % whole


def decoded(slots: int, width: int, kappa: int, whole: int, value: int) -> tuple[int, list[int]]:
    """Split a coefficient modulo `whole` into noise and slots, the lowest first, all signed."""
    rest, fields = value if value <= whole // 2 else value - whole, []
    for bits in (kappa, *[width] * slots):
        field = (rest + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
        fields.append(field)
        rest = (rest - field) >> bits
    return fields[0], fields[1:]


def trainer(ring: Ring, slots: int, number: int, values: list[int]) -> dict[str, Any]:
    seed = hashlib.sha256(b"trainer %d" % number).digest()
    blocks = cut(ring, slots, values)
    spans = range(span_of(ring, slots, len(blocks) - 1) + 1)
    made: dict[str, Any] = {"seed": seed.hex(), "values": values, "shares": []}
    made["blocks"] = [
        b"".join(packed(row) for row in masked(ring, slots, seed, b, block)).hex()
        for b, block in enumerate(blocks)
    ]
    for span in spans:
        rows = random_residues(
            "p31", seed, info_of("coefficients", span), (THRESHOLD - 1) * ring.degree
        )
        polynomial = [rows[k * ring.degree : (k + 1) * ring.degree] for k in range(THRESHOLD - 1)]
        p = 2**31 - 1
        s = [x % p for x in secret(ring, seed, span)]
        made["shares"].append(shares_of(p, s, polynomial, HOLDERS))
    return made


def vectors(name: str) -> dict[str, Any]:
    ring, slots, dimension = CASES[name]
    width = slot_width(ring, slots, TRAINERS)
    limit = (2 ** (width - 1) - 1) // TRAINERS
    chosen = [
        [
            int.from_bytes(hashlib.sha256(f"{u}/{i}".encode()).digest()) % (2 * limit + 1) - limit
            for i in range(dimension)
        ]
        for u in range(TRAINERS)
    ]
    made = [trainer(ring, slots, u, values) for u, values in enumerate(chosen)]
    p, spans = 2**31 - 1, range(len(made[0]["shares"]))
    answers = [
        [
            [sum(column) % p for column in zip(*(t["shares"][span][i] for t in made), strict=True)]
            for i in range(HOLDERS)
        ]
        for span in spans
    ]
    sums = [opened(p, [1, 2, 3], answers[span][:THRESHOLD]) for span in spans]
    for each in made:
        each["shares"] = [[written(share, ring) for share in span] for span in each["shares"]]
    return {
        "ring": {**vars(ring), "primes": list(ring.primes)},
        "slots": slots,
        "noise_bits": noise_bits(TRAINERS),
        "slot_width": width,
        "cid": CID.hex(),
        "threshold": THRESHOLD,
        "contributions": made,
        "answers": [[written(answer, ring) for answer in span] for span in answers],
        "secret_sums": [[x if x <= p // 2 else x - p for x in span][:16] for span in sums],
        "sum": [sum(column) for column in zip(*chosen, strict=True)],
    }


def written(residues: list[int], ring: Ring) -> str:
    """Return little-endian words, or their SHA-256 where they would fill pages."""
    data = b"".join(x.to_bytes(4, "little") for x in residues)
    return data.hex() if ring.degree <= 64 else hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    for case in CASES:
        (HERE / f"masked_{case}.json").write_text(json.dumps(vectors(case), indent=1) + "\n")
