from __future__ import annotations

from pathlib import Path

import pytest
from fakes.round_parts import config_of

from actors.ports import WorkFailed
from infra.approval import refusal
from infra.casting import first_state, owners_terms, terms_of, work_spec
from infra.config import ConfigError, Job, load_job
from infra.workers import ProcessWorker

JOB = """
[job]
name = "study"
algorithm = "moments"
max_rounds = 20
[data]
features = ["age"]
[federation]
broker = "memory"
holders = 3
threshold = 2
minimum = 3
[[owner]]
name = "ann"
data = "data.csv"
{ann}
[[owner]]
name = "bob"
data = "data.csv"
[[owner]]
name = "cem"
data = "data.csv"
"""


def job_of(folder: Path, ann: str = "") -> Job:
    (folder / "data.csv").write_text("age\n1\n2\n3\n4\n")
    (folder / "job.toml").write_text(JOB.format(ann=ann))
    return load_job(folder / "job.toml")


@pytest.mark.parametrize(
    "allow",
    [
        None,
        ["moments"],
        ["mo*"],
        ["glm", "moments"],
        ["study/moments"],
        ["study/*"],
        ["st?dy/moments"],
        ["*"],
        ["*/*"],
    ],
)
def test_what_is_on_the_list_is_allowed(allow: list[str] | None) -> None:
    assert refusal(allow, job="study", algorithm="moments") == ""


@pytest.mark.parametrize(
    "allow",
    [[], ["glm"], ["moment"], ["Moments"], ["other/moments"], ["study/glm"], ["study-2/*"]],
)
def test_all_else_is_not(allow: list[str]) -> None:
    said = refusal(allow, job="study", algorithm="moments")

    assert "the job 'study' with algorithm 'moments' is not on this owner's list" in said
    assert "'study/moments'" in said


async def test_a_job_that_is_not_allowed_never_opens_the_data(tmp_path: Path) -> None:
    job = job_of(tmp_path, 'allow = ["glm"]')
    (tmp_path / "data.csv").unlink()
    worker = ProcessWorker(work_spec(job, job.owners[0]))

    try:
        with pytest.raises(WorkFailed) as caught:
            await worker.compute(b"", 0)
    finally:
        await worker.close()

    assert caught.value.kind == "not allowed"


def test_who_has_no_list_allows_the_job_it_has_read(tmp_path: Path) -> None:
    ann, bob, _ = job_of(tmp_path, 'allow = ["glm"]').owners

    assert work_spec(job_of(tmp_path), ann).refused
    assert not work_spec(job_of(tmp_path), bob).refused


async def test_the_first_model_is_made_whatever_the_first_owner_allows(tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text(
        "import torch\n\ndef model():\n    return torch.nn.Linear(2, 2)\n\n"
        "def data(owner):\n    raise ValueError\n"
    )
    text = JOB.replace('"moments"', '"fedavg"').replace("[data]", "[model]")
    text = text.replace('features = ["age"]', 'task = "task.py"')
    (tmp_path / "data.csv").write_text("")
    (tmp_path / "job.toml").write_text(text.format(ann='allow = ["moments"]'))

    state = await first_state(load_job(tmp_path / "job.toml"))

    assert len(state.arrays) == 2


def test_a_pattern_that_no_algorithm_has_is_a_slip(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"owner\[1\].allow: \"momnets\" allows no algorithm"):
        job_of(tmp_path, 'allow = ["momnets"]')


def test_a_trainer_takes_part_in_rounds_of_its_own_job_only(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    terms = owners_terms(job)
    other, own = config_of(), config_of(job="study")

    assert terms.fault(other) == "a round of another job than that of this home"
    assert terms.fault(own) == terms_of(job).fault(own)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        (
            {"buffered": 4, "max_staleness": 2},
            "a buffered round, and ours wait for everybody",
        ),
        (
            {"suite": "packed", "packing": 1},
            "the suite packed, and we want shamir",
        ),
    ],
)
def test_an_owner_holds_rounds_to_all_that_its_own_job_file_says(
    tmp_path: Path, changes: dict[str, object], kind: str
) -> None:
    terms = owners_terms(job_of(tmp_path))

    assert terms.fault(config_of(job="study")) is None
    assert terms.fault(config_of(job="study", **changes)) == kind
