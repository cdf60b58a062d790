from __future__ import annotations

import numpy as np
import pytest

from protocols.errors import Unfit
from protocols.learning.auc import Auc
from protocols.learning.contingency import Contingency
from protocols.learning.correlation import Correlation
from protocols.learning.disclosure import NO_RULES, Rules
from protocols.learning.glm import Glm
from protocols.learning.histogram import Histogram
from protocols.learning.quantiles import Quantiles
from protocols.learning.softmax import Softmax
from protocols.learning.table import Column, Table, Vector
from protocols.learning.tabular import Tabular

SEX = Column(name="sex", kind="class", levels=("f", "m", "x"))


def table(**columns: list[float]) -> Table:
    return Table({name: np.array(values, dtype=np.float64) for name, values in columns.items()})


def refused(rules: Rules, columns: tuple[Column, ...], data: Table, parameters: int = 0) -> str:
    with pytest.raises(Unfit) as caught:
        rules.require_table(columns, data, parameters)
    return caught.value.kind


@pytest.mark.parametrize(("rows", "smallest"), [(2, 3), (5, 6), (9, 10)])
def test_a_table_of_too_few_rows_is_refused_and_one_row_more_is_not(
    rows: int, smallest: int
) -> None:
    rules, columns = Rules(smallest_cell=smallest), (Column(name="a"),)

    assert refused(rules, columns, table(a=list(range(rows)))) == "too few rows"
    rules.require_table(columns, table(a=list(range(rows + 1))), 0)


def test_a_model_of_too_many_parameters_is_refused() -> None:
    columns, data = (Column(name="a"),), table(a=list(range(100)))

    assert refused(Rules(), columns, data, parameters=34) == "too many parameters"
    Rules().require_table(columns, data, parameters=33)
    assert refused(Rules(parameters_per_row=0.1), columns, data, 11) == "too many parameters"


@pytest.mark.parametrize("rare", [1, 2])
def test_a_rare_level_is_refused_and_an_empty_one_is_not(rare: int) -> None:
    data = table(sex=[0.0] * 10 + [1.0] * rare)

    assert refused(Rules(), (SEX,), data) == "rare category"
    Rules().require_table((SEX,), table(sex=[0.0] * 10 + [1.0] * 3), 0)


def test_a_number_of_two_values_is_a_category_too() -> None:
    data = table(ill=[0.0] * 20 + [1.0, 1.0], age=[float(n) for n in range(22)])

    assert refused(Rules(), (Column(name="ill"),), data) == "rare category"
    Rules().require_table((Column(name="age"),), data, 0)


def test_a_constant_is_no_rare_category() -> None:
    Rules().require_table((Column(name="a"),), table(a=[7.0] * 5), 0)


def test_the_kind_and_the_text_tell_no_value() -> None:
    data = table(sex=[0.0] * 10 + [1.0])

    with pytest.raises(Unfit) as caught:
        Rules().require_table((SEX,), data, 0)

    assert str(caught.value).startswith("column 'sex' has a category of fewer than 3 rows")


def test_without_rules_one_row_will_do() -> None:
    NO_RULES.require_table((SEX,), table(sex=[1.0]), 100)
    NO_RULES.require_cells(np.array([1, 0, 2]))


AGES: Vector = np.array([20.0, 21, 22, 31, 32, 33, 41, 42, 43, 44])
OUTCOMES = np.array([0.0] * 5 + [1.0] * 5)
PEOPLE = Table({"age": AGES, "died": OUTCOMES, "sex": np.array([0.0, 1] * 5)})
CLASSES = {"row_levels": ("f", "m"), "column_levels": ("no", "yes")}
CELLS: list[tuple[Tabular, bool]] = [
    (Histogram(column="age", least=20.0, most=50.0, bins=3), True),
    (Histogram(column="age", least=20.0, most=50.0, bins=10), False),
    (Histogram(column="age", least=20.0, most=43.5, bins=2), False),  # one above the range
    (Histogram(column="age", least=21.0, most=50.0, bins=2), False),  # one below it
    (Quantiles(column="age", least=0.0, most=100.0, precision=1.0, at=(0.5,)), True),
    (Quantiles(column="age", least=0.0, most=100.0, precision=1.0, at=(0.3,)), True),
    (Quantiles(column="age", least=0.0, most=100.0, precision=1.0, at=(0.29,)), False),
    (Quantiles(column="age", least=0.0, most=100.0, precision=1.0, at=(0.5, 0.9)), False),
    (Quantiles(column="age", least=0.0, most=100.0, precision=1.0, at=(0.001,)), False),
    (Contingency(row="sex", column="died", **CLASSES), False),
    (Auc(target="died", score="age", least=0.0, most=63.0, bins=2), False),
    (Auc(target="died", score="age", least=0.0, most=200.0, bins=2), True),
]


@pytest.mark.parametrize(("algorithm", "fine"), CELLS)
def test_cells_that_are_too_small_are_refused(algorithm: Tabular, fine: bool) -> None:
    cells = algorithm.cells(algorithm.start(), PEOPLE)

    if fine:
        Rules().require_cells(cells)
    else:
        with pytest.raises(Unfit) as caught:
            Rules().require_cells(cells)
        assert caught.value.kind == "small cell"


@pytest.mark.parametrize(
    ("algorithm", "parameters"),
    [
        (Glm(features=("a", "b"), target="y", family="gaussian"), 3),
        (Softmax(features=("a",), target="y", levels=("u", "v", "w")), 4),
        (Correlation(features=("a", "b", "c")), 3),
        (Histogram(column="a", least=0.0, most=1.0), 0),
    ],
)
def test_models_say_how_many_parameters_they_have(algorithm: Tabular, parameters: int) -> None:
    assert algorithm.parameters() == parameters


@pytest.mark.parametrize("options", [{"smallest_cell": 0}, {"parameters_per_row": 0.0}])
def test_rules_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Rules(**options)  # type: ignore[arg-type]
