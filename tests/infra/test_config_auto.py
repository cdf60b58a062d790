"""`suite = "auto"`: what it may become, what rules it out, and who ever sees it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fakes.job_files import job_in, problems_of, with_tables

from infra.casting import cast, fingerprint, plan_of, resolved, terms_of, with_suite
from infra.choosing import Outlook, decided, decision_of
from infra.config import ConfigError, Job, job_text, load_job
from infra.config.auto import candidates, places_of
from infra.config.document import toml_document
from infra.config.reading import Reading
from infra.config.rules import _RULES
from infra.config.schema import Place
from infra.homes.actor_home import _job
from infra.homes.provisioning import Provisioning
from infra.identity.trial import SharedRoster
from protocols.errors import Misuse
from protocols.learning.state import State

AUTO = 'suite = "auto"\nfraction_bits = 20\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return with_tables(tmp_path)


def job_of(folder: Path, summed: str = AUTO, more: str = "", **given: object) -> Path:
    return job_in(folder, f"[secure_sum]\n{summed}\n{more}", **given)


def names_of(job: Job) -> list[str]:
    return [each.name for each in candidates(job) if not each.faults]


def chosen(job: Job, dimension: int, **more: Any) -> Job:
    return decided(job, Outlook(dimension=dimension, **more))[0]


# --- what it may become -----------------------------------------------------------------------


def test_without_a_privacy_shares_are_never_packed(folder: Path) -> None:
    job = load_job(job_of(folder))

    assert names_of(job) == ["shamir", "masked"]
    assert job.privacy == 2
    for dimension in (1, 10**4, 10**8):
        assert chosen(job, dimension).privacy == 2


@pytest.mark.parametrize("privacy", [1, 2, 3, 5, 6])
def test_whatever_is_chosen_as_many_holders_learn_nothing_as_was_asked_for(
    folder: Path, privacy: int
) -> None:
    numbers = {"holders": 10, "threshold": 7}
    job = load_job(job_of(folder, f"{AUTO}privacy = {privacy}", **numbers))
    packings = [f"packed with packing {k}" for k in range(2, 7 - privacy + 1)]

    assert names_of(job) == ["shamir", *packings, "masked"]
    assert job.privacy == privacy
    for dimension in (1, 2000, 10**6):
        assert chosen(job, dimension).privacy >= privacy


def test_shares_are_packed_as_far_as_the_privacy_allows_where_masks_are_ruled_out(
    folder: Path,
) -> None:
    # Seeds rule out the mask.
    text = f"{AUTO}privacy = 4\nseeds = true"
    job = load_job(job_of(folder, text, holders=10, threshold=8))

    packed = chosen(job, 10**6)

    assert (packed.secure_sum.suite, packed.secure_sum.packing) == ("packed", 4)
    assert (packed.privacy, packed.secure_sum.privacy) == (4, None)
    assert terms_of(packed).privacy == 4


def test_the_choice_follows_the_length_of_the_vector(folder: Path) -> None:
    job = load_job(job_of(folder))

    assert chosen(job, 100).secure_sum.suite == "shamir"
    masked, told = decided(job, Outlook(dimension=10**6))
    assert masked.secure_sum.suite == "masked"
    assert (plan_of(masked).suite, plan_of(masked).field) == ("masked", "p31")
    assert (told.parameters, told.slots) == (plan_of(masked).parameters, plan_of(masked).slots)
    assert "MB from each owner" in told.why


def test_equal_jobs_and_models_give_equal_choices(folder: Path) -> None:
    path = job_of(folder)

    assert decided(load_job(path), Outlook(dimension=2500)) == decided(
        load_job(path), Outlook(dimension=2500)
    )


# --- what rules a suite out -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("summed", "more", "numbers", "left", "because"),
    [
        (f"{AUTO}seeds = true", "", {}, ["shamir"], "the suite masked sends no seeds"),
        (AUTO, "[limits]\nchunk_kb = 16", {}, ["shamir"], "16 is too small"),
        (
            'suite = "auto"\nfraction_bits = 12\nchecks = true\nnorm_bound = 2.5',
            "",
            {"holders": 7},
            ["shamir"],
            'a norm bound needs suite = "shamir"',
        ),
        (
            f"{AUTO}privacy = 1",
            "",
            {"holders": 7, "federation": "vote = false", "threshold": 4},
            ["shamir", "masked"],
            "without the vote step",
        ),
    ],
)
def test_what_a_suite_can_not_do_rules_it_out(
    folder: Path, summed: str, more: str, numbers: dict[str, Any], left: list[str], because: str
) -> None:
    job = load_job(job_of(folder, summed, more, **numbers))

    assert names_of(job) == left
    decision = decision_of(job, Outlook(dimension=10**6))
    assert decision.chosen.setting.suite in left
    assert any(because in text for ruled in decision.ruled_out for text in ruled.reasons)


def test_values_that_fit_no_share_are_masked_and_those_that_fit_no_slot_are_shared(
    folder: Path,
) -> None:
    training = '[model]\ntask = "task.py"'
    narrow = 'suite = "auto"\nfraction_bits = 12\nfield = "p31"'
    wide = 'suite = "auto"\nfraction_bits = 36'

    fits_a_slot = load_job(job_of(folder, narrow, training, algorithm="fedavg"))
    fits_p61 = load_job(job_of(folder, wide, "", algorithm="moments"))

    assert names_of(fits_a_slot) == ["masked"]
    assert chosen(fits_a_slot, 10).secure_sum.suite == "masked"
    assert "shamir" in names_of(fits_p61)


def test_where_nothing_suits_every_suite_says_why(folder: Path) -> None:
    training = '[model]\ntask = "task.py"'

    problems = problems_of(
        job_of(folder, 'suite = "auto"\nfraction_bits = 60', training, algorithm="fedavg")
    )

    assert len(problems) == 2
    assert all('secure_sum.suite: "auto" finds no suite that suits' in each for each in problems)
    assert "; shamir: " in problems[0]
    assert "; masked: " in problems[1]


def test_a_model_with_buffers_needs_room_for_them(folder: Path) -> None:
    training = '[model]\ntask = "task.py"'
    text = 'suite = "auto"\nfraction_bits = 12\nfield = "p31"\nlargest_weight = 1000'
    job = load_job(job_of(folder, text, training, algorithm="fedavg"))

    assert chosen(job, 1000).secure_sum.suite in ("shamir", "masked")
    with pytest.raises(ConfigError, match="the model has buffers"):
        chosen(job, 1000, buffers=True)


@pytest.mark.parametrize(
    ("summed", "numbers", "problem"),
    [
        (f"{AUTO}packing = 2", {}, "secure_sum.packing: 2 is for suite = "),
        (f"{AUTO}privacy = 3", {}, "with threshold 3 that many holders open a sum"),
        ('suite = "masked"\nprivacy = 2', {}, 'privacy: only suite = "auto" asks for it'),
        ("privacy = 2", {}, 'privacy: only suite = "auto" asks for it'),
        (
            f"{AUTO}privacy = 1",
            {"holders": 10, "threshold": 4, "federation": "faults = 2"},
            "secure_sum.privacy: 2 holders may lie",
        ),
        (AUTO, {"threshold": 9}, "federation.threshold: threshold 9 is above the 5 holders"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    folder: Path, summed: str, numbers: dict[str, Any], problem: str
) -> None:
    assert any(problem in each for each in problems_of(job_of(folder, summed, **numbers)))


@pytest.mark.parametrize("suite", ["shamir", "masked", "auto", "packed"])
@pytest.mark.parametrize("algorithm", ["probe", "moments", "fedavg"])
def test_a_job_that_was_read_tells_the_rules_what_its_file_did(
    folder: Path, suite: str, algorithm: str
) -> None:
    more = '[model]\ntask = "task.py"' if algorithm == "fedavg" else ""
    packing = "\npacking = 1" if suite == "packed" else ""
    text = f'suite = "{suite}"\nfraction_bits = 20\nlargest_weight = 100{packing}'
    path = job_of(folder, text, more, algorithm=algorithm)
    reading = Reading(toml_document(path), Place(path.parent))
    job = reading.job(path)
    assert job is not None

    told = places_of(job)
    needed = {place for places, _ in _RULES for place in places} - {"owner.names"}

    assert {place: told[place] for place in needed & told.keys()} == {
        place: reading.known[place] for place in needed & reading.known.keys()
    }


# --- who ever sees it -------------------------------------------------------------------------


def test_a_cast_has_the_suite_that_was_chosen_in_its_plan_and_job(folder: Path) -> None:
    path = job_of(folder, more="[probe]\nvalues = 20000")

    casting = asyncio.run(cast(load_job(path)))

    assert casting.chosen is not None
    assert casting.chosen.suite == casting.assignment.plan.suite == "masked"
    assert casting.job.secure_sum.suite == "masked"
    assert casting.chosen.dimension == 20_003
    assert 'suite = "masked"' in job_text(casting.job)
    assert "auto" not in job_text(casting.job)


def test_a_job_that_names_its_suite_is_cast_as_before(folder: Path) -> None:
    job = load_job(job_of(folder, 'suite = "shamir"', "[probe]\nvalues = 20000"))

    casting = asyncio.run(cast(job))

    assert (casting.chosen, casting.job) == (None, job)


def test_the_longest_vector_of_any_phase_decides(folder: Path) -> None:
    features = [f"c{i}" for i in range(80)]
    header = ",".join([*features, "y"])
    for name in ("a", "b", "c"):
        (folder / f"{name}.csv").write_text(f"{header}\n{','.join(['1'] * 81)}\n")
    more = '[data]\ntarget = "y"\n[glm]\nfamily = "gaussian"'
    job = resolved(load_job(job_of(folder, more=more, algorithm="glm")))

    casting = asyncio.run(cast(job))
    first = casting.assignment.algorithm.dimension(casting.assignment.initial)

    assert casting.chosen is not None
    assert first < 1000 < casting.chosen.dimension
    assert casting.chosen.suite == "masked"
    assert chosen(job, first).secure_sum.suite == "shamir"


def test_what_is_not_chosen_yet_goes_into_no_round_no_home_and_no_terms(folder: Path) -> None:
    path = job_of(folder)
    job = load_job(path)

    with pytest.raises(Misuse, match="never chosen"):
        plan_of(job)
    with pytest.raises(Misuse, match="never chosen"):
        terms_of(job)
    with pytest.raises(Misuse, match="choose it before"):
        Provisioning(job, State(), {}, SharedRoster)  # type: ignore[arg-type]  # not reached
    with pytest.raises(ConfigError, match="which names the suite that was chosen"):
        _job(path.parent)


def test_a_run_that_left_the_suite_open_goes_on_with_the_same_one_only(folder: Path) -> None:
    job = load_job(job_of(folder))
    named = load_job(job_of(folder, 'suite = "masked"\nfraction_bits = 20'))

    shared, masked = chosen(job, 100), chosen(job, 10**6)

    assert fingerprint(shared) != fingerprint(masked)
    assert fingerprint(masked) == fingerprint(named)
    assert with_suite(named, State()) == (named, None)
