"""The committed known answers of shares as seeds, from an implementation that is not ours."""

from __future__ import annotations

import json
from itertools import combinations, product
from pathlib import Path

import msgspec
import numpy as np
import pytest
from vectors import make_seeds

from protocols.round_config import RoundConfig
from protocols.secagg.chunks import written_out
from protocols.secagg.seeds import seeded_places
from protocols.secagg.suites import SUITES


@pytest.fixture(
    params=list(product(make_seeds.SHAPES, make_seeds.PRIMES)), ids="-".join, scope="module"
)
def known(request):
    suite, field = request.param
    path = Path(make_seeds.__file__).with_name(f"{suite}_seeds_{field}.json")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def config(known):
    plain = dict(known["config"])
    for digest in ("state", "roster"):
        plain[digest] = bytes.fromhex(plain[digest])
    return msgspec.convert(plain, RoundConfig, builtin_types=(bytes,))


def test_the_plain_implementation_still_makes_the_committed_file(known, config):
    assert make_seeds.vectors(config.suite, config.field) == known


def test_the_round_has_the_known_id(known, config):
    assert config.cid().hex() == known["cid"]


def test_trainers_make_the_known_pieces_for_the_known_holders(known, config):
    suite = SUITES[config.suite]
    for given in known["contributions"]:
        seed, values = bytes.fromhex(given["seed"]), np.array(given["values"])
        assert list(seeded_places(config, seed)) == given["places"]
        for chunk, expected in enumerate(given["pieces"]):
            pieces = suite.protect(config, values[suite.covers(config, chunk)], seed, chunk)

            assert [piece.hex() for piece in pieces] == expected


def test_holders_make_the_known_answers_of_seeds_and_words(known, config):
    suite = SUITES[config.suite]
    for chunk, expected in enumerate(known["answers"]):
        for place in range(config.holders):
            accumulator = None
            for given in known["contributions"]:
                piece = bytes.fromhex(given["pieces"][chunk][place])
                accumulator = suite.add(config, accumulator, written_out(config, chunk, piece))

            assert suite.answer(config, accumulator).hex() == expected[place]


def test_every_group_of_holders_opens_the_known_sum(known, config):
    suite = SUITES[config.suite]
    for places in combinations(range(config.holders), config.threshold):
        opened = []
        for chunk in known["answers"]:
            answers = {place: bytes.fromhex(chunk[place]) for place in places}
            opened += suite.open(config, answers).tolist()

        assert opened == known["sum"]
