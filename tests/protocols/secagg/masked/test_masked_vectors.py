"""The committed known answers, from an implementation that is not ours."""

from __future__ import annotations

import hashlib
import json
import random
from itertools import combinations
from math import prod
from pathlib import Path

import numpy as np
import pytest
from vectors import make_masked

from protocols.secagg.masked.layout import Layout
from protocols.secagg.masked.masked_round import MaskedRound
from protocols.secagg.masked.masking import evaluations, mask, secret_of
from protocols.secagg.masked.noise import Noise, Verdict
from protocols.secagg.masked.opening import add, open_block
from protocols.secagg.masked.parameters import SETS, A, ParameterSet
from protocols.secagg.masked.sharing import add_share, answer, open_secrets, shares_of


@pytest.fixture(params=make_masked.CASES, scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def known(name):
    path = Path(make_masked.__file__).with_name(f"masked_{name}.json")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def of(known, name):
    ring = {**known["ring"], "primes": tuple(known["ring"]["primes"])}
    parameters = ParameterSet(name=name, **ring)
    trainers = len(known["contributions"])
    layout = Layout(parameters=parameters, trainers=trainers, slots=known["slots"])
    return MaskedRound(bytes.fromhex(known["cid"]), layout, len(known["sum"]))


def as_written(of: MaskedRound, data: bytes) -> str:
    small = of.layout.parameters.degree <= 64
    return data.hex() if small else hashlib.sha256(data).hexdigest()


def test_the_plain_implementation_still_makes_the_committed_file(known, name):
    assert make_masked.vectors(name) == known


def test_the_schoolbook_and_the_recursion_agree(known):
    p, degree = A.primes[0], 128
    one, other = ([random.Random(s).randrange(p) for _ in range(degree)] for s in (1, 2))
    plain = [0] * (2 * degree)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            plain[i + j] += a * b

    expected = [(low - high) % p for low, high in zip(plain, plain[degree:], strict=False)]
    assert make_masked.multiplied(p, one, other) == expected


@pytest.mark.parametrize("name", SETS)
def test_the_sets_are_those_of_the_files(name):
    path = Path(make_masked.__file__).with_name(f"masked_{name}.json")
    ring = json.loads(path.read_text())["ring"]

    assert ParameterSet(name=name, **{**ring, "primes": tuple(ring["primes"])}) == SETS[name]


def test_the_layout_is_the_known_one(known, of):
    assert of.layout.noise_bits == known["noise_bits"]
    assert of.layout.width == known["slot_width"]


def test_trainers_make_the_known_blocks_and_shares(known, of):
    for given in known["contributions"]:
        seed, values = bytes.fromhex(given["seed"]), np.array(given["values"])
        secrets = [secret_of(of, seed, span) for span in range(of.spans)]
        blocks = []
        for block in range(of.blocks):
            part = values[of.start(block) : of.start(block) + of.length(block)]
            blocks.append(mask(of, seed, block, part, secrets[of.span_of(block)]).hex())
        assert blocks == given["blocks"]
        for span, expected in enumerate(given["shares"]):
            thresholds = (known["threshold"], len(expected))
            shares = shares_of(of, seed, span, secrets[span], thresholds)
            assert [as_written(of, share) for share in shares] == expected


def shares_by_place(known, of, span: int) -> list[list[bytes]]:
    rows = []
    for given in known["contributions"]:
        seed, count = bytes.fromhex(given["seed"]), len(given["shares"][span])
        thresholds = (known["threshold"], count)
        rows.append(shares_of(of, seed, span, secret_of(of, seed, span), thresholds))
    return [list(column) for column in zip(*rows, strict=True)]


def answers_of(known, of, span: int) -> list[bytes]:
    made = []
    for shares in shares_by_place(known, of, span):
        total = None
        for share in shares:
            total = add_share(of.layout.parameters.degree, total, share)
        made.append(answer(total))
    return made


def test_holders_make_the_known_answers(known, of):
    for span, expected in enumerate(known["answers"]):
        assert [as_written(of, each) for each in answers_of(known, of, span)] == expected


def test_every_group_of_holders_opens_the_known_sum(known, of):
    degree, threshold = of.layout.parameters.degree, known["threshold"]
    trainers = len(known["contributions"])
    totals = []
    for block in range(of.blocks):
        total = None
        for given in known["contributions"]:
            total = add(of, block, total, bytes.fromhex(given["blocks"][block]))
        totals.append(total)
    answers = [answers_of(known, of, span) for span in range(of.spans)]

    for places in combinations(range(len(answers[0])), threshold):
        opened, noise = [], Noise()
        for block, total in enumerate(totals):
            span = of.span_of(block)
            chosen = {place: answers[span][place] for place in places}
            secret = open_secrets(degree, threshold, trainers, chosen)
            assert secret[:16].tolist() == known["secret_sums"][span]
            points = evaluations(of.layout.parameters, secret)
            piece = open_block(of, block, total, points)
            opened += piece.values.tolist()
            noise += piece.noise
        assert opened == known["sum"]
        assert noise.verdict(trainers) is Verdict.SOUND


def test_the_big_modulus_opens_the_same_noise_and_values(known, of, name):
    """One trainer's block, by integers below Q instead of residues and limbs."""
    ring, slots, _ = make_masked.CASES[name]
    seed = bytes.fromhex(known["contributions"][0]["seed"])
    values = make_masked.cut(ring, slots, known["contributions"][0]["values"])[0]
    count, kappa = make_masked.coefficients(ring, slots, values), known["noise_bits"]
    secret = make_masked.secret(ring, seed, 0)
    rows = make_masked.masked(ring, slots, seed, 0, values)
    bare = []
    for row, p in zip(rows, ring.primes, strict=True):
        hidden = make_masked.masks(ring, p, 0, count, secret)
        bare.append([(c - mask) % p for c, mask in zip(row, hidden, strict=True)])
    width, whole = known["slot_width"], prod(ring.primes)
    split = [
        make_masked.decoded(slots, width, kappa, whole, make_masked.combined(ring.primes, column))
        for column in zip(*bare, strict=True)
    ]

    payload = bytes.fromhex(known["contributions"][0]["blocks"][0])
    points = secret_of(of, seed, 0).evaluations
    opened = open_block(of, 0, add(of, 0, None, payload), points)

    noise = [each[0] for each in split]
    assert noise == make_masked.samples(seed, "noise", 0, count)
    assert opened.noise == Noise(
        count=count, largest=max(map(abs, noise)), squares=sum(e * e for e in noise)
    )
    planes = [fields[k] for k in range(slots) for _, fields in split]
    assert opened.values.tolist() == planes[: len(values)] == values
