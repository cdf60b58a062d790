"""The committed known answers, from an implementation that is not ours."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np
import pytest
from vectors import make_packed

from protocols.round_config import RoundConfig
from protocols.secagg.suites import SUITES

SUITE = SUITES["packed"]


@pytest.fixture(params=make_packed.PRIMES, scope="module")
def known(request):
    path = Path(make_packed.__file__).with_name(f"packed_{request.param}.json")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def config(known):
    plain = dict(known["config"])
    for digest in ("state", "roster"):
        plain[digest] = bytes.fromhex(plain[digest])
    return msgspec.convert(plain, RoundConfig, builtin_types=(bytes,))


def test_the_plain_implementation_still_makes_the_committed_file(known, config):
    assert make_packed.vectors(config.field) == known


def test_the_round_has_the_known_id(known, config):
    assert config.cid().hex() == known["cid"]


def test_trainers_make_the_known_shares(known, config):
    for given in known["contributions"]:
        values = np.array(given["values"])
        for chunk, expected in enumerate(given["shares"]):
            part = values[SUITE.covers(config, chunk)]
            payloads = SUITE.protect(config, part, bytes.fromhex(given["seed"]), chunk)

            assert [payload.hex() for payload in payloads] == expected


def test_holders_make_the_known_answers(known, config):
    for chunk, expected in enumerate(known["answers"]):
        for place in range(config.holders):
            accumulator = None
            for given in known["contributions"]:
                payload = bytes.fromhex(given["shares"][chunk][place])
                accumulator = SUITE.add(config, accumulator, payload)

            assert SUITE.answer(config, accumulator).hex() == expected[place]


def test_every_group_of_holders_opens_the_known_sum(known, config):
    for places in combinations(range(config.holders), config.threshold):
        opened = []
        for chunk in known["answers"]:
            answers = {place: bytes.fromhex(chunk[place]) for place in places}
            opened += SUITE.open(config, answers).tolist()

        assert opened[: config.dimension] == known["sum"]
