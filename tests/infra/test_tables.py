from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from actors.ports import WorkFailed
from infra.tables import load_table, read_header
from protocols.learning.table import Column, numbers

Write = Callable[[str], str]
COLUMNS = (*numbers(("a", "b")), Column(name="y", kind="0 or 1"))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> str:
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode())
        return str(path)

    return to_file


def failure(path: str, *columns: Column) -> WorkFailed:
    with pytest.raises(WorkFailed) as caught:
        load_table(path, columns or COLUMNS)
    return caught.value


def test_columns_come_in_any_order_and_others_are_left_out(write: Write) -> None:
    table = load_table(write("y,b,extra,a\n1,2.5,text,3\n0,-1e3,,4\n"), COLUMNS)

    assert table.columns.keys() == {"a", "b", "y"}
    np.testing.assert_array_equal(table.matrix(("b", "a")), [[2.5, 3.0], [-1000.0, 4.0]])
    np.testing.assert_array_equal(table.column("y"), [1.0, 0.0])
    assert table.warnings == ()


def test_classes_are_numbered_in_the_order_of_the_levels(write: Write) -> None:
    kind = Column(name="kind", kind="class", levels=("setosa", "virginica"))

    table = load_table(write("kind,a\nvirginica,1\n setosa,2\n"), (kind, Column(name="a")))

    assert table.column("kind").tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("column", "cell", "demand"),
    [
        (Column(name="y", kind="count"), "1.5", "a whole number, 0 or more"),
        (Column(name="y", kind="count"), "-1", "a whole number, 0 or more"),
        (Column(name="y", kind="positive"), "0", "above 0"),
        (Column(name="y", kind="class", levels=("yes", "no")), "maybe", "one of yes, no"),
    ],
)
def test_what_a_column_may_not_hold_is_refused(
    write: Write, column: Column, cell: str, demand: str
) -> None:
    good = "yes" if column.levels else "1"

    error = failure(write(f"y\n{good}\n\n{cell}\n"), column)

    assert error.kind == "bad value"
    assert str(error).endswith(f"line 4, column 'y': it must be {demand}")


@pytest.mark.parametrize(
    "text",
    ["\ufeffa,b,y\n1,2,1\n", "a,b,y\r\n1,2,1\r\n", 'a, b ,y\n"1", 2 ,1.0\n\n'],
)
def test_tables_of_other_programs_are_read(write: Write, text: str) -> None:
    table = load_table(write(text), COLUMNS)

    np.testing.assert_array_equal(table.matrix(("a", "b")), [[1.0, 2.0]])


def test_one_class_only_is_a_warning(write: Write) -> None:
    table = load_table(write("a,b,y\n1,2,1\n3,4,1\n"), COLUMNS)

    assert len(table.warnings) == 1
    assert "'y' is the same in all rows" in table.warnings[0]


def test_header_is_read_alone(write: Write) -> None:
    assert read_header(write("a, b,y\nragged\n")) == ("a", "b", "y")


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("", "empty", "no header"),
        ("a,b,y\n", "empty", "no rows"),
        ("a,b,y\n1,2,1\n1,2\n", "malformed csv", "line 3: 2 cells under 3 columns"),
        ("a,b,y\n1,2,1,4\n", "malformed csv", "line 2: 4 cells under 3 columns"),
        ('a,b,y\n1,"2"x,1\n', "malformed csv", "expected after"),
        ("a,a,y\n1,2,1\n", "malformed csv", "'a'"),
        ("a,,y\n1,2,1\n", "malformed csv", "without a name"),
        ("a,b,y\n1,2,1\n1,,0\n", "missing value", "line 3, column 'b'"),
        ("a,b,y\n1,NaN,1\n", "missing value", "line 2, column 'b'"),
        ("a,b,y\n1,2,\n", "missing value", "line 2, column 'y'"),
        ("a,b,y\n1,secret,1\n", "not a number", "line 2, column 'b'"),
        ("a,b,y\n1,inf,1\n", "not a number", "line 2, column 'b'"),
        ("a,b,y\n1,1e999,1\n", "not a number", "line 2, column 'b'"),
        ("a,b,y\n1_000,2,1\n", "not a number", "line 2, column 'a'"),
        ("a,b,y\n1,2,1\n1,2,7\n", "bad value", "line 3, column 'y'"),
        ("a,c,y\n1,2,1\n", "different columns", "lacks 'b'; the job does not know its 'c'"),
        ("a,b\n1,2\n", "different columns", "lacks 'y'"),
    ],
)
def test_trouble_is_named_with_its_place(write: Write, text: str, kind: str, words: str) -> None:
    error = failure(write(text))

    assert error.kind == kind
    assert words in str(error)


def test_values_are_never_named(write: Write) -> None:
    for text in ("a,b,y\n1,secret,1\n", "a,b,y\n1,2,secret\n", "a,b,y\n1,2,777\n"):
        error = failure(write(text))

        assert "secret" not in str(error)
        assert "777" not in str(error)


def test_missing_file_is_named(tmp_path: Path) -> None:
    error = failure(str(tmp_path / "absent.csv"))

    assert error.kind == "missing file"
    assert "absent.csv" in str(error)


def test_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    assert failure(str(tmp_path)).kind == "missing file"


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,b,y\n\xff\xfe,1,1\n")

    error = failure(str(path))

    assert error.kind == "malformed csv"
    assert "UTF-8" in str(error)


def test_large_numbers_are_no_trouble(write: Write) -> None:
    table = load_table(write("a,b,y\n1.7e308,1.7e308,1\n"), COLUMNS)

    assert table.matrix(("a", "b")).tolist() == [[1.7e308, 1.7e308]]
