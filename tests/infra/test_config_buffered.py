"""Job files with a buffer: who may have one, how large it is, and whom it reaches."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from fakes.job_files import TASK, job_of_a_model, problems_of

from infra.casting import assignment_of, fingerprint, owners_terms, plan_of, work_spec
from infra.config import Job, job_text, load_job
from protocols.learning.algorithms import build
from protocols.learning.federated.fedavg import FedAvg
from protocols.learning.state import State
from protocols.secagg.terms import Manner

OWNERS = "".join(f'[[owner]]\nname = "{name}"\n' for name in ("ann", "bob", "cat", "dan"))
BUFFER = "buffered = 3\nmax_staleness = 5"

written = partial(job_of_a_model, owners=OWNERS)


def loaded(folder: Path, buffer: str) -> Job:
    return load_job(written(folder, buffer))


def test_an_owner_takes_part_in_rounds_with_the_buffer_of_its_job_file_only(tmp_path: Path) -> None:
    buffered, usual = loaded(tmp_path, BUFFER), loaded(tmp_path, "")

    assert owners_terms(buffered).manner == Manner(buffered=3, max_staleness=5)
    assert owners_terms(usual).manner == Manner()


def test_a_buffer_reaches_the_rounds_and_the_algorithm_at_both_ends(tmp_path: Path) -> None:
    job = loaded(tmp_path, BUFFER)

    plan = plan_of(job)
    spec = work_spec(job, job.owners[0])
    at_the_owner = build(spec.kind, spec.options)

    assert (plan.buffered, plan.max_staleness) == (3, 5)
    assert at_the_owner == assignment_of(job, State()).algorithm
    assert isinstance(at_the_owner, FedAvg)
    assert at_the_owner.max_staleness == 5


def test_without_a_buffer_nothing_has_an_age(tmp_path: Path) -> None:
    job = loaded(tmp_path, "max_staleness = 5")

    plan = plan_of(job)

    assert (plan.buffered, plan.max_staleness) == (0, 0)
    assert "max_staleness" not in work_spec(job, job.owners[0]).options


def test_a_copy_of_the_job_has_the_same_buffer(tmp_path: Path) -> None:
    job = loaded(tmp_path, BUFFER)
    (tmp_path / "copy.toml").write_text(job_text(job))

    assert load_job(tmp_path / "copy.toml").federation == job.federation


def test_a_run_can_not_be_resumed_with_another_buffer(tmp_path: Path) -> None:
    prints = [fingerprint(loaded(tmp_path, b)) for b in ("", "max_staleness = 5", BUFFER)]

    assert prints[0] == prints[1]
    assert prints[0] != prints[2]


@pytest.mark.parametrize(
    ("buffered", "reason"),
    [
        (2, "buffered 2 is below the minimum of 3, under which no sum is opened; use 3 or more"),
        (5, "buffered 5 is above the 4 trainers; use 4 or less"),
    ],
)
def test_a_buffer_that_no_round_can_fill_is_refused(
    tmp_path: Path, buffered: int, reason: str
) -> None:
    (problem,) = problems_of(written(tmp_path, f"buffered = {buffered}"))

    assert problem == f"federation.buffered: {reason}"


def test_algorithms_over_tables_refuse_a_buffer(tmp_path: Path) -> None:
    data = '[data]\ncolumn = "age"\n[histogram]\nlow = 0.0\nhigh = 1.0\n'
    told = problems_of(written(tmp_path, BUFFER, "histogram", data))

    assert any(
        text.startswith("federation.buffered: every sum of histogram is over one state")
        for text in told
    )


def test_scaffold_refuses_a_buffer_and_says_why(tmp_path: Path) -> None:
    (problem,) = problems_of(written(tmp_path, BUFFER, "scaffold"))

    assert problem.startswith("federation.buffered: scaffold: rounds can't be buffered here")


def test_the_best_model_is_not_known_in_a_buffer(tmp_path: Path) -> None:
    own = TASK + '[training]\nwatch = "highest accuracy"\n'
    (problem,) = problems_of(written(tmp_path, BUFFER, own=own))

    assert "rounds can't be buffered with watch" in problem
