"""Jobs of the suite `masked`: the same numbers as with `shamir`, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from system.capture import captured
from system.commands import quorate
from system.jobs import BREAST_CANCER, Text, table
from system.test_capture import ROWS, TABLES, leaks

MASKED: dict[str, object] = {"suite": "masked"}


def summary_of(job: Path, home: Path) -> dict[str, Any]:
    ended = quorate("run", job, "--json", "--home", home)
    assert ended.code == 0
    return ended.summary


def tables(folder: Path, algorithm: str, secure_sum: dict[str, object]) -> Path:
    folder.mkdir()
    for number, name in enumerate(("north", "middle", "south")):
        (folder / f"{name}.csv").write_text(table(40 + number, seed=number))
    owners: dict[str, str | None] = {n: f"{n}.csv" for n in ("north", "middle", "south")}
    return Text(algorithm, owners, sections={"secure_sum": secure_sum}).written(folder)


def test_moments_are_the_same_in_both_suites(tmp_path: Path) -> None:
    found = [
        summary_of(tables(tmp_path / suite, "moments", {"suite": suite}), tmp_path / f"{suite}-run")
        for suite in ("shamir", "masked")
    ]

    shamir, masked = (
        {k: v for k, v in each.items() if k in ("mean", "std", "means", "stds", "rows", "columns")}
        for each in found
    )
    assert shamir
    assert masked == shamir
    assert found[1]["cleartext_vectors_seen"] == 0


def test_the_example_is_the_same_in_both_suites(tmp_path: Path) -> None:
    text = BREAST_CANCER.read_text()
    assert "[secure_sum]" not in text
    for each in BREAST_CANCER.parent.glob("*.csv"):
        (tmp_path / each.name).symlink_to(each)
    for each in BREAST_CANCER.parent.iterdir():
        if each.is_dir():
            (tmp_path / each.name).symlink_to(each)
    job = tmp_path / "job.toml"
    job.write_text(text.replace("[federation]", '[secure_sum]\nsuite = "masked"\n\n[federation]'))

    shamir = summary_of(BREAST_CANCER, tmp_path / "one")
    masked = summary_of(job, tmp_path / "two")

    assert masked["coefficients"] == shamir["coefficients"]
    assert masked["intercept"] == shamir["intercept"]
    assert masked["rounds"] == shamir["rounds"]
    assert masked["cleartext_vectors_seen"] == 0


@pytest.mark.parametrize("faults", [0, 1])
async def test_nothing_private_is_sent_in_a_masked_regression(tmp_path: Path, faults: int) -> None:
    for name, content in TABLES.items():
        (tmp_path / f"{name}.csv").write_text(content)
    federation: dict[str, object] = {"holders": 4, "threshold": 2, "faults": faults}
    job = Text(
        "logistic",
        {name: f"{name}.csv" for name in ROWS},
        sections={"data": {"target": "y"}, "secure_sum": MASKED, "federation": federation},
    ).written(tmp_path)

    collector, ended = await captured(job, tmp_path / "home")

    assert ended.outcome == "converged"
    assert len(collector.vectors) == 3 * ended.completed
    assert leaks(collector) == {"rows": 0, "updates": 0, "weights": 0}
