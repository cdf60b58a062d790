"""Job files that ask a sample of their owners: how many, in which batches, and who may."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from fakes.job_files import TASK, job_of_a_model, problems_of

from infra.casting import fingerprint, owners_terms, plan_of
from infra.config import Job, job_text, load_job
from infra.planning import outline
from protocols.secagg.terms import Manner

OWNERS = "".join(f'[[owner]]\nname = "site-{place:02}"\n' for place in range(20))
SAMPLE = "sample = 10\nbatch = 4"
PROBE = "[probe]\nvalues = 10\n"

written = partial(job_of_a_model, owners=OWNERS)


def loaded(folder: Path, sample: str) -> Job:
    return load_job(written(folder, sample))


@pytest.mark.parametrize(
    ("sample", "batches", "drawn"),
    [("sample = 4", 5, 1), ("sample = 5", 4, 1), (SAMPLE, 5, 2), ("sample = 10", 2, 1)],
)
def test_a_sample_reaches_the_rounds_and_what_owners_demand_of_them(
    tmp_path: Path, sample: str, batches: int, drawn: int
) -> None:
    job = loaded(tmp_path, sample)

    plan = plan_of(job)

    assert (plan.batches, plan.drawn) == (batches, drawn)
    assert owners_terms(job).manner == Manner(batches=batches, drawn=drawn)


def test_without_a_sample_every_round_asks_everybody(tmp_path: Path) -> None:
    job = loaded(tmp_path, "")

    plan = plan_of(job)

    assert (plan.batches, plan.drawn) == (0, 0)
    assert owners_terms(job).manner == Manner()


def test_a_copy_of_the_job_has_the_same_sample(tmp_path: Path) -> None:
    job = loaded(tmp_path, SAMPLE)
    (tmp_path / "copy.toml").write_text(job_text(job))

    assert load_job(tmp_path / "copy.toml").federation == job.federation


def test_a_run_can_not_be_resumed_with_another_sample(tmp_path: Path) -> None:
    samples = ("", "sample = 10", SAMPLE, "sample = 4")
    prints = {fingerprint(loaded(tmp_path, sample)) for sample in samples}

    assert len(prints) == len(samples)


def test_runs_from_before_there_were_samples_go_on(tmp_path: Path) -> None:
    fixed = fingerprint(loaded(tmp_path, ""))

    job = loaded(tmp_path, "")
    federation = job.federation.model_copy(update={"sample": 0, "batch": 7})

    assert fingerprint(job.model_copy(update={"federation": federation})) == fixed


@pytest.mark.parametrize(
    ("sample", "problem"),
    [
        (
            "sample = 2",
            "federation.sample: a sample of 2 is below the minimum of 3, under which no sum is "
            "opened; use 3 or more",
        ),
        (
            "sample = 12",
            "federation.sample: a sample of 12 of 20 trainers in batches of 12 or more is "
            "everybody; use 10 or less, or leave it out",
        ),
        (
            "sample = 4\nbatch = 5",
            "federation.batch: a sample of 4 holds no whole batch of 5; use 4 or less",
        ),
        (
            "batch = 5",
            "federation.batch: batches of 5 are for rounds that ask a sample; leave it out, or say "
            "with sample about how many owners a round asks",
        ),
        (
            "sample = 5\nbuffered = 4",
            "federation.sample: rounds that ask a sample can't be buffered: what is computed would "
            "be given to a round that asks others; leave sample or buffered out",
        ),
    ],
)
def test_a_sample_that_makes_no_sense_is_refused_with_what_to_change(
    tmp_path: Path, sample: str, problem: str
) -> None:
    assert problems_of(written(tmp_path, sample)) == [problem]


def test_statistics_are_of_all_owners(tmp_path: Path) -> None:
    data = '[data]\ncolumn = "age"\n[histogram]\nlow = 0.0\nhigh = 1.0\n'

    told = problems_of(written(tmp_path, SAMPLE, "histogram", data))

    (text,) = [text for text in told if text.startswith("federation.sample")]
    assert "what histogram finds is of all owners" in text


def test_the_best_model_is_not_known_where_each_round_is_measured_elsewhere(
    tmp_path: Path,
) -> None:
    own = TASK + '[training]\nwatch = "highest accuracy"\n'

    (problem,) = problems_of(written(tmp_path, SAMPLE, own=own))

    assert 'training.watch = "highest accuracy" compares rounds' in problem


@pytest.mark.parametrize("algorithm", ["fedavg", "fedprox", "fedadam", "fedyogi", "scaffold"])
def test_models_are_trained_on_samples(tmp_path: Path, algorithm: str) -> None:
    assert load_job(written(tmp_path, SAMPLE, algorithm)).batches == (5, 2)


def test_a_plan_is_for_those_whom_a_round_asks(tmp_path: Path) -> None:
    whole = outline(written(tmp_path, "", "probe", PROBE))
    sample = outline(written(tmp_path, "sample = 10\nbatch = 3", "probe", PROBE))

    assert (sample.asked, sample.batches) == (11, (6, 3))  # 4 + 4 + 3 of 20 in six batches
    assert sample.cost.setting.trainers == 11
    assert sample.cost.traffic.holder_in < 0.6 * whole.cost.traffic.holder_in
    assert sample.cost.traffic.trainer_up == whole.cost.traffic.trainer_up
    assert sample.headroom_bits == whole.headroom_bits
    assert (whole.tolerance.vanish, sample.tolerance.vanish) == (17, 0)


def test_a_plan_for_other_owners_has_their_batches(tmp_path: Path) -> None:
    planned = outline(written(tmp_path, "sample = 5", "probe", PROBE), owners=100)

    assert (planned.owners, planned.asked, planned.batches) == (100, 5, (20, 1))
