from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from protocols.errors import Misuse, Unfit
from protocols.learning.layout import ROOM_BITS, Layout, Symmetric, count, real, reals, symmetric

LAYOUT = Layout({"rows": (), "gradient": (3,), "hessian": Symmetric(3), "fc.weight": (2, 2)})


def test_parts_come_back_from_the_vector() -> None:
    matrix = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]])
    parts = {
        "rows": np.array(9.0),
        "gradient": np.arange(3.0),
        "hessian": matrix,
        "fc.weight": np.arange(4.0).reshape(2, 2),
    }

    vector = LAYOUT.pack(parts)
    back = LAYOUT.unpack(vector)

    assert vector.shape == (LAYOUT.size,) == (1 + 3 + 6 + 4,)
    for name, part in parts.items():
        np.testing.assert_array_equal(back[name], part)


def test_every_coordinate_has_its_name() -> None:
    names = [LAYOUT.name_of(index) for index in range(LAYOUT.size)]

    assert names == [
        *("rows", "gradient[0]", "gradient[1]", "gradient[2]"),
        *("hessian[0,0]", "hessian[0,1]", "hessian[0,2]"),
        *("hessian[1,1]", "hessian[1,2]", "hessian[2,2]"),
        *("fc.weight[0,0]", "fc.weight[0,1]", "fc.weight[1,0]", "fc.weight[1,1]"),
    ]


@pytest.mark.parametrize("index", [-1, LAYOUT.size])
def test_coordinate_outside_the_vector_has_no_name(index: int) -> None:
    with pytest.raises(Misuse):
        LAYOUT.name_of(index)


def test_vector_of_another_length_is_misuse() -> None:
    with pytest.raises(Misuse):
        LAYOUT.unpack(np.zeros(LAYOUT.size + 1))


def test_part_of_another_shape_is_misuse() -> None:
    with pytest.raises(Misuse, match=r"gradient has shape \(2,\)"):
        Layout({"gradient": (3,)}).pack({"gradient": np.zeros(2)})


RANGED = Layout({"rows": count(), "sum": real(2), "gram": symmetric(2), "bins": count(3)})


@pytest.mark.parametrize("scale", [1e-20, 1e-9, 1.0, 1e9, 1e29])
@pytest.mark.parametrize("bits", [20, 30, 40])
def test_reals_of_any_units_keep_the_digits_of_a_float(scale: float, bits: int) -> None:
    rng = np.random.default_rng(0)
    gram = rng.normal(size=(2, 2)) * scale
    parts = {
        "rows": 12.0,
        "sum": np.array([1 / 3, -2 / 7]) * scale,
        "gram": gram + gram.T,
        "bins": np.array([0.0, 5.0, 2.0**36]),
    }

    fixed = np.rint(RANGED.pack(parts) * 2.0**bits) / 2.0**bits
    back = RANGED.unpack(fixed)

    for name, part in parts.items():
        np.testing.assert_allclose(back[name], part, rtol=1e-14)
    np.testing.assert_array_equal(back["bins"], parts["bins"])


def test_no_coordinate_of_a_ranged_part_is_above_the_room() -> None:
    largest = {
        "rows": 2.0**36,
        "sum": np.array([2.0**100, -(2.0**100) + 2.0**50]),
        "gram": np.full((2, 2), 2.0**99.9),
        "bins": np.full(3, -(2.0**36)),
    }

    vector = RANGED.pack(largest)

    assert np.abs(vector).max() <= 2.0**ROOM_BITS


def test_many_owners_add_up_exactly() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(1000, 2)) * 10.0 ** rng.integers(-6, 6, size=(1000, 2))
    layout = Layout({"sum": real(2)})

    total = np.sum([np.rint(layout.pack({"sum": v}) * 2.0**30) for v in values], axis=0)

    exact = [float(sum(Fraction(x) for x in column)) for column in values.T]
    np.testing.assert_allclose(layout.unpack(total / 2.0**30)["sum"], exact, rtol=1e-15)


@pytest.mark.parametrize(
    ("value", "kind", "advice"),
    [
        (np.inf, "not finite", "a learning rate that is too high"),
        (np.nan, "not finite", "a division by zero"),
        (2.0**101, "too large", "use other units"),
    ],
)
def test_a_number_that_does_not_fit_is_refused_with_its_place(
    value: float, kind: str, advice: str
) -> None:
    with pytest.raises(Unfit, match=rf"this owner's gram\[0,1\] is .*{advice}") as refused:
        Layout({"gram": symmetric(2)}).pack({"gram": np.array([[0.0, value], [value, 0.0]])})

    assert refused.value.kind == kind


def test_a_count_that_is_not_whole_is_misuse() -> None:
    with pytest.raises(Misuse, match="not whole"):
        Layout({"rows": count()}).pack({"rows": 0.5})


def test_every_digit_of_a_number_has_its_name() -> None:
    layout = Layout({"sum": real(2), "rows": count()})

    assert [layout.name_of(i) for i in (0, 1, 2, 11, 12)] == [
        *("sum[0]", "sum[1]", "sum[0]", "sum[1]", "rows")
    ]


def test_a_number_of_a_column_is_called_by_it() -> None:
    layout = Layout({"sum": reals(("age", "weight")), "rows": count()})

    assert [layout.name_of(i) for i in (0, 1, 2, 11, 12)] == [
        *("sum[age]", "sum[weight]", "sum[age]", "sum[weight]", "rows")
    ]
    with pytest.raises(Unfit, match=r"this owner's sum\[weight\] is too large"):
        layout.pack({"sum": np.array([1.0, 1e31]), "rows": 1.0})


def test_zeros_have_every_part() -> None:
    assert {name: part.shape for name, part in RANGED.zeros().items()} == {
        **{"rows": (), "sum": (2,), "gram": (2, 2), "bins": (3,)}
    }
