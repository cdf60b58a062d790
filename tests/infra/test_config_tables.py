from __future__ import annotations

from pathlib import Path

import pytest

from infra.casting import assignment_of, columns_at, fingerprint, resolved
from infra.config import ConfigError, TableSettings, job_text, load_job
from protocols.learning.boosting import Boosting
from protocols.learning.cox import Cox
from protocols.learning.elastic_net import ElasticNet
from protocols.learning.glm import Glm
from protocols.learning.kaplan_meier import KaplanMeier
from protocols.learning.kmeans import KMeans
from protocols.learning.lda import Lda
from protocols.learning.moments import Moments
from protocols.learning.naive_bayes import NaiveBayes
from protocols.learning.pca import Pca
from protocols.learning.softmax import Softmax
from protocols.learning.state import State

HEAD = """
[job]
name = "study"
algorithm = "{algorithm}"
max_rounds = 30
[federation]
broker = "memory"
holders = 3
threshold = 2
minimum = 3
[[owner]]
name = "ann"
data = "ann.csv"
[[owner]]
name = "bob"
data = "bob.csv"
[[owner]]
name = "cem"
data = "cem.csv"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("ann", "bob", "cem"):
        (tmp_path / f"{name}.csv").write_text("age,weight,stay,died\n50,70,3,0\n60,80,4,1\n")
    return tmp_path


def job_of(folder: Path, algorithm: str, *sections: str) -> Path:
    path = folder / "job.toml"
    path.write_text("\n".join([HEAD.format(algorithm=algorithm), *sections]))
    return path


def problem_of(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_job(path)
    (problem,) = caught.value.problems
    return problem


CASES = [
    (
        "glm",
        ('[data]\ntarget = "stay"\nsize = "weight"\n', '[glm]\nfamily = "poisson"\n'),
        Glm(
            features=("age", "died"), target="stay", size="weight", family="poisson", max_rounds=30
        ),
    ),
    (
        "elastic_net",
        ('[data]\ntarget = "stay"\n', "[elastic_net]\nalpha = 2\nscaled = true\n"),
        ElasticNet(
            features=("age", "weight", "died"), target="stay", alpha=2.0, scaled=True, max_rounds=30
        ),
    ),
    (
        "softmax",
        ('[data]\ntarget = "died"\nfeatures = ["age"]\nlevels = ["0", "1"]\n',),
        Softmax(features=("age",), target="died", levels=("0", "1"), max_rounds=30),
    ),
    (
        "kaplan_meier",
        (
            '[data]\ntime = "stay"\nevent = "died"\ngroup = "age"\nlevels = ["50", "60"]\n',
            "[kaplan_meier]\nuntil = 10\nstep = 2\n",
        ),
        KaplanMeier(
            time="stay",
            event="died",
            group="age",
            levels=("50", "60"),
            until=10.0,
            step=2.0,
            max_rounds=30,
        ),
    ),
    (
        "cox",
        ('[data]\ntime = "stay"\nevent = "died"\n', '[cox]\nties = "breslow"\n'),
        Cox(features=("age", "weight"), time="stay", event="died", ties="breslow", max_rounds=30),
    ),
    (
        "boosting",
        (
            '[data]\ntarget = "died"\nfeatures = ["age", "stay"]\n',
            '[boosting]\nloss = "logistic"\nedges = [[55], [3.5, 4]]\nnode_rows = 20\n',
        ),
        Boosting(
            features=("age", "stay"),
            target="died",
            loss="logistic",
            edges=((55.0,), (3.5, 4.0)),
            node_rows=20,
            max_rounds=30,
        ),
    ),
    (
        "kmeans",
        (
            '[data]\nfeatures = ["age", "weight"]\n',
            "[kmeans]\ncentres = [[50, 70.5], [60, 80]]\nleast = 1\n",
        ),
        KMeans(
            features=("age", "weight"),
            centres=((50.0, 70.5), (60.0, 80.0)),
            least=1,
            max_rounds=30,
        ),
    ),
    (
        "naive_bayes",
        ('[data]\ntarget = "died"\nlevels = ["0", "1"]\n',),
        NaiveBayes(
            features=("age", "weight", "stay"), target="died", levels=("0", "1"), max_rounds=30
        ),
    ),
    (
        "lda",
        (
            '[data]\ntarget = "died"\nfeatures = ["age"]\nlevels = ["0", "1"]\n',
            "[lda]\nleast = 9\n",
        ),
        Lda(features=("age",), target="died", levels=("0", "1"), least=9, max_rounds=30),
    ),
    (
        "pca",
        ("[pca]\ncomponents = 2\nscaled = true\n",),
        Pca(features=("age", "weight", "stay", "died"), components=2, scaled=True, max_rounds=30),
    ),
    ("moments", (), Moments(features=("age", "weight", "stay", "died"), max_rounds=30)),
]


@pytest.mark.parametrize(("algorithm", "sections", "expected"), CASES)
def test_every_option_of_an_algorithm_has_its_place_in_the_file(
    folder: Path, algorithm: str, sections: tuple[str, ...], expected: object
) -> None:
    job = resolved(load_job(job_of(folder, algorithm, *sections)))

    assert assignment_of(job, State()).algorithm == expected


@pytest.mark.parametrize(("algorithm", "sections", "expected"), CASES)
def test_a_copy_of_the_job_says_the_same(
    folder: Path, algorithm: str, sections: tuple[str, ...], expected: object
) -> None:
    job = resolved(load_job(job_of(folder, algorithm, *sections)))
    copy = folder / "copy.toml"
    copy.write_text(job_text(job))

    again = load_job(copy, files=False)

    assert assignment_of(again, State()).algorithm == expected
    assert fingerprint(again) == fingerprint(job)


def test_an_option_that_changes_changes_the_fingerprint(folder: Path) -> None:
    data = '[data]\ntarget = "stay"\nfeatures = ["age"]\n'
    one = load_job(job_of(folder, "glm", data, '[glm]\nfamily = "poisson"\n'))
    other = load_job(job_of(folder, "glm", data, '[glm]\nfamily = "gamma"\n'))

    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize(
    ("algorithm", "sections", "text"),
    [
        (
            "glm",
            '[data]\ntarget = "stay"\n',
            "glm: the section [glm] is missing; add it with family",
        ),
        ("glm", '[glm]\nfamily = "gamma"\n', "data: the section [data] is missing"),
        (
            "glm",
            '[data]\ntarget = "stay"\n[glm]\nfamily = "cox"\n',
            'glm.family: "cox" is not known; use "gaussian", "binomial"',
        ),
        (
            "glm",
            '[data]\ntarget = "stay"\n[glm]\nfamily = "gamma"\nlink = "logit"\n',
            "glm: gamma has no link 'logit'; it has inverse, log",
        ),
        (
            "ridge",
            '[data]\ntarget = "stay"\n[ridge]\nalpha = 0\n',
            "ridge: alpha must be above 0; without a penalty use glm",
        ),
        (
            "elastic_net",
            '[data]\ntarget = "stay"\n[elastic_net]\nratio = 0.5\n',
            'elastic_net.ratio: unknown key; did you mean "l1_ratio"?',
        ),
        (
            "softmax",
            '[data]\ntarget = "died"\n',
            "data.levels: missing; add levels",
        ),
        (
            "moments",
            "[glm]\n",
            'glm: the section [glm] is for algorithm "glm", and job.algorithm is "moments"',
        ),
        ("moments", '[data]\ntarget = "stay"\n', "data.target: unknown key"),
    ],
)
def test_mistakes_are_named_with_their_place(
    folder: Path, algorithm: str, sections: str, text: str
) -> None:
    assert problem_of(job_of(folder, algorithm, sections)).startswith(text)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ("fraction_bits = 19", "secure_sum.fraction_bits: 19 are too few for a statistic; use 20"),
        ("fraction_bits = 43", "secure_sum: the digits of a statistic can overflow the sum"),
        ('field = "p31"', "secure_sum: the digits of a statistic can overflow the sum"),
    ],
)
def test_a_field_without_room_for_the_digits_is_refused(
    folder: Path, settings: str, text: str
) -> None:
    assert problem_of(job_of(folder, "moments", f"[secure_sum]\n{settings}\n")).startswith(text)


def test_the_digits_fit_up_to_the_last_bit(folder: Path) -> None:
    # 3 owners x 2^16 x 2^42 < (2^61 - 1) / 2 < 3 owners x 2^16 x 2^43
    load_job(job_of(folder, "moments", "[secure_sum]\nfraction_bits = 42\n"))


def test_columns_of_a_file_are_those_that_the_job_reads(folder: Path) -> None:
    job = load_job(
        job_of(folder, "glm", '[data]\ntarget = "died"\n', '[glm]\nfamily = "binomial"\n')
    )

    columns = columns_at(job, str(folder / "ann.csv"))

    assert [(column.name, column.kind) for column in columns] == [
        *(("age", "number"), ("weight", "number"), ("stay", "number"), ("died", "0 or 1"))
    ]


def test_features_that_are_open_are_known_as_such(folder: Path) -> None:
    learning = load_job(job_of(folder, "moments")).learning

    assert isinstance(learning, TableSettings)
    assert learning.open_features
    assert learning.named_columns == ()
