"""The witness of a trainer: another salt where a test fails, and never one for a long vector."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from fakes.ports import InlineOffload
from fakes.round_parts import config_of

from actors.preparing import Shortness, encoded_by
from protocols.errors import Misuse, Unfit
from protocols.round_config import RoundConfig
from protocols.secagg.norm_bound import NormBound, Sums, signs_seed, sums_of_tests, witness
from protocols.secagg.tail_dealing import salt_of_tests

SECRET, DIGESTS = b"s" * 32, (b"d" * 32,) * 5
BOUND = NormBound(squared=10**6)


def config(**changes: int) -> RoundConfig:
    return config_of(**{"checks": True, "threshold": 2, "norm_bound": 10**6, **changes})


VECTOR = np.random.default_rng(2).integers(-60, 61, size=200).astype(float)


class Failing(Shortness):
    """Whose tests fail under the first salts."""

    fails = 0
    tried = 0

    async def _sums(self, seed: bytes, offload: InlineOffload) -> Sums:
        self.tried += 1
        sums = await super()._sums(seed, offload)
        return sums if self.tried > self.fails else (BOUND.offset, *sums[1:])


def dealt(shortness: Shortness) -> tuple[bytes, list[int]]:
    async def both() -> tuple[bytes, list[int]]:
        await shortness.require(InlineOffload())
        salt, bits = await shortness.witness(DIGESTS, SECRET, InlineOffload())
        return salt, bits.tolist()

    return asyncio.run(both())


def expected(salt: bytes) -> list[int]:
    values = VECTOR.astype(np.int64)
    seed = signs_seed(config().cid(), "ann", salt, DIGESTS)
    pieces = enumerate((values[:128], values[128:]))
    sums = zip(
        *(sums_of_tests(BOUND, seed, number, piece) for number, piece in pieces), strict=True
    )
    bits = witness(BOUND, int(values @ values), tuple(map(sum, sums)))
    assert bits is not None
    return bits.tolist()


def test_the_first_salt_that_fits_is_dealt_with() -> None:
    for fails in (0, 1, 3):
        shortness = Failing(config(), "ann", encoded_by(config(), VECTOR))
        shortness.fails = fails

        salt, bits = dealt(shortness)

        assert salt == salt_of_tests(config(), SECRET, fails)
        assert bits == expected(salt)


def test_tests_that_fail_whatever_the_salt_are_our_own_fault() -> None:
    shortness = Failing(config(), "ann", encoded_by(config(), VECTOR))
    shortness.fails = 100

    with pytest.raises(Misuse, match="no salt of 8"):
        dealt(shortness)


def test_a_longer_vector_is_refused_in_the_units_of_the_vector() -> None:
    two_bits = config(fraction_bits=2)
    longer = np.array([251.0, *np.zeros(199)])

    with pytest.raises(Unfit) as raised:
        dealt(Shortness(two_bits, "ann", encoded_by(two_bits, longer)))

    assert raised.value.kind == "longer than the bound"
    assert "251 or more" in str(raised.value)
    assert "up to 250 " in str(raised.value)


def test_what_does_not_fit_the_round_at_all_is_said_first() -> None:
    broken = np.array([*np.ones(199), np.nan])

    with pytest.raises(Unfit) as raised:
        dealt(Shortness(config(), "ann", encoded_by(config(), broken)))

    assert raised.value.kind == "not finite"


def test_a_round_without_a_bound_has_no_witness() -> None:
    with pytest.raises(Misuse, match="bounds no norms"):
        Shortness(config(norm_bound=0), "ann", encoded_by(config(), VECTOR))
