"""The committed known answers of the checks, from an implementation that is not ours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from vectors import make_checks

from protocols.secagg.degree_check import Weights, commitment, public_coin
from protocols.secagg.field import FIELDS
from protocols.secagg.reed_solomon import Codeword, Garbled, ReedSolomon, Unverified


@pytest.fixture(params=make_checks.PRIMES, scope="module")
def known(request):
    path = Path(make_checks.__file__).with_name(f"checks_{request.param}.json")
    return json.loads(path.read_text())


def test_the_plain_implementation_still_makes_the_committed_file(known):
    assert make_checks.vectors(known["field"]) == known


def test_the_known_words_are_decoded_as_known(known):
    for case in known["words"]:
        code = ReedSolomon(FIELDS[known["field"]], case["points"], case["terms"])
        coefficients = tuple(case.get("coefficients", ()))
        match case["outcome"]:
            case "codeword":
                wrong = tuple(case["wrong"])
                expected = Codeword(coefficients=coefficients, wrong=wrong)
            case "unverified":
                expected = Unverified(coefficients=coefficients)
            case "garbled":
                expected = Garbled()

        assert code.decode(case["word"], faults=case["faults"]) == expected


def test_every_outcome_is_among_the_known_words(known):
    outcomes = [case["outcome"] for case in known["words"]]

    assert {outcome: outcomes.count(outcome) for outcome in set(outcomes)} == {
        "codeword": 8,
        "unverified": 3,
        "garbled": 5,
    }


def test_the_known_openings_make_the_known_coin(known):
    given = known["coin"]
    context = bytes.fromhex(given["context"])
    openings = {int(place): bytes.fromhex(text) for place, text in given["openings"].items()}

    coin = public_coin(FIELDS[known["field"]], context, openings)

    assert coin.seed.hex() == given["seed"]
    assert [coin.rows("rho", chunk << 32, 3).tolist() for chunk in (0, 1)] == given["rho"]
    assert coin.rows("lambda", 0, 5).tolist() == given["lambda"]
    ones = np.ones(3, dtype=coin.field.dtype)
    for chunk, rows in enumerate(given["rho"]):
        expected = tuple(sum(row) % coin.field.modulus for row in rows)
        assert coin.combine(chunk, [ones]) == (expected,)
    for place, opening in openings.items():
        assert commitment(context, place, opening).hex() == given["commitments"][str(place)]


def test_the_weights_of_trainers_are_the_columns_of_the_known_lambdas(known):
    given, field = known["coin"], FIELDS[known["field"]]
    openings = {int(place): bytes.fromhex(text) for place, text in given["openings"].items()}
    coin = public_coin(field, bytes.fromhex(given["context"]), openings)
    names = ["ann", "bob", "cat", "dan", "eve"]
    ones = dict.fromkeys(names, (1,) * coin.repetitions)

    weights = Weights(coin, names)

    for column, name in enumerate(names):
        expected = tuple(row[column] for row in given["lambda"])
        assert weights.summed(ones, [name]) == expected
