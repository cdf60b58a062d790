from __future__ import annotations

import numpy as np
import pytest

from protocols.errors import Misuse
from protocols.learning.layout import Layout, Symmetric

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
