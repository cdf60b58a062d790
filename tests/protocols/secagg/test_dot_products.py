from __future__ import annotations

import numpy as np
import pytest

from protocols.errors import Misuse
from protocols.secagg.dot_products import _STEP, dot_products
from protocols.secagg.field import FIELDS, P31, P61

each_field = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)


def by_definition(field, rows, row) -> tuple[int, ...]:
    plain = row.tolist()
    return tuple(
        sum(a * b for a, b in zip(weights, plain, strict=True)) % field.modulus
        for weights in rows.tolist()
    )


@each_field
@pytest.mark.parametrize("d", [0, 1, 2, 3, 4, 5, 7, _STEP - 1, _STEP, _STEP + 1, 3 * _STEP + 6])
def test_dot_products_are_those_of_plain_integers_whatever_the_length(field, d):
    draw = np.random.default_rng(d)
    rows = draw.integers(0, field.modulus, size=(3, d), dtype=field.dtype)
    row = draw.integers(0, field.modulus, size=d, dtype=field.dtype)

    assert dot_products(field, rows, row) == by_definition(field, rows, row)


@each_field
@pytest.mark.parametrize("value", [0, 1, 2**29 - 1, 2**29, 2**30, -2, -1])
def test_many_products_of_extreme_residues_overflow_nothing(field, value):
    residue = value % field.modulus
    rows = np.full((4, 300_001), field.modulus - 1, dtype=field.dtype)
    row = np.full(300_001, residue, dtype=field.dtype)

    assert dot_products(field, rows, row) == (-300_001 * residue % field.modulus,) * 4


@each_field
def test_rows_that_are_slices_and_read_only_are_taken(field):
    whole = np.arange(1000, dtype=field.dtype).reshape(2, 500)
    row = np.frombuffer(np.arange(100, dtype=field.dtype).tobytes(), dtype=field.dtype)
    rows = whole[:, 300:400]

    assert dot_products(field, rows, row) == by_definition(field, rows, row)


def test_shapes_and_types_that_disagree_are_refused():
    rows = np.zeros((2, 5), dtype=np.uint32)

    with pytest.raises(Misuse, match="do not fit"):
        dot_products(P31, rows, rows[0, :4])
    with pytest.raises(Misuse, match="do not fit"):
        dot_products(P31, rows[0], rows[0])
    with pytest.raises(Misuse, match="words of the field"):
        dot_products(P61, rows, rows[0])
