from __future__ import annotations

from pathlib import Path

import pytest

from actors.ports import WorkFailed
from infra.casting import (
    agreement_of,
    algorithm_at,
    assignment_of,
    fingerprint,
    resolved,
    work_spec,
)
from infra.config import ConfigError, TableSettings, job_text, load_job
from infra.tables import load_table
from protocols.learning.auc import Auc
from protocols.learning.boosting import Boosting
from protocols.learning.contingency import Contingency
from protocols.learning.cox import Cox
from protocols.learning.disclosure import Rules
from protocols.learning.elastic_net import ElasticNet
from protocols.learning.glm import Glm
from protocols.learning.histogram import Histogram
from protocols.learning.kaplan_meier import KaplanMeier
from protocols.learning.kmeans import KMeans
from protocols.learning.lda import Lda
from protocols.learning.moments import GroupedMoments, Moments
from protocols.learning.naive_bayes import NaiveBayes
from protocols.learning.pca import Pca
from protocols.learning.quantiles import Quantiles
from protocols.learning.softmax import Softmax
from protocols.learning.state import State
from protocols.learning.t_test import TTest
from protocols.learning.table import Column

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
    (
        "grouped_moments",
        ('[data]\nby = "died"\ngroups = ["0", "1"]\n',),
        GroupedMoments(
            features=("age", "weight", "stay"), by="died", groups=("0", "1"), max_rounds=30
        ),
    ),
    (
        "histogram",
        ('[data]\ncolumn = "age"\n', "[histogram]\nleast = 0\nmost = 120.5\nbins = 7\n"),
        Histogram(column="age", least=0.0, most=120.5, bins=7, max_rounds=30),
    ),
    (
        "quantiles",
        (
            '[data]\ncolumn = "age"\nmissing = "leave out"\n',
            "[quantiles]\nleast = 0\nmost = 120\nprecision = 0.5\nat = [0.1, 0.5]\n",
        ),
        Quantiles(column="age", least=0.0, most=120.0, precision=0.5, at=(0.1, 0.5), max_rounds=30),
    ),
    (
        "contingency",
        (
            '[data]\nrow = "died"\nrow_levels = ["0", "1"]\ncolumn = "stay"\n'
            'column_levels = ["3", "4"]\n',
            "[contingency]\ncorrection = false\n",
        ),
        Contingency(
            row="died",
            row_levels=("0", "1"),
            column="stay",
            column_levels=("3", "4"),
            correction=False,
            max_rounds=30,
        ),
    ),
    (
        "auc",
        ('[data]\ntarget = "died"\nscore = "age"\n', "[auc]\nmost = 120\n"),
        Auc(target="died", score="age", most=120.0, max_rounds=30),
    ),
    (
        "t_test",
        (
            '[data]\ntarget = "age"\nby = "died"\ngroups = ["0", "1"]\n',
            "[t_test]\nequal_variances = true\n",
        ),
        TTest(target="age", by="died", groups=("0", "1"), equal_variances=True, max_rounds=30),
    ),
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

    columns = algorithm_at(job, str(folder / "ann.csv")).columns()

    assert [(column.name, column.kind) for column in columns] == [
        *(("age", "number"), ("weight", "number"), ("stay", "number"), ("died", "0 or 1"))
    ]


def test_features_that_are_open_are_known_as_such(folder: Path) -> None:
    learning = load_job(job_of(folder, "moments")).learning

    assert isinstance(learning, TableSettings)
    assert learning.open_features
    assert learning.named_columns == ()


SCHEMA = """
[[column]]
name = "age"
kind = "number"
least = 0
most = 120
unit = "years"

[[column]]
name = "stay"
kind = "count"
"""
FEATURES = '[data]\nfeatures = ["age", "weight"]\n'


def test_a_schema_is_part_of_the_job_and_of_every_copy(folder: Path) -> None:
    job = load_job(job_of(folder, "moments", FEATURES, SCHEMA))
    copy = folder / "copy.toml"
    copy.write_text(job_text(job))

    again = load_job(copy, files=False)

    age = Column(name="age", least=0.0, most=120.0, unit="years")
    agreed = (age, Column(name="stay", kind="count"))
    assert agreement_of(job).schema == agreement_of(again).schema == agreed
    assert fingerprint(again) == fingerprint(job)


def test_a_schema_that_changes_changes_the_fingerprint(folder: Path) -> None:
    one = load_job(job_of(folder, "moments", FEATURES, SCHEMA))
    other = load_job(job_of(folder, "moments", FEATURES, SCHEMA.replace("120", "130")))
    third = load_job(job_of(folder, "moments", FEATURES + 'missing = "leave out"\n', SCHEMA))

    assert len({fingerprint(job) for job in (one, other, third)}) == 3


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ('name = "age"\nkind = "date"', 'column[1].kind: "date" is not known; use "number"'),
        ('name = "age"\nkind = "class"', "column[1]: age: levels are for classes"),
        ('name = "age"\nlevels = ["a"]', "column[1]: age: levels are for classes"),
        ('name = "age"\nleast = 3\nmost = 2', "column[1]: age: least is above most"),
        ('name = "age"\nkind = "class"\nlevels = ["a"]', "column[1]: column 'age' is a class by"),
        ('kind = "count"', 'column[1].name: missing; add name = "age"'),
        ('name = "x"\nbounds = 3', "column[1].bounds: unknown key"),
        ('name = "age"\n[[column]]\nname = "age"', "column[2]: 'age' stands there twice"),
    ],
)
def test_mistakes_of_a_schema_are_named_with_their_place(
    folder: Path, column: str, text: str
) -> None:
    problem = problem_of(job_of(folder, "moments", FEATURES, f"[[column]]\n{column}\n"))

    assert problem.startswith(text)


def test_a_schema_of_levels_must_know_those_that_the_job_uses(folder: Path) -> None:
    data = '[data]\ntarget = "died"\nfeatures = ["age"]\nlevels = ["no", "yes", "maybe"]\n'
    column = '[[column]]\nname = "died"\nkind = "class"\nlevels = ["no", "yes"]\n'

    problem = problem_of(job_of(folder, "softmax", data, column))

    assert problem == "column[1]: column 'died' has no level 'maybe' by the schema"


def test_a_schema_is_for_tables_only(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_job(job_of(folder, "probe", SCHEMA))

    assert "the section [column] is for algorithms over tables" in str(caught.value)


@pytest.mark.parametrize(
    ("schema", "kind", "text"),
    [
        ('kind = "number"\nmost = 55', "bad value", "line 3, column 'age': it must be a finite"),
        ('kind = "0 or 1"', "bad value", "line 2, column 'age': it must be a finite number; 0 or"),
    ],
)
def test_each_owner_checks_its_table_by_the_schema(
    folder: Path, schema: str, kind: str, text: str
) -> None:
    column = f'[[column]]\nname = "age"\n{schema}\n'
    job = load_job(job_of(folder, "moments", FEATURES, column))

    with pytest.raises(WorkFailed) as caught:
        load_table(str(folder / "ann.csv"), algorithm_at(job, "").columns(), agreement_of(job))

    assert caught.value.kind == kind
    assert text in str(caught.value)


def test_columns_of_the_schema_are_checked_that_the_job_does_not_read(folder: Path) -> None:
    column = '[[column]]\nname = "stay"\nkind = "0 or 1"\n'
    job = load_job(job_of(folder, "moments", FEATURES, column))

    with pytest.raises(WorkFailed, match="line 2, column 'stay': it must be 0 or 1"):
        load_table(str(folder / "ann.csv"), algorithm_at(job, "").columns(), agreement_of(job))


def test_an_owners_rules_are_its_own(folder: Path) -> None:
    path = job_of(folder, "moments", FEATURES)
    first = 'name = "ann"\ndata = "ann.csv"\n'
    rules = "disclosure = {smallest_cell = 10, parameters_per_row = 0.1}\n"
    path.write_text(path.read_text().replace(first, first + rules))

    job = load_job(path)

    found = [work_spec(job, owner).rules for owner in job.owners]
    assert found == [Rules(smallest_cell=10, parameters_per_row=0.1), Rules(), Rules()]
    assert "smallest_cell" not in job_text(job)
