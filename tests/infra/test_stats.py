"""Questions as jobs, schema files, and drafts of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actors.ports import WorkFailed
from infra.casting import assignment_of, resolved
from infra.config import ConfigError, load_job
from infra.config.schema import AgreedColumn, DisclosureSettings
from infra.stats import questions
from infra.stats.draft import COMMON_ROWS, MOST_LEVELS, drafted
from infra.stats.job_document import Setting, job_document, owner_of
from infra.stats.questions import Question, Schema
from infra.stats.schema_file import load_schema
from protocols.learning.algorithms import build
from protocols.learning.auc import Auc
from protocols.learning.contingency import Contingency
from protocols.learning.correlation import Correlation
from protocols.learning.histogram import Histogram
from protocols.learning.moments import GroupedMoments, Moments
from protocols.learning.quantiles import Quantiles
from protocols.learning.state import State
from protocols.learning.t_test import TTest

STUDY = """
[[column]]
name = "age"
least = 0
most = 120
unit = "years"
[[column]]
name = "weight"
kind = "positive"
[[column]]
name = "sex"
kind = "class"
levels = ["f", "m"]
[[column]]
name = "died"
kind = "0 or 1"
"""
AS_JSON = {
    "column": [
        {"name": "age", "least": 0, "most": 120, "unit": "years"},
        {"name": "weight", "kind": "positive"},
        {"name": "sex", "kind": "class", "levels": ["f", "m"]},
        {"name": "died", "kind": "0 or 1"},
    ]
}
HEADER = "age,weight,sex,died"
NONE = Schema()


@pytest.fixture
def study(tmp_path: Path) -> Schema:
    (tmp_path / "study.toml").write_text(STUDY)
    return Schema(load_schema(tmp_path / "study.toml"))


@pytest.fixture
def setting(tmp_path: Path, study: Schema) -> Setting:
    names = ("north", "middle", "south")
    for name in names:
        (tmp_path / f"{name}.csv").write_text(f"{HEADER}\n50,70,f,0\n60,80,m,1\n70,75,f,0\n")
    return Setting(
        owners=[(name, tmp_path / f"{name}.csv") for name in names], schema=study.columns
    )


def problem(*problems: str) -> str:
    (only,) = problems
    return only


# --- the schema file ------------------------------------------------------------------


def test_a_schema_is_the_same_in_toml_and_json(tmp_path: Path, study: Schema) -> None:
    (tmp_path / "study.json").write_text(json.dumps(AS_JSON))

    assert load_schema(tmp_path / "study.json") == study.columns
    assert study.columns[0] == AgreedColumn(name="age", least=0.0, most=120.0, unit="years")


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("s.toml", "", "no columns; write [[column]]"),
        ("s.toml", STUDY + "[job]\nname = 'x'\n", "job: unknown; a schema has [[column]] tables"),
        ("s.toml", STUDY + '[[column]]\nname = "age"\n', 'column[5]: "age" stands there twice'),
        ("s.toml", '[[column]]\nname = "age"\nkind = "class"\n', "column[1]: age: levels are for"),
        ("s.toml", '[[column]]\nname = "age"\nmaximum = 3\n', "column[1].maximum: unknown key"),
        ("s.toml", "[[column\n", "correct the TOML there"),
        ("s.json", "{", "line 1, column 2"),
        ("s.json", "[]", "not an object"),
        ("s.json", "\xff", "not"),
        ("gone.toml", None, "can't be read"),
        ("gone.json", None, "can't be read"),
    ],
)
def test_a_schema_that_is_none_says_where(
    tmp_path: Path, name: str, text: str | None, hint: str
) -> None:
    if text is not None:
        (tmp_path / name).write_bytes(text.encode("latin-1"))

    with pytest.raises(ConfigError) as caught:
        load_schema(tmp_path / name)

    assert hint in problem(*caught.value.problems)
    assert str(tmp_path / name) in str(caught.value)


# --- drafts ---------------------------------------------------------------------------


def table(folder: Path, *rows: str) -> str:
    (folder / "own.csv").write_text("\n".join(rows) + "\n")
    return str(folder / "own.csv")


def test_a_draft_has_names_and_kinds_and_no_value(tmp_path: Path) -> None:
    rows = [f"{900 + n},{n % 2},{n}.5,{'lung' if n % 5 else 'kidney'},note {n}" for n in range(60)]
    path = table(tmp_path, "dose,died,score,organ,remark", *rows)

    text = drafted(path)

    for value in ("900", "959", "59", "lung", "kidney", "note 7", "60"):
        assert value not in text
    # With the levels filled in it is a schema.
    (tmp_path / "s.toml").write_text(text.replace('"…", "…"', '"lung", "kidney"'))
    kinds = [(column.name, column.kind) for column in load_schema(tmp_path / "s.toml")]
    assert kinds == [
        ("dose", "count"),
        ("died", "0 or 1"),
        ("score", "number"),
        ("organ", "class"),
    ]
    assert "# remark: left out, as a text of many different values" in text


@pytest.mark.parametrize(("rows", "written"), [(COMMON_ROWS, True), (COMMON_ROWS - 1, False)])
def test_only_common_levels_are_written_and_only_where_it_is_asked_for(
    tmp_path: Path, rows: int, written: bool
) -> None:
    path = table(tmp_path, "organ", *["lung"] * 50, *["kidney"] * rows)

    assert ('"kidney"' in drafted(path, levels=True)) is written
    assert '"lung"' in drafted(path, levels=True)
    assert "lung" not in drafted(path)


@pytest.mark.parametrize(("levels", "kept"), [(MOST_LEVELS, True), (MOST_LEVELS + 1, False)])
def test_a_text_of_many_values_is_no_class(tmp_path: Path, levels: int, kept: bool) -> None:
    path = table(tmp_path, "word", *(f"w{n}" for n in range(levels)))

    assert ("[[column]]" in drafted(path)) is kept


def test_missing_values_do_not_make_a_number_a_text(tmp_path: Path) -> None:
    assert 'kind = "count"' in drafted(table(tmp_path, "a,b", "3,x", ",y", "NA,y", "5,x"))


def test_a_draft_of_a_table_that_is_not_there_fails(tmp_path: Path) -> None:
    with pytest.raises(WorkFailed, match="can't be read"):
        drafted(str(tmp_path / "gone.csv"))


# --- questions ------------------------------------------------------------------------

QUESTIONS = [
    (lambda s: questions.moments("mean", s, ["age"], None, []), Moments(features=("age",))),
    (
        lambda s: questions.moments("var", s, [], None, []),
        Moments(features=("age", "weight", "died")),
    ),
    (
        lambda s: questions.moments("mean", s, [], "died", []),
        GroupedMoments(features=("age", "weight"), by="died", groups=("0", "1")),
    ),
    (
        lambda s: questions.moments("mean", s, ["age"], "sex", ["m"] * 0),
        GroupedMoments(features=("age",), by="sex", groups=("f", "m")),
    ),
    (
        lambda s: questions.correlation(s, ["age", "weight"]),
        Correlation(features=("age", "weight")),
    ),
    (
        lambda s: questions.histogram(s, "age", None, 12),
        Histogram(column="age", least=0.0, most=120.0, bins=12),
    ),
    (
        lambda s: questions.histogram(s, "weight", "-5:99.5", 10),
        Histogram(column="weight", least=-5.0, most=99.5),
    ),
    (
        lambda s: questions.quantile(s, "age", [], None, None),
        Quantiles(column="age", least=0.0, most=120.0, precision=0.12),
    ),
    (
        lambda s: questions.quantile(s, "age", [0.5], "18:99", 0.5),
        Quantiles(column="age", least=18.0, most=99.0, precision=0.5, at=(0.5,)),
    ),
    (
        lambda s: questions.table(s, "sex", "died", {"row": [], "column": []}),
        Contingency(row="sex", row_levels=("f", "m"), column="died", column_levels=("0", "1")),
    ),
    (
        lambda s: questions.auc(s, "died", "weight", None, 20),
        Auc(target="died", score="weight", least=0.0, most=1.0, bins=20),
    ),
    (
        lambda s: questions.auc(s, "died", "age", None, 20),
        Auc(target="died", score="age", least=0.0, most=120.0, bins=20),
    ),
    (
        lambda s: questions.t_test(s, "age", "sex", ["m", "f"], equal_variances=True),
        TTest(target="age", by="sex", groups=("m", "f"), equal_variances=True),
    ),
]


@pytest.mark.parametrize(("ask", "algorithm"), QUESTIONS)
def test_a_question_becomes_a_job(
    tmp_path: Path, study: Schema, setting: Setting, ask: object, algorithm: object
) -> None:
    question = ask(study)  # type: ignore[operator]
    assert isinstance(question, Question)
    assert build(question.algorithm, {**question.data, **question.own}) is not None

    (tmp_path / "job.toml").write_text(job_document(question, setting, tmp_path))
    job = resolved(load_job(tmp_path / "job.toml"))

    built = assignment_of(job, State()).algorithm
    assert replace_rounds(built) == replace_rounds(algorithm)
    assert {column.name for column in job.columns} == set(question.columns)


def replace_rounds(algorithm: object) -> object:
    import dataclasses  # noqa: PLC0415

    return dataclasses.replace(algorithm, max_rounds=60)  # type: ignore[type-var]


def test_a_job_file_has_no_word_of_the_owners_rules_unless_it_runs_here(
    tmp_path: Path, setting: Setting
) -> None:
    question = Question("mean", "moments", {"features": ["age"]})

    text = job_document(question, setting, tmp_path)

    assert "smallest_cell" not in text
    assert 'data = "north.csv"' in text  # beside the job file
    here = Setting(owners=setting.owners, rules=DisclosureSettings(smallest_cell=7))
    (tmp_path / "job.toml").write_text(job_document(question, here, tmp_path / "other"))
    job = load_job(tmp_path / "job.toml")
    assert {owner.disclosure.smallest_cell for owner in job.owners} == {7}
    assert job.limits.abandoned_rounds == 1


@pytest.mark.parametrize(
    ("ask", "hint"),
    [
        (lambda s: questions.histogram(NONE, "age", None, 10), "--range: which range 'age' has"),
        (lambda s: questions.histogram(s, "weight", None, 10), "--range: which range 'weight' has"),
        (lambda s: questions.histogram(s, "aeg", None, 10), 'did you mean "age"?'),
        (lambda s: questions.histogram(s, "age", "12", 10), "--range: '12' is no range"),
        (lambda s: questions.histogram(s, "age", "a:b", 10), "--range: 'a:b' is no range"),
        (
            lambda s: questions.moments("mean", NONE, ["age"], "sex", []),
            "--groups: which values 'sex' may have is public",
        ),
        (
            lambda s: questions.t_test(s, "age", "weight", [], equal_variances=False),
            "--groups: which values 'weight' may have",
        ),
        (
            lambda s: questions.table(NONE, "sex", "died", {"row": ["f", "m"], "column": []}),
            "--column-levels: which values 'died' may have",
        ),
    ],
)
def test_what_is_public_is_never_read_from_data(study: Schema, ask: object, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ask(study)  # type: ignore[operator]

    assert hint in problem(*caught.value.problems)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_owners_have_no_job(tmp_path: Path, count: int) -> None:
    owners = [(name, None) for name in ("ann", "bob")[:count]]

    with pytest.raises(ConfigError, match="never opened"):
        job_document(Question("mean", "moments"), Setting(owners=owners), tmp_path)


def test_an_owner_is_a_name_and_maybe_a_table() -> None:
    assert owner_of("north=a=b.csv") == ("north", Path("a=b.csv"))
    assert owner_of("north") == ("north", None)
    for text in ("", "=x.csv", "north="):
        with pytest.raises(ConfigError, match="is not NAME=FILE"):
            owner_of(text)
