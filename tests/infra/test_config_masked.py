"""Job files of the suite `masked`: how values lie under the mask, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.job_files import job_in, problems_of, with_tables

from infra.casting import fingerprint, plan_of, terms_of
from infra.config import job_text, load_job

MASKED = '[secure_sum]\nsuite = "masked"\n'
TASK = '[model]\ntask = "task.py"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return with_tables(tmp_path)


def job_of(folder: Path, algorithm: str, *sections: str) -> Path:
    return job_in(folder, *sections, algorithm=algorithm)


@pytest.mark.parametrize(
    ("algorithm", "sections", "layout"),
    [
        # The widest values that each sends, and the fewest bytes in which they fit.
        ("moments", MASKED, ("B", 3)),
        ("moments", f"{MASKED}fraction_bits = 20\n", ("A", 2)),
        ("probe", f"{MASKED}fraction_bits = 0\n", ("B", 9)),
        ("fedavg", f"{TASK}{MASKED}", ("B", 3)),
        (
            "fedavg",
            f"{TASK}{MASKED}fraction_bits = 16\nlargest_weight = 100\nclip = 1.0\n",
            ("A", 3),
        ),
    ],
)
def test_the_layout_follows_from_what_an_owner_may_send(
    folder: Path, algorithm: str, sections: str, layout: tuple[str, int]
) -> None:
    plan = plan_of(load_job(job_of(folder, algorithm, sections)))

    assert (plan.suite, plan.field) == ("masked", "p31")
    assert (plan.parameters, plan.slots) == layout


def test_a_job_that_says_nothing_of_a_suite_has_the_one_that_it_had(folder: Path) -> None:
    job = load_job(job_of(folder, "moments"))
    plan = plan_of(job)

    assert (plan.suite, plan.field, plan.parameters, plan.slots) == ("shamir", "p61", "", 0)
    said = load_job(job_of(folder, "moments", '[secure_sum]\nsuite = "shamir"\n'))
    assert fingerprint(said) == fingerprint(job)


def test_the_suite_cannot_change_while_a_job_runs(folder: Path) -> None:
    before = fingerprint(load_job(job_of(folder, "moments")))

    assert fingerprint(load_job(job_of(folder, "moments", MASKED))) != before


def test_actors_go_along_with_the_suite_of_their_own_job_file_only(folder: Path) -> None:
    assert terms_of(load_job(job_of(folder, "moments"))).suite == "shamir"
    assert terms_of(load_job(job_of(folder, "moments", MASKED))).suite == "masked"


def test_a_copy_of_the_job_has_the_suite(folder: Path) -> None:
    job = load_job(job_of(folder, "moments", MASKED))

    copy = folder / "copy.toml"
    copy.write_text(job_text(job).replace('name = "c"', 'name = "c"\n'))

    assert 'suite = "masked"' in copy.read_text()


@pytest.mark.parametrize(
    ("algorithm", "sections", "text"),
    [
        (
            "fedavg",
            f"{TASK}{MASKED}largest_weight = 1_000_000_000_000\n",
            "secure_sum: largest_weight 1000000000000 times clip 8 can overflow the sum: integers",
        ),
        (
            "moments",
            f"{MASKED}fraction_bits = 50\n",
            "secure_sum: the digits of a statistic can overflow the sum: integers",
        ),
        (
            "probe",
            f"{MASKED}fraction_bits = 50\n",
            "secure_sum: the values of the probe can overflow the sum: integers",
        ),
        ("moments", f"{MASKED}fraction_bits = 19\n", "secure_sum.fraction_bits: 19 are too few"),
        (
            "moments",
            f"{MASKED}[limits]\nchunk_kb = 31\n",
            "limits.chunk_kb: 31 is too small for a share of the suite masked",
        ),
        ("moments", '[secure_sum]\nsuite = "plain"\n', 'secure_sum.suite: "plain"'),
    ],
)
def test_what_does_not_fit_is_explained(
    folder: Path, algorithm: str, sections: str, text: str
) -> None:
    (problem,) = problems_of(job_of(folder, algorithm, sections))

    assert problem.startswith(text)
    if "overflow" in text:
        assert "missing; use " in problem
        assert "fewer fraction bits" in problem


def test_the_smallest_chunks_hold_a_share_of_either_set(folder: Path) -> None:
    for bits in (20, 30):
        settings = f"{MASKED}fraction_bits = {bits}\n[limits]\nchunk_kb = 32\n"
        load_job(job_of(folder, "moments", settings))
