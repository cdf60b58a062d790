"""A job that leaves its suite open, by the command line: the same sums, and who is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from system.commands import quorate
from system.jobs import Text

FEDERATION: dict[str, object] = {"holders": 5, "threshold": 4, "minimum": 3}
ROWS = {name: [(i * 7 + k) % 13 for i in range(40)] for k, name in enumerate(("ann", "bob", "cem"))}


def ran(folder: Path, bins: int, summed: dict[str, object]) -> list[dict[str, Any]]:
    """Run a histogram of so many bins; its lines."""
    folder.mkdir()
    for name, column in ROWS.items():
        (folder / f"{name}.csv").write_text("age\n" + "".join(f"{age}\n" for age in column))
    sections: dict[str, dict[str, object]] = {
        "data": {"column": "age"},
        "histogram": {"least": 0.0, "most": 13.0, "bins": bins},
        "federation": FEDERATION,
        "secure_sum": {"fraction_bits": 20, **summed},
    }
    named: dict[str, str | None] = {name: f"{name}.csv" for name in ROWS}
    text = Text("histogram", named, {}, sections)
    ended = quorate("run", text.written(folder), "--json")
    assert ended.code == 0, ended.out
    return ended.lines


@pytest.mark.parametrize(
    ("bins", "open_suite", "becomes"),
    [
        (20_000, {"suite": "auto"}, {"suite": "masked"}),
        (
            20_000,
            {"suite": "auto", "privacy": 1, "seeds": True},
            # Three would save a little more, and let every single holder learn a part.
            {"suite": "packed", "packing": 2, "seeds": True},
        ),
    ],
)
def test_a_suite_that_was_chosen_sums_as_if_it_had_been_named(
    tmp_path: Path, bins: int, open_suite: dict[str, object], becomes: dict[str, object]
) -> None:
    chosen = ran(tmp_path / "open", bins, open_suite)
    named = ran(tmp_path / "named", bins, becomes)

    told = [line for line in chosen if line["kind"] == "suite_chosen"]
    assert [(line["suite"], line["packing"]) for line in told] == [
        (becomes["suite"], becomes.get("packing", 0))
    ]
    summary, plain = chosen[-1], named[-1]
    assert summary["suite"] == becomes["suite"]
    assert summary["suite_why"] == told[0]["why"]
    assert "suite" not in plain
    assert summary["counts"] == plain["counts"]
    assert sum(summary["counts"]) == 120
    assert summary["cleartext_vectors_seen"] == summary["cleartext_shares_seen"] == 0


def test_homes_name_the_suite_that_was_chosen(tmp_path: Path) -> None:
    sections: dict[str, dict[str, object]] = {
        "probe": {"values": 20_000},
        "federation": {**FEDERATION, "broker": "amqps://broker.example.org/x"},
        "secure_sum": {"fraction_bits": 20, "suite": "auto"},
    }
    named: dict[str, str | None] = dict.fromkeys(ROWS)
    job = Text("probe", named, {}, sections).written(tmp_path)

    ended = quorate(
        "provision", job, "--out", tmp_path / "homes", "--trial-roster", tmp_path / "r", "--json"
    )

    assert ended.code == 0, ended.out
    assert ended.lines[0]["kind"] == "suite_chosen"
    copies = sorted((tmp_path / "homes").glob("*/job.toml"))
    assert len(copies) == 1 + 5 + 3
    for copy in copies:
        assert 'suite = "masked"' in copy.read_text()
