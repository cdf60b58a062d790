"""Make the known answers of shares that travel as seeds, for both suites, in plain integers.

    python tests/vectors/make_seeds.py

A second implementation on purpose, on top of `make_packed` and the generator of `make_shamir`: who
gets a seed, which one, what it stands for, and the words of the others. It shares nothing with
`protocols.secagg` but the round config that gives the cid. The tests take it as their oracle, too.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
from vectors.make_packed import config_of, info_of, opened, rows_of, shares_of, values_of
from vectors.make_shamir import (
    CHUNK_BYTES,
    PRIMES,
    TRAINERS,
    WORD_BYTES,
    hkdf_sha256,
    key_stream,
    packed,
    random_residues,
)

from protocols.round_config import RoundConfig

HERE = Path(__file__).parent
SHAPES = {"shamir": {"suite": "shamir", "packing": 0, "threshold": 4}, "packed": {}}


def round_of(suite: str, field: str) -> RoundConfig:
    packing = {"shamir": 1, "packed": 3}[suite]
    # A full chunk, and one whose words are no longer than a seed: it travels as words.
    dimension = (CHUNK_BYTES // WORD_BYTES[field] + 32 // WORD_BYTES[field]) * packing
    return config_of(field, dimension=dimension, seeds=True, **SHAPES[suite])


def stream_bytes(seed: bytes, info: bytes, count: int) -> bytes:
    stream = key_stream(hkdf_sha256(seed, info))
    return bytes(next(stream) for _ in range(count))


def privacy_of(config: RoundConfig) -> int:
    return config.threshold - (config.packing or 1)


def points_of(config: RoundConfig) -> list[int]:
    return [-j for j in range(1, config.packing + 1)] or [0]


def places_of(config: RoundConfig, seed: bytes) -> list[int]:
    """Draw a word for every holder; the smallest words win."""
    info = info_of(config.suite, config.cid(), "seeded places", 0)
    drawn = stream_bytes(seed, info, 8 * config.holders)
    words = [(int.from_bytes(drawn[8 * i : 8 * i + 8], "little"), i) for i in range(config.holders)]
    return sorted(place for _, place in sorted(words)[: privacy_of(config)])


def words_of(config: RoundConfig, seed: bytes, chunk: int, count: int) -> list[int]:
    info = info_of(config.suite, config.cid(), "share of a seed", chunk)
    return random_residues(config.field, seed, info, count)


def chunk_of(config: RoundConfig, seed: bytes, chunk: int, values: list[int]) -> dict[str, Any]:
    """Return what travels to every holder, and the words that it stands for."""
    p = PRIMES[config.field]
    secrets = rows_of(p, values, config.packing or 1)
    count = len(secrets[0])
    info = info_of(config.suite, config.cid(), "share seeds", chunk)
    drawn = stream_bytes(seed, info, 32 * config.holders)
    seeds = [drawn[32 * place : 32 * place + 32] for place in range(config.holders)]
    places = places_of(config, seed)
    given = {place: words_of(config, seeds[place], chunk, count) for place in places}
    words = shares_of(p, secrets, points_of(config), given, config.holders)
    short = count * WORD_BYTES[config.field] <= 32
    pieces = [
        seeds[place].hex() if place in places and not short else packed(config.field, share)
        for place, share in enumerate(words)
    ]
    return {"pieces": pieces, "words": words}


def contribution(config: RoundConfig, trainer: int) -> dict[str, Any]:
    full = CHUNK_BYTES // WORD_BYTES[config.field] * (config.packing or 1)
    seed = hashlib.sha256(f"seed {trainer}".encode()).digest()
    values = values_of(config.field, trainer, config.dimension)
    chunks = [
        chunk_of(config, seed, chunk, values[start : start + full])
        for chunk, start in enumerate(range(0, config.dimension, full))
    ]
    return {
        "seed": seed.hex(),
        "values": values,
        "places": places_of(config, seed),
        "pieces": [chunk["pieces"] for chunk in chunks],
        "words": [chunk["words"] for chunk in chunks],
    }


def vectors(suite: str, field: str) -> dict[str, Any]:
    """Return one round: three trainers, seven holders, two chunks."""
    p, config = PRIMES[field], round_of(suite, field)
    given = [contribution(config, trainer) for trainer in range(TRAINERS)]
    answers = [
        [
            [sum(words) % p for words in zip(*(g["words"][c][h] for g in given), strict=True)]
            for h in range(config.holders)
        ]
        for c in range(len(given[0]["words"]))
    ]
    total = [sum(column) for column in zip(*(g["values"] for g in given), strict=True)]
    last = config.threshold
    found = [
        row
        for chunk in answers
        for row in opened(p, list(range(1, last + 1)), chunk[:last], points_of(config))
    ]
    if [value for row in found for value in row] != [value % p for value in total]:
        raise AssertionError("what was dealt does not open to the sum")
    for g in given:
        del g["words"]
    plain = msgspec.to_builtins(config, builtin_types=(bytes,))
    return {
        "config": {k: v.hex() if isinstance(v, bytes) else v for k, v in plain.items()},
        "cid": config.cid().hex(),
        "contributions": given,
        "answers": [[packed(field, answer) for answer in chunk] for chunk in answers],
        "sum": total,
    }


if __name__ == "__main__":
    for suite_name in SHAPES:
        for name in PRIMES:
            text = json.dumps(vectors(suite_name, name), indent=1) + "\n"
            (HERE / f"{suite_name}_seeds_{name}.json").write_text(text)
