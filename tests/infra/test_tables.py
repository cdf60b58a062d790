from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from actors.ports import WorkFailed
from infra.tables import load_table, read_header

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> str:
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode())
        return str(path)

    return to_file


def failure(path: str, features: tuple[str, ...] | None = ("a", "b")) -> WorkFailed:
    with pytest.raises(WorkFailed) as caught:
        load_table(path, features, "y")
    return caught.value


def test_columns_come_in_the_order_of_the_features(write: Write) -> None:
    table = load_table(write("y,b,extra,a\n1,2.5,text,3\n0,-1e3,,4\n"), ("a", "b"), "y")

    assert table.columns == ("a", "b")
    np.testing.assert_array_equal(table.x, [[3.0, 2.5], [4.0, -1000.0]])
    np.testing.assert_array_equal(table.y, [1.0, 0.0])
    assert table.warnings == ()


def test_without_features_all_columns_but_the_target_are_read(write: Write) -> None:
    table = load_table(write("a,y,b\n1,1,2\n3,0,4\n"), None, "y")

    assert table.columns == ("a", "b")
    np.testing.assert_array_equal(table.x, [[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    "text",
    ["\ufeffa,b,y\n1,2,1\n", "a,b,y\r\n1,2,1\r\n", 'a, b ,y\n"1", 2 ,1.0\n\n'],
)
def test_tables_of_other_programs_are_read(write: Write, text: str) -> None:
    table = load_table(write(text), ("a", "b"), "y")

    np.testing.assert_array_equal(table.x, [[1.0, 2.0]])


def test_one_class_only_is_a_warning(write: Write) -> None:
    table = load_table(write("a,b,y\n1,2,1\n3,4,1\n"), ("a", "b"), "y")

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
        ("a,b,y\n1,2,1\n1,2,7\n", "bad target", "line 3, column 'y'"),
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
    table = load_table(write("a,b,y\n1.7e308,1.7e308,1\n"), ("a", "b"), "y")

    assert table.x.tolist() == [[1.7e308, 1.7e308]]
