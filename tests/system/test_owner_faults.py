"""One owner's fault: the rounds go on without it, say so, and tell only it the details."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from system.commands import Ended, quorate, running, updated
from system.jobs import fedavg, logistic, table, tables

GOOD = table(60, seed=1)
HEADER, FIRST, *REST = GOOD.splitlines()
TABLES = {
    "gap": "\n".join([HEADER, FIRST, "1.5,,2.5,1", *REST]),
    "word": "\n".join([HEADER, "1.5,secretword,2.5,1", *REST]),
    "ragged": "\n".join([HEADER, "1.5,2.5,1", *REST]),
    "columns": GOOD.replace("a,b,c,y", "a,b,d,y"),
    "target": "\n".join([HEADER, "1.5,1.5,2.5,7", *REST]),
    "rows": HEADER + "\n",
    "nothing": "",
    "latin": GOOD + "1.5,\xe9,2.5,1\n",
    "huge": GOOD + "1.5,1e31,2.5,1\n",
}
TABLE_FAULTS = {
    "gap": ("missing value", "line 3, column 'b'"),
    "word": ("not a number", "line 2, column 'b'"),
    "ragged": ("malformed csv", "line 2: 3 cells under 4 columns"),
    "columns": ("different columns", "lacks 'c'"),
    "target": ("bad value", "it must be 0 or 1"),
    "rows": ("empty", "has a header but no rows"),
    "nothing": ("empty", "has no header line"),
    "latin": ("malformed csv", "is not UTF-8 text"),
    "huge": ("too large", "this owner's sum[b] is too large"),
}
TRAIN = """
def train(model, data, settings):
    match who:
        case "nan":
            with torch.no_grad():
                model.weight.fill_(float("nan"))
        case "inf":
            with torch.no_grad():
                model.weight.fill_(float("inf"))
        case "raises":
            raise ValueError("patient 4711 is odd")
        case "exits":
            sys.exit(3)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hangs":
            time.sleep(600)
        case "eats":
            hoard = [bytearray(2**26) for _ in range(1000)]
        case "prints":
            for _ in range(50_000):
                print("x" * 80)
"""
CODE_FAULTS = {
    "nan": ("not finite", "a learning rate that is too high"),
    "inf": ("not finite", "a learning rate that is too high"),
    "raises": ("code failed", "ValueError: patient 4711 is odd"),
    "exits": ("code failed", "SystemExit: 3"),
    "killed": ("killed (out of memory?)", "SIGKILL"),
    "hangs": ("timed out", "within 20 s"),
    "eats": ("out of memory", "MemoryError"),
    "heavy": ("weight too large", "raise largest_weight"),
}


@pytest.fixture(scope="module")
def over_tables(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    owners = {**tables(3), **{name: TABLES[name] for name in TABLE_FAULTS}}
    return quorate("run", logistic(tmp_path_factory.mktemp("tables"), owners), "--json")


@pytest.fixture(scope="module")
def over_code(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("code")
    owners = ["one", "two", "prints", *CODE_FAULTS]
    limits: dict[str, object] = {"compute_s": 20.0, "memory_mb": 700}
    job = fedavg(folder, owners, task=TRAIN, limits=limits, secure_sum={"largest_weight": 50})
    return quorate("run", job, "--json")


@pytest.mark.parametrize("owner", TABLE_FAULTS)
def test_a_table_at_fault_is_left_out_and_its_owner_is_told_where(
    over_tables: Ended, owner: str
) -> None:
    kind, place = TABLE_FAULTS[owner]
    dropped = {gone["name"]: gone for gone in over_tables.summary["dropped_trainers"]}
    told = [event for event in over_tables.lines if event["kind"] == "owner_trouble"]

    # Whoever finds out only while it computes is not in the cohort afterwards.
    assert dropped[owner]["reason"].removesuffix("; not in the cohort") == kind
    assert dropped[owner]["returned"] is None
    assert any(event["actor"] == owner and place in event["text"] for event in told)


def test_the_run_over_the_other_tables_converges(over_tables: Ended) -> None:
    summary = over_tables.summary

    assert over_tables.code == 0
    assert summary["outcome"] == "converged"
    assert len(summary["dropped_trainers"]) == len(TABLE_FAULTS)
    assert "Traceback" not in over_tables.err


@pytest.mark.parametrize("owner", CODE_FAULTS)
def test_code_at_fault_is_left_out_and_its_owner_is_told_why(over_code: Ended, owner: str) -> None:
    kind, text = CODE_FAULTS[owner]
    dropped = {gone["name"]: gone for gone in over_code.summary["dropped_trainers"]}
    told = [event for event in over_code.lines if event["kind"] == "owner_trouble"]

    assert dropped[owner]["reason"] == kind
    assert any(event["actor"] == owner and text in event["text"] for event in told)


def test_the_run_over_the_other_code_goes_on(over_code: Ended) -> None:
    (complete,) = [event for event in over_code.lines if event["kind"] == "round_complete"]

    assert over_code.code == 0
    assert complete["survivors"] == ["one", "prints", "two"]
    assert len(over_code.summary["dropped_trainers"]) == len(CODE_FAULTS)
    assert "Traceback" not in over_code.err


def test_the_summary_tells_nothing_of_an_owners_rows(over_tables: Ended, over_code: Ended) -> None:
    for private in ("secretword", "line 3", "4711"):
        assert private not in str(over_tables.summary)
        assert private not in str(over_code.summary)


def test_people_are_told_of_a_fault_once_and_not_in_every_round(tmp_path: Path) -> None:
    job = logistic(tmp_path, {**tables(3), "gap": TABLES["gap"]})

    ended = quorate("run", job)

    assert ended.code == 0
    assert ended.out.count("(for its owner's eyes)") == 1
    assert ended.out.count("went on without gap") == 1
    assert "is back" not in ended.out


def test_what_an_owners_code_prints_and_raises_is_in_the_run_log(tmp_path: Path) -> None:
    task = 'def evaluate(model, data):\n    print("hello from", who)\n    return {}["loss"]\n'

    job = fedavg(tmp_path, ["one", "two", "three"], task=task, limits={"abandoned_rounds": 1})
    ended = quorate("run", job, "--quiet")

    kept = (tmp_path / ".quorate" / "tiny" / "run.log").read_text()
    assert ended.code == 1
    assert "hello from two" in kept
    assert "Traceback" in kept
    assert "Traceback" not in ended.err


def test_an_owner_with_one_class_takes_part_and_is_warned(tmp_path: Path) -> None:
    lines = GOOD.splitlines()
    alike = "\n".join([lines[0], *(line[:-1] + "1" for line in lines[1:])])

    ended = quorate("run", logistic(tmp_path, {**tables(3), "alike": alike}), "--json")

    (told,) = [event for event in ended.lines if event["kind"] == "owner_trouble"]
    assert ended.code == 0
    assert ended.summary["dropped_trainers"] == []
    assert (told["actor"], told["trouble"]) == ("alike", "warning")
    assert "is the same in all rows" in told["text"]


def test_one_class_everywhere_fails_and_says_so(tmp_path: Path) -> None:
    alike = "\n".join([HEADER, *(line[:-1] + "1" for line in REST)])

    job = logistic(tmp_path, dict.fromkeys(("a", "b", "c"), alike))
    ended = quorate("run", job, "--json")

    assert ended.code == 1
    assert ended.summary["outcome"] == "failed"
    assert "of one class" in ended.summary["reason"]
    assert "coefficients" not in ended.summary


def test_too_few_owners_left_fails_and_names_who_is_missing(tmp_path: Path) -> None:
    job = logistic(tmp_path, {**tables(2), "gap": TABLES["gap"]})

    ended = quorate("run", job, "--json")

    assert ended.code == 1
    assert ended.summary["outcome"] == "failed"
    assert "below the minimum of 3" in ended.summary["reason"]
    assert [a["round"] for a in ended.summary["abandoned_rounds"]] == [1, 2, 3]
    assert ("gap", "missing value") in {
        (gone["name"], gone["reason"]) for gone in ended.summary["dropped_trainers"]
    }


def test_a_failed_run_goes_on_once_the_owner_has_corrected_its_table(tmp_path: Path) -> None:
    job = logistic(tmp_path, {**tables(2), "gap": TABLES["gap"]})
    assert quorate("run", job, "--quiet").code == 1

    (tmp_path / "gap.csv").write_text(GOOD)
    ended = quorate("run", job, "--resume", "--json")

    assert ended.code == 0
    assert ended.summary["outcome"] == "converged"
    gone = {a["name"]: a for a in ended.summary["dropped_trainers"]}
    assert gone["gap"]["left"] == 1
    assert gone["gap"]["returned"] == 4


def test_a_table_that_disappears_in_mid_run_costs_its_owner_only(tmp_path: Path) -> None:
    job = logistic(tmp_path, tables())
    with running("run", job) as run:
        run.until(updated(3))
        (tmp_path / "o2.csv").unlink()
        for child in run.children():  # so that every table is read anew
            os.kill(child, signal.SIGKILL)
        ended = run.ended()

    reasons = {gone["name"]: gone["reason"] for gone in ended.summary["dropped_trainers"]}
    assert ended.code == 0
    assert ended.summary["outcome"] == "converged"
    assert "missing file" in reasons["o2"]
    assert len(ended.summary["notes"]) >= 1


def test_every_owner_at_fault_abandons_the_rounds_and_ends(tmp_path: Path) -> None:
    job = logistic(tmp_path, dict.fromkeys(("one", "two", "three"), TABLES["gap"]))

    ended = quorate("run", job, "--json")

    assert ended.code == 1
    assert len(ended.summary["abandoned_rounds"]) == 3
    assert len(ended.summary["dropped_trainers"]) == 3
