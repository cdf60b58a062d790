"""A job file is taken as a whole or refused with everything that is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra import choosing
from infra.casting import fingerprint, plan_of, terms_of
from infra.config import ConfigError, TableSettings, TorchSettings, load_job
from protocols.trust.sealing import CLASSICAL, HYBRID, suites

FEDAVG = """
[job]
name = "digits"
algorithm = "fedavg"
max_rounds = 40
[model]
task = "task.py"
[federation]
broker = "memory"
holders = 5
threshold = 3
minimum = 3
[[owner]]
name = "north"
[[owner]]
name = "middle"
[[owner]]
name = "south"
data = "south"
"""

TRAIN_A_MODEL = "algorithms that train a model (fedadam, fedavg, fedprox, fedyogi, scaffold)"

LOGISTIC = """
[job]
name = "breast-cancer"
algorithm = "logistic"
max_rounds = 30
[data]
target = "benign"
[federation]
broker = "memory"
holders = 5
threshold = 3
minimum = 3
[[owner]]
name = "north"
data = "north.csv"
[[owner]]
name = "middle"
data = "middle.csv"
[[owner]]
name = "south"
data = "south.csv"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("north", "middle", "south"):
        (tmp_path / f"{name}.csv").write_text("age,benign\n1,0\n")
    (tmp_path / "south").mkdir()
    (tmp_path / "task.py").write_text("")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "job.toml"
    path.write_text(text)
    return path


def problems_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_job(written(folder, text))
    return caught.value.problems


def require_explained(
    folder: Path, change: tuple[str, str], place: str, what: str, cure: str
) -> None:
    """Require one sentence on a changed job file, that says where, what and what to do."""
    problem = only_problem(folder, FEDAVG, *change)
    assert problem.startswith(f"{place}: ")
    assert what in problem
    assert cure in problem


def only_problem(folder: Path, base: str, old: str, new: str) -> str:
    assert old in base
    problems = problems_of(folder, base.replace(old, new, 1))
    assert len(problems) == 1, problems
    return problems[0]


def test_fedavg_job_is_read_with_its_defaults(folder: Path) -> None:
    job = load_job(written(folder, FEDAVG))

    assert (job.name, job.algorithm, job.max_rounds, job.tolerance) == (
        "digits",
        "fedavg",
        40,
        None,
    )
    assert isinstance(job.learning, TorchSettings)
    assert job.learning.task == folder / "task.py"
    assert job.learning.metrics == ("loss", "accuracy")
    assert (job.learning.epochs, job.learning.batch_size) == (1, 32)
    assert (job.federation.vote, job.secure_sum.field, job.limits.chunk_bytes) == (
        True,
        "p61",
        256 * 1024,
    )
    assert [owner.data for owner in job.owners] == [None, None, folder / "south"]


def test_logistic_job_is_read_with_its_defaults(folder: Path) -> None:
    job = load_job(written(folder, LOGISTIC))

    assert isinstance(job.learning, TableSettings)
    assert (job.learning.target, job.learning.features, job.learning.C) == ("benign", None, 1.0)
    assert job.owners[0].data == folder / "north.csv"


def test_every_key_of_the_file_reaches_the_job(folder: Path) -> None:
    text = FEDAVG.replace('task = "task.py"', 'task = "task.py"\nmetrics = ["loss"]')
    text = text.replace("minimum = 3", "minimum = 3\nvote = false")
    text += """
    [training]
    epochs = 2
    learning_rate = 0.5
    batch_size = 8
    seed = 7
    [secure_sum]
    field = "p61"
    fraction_bits = 20
    largest_weight = 5000
    clip = 2
    sealing = "x25519"
    [limits]
    patience_s = 1
    round_s = 2.5
    memory_mb = 512
    chunk_kb = 64
    abandoned_rounds = 2
    """

    job = load_job(written(folder, text))

    assert isinstance(job.learning, TorchSettings)
    assert job.learning.metrics == ("loss",)
    assert (job.learning.epochs, job.learning.learning_rate) == (2, 0.5)
    assert (job.learning.batch_size, job.learning.seed) == (8, 7)
    assert job.federation.vote is False
    assert (job.secure_sum.fraction_bits, job.secure_sum.clip) == (20, 2.0)
    assert plan_of(job).sealing == "x25519"
    assert (job.limits.patience_s, job.limits.round_s) == (1.0, 2.5)
    assert (job.limits.memory_mb, job.limits.abandoned_rounds) == (512, 2)


def test_rounds_are_sealed_as_the_job_says_and_else_as_well_as_can_be(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = load_job(written(folder, FEDAVG))
    hybrid = load_job(written(folder, f'{FEDAVG}\n[secure_sum]\nsealing = "{HYBRID}"\n'))
    assert plan_of(best).sealing == suites()[0]

    monkeypatch.setattr(choosing, "suites", lambda: (CLASSICAL,))

    assert plan_of(best).sealing == CLASSICAL
    with pytest.raises(ConfigError, match=f'lacks {HYBRID}: set it to "{CLASSICAL}"'):
        plan_of(hybrid)


def test_relative_paths_begin_at_the_job_file_wherever_we_stand(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(folder, LOGISTIC)
    monkeypatch.chdir(folder.parent)

    job = load_job(Path(folder.name) / "job.toml")

    assert job.owners[0].data == folder / "north.csv"
    assert job.path == folder / "job.toml"


def test_roster_names_coordinator_holders_and_owners(folder: Path) -> None:
    roster = load_job(written(folder, LOGISTIC)).roster()

    assert roster.federation == "breast-cancer"
    assert roster.coordinator == "coordinator"
    assert roster.holders == ("holder-1", "holder-2", "holder-3", "holder-4", "holder-5")
    assert roster.trainers == ("north", "middle", "south")


def test_job_of_the_example_folder_is_in_order() -> None:
    job = load_job(Path(__file__).parents[2] / "examples" / "breast_cancer" / "job.toml")

    assert job.algorithm == "logistic"
    assert [owner.name for owner in job.owners] == ["north", "middle", "south"]


def test_a_job_cannot_be_changed_later(folder: Path) -> None:
    job = load_job(written(folder, FEDAVG))

    with pytest.raises(ValueError, match="frozen"):
        job.max_rounds = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "place", "what", "cure"),
    [
        ('"digits"', '"My Job"', "job.name", '"My Job" is no name', "a-z"),
        ('"digits"', '"digits\\n"', "job.name", "is no name", "a-z"),
        ('"fedavg"', '"sgd"', "job.algorithm", '"sgd" is not known', '"fedavg"'),
        (
            '"fedavg"',
            '"fedavrg"',
            "job.algorithm",
            '"fedavrg" is not known',
            'did you mean "fedavg"?',
        ),
        ("max_rounds = 40", "", "job.max_rounds", "missing", "max_rounds = 40"),
        ("max_rounds = 40", "max_rounds = 0", "job.max_rounds", "0 is too small", "1 or more"),
        ("max_rounds = 40", 'max_rounds = "40"', "job.max_rounds", "whole number", "= 40"),
        ("max_rounds = 40", "max_rounds = 4.0", "job.max_rounds", "whole number", "= 40"),
        ("max_rounds = 40", "max_rounds = true", "job.max_rounds", "whole number", "= 40"),
        ("= 40", "= 40\ntolerance = nan", "job.tolerance", "no finite number", "1e-9"),
        ("= 40", "= 40\ntolerance = 0", "job.tolerance", "too small", "more than 0"),
        ('"task.py"', '"gone.py"', "model.task", "gone.py is not there", "correct the path"),
        ('"task.py"', '"south"', "model.task", "no Python file", ".py"),
        ('"task.py"', "3", "model.task", "3 is not a path in quotes", '"task.py"'),
        ('"task.py"', '"task.py"\nmetrics = "loss"', "model.metrics", "not a list", "["),
        ('"task.py"', '"task.py"\nmetrics = ["a", 3]', "model.metrics.2", "3 is not text", "["),
        ('"task.py"', '"task.py"\nmetrics = ["a", "a"]', "model.metrics", "twice", "once"),
        ("holders = 5", "holders = 65", "federation.holders", "too large", "64 or less"),
        ("threshold = 3", "threshold = 6", "federation.threshold", "above the 5", "2 to 5"),
        ("threshold = 3", "threshold = 1", "federation.threshold", "single holder", "2 or more"),
        ("threshold = 3", "threshold = 3\nfaults = 2", "federation.faults", "quorum of 4", "1 or"),
        ("threshold = 3", "threshold = 4\nfaults = 1", "federation.threshold", "needs 6", "3 or"),
        ("threshold = 3", "threshold = 3\nfaults = -1", "federation.faults", "-1", "0 or more"),
        ("minimum = 3", "minimum = 2", "federation.minimum", "2 is too small", "3 or more"),
        ("minimum = 3", "minimum = 4", "federation.minimum", "number of owners, 3", "add owners"),
        ('"memory"', '"memory"\ninsecure = 1', "federation.insecure", "1 is not true", "true"),
        ("minimum = 3", "minimum = 3\nvote = 1", "federation.vote", "1 is not true", "true"),
        ('name = "north"', 'name = "south"', "owner[3].name", "owner[1]", "of its own"),
        ('name = "north"', 'name = "holder-9"', "owner[1].name", "our own", "choose another"),
        ('name = "north"', 'name = "coordinator"', "owner[1].name", "our own", "choose another"),
        ('data = "south"', 'data = "gone"', "owner[3].data", "is not there", "correct the path"),
        ('data = "south"', f'data = "{"x" * 300}"', "owner[3].data", "can't be read", "correct"),
        ('data = "south"', 'data = "a\\u0000b"', "owner[3].data", "is not there", "correct"),
    ],
)
def test_one_mistake_is_named_with_its_place_and_its_cure(
    folder: Path, old: str, new: str, place: str, what: str, cure: str
) -> None:
    require_explained(folder, (old, new), place, what, cure)


@pytest.mark.parametrize(
    ("broker", "what", "cure"),
    [
        ('"redis"', 'neither "memory"', 'broker = "memory"'),
        ("3", 'neither "memory"', 'broker = "amqps://'),
        ("[]", "no broker address", "amqps://"),
        ('"http://host"', "must begin with amqps://", "name"),
        ('"amqps://h:99999"', "no URL", "a number up to 65535"),
        ('"amqps://u:p@host"', "account", "actor.toml"),
        ('"amqps://u@host/v"', "account", "QUORATE_BROKER_USER"),
        ('"amqp://far/v"', "unencrypted", "insecure = true"),
        ('["amqps://a/v", "amqps://b/w"]', "differ", "same"),
    ],
)
def test_a_broker_that_can_not_be_used_is_explained(
    folder: Path, broker: str, what: str, cure: str
) -> None:
    problem = only_problem(folder, FEDAVG, '"memory"', broker)

    assert problem.startswith("federation.broker: ")
    assert what in problem
    assert cure in problem


@pytest.mark.parametrize(
    ("section", "place"),
    [
        ("[training]\nepochs = 0", "training.epochs"),
        ("[training]\nlearning_rate = inf", "training.learning_rate"),
        ("[training]\nbatch_size = 0", "training.batch_size"),
        ("[training]\nseed = -1", "training.seed"),
        ('[secure_sum]\nfield = "p62"', "secure_sum.field"),
        ("[secure_sum]\nfraction_bits = 61", "secure_sum.fraction_bits"),
        ("[secure_sum]\nlargest_weight = 0", "secure_sum.largest_weight"),
        ("[secure_sum]\nclip = 0.0", "secure_sum.clip"),
        ("[limits]\npatience_s = 0", "limits.patience_s"),
        ("[limits]\nround_s = 1e9", "limits.round_s"),
        ("[limits]\nopening_s = -1", "limits.opening_s"),
        ("[limits]\nresend_s = inf", "limits.resend_s"),
        ('[limits]\ncompute_s = "10"', "limits.compute_s"),
        ("[limits]\nmemory_mb = 1", "limits.memory_mb"),
        ("[limits]\nchunk_kb = 4097", "limits.chunk_kb"),
        ("[limits]\nmodel_mb = 0", "limits.model_mb"),
        ("[limits]\nmodel_mb = 2001", "limits.model_mb"),
        ("[limits]\nabandoned_rounds = 0", "limits.abandoned_rounds"),
    ],
)
def test_every_number_has_bounds(folder: Path, section: str, place: str) -> None:
    problems = problems_of(folder, f"{FEDAVG}\n{section}\n")

    assert [problem.split(":")[0] for problem in problems] == [place]


@pytest.mark.parametrize(
    ("old", "new", "place", "what", "cure"),
    [
        (
            "threshold = 3\nminimum = 3",
            "threshold = 5\nminimum = 3\n[secure_sum]\nchecks = true",
            "secure_sum.checks",
            "can't tell shares",
            "6 holders, or threshold 4 or less",
        ),
        (
            "minimum = 3",
            "minimum = 3\nvote = false\n[secure_sum]\nchecks = true",
            "secure_sum.checks",
            "agree on their coin",
            "vote = true",
        ),
    ],
)
def test_checks_that_this_federation_cannot_have_are_explained(
    folder: Path, old: str, new: str, place: str, what: str, cure: str
) -> None:
    require_explained(folder, (old, new), place, what, cure)


def test_checks_reach_every_round(folder: Path) -> None:
    text = FEDAVG.replace("minimum = 3", "minimum = 3\n[secure_sum]\nchecks = true")

    assert plan_of(load_job(written(folder, text))).checks
    assert not plan_of(load_job(written(folder, FEDAVG))).checks


NORMS = "minimum = 3\n[secure_sum]\nchecks = true\nfraction_bits = 20\nnorm_bound = 2.5"


@pytest.mark.parametrize(
    ("changes", "what", "cure"),
    [
        ((("threshold = 3", "threshold = 3"),), "needs n > 2t - 1", "or threshold 2 or less"),
        (
            (("holders = 5", "holders = 7\nfaults = 1"), ("threshold = 3", "threshold = 4")),
            "needs n >= 2t - 1 + f",
            "8 holders, and there are 7; use 8 holders or more, or threshold 3 or less",
        ),
        (
            (("threshold = 3", "threshold = 2"), ("checks = true", "checks = false")),
            "bits are believed",
            "needs checks = true",
        ),
        (
            (("threshold = 3", "threshold = 2"), ("[secure_sum]", '[secure_sum]\nfield = "p31"')),
            "squares do not fit p31",
            'needs field = "p61"',
        ),
        (
            (("threshold = 3", "threshold = 2"), ("fraction_bits = 20", "fraction_bits = 30")),
            "2.5 with 30 fraction bits is above 15395829 / 2^fraction_bits",
            "use fraction_bits = 22 or less, or a bound of 0.014 or less",
        ),
        (
            (("threshold = 3", "threshold = 2"), ("norm_bound = 2.5", "norm_bound = 1e-9")),
            "below the smallest number that travels",
            "use more fraction bits",
        ),
    ],
)
def test_norm_bounds_that_this_federation_cannot_have_are_explained(
    folder: Path, changes: tuple[tuple[str, str], ...], what: str, cure: str
) -> None:
    text = FEDAVG.replace("minimum = 3", NORMS)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)

    problems = [p for p in problems_of(folder, text) if p.startswith("secure_sum.norm_bound: ")]

    assert any(what in problem and cure in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("suite", "key", "text"),
    [
        (
            'suite = "packed"\npacking = 1',
            "norm_bound",
            'a norm bound needs suite = "shamir", as no length can be checked in shares of packed',
        ),
        (
            'suite = "masked"',
            "norm_bound",
            'a norm bound needs suite = "shamir", as no length can be checked in shares of masked',
        ),
        ('suite = "masked"\nseeds = true', "seeds", "the suite masked sends no seeds, as its "),
        (
            'suite = "masked"\npacking = 1',
            "packing",
            '1 is for suite = "packed", and secure_sum.suite is "masked"; leave it out or change',
        ),
    ],
)
def test_what_a_suite_can_not_do_is_explained_in_one_sentence(
    folder: Path, suite: str, key: str, text: str
) -> None:
    bound = NORMS if key == "norm_bound" else "minimum = 3\n[secure_sum]\nfraction_bits = 20"
    sums = f"{bound}\n{suite}"

    job = FEDAVG.replace("threshold = 3", "threshold = 2").replace("minimum = 3", sums)
    (problem,) = problems_of(folder, job)

    assert problem.startswith(f"secure_sum.{key}: {text}")


def test_a_norm_bound_reaches_every_round_as_an_integer(folder: Path) -> None:
    text = FEDAVG.replace("minimum = 3", NORMS).replace("threshold = 3", "threshold = 2")

    assert plan_of(load_job(written(folder, text))).norm_bound == (5 * 2**19) ** 2
    assert plan_of(load_job(written(folder, FEDAVG))).norm_bound == 0


@pytest.mark.parametrize(
    ("old", "new", "what", "cure"),
    [
        ("minimum = 3", 'minimum = 3\n[secure_sum]\nsuite = "packed"', "missing", "1 or more"),
        ("minimum = 3", "minimum = 3\n[secure_sum]\npacking = 2", "is for suite", "leave it out"),
        (
            "minimum = 3",
            'minimum = 3\n[secure_sum]\nsuite = "packed"\npacking = 3',
            "lets every single holder learn a part",
            "packing 2 or less, or threshold 4 or more",
        ),
        (
            "minimum = 3",
            'minimum = 3\nvote = false\n[secure_sum]\nsuite = "packed"\npacking = 2',
            "each further one learns one combination more of every 2 numbers",
            "threshold 4 or more, or vote = true",
        ),
    ],
)
def test_packing_that_this_federation_cannot_have_is_explained(
    folder: Path, old: str, new: str, what: str, cure: str
) -> None:
    require_explained(folder, (old, new), "secure_sum.packing", what, cure)


def test_packing_reaches_every_round_and_what_the_actors_demand_of_it(folder: Path) -> None:
    text = FEDAVG.replace("minimum = 3", 'minimum = 3\n[secure_sum]\nsuite = "packed"\npacking = 2')
    packed, usual = load_job(written(folder, text)), load_job(written(folder, FEDAVG))

    assert (plan_of(packed).suite, plan_of(packed).packing) == ("packed", 2)
    assert (plan_of(usual).suite, plan_of(usual).packing) == ("shamir", 0)
    assert (terms_of(packed).privacy, terms_of(usual).privacy) == (1, 2)


def test_a_run_is_not_resumed_with_other_packing_or_seeds(folder: Path) -> None:
    packed = '[secure_sum]\nsuite = "packed"\npacking = '
    kinds = ["", f"{packed}1", f"{packed}2", "[secure_sum]\nseeds = true"]
    texts = [FEDAVG.replace("minimum = 3", f"minimum = 3\n{kind}") for kind in kinds]

    assert len({fingerprint(load_job(written(folder, text))) for text in texts}) == len(kinds)


def test_seeds_reach_every_round(folder: Path) -> None:
    text = FEDAVG.replace("minimum = 3", "minimum = 3\n[secure_sum]\nseeds = true")

    assert plan_of(load_job(written(folder, text))).seeds
    assert not plan_of(load_job(written(folder, FEDAVG))).seeds


def test_faults_reach_every_round_with_the_quorum_that_they_need(folder: Path) -> None:
    usual = plan_of(load_job(written(folder, FEDAVG)))
    lying = plan_of(
        load_job(written(folder, FEDAVG.replace("holders = 5", "holders = 5\nfaults = 1")))
    )

    assert (usual.faults, usual.quorum) == (0, 3)
    assert (lying.faults, lying.quorum) == (1, 4)


def test_threshold_of_half_the_holders_needs_the_vote(folder: Path) -> None:
    without_vote = FEDAVG.replace("threshold = 3", "threshold = 2\nvote = false")

    (problem,) = problems_of(folder, without_vote)

    assert problem.startswith("federation.threshold: ")
    assert "use 3 or more, or vote = true" in problem
    load_job(written(folder, FEDAVG.replace("threshold = 3", "threshold = 2")))


@pytest.mark.parametrize(
    ("base", "old", "new", "suggestion"),
    [
        (FEDAVG, "threshold = 3", "threshold = 3\ntreshold = 3", 'did you mean "threshold"?'),
        (FEDAVG, "max_rounds = 40", "max_rounds = 40\nrounds = 4", 'did you mean "max_rounds"?'),
        (LOGISTIC, "[data]", "[logistic]\nc = 1.0\n[data]", 'did you mean "C"?'),
        (FEDAVG, "[model]", "[limit]\n[model]", 'did you mean "limits"?'),
        (FEDAVG, "[job]", "treshold = 3\n[job]", 'did you mean "threshold" below [federation]?'),
        (FEDAVG, "[model]", "[quite-else]\n[model]", "known here: job, model"),
        (FEDAVG, "[job]", "xyzzy = 3\n[job]", "remove it"),
    ],
)
def test_unknown_key_brings_the_nearest_known_one(
    folder: Path, base: str, old: str, new: str, suggestion: str
) -> None:
    problem = only_problem(folder, base, old, new)

    assert "unknown" in problem
    assert suggestion in problem


def test_all_mistakes_of_a_file_are_named_at_once(folder: Path) -> None:
    text = """
    [job]
    name = "x y"
    algorithm = "logistic"
    [model]
    task = "task.py"
    [data]
    target = 5
    [federation]
    broker = "nats://somewhere"
    holders = 5
    threshold = 7
    minimum = 2
    [secure_sum]
    fraction_bits = 99
    [limits]
    patience = 3
    [[owner]]
    name = "north"
    data = "north.csv"
    [[owner]]
    name = "north"
    data = "gone.csv"
    [[owner]]
    data = "south.csv"
    """

    problems = problems_of(folder, text)

    assert sorted(problem.split(":")[0] for problem in problems) == [
        "data.target",
        "federation.broker",
        "federation.minimum",
        "federation.threshold",
        "job.max_rounds",
        "job.name",
        "limits.patience",
        "model",
        "owner[2].data",
        "owner[2].name",
        "owner[3].name",
        "secure_sum.fraction_bits",
    ]


def test_the_error_text_lists_every_problem(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_job(written(folder, FEDAVG.replace("holders = 5", "").replace("40", "0")))

    assert str(caught.value).startswith("2 problems in the configuration:\n- job.max_rounds: ")


def test_sections_of_a_misspelt_algorithm_are_checked_all_the_same(folder: Path) -> None:
    text = LOGISTIC.replace('"logistic"', '"logistics"').replace('"benign"', "5")

    places = [problem.split(":")[0] for problem in problems_of(folder, text)]

    assert places == ["job.algorithm", "data.target"]


@pytest.mark.parametrize(
    "broker",
    [
        "amqps://me:hunter2@host",
        "amqps://me:hunter2@host:x",
        "amqps://me:hun/ter2@h",
        "me:hunter2@h",
    ],
)
def test_an_address_with_a_password_is_never_repeated(folder: Path, broker: str) -> None:
    problem = only_problem(folder, FEDAVG, '"memory"', f'"{broker}"')

    assert "hunter2" not in problem
    assert "ter2" not in problem


@pytest.mark.parametrize(
    ("broker", "urls"),
    [
        ('"memory"', ()),
        ('"amqps://broker.example.org/fed"', ("amqps://broker.example.org/fed",)),
        ('"amqp://localhost:5673"', ("amqp://localhost:5673",)),
        ('["amqps://a/v", "amqps://b:5673/v"]', ("amqps://a/v", "amqps://b:5673/v")),
        ('"amqp://far/v"\ninsecure = true', ("amqp://far/v",)),
    ],
)
def test_a_broker_is_the_memory_or_the_nodes_of_one_cluster(
    folder: Path, broker: str, urls: tuple[str, ...]
) -> None:
    job = load_job(written(folder, FEDAVG.replace('"memory"', broker)))

    assert job.federation.urls == urls


def test_files_of_other_machines_are_not_looked_for(folder: Path) -> None:
    fedavg = FEDAVG.replace("task.py", "away.py").replace('"south"\n', '"away"\n')
    logistic = LOGISTIC.replace("north.csv", "away.csv").replace('data = "south.csv"', "")

    there = load_job(written(folder, fedavg), files=False)
    job = load_job(written(folder, logistic), files=False)

    assert isinstance(there.learning, TorchSettings)
    assert there.learning.task == folder / "away.py"
    assert [owner.data for owner in job.owners] == [
        folder / "away.csv",
        folder / "middle.csv",
        None,
    ]


@pytest.mark.parametrize(
    ("base", "section", "other"),
    [
        (FEDAVG, "[data]\ntarget = 'a'", "algorithms over tables"),
        (FEDAVG, "[logistic]", 'algorithm "logistic"'),
        (LOGISTIC, "[model]\ntask = 'task.py'", TRAIN_A_MODEL),
        (LOGISTIC, "[training]", TRAIN_A_MODEL),
    ],
)
def test_section_of_the_other_algorithm_is_refused(
    folder: Path, base: str, section: str, other: str
) -> None:
    (problem,) = problems_of(folder, f"{base}\n{section}\n")

    assert f"is for {other}, and" in problem
    assert "remove the section" in problem


def test_missing_sections_say_what_they_must_hold(folder: Path) -> None:
    job, federation, owner = problems_of(folder, "")

    assert job.startswith("job: the section [job] is missing; add it with name = ")
    assert 'broker = "memory", holders = 5, threshold = 3, minimum = 3' in federation
    assert owner.startswith("owner: nobody trains; add [[owner]]")


def test_section_that_is_a_value_and_owner_that_is_one_table_are_explained(folder: Path) -> None:
    owners = FEDAVG.index("[[owner]]")
    single = FEDAVG[:owners] + '[owner]\nname = "north"'

    (problem,) = problems_of(folder, "limits = 3\n" + FEDAVG)
    (other,) = problems_of(folder, single)

    assert problem == "limits: 3 is no section; write [limits] on a line of its own"
    assert other.startswith("owner: write [[owner]], with two brackets")


def test_logistic_needs_a_csv_file_of_each_owner(folder: Path) -> None:
    missing = only_problem(folder, LOGISTIC, 'data = "middle.csv"', "")
    a_folder = only_problem(folder, LOGISTIC, '"south.csv"', '"south"')

    assert missing.startswith("owner[2].data: missing; logistic needs a CSV file")
    assert a_folder == "owner[3].data: south is a folder; name a CSV file"


def test_target_among_the_features_is_refused(folder: Path) -> None:
    named = 'target = "benign"\nfeatures = ["age", "benign"]'

    problem = only_problem(folder, LOGISTIC, 'target = "benign"', named)

    assert problem == 'data.features: names the target "benign"; leave it out'


def test_empty_list_of_features_is_refused(folder: Path) -> None:
    problem = only_problem(
        folder, LOGISTIC, 'target = "benign"', 'target = "benign"\nfeatures = []'
    )

    assert problem.startswith("data.features: empty")


@pytest.mark.parametrize(
    ("settings", "way"),
    [
        ('field = "p31"', "use the field p61"),
        ("fraction_bits = 40", "fewer fraction bits"),
        ("largest_weight = 1_000_000_000_000", "smaller weights"),
        ("clip = 1e6", "a smaller clip norm"),
        ("clip = 0.001\nfraction_bits = 39", "fewer fraction bits"),
    ],
)
def test_settings_that_could_wrap_a_sum_around_name_the_ways_out(
    folder: Path, settings: str, way: str
) -> None:
    (problem,) = problems_of(folder, f"{FEDAVG}\n[secure_sum]\n{settings}\n")

    assert problem.startswith("secure_sum: largest_weight ")
    assert "missing" in problem
    assert way in problem


def test_fraction_bits_are_refused_from_the_first_that_does_not_fit(folder: Path) -> None:
    def section(bits: int) -> str:
        return f"{FEDAVG}\n[secure_sum]\nfraction_bits = {bits}\n"

    # 3 owners x 10^6 x 8 x 2^35 < (2^61 - 1) / 2 < 3 owners x 10^6 x 8 x 2^36
    load_job(written(folder, section(35)))

    assert len(problems_of(folder, section(36))) == 1


def test_fixed_point_settings_of_fedavg_do_not_bind_logistic(folder: Path) -> None:
    load_job(written(folder, f"{LOGISTIC}\n[secure_sum]\nfraction_bits = 40\n"))


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("[job]\nname =\n", 2, 7, "Invalid value"),
        ("[job]\nname = 'a'\nname = 'b'", 3, 11, "Cannot overwrite a value"),
        ("[job]\nname = [1,\n2", 3, 2, "Unclosed array"),
    ],
)
def test_syntax_mistake_is_named_with_line_and_column(
    folder: Path, text: str, line: int, column: int, what: str
) -> None:
    (problem,) = problems_of(folder, text)

    path = folder / "job.toml"
    assert problem == f"{path}, line {line}, column {column}: {what}; correct the TOML there"


def test_text_that_is_not_utf8_is_named_with_its_place(folder: Path) -> None:
    (folder / "job.toml").write_bytes(b'[job]\nname = "\xff"\n')

    with pytest.raises(ConfigError, match="line 2, column 9: not UTF-8 text; save it as UTF-8"):
        load_job(folder / "job.toml")


@pytest.mark.parametrize(
    "content", ["a = " + "1" * 5000, "a = " + "[" * 50_000, "# " + "x" * 2**20]
)
def test_monstrous_file_is_refused_without_a_crash(folder: Path, content: str) -> None:
    (problem,) = problems_of(folder, content)

    assert "is this a job file?" in problem


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: can't be read \(No such file"):
        load_job(tmp_path / "nowhere.toml")


def test_folder_and_pipe_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ConfigError, match="not a file; name the job file itself"):
            load_job(path)


def test_pipe_as_data_is_refused_without_waiting(folder: Path) -> None:
    os.mkfifo(folder / "pipe")

    problem = only_problem(folder, LOGISTIC, '"south.csv"', '"pipe"')

    assert "neither a file nor a folder" in problem


def test_reading_a_job_loads_neither_torch_nor_numba() -> None:
    code = "import infra.config, sys; print({'torch', 'numba', 'sklearn'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
