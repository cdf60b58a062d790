"""A job by the command line ends alike however its vectors are shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from system.commands import quorate
from system.jobs import Text

FEDERATION: dict[str, object] = {"holders": 5, "threshold": 4, "minimum": 3}
SHARED: dict[str, dict[str, object]] = {
    "packed": {"suite": "packed", "packing": 2},
    "packed with seeds": {"suite": "packed", "packing": 3, "seeds": True},
}
OWNERS = {
    name: "y,a,b\n"
    + "".join(f"{(i * 7 + k) % 5 > 1:d},{(i * i + k) % 11},{i % 3}\n" for i in range(30))
    for k, name in enumerate(("north", "south", "west"))
}


def summary_of(folder: Path, shared: dict[str, object]) -> dict[str, Any]:
    folder.mkdir()
    for name, table in OWNERS.items():
        (folder / f"{name}.csv").write_text(table)
    sections: dict[str, dict[str, object]] = {
        "data": {"target": "y"},
        "glm": {"family": "binomial"},
        "federation": FEDERATION,
        "secure_sum": shared,
    }
    named: dict[str, str | None] = {name: f"{name}.csv" for name in OWNERS}
    ended = quorate("run", Text("glm", named, {}, sections).written(folder), "--json")

    assert (ended.code, ended.summary["cleartext_vectors_seen"]) == (0, 0)
    return ended.summary


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return summary_of(tmp_path_factory.mktemp("plain") / "job", {})


@pytest.mark.parametrize("how", ["packed", "packed with seeds"])
def test_the_fit_is_that_of_shamirs_shares_to_the_last_bit(
    tmp_path: Path, plain: dict[str, Any], how: str
) -> None:
    packed = summary_of(tmp_path / "job", SHARED[how])

    for figure in ("outcome", "coefficients", "standard_errors", "log_likelihood", "rows"):
        assert packed[figure] == plain[figure], figure
