from __future__ import annotations

import json

import numpy as np
import pytest
from fakes.secure_fits import UNEQUAL, fit, one_round, owners_of

from protocols.errors import Unfit
from protocols.learning.job import JobFailed
from protocols.learning.kmeans import KMeans
from protocols.learning.kmeans_fit import KMeansFit
from protocols.learning.lda import Lda
from protocols.learning.naive_bayes import NaiveBayes
from protocols.learning.pca import Pca
from protocols.learning.table import Table
from protocols.learning.tabular import Tabular

RNG = np.random.default_rng(4)
KIND = np.repeat([0.0, 1.0, 2.0], 60)
CENTRES = np.array([[0, 0, 1], [5, 1, 0], [1, 6, -1]], dtype=float)
X = CENTRES[KIND.astype(int)] + RNG.normal(size=(180, 3)) * [1, 0.7, 0.4]
COLUMNS = {**dict(zip("abc", X.T, strict=True)), "kind": KIND}
FEATURES = ("a", "b", "c")
LEVELS = ("red", "green", "blue")
PCA = Pca(features=FEATURES)
BAYES = NaiveBayes(features=FEATURES, target="kind", levels=LEVELS)
LDA = Lda(features=FEATURES, target="kind", levels=LEVELS)
CLUSTERS = KMeans(features=FEATURES, centres=((0, 0, 0), (4, 0, 0), (0, 4, 0)))
ALL: dict[str, Tabular] = {"pca": PCA, "kmeans": CLUSTERS, "naive_bayes": BAYES, "lda": LDA}


def found(algorithm: Tabular, owners: dict[str, Table]) -> dict[str, object]:
    return algorithm.result(fit(algorithm, owners))


def clusters(algorithm: KMeans, owners: dict[str, Table]) -> KMeansFit:
    result = algorithm.fit(fit(algorithm, owners))
    assert result is not None
    return result


def assert_same(one: dict[str, object], other: dict[str, object]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        if name in ("owners", "notes"):
            continue
        if name in ("model", "target", "names", "levels"):
            assert value == other[name]
        else:
            np.testing.assert_allclose(value, other[name], rtol=1e-9, atol=1e-9)  # type: ignore[arg-type]


def divided(column: str, *edges: float) -> dict[str, Table]:
    """Return an owner for each range of a column."""
    place = np.digitize(COLUMNS[column], edges)
    return {
        f"owner-{k}": Table({name: values[place == k] for name, values in COLUMNS.items()})
        for k in range(len(edges) + 1)
    }


@pytest.mark.parametrize("name", ALL)
def test_it_does_not_matter_how_rows_are_divided(name: str) -> None:
    owners = {**owners_of(COLUMNS, (1, 1, 178)), "none": Table({k: np.zeros(0) for k in COLUMNS})}

    assert_same(found(ALL[name], owners), found(ALL[name], owners_of(COLUMNS, (1,))))


@pytest.mark.parametrize("name", ALL)
def test_owners_of_one_class_take_part(name: str) -> None:
    owners = divided("kind", 0.5, 1.5)

    assert_same(found(ALL[name], owners), found(ALL[name], owners_of(COLUMNS, (1,))))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("value", "kind"), [(np.nan, "not finite"), (1e31, "too large")])
def test_numbers_that_cannot_be_summed_are_refused(name: str, value: float, kind: str) -> None:
    owners = owners_of(COLUMNS, UNEQUAL[3])
    spoiled = owners["owner-2"].columns | {"b": np.full(owners["owner-2"].rows, value)}

    with pytest.raises(Unfit) as caught:
        fit(ALL[name], {**owners, "owner-2": Table(spoiled)})

    assert caught.value.kind == kind


@pytest.mark.parametrize("name", ALL)
def test_who_is_left_gets_what_it_would_have_had_alone(name: str) -> None:
    algorithm, owners = ALL[name], owners_of(COLUMNS, UNEQUAL[5])
    left = {k: v for k, v in owners.items() if k != "owner-4"}
    state = algorithm.start()
    for _ in range(2):
        state = one_round(algorithm, state, owners)

    state = fit(algorithm, left, state=state)

    assert_same(algorithm.result(state), found(algorithm, left))
    assert str(state.items("notes")[0]).endswith("owner-4 left, nobody came; began again")


@pytest.mark.parametrize("name", ALL)
def test_before_the_end_there_is_no_result(name: str) -> None:
    algorithm = ALL[name]
    state = one_round(algorithm, algorithm.start(), owners_of(COLUMNS, UNEQUAL[3]))

    assert algorithm.fit(state) is None
    assert algorithm.result(state) == {}


@pytest.mark.parametrize("name", ALL)
def test_a_fit_is_a_table_and_plain_json(name: str) -> None:
    result = ALL[name].fit(fit(ALL[name], owners_of(COLUMNS, UNEQUAL[3])))

    assert result is not None
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["model"] == name
    text = result.summary()
    assert all(len(line) <= 78 for line in text.splitlines())
    assert "180" in text.split("=" * 78)[1]


# --- principal components ---


def test_components_are_those_of_numpy() -> None:
    result = PCA.fit(fit(PCA, owners_of(COLUMNS, UNEQUAL[5])))

    assert result is not None
    values, vectors = np.linalg.eigh(np.cov(X.T))
    np.testing.assert_allclose(result.variances, values[::-1], rtol=1e-12)
    np.testing.assert_allclose(abs(result.components), abs(vectors.T[::-1]), atol=1e-12)
    assert (result.components.max(axis=1) == abs(result.components).max(axis=1)).all()
    scores = result.predict({name: COLUMNS[name] for name in FEATURES})
    np.testing.assert_allclose(scores.var(axis=0, ddof=1), result.variances, rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_units_do_not_matter_for_components_of_scaled_columns(unit: float) -> None:
    algorithm = Pca(features=FEATURES, components=2, scaled=True)
    other = COLUMNS | {"a": unit * (COLUMNS["a"] + 3)}

    result = algorithm.fit(fit(algorithm, owners_of(other, UNEQUAL[3])))

    same = algorithm.fit(fit(algorithm, owners_of(COLUMNS, UNEQUAL[3])))
    assert result is not None
    assert same is not None
    np.testing.assert_allclose(result.components, same.components, rtol=1e-9)
    assert len(result.variances) == 2


def test_dependent_and_constant_columns_explain_nothing() -> None:
    more = COLUMNS | {"twice": 2 * COLUMNS["a"], "five": np.full(180, 5.0)}
    algorithm = Pca(features=(*FEATURES, "twice", "five"))

    result = algorithm.fit(fit(algorithm, owners_of(more, UNEQUAL[3])))

    assert result is not None
    np.testing.assert_allclose(result.ratios[3:], 0, atol=1e-15)
    assert (result.variances >= 0).all()
    assert result.ratios.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({name: column[:1] for name, column in COLUMNS.items()}, "one row has no components"),
        ({name: np.ones(9) for name in COLUMNS}, "every column is constant"),
    ],
)
def test_what_has_no_components_is_refused(columns: dict[str, np.ndarray], text: str) -> None:
    with pytest.raises(JobFailed, match=text):
        fit(PCA, owners_of(columns, (1,)))


# --- k-means ---


def test_each_centre_is_the_mean_of_the_rows_that_are_nearest_to_it() -> None:
    exact = KMeans(features=FEATURES, centres=CLUSTERS.centres, least=1)

    result = clusters(exact, owners_of(COLUMNS, UNEQUAL[5]))

    labels = result.predict({name: COLUMNS[name] for name in FEATURES})
    np.testing.assert_allclose(result.centres, [X[labels == k].mean(axis=0) for k in range(3)])
    assert (labels == KIND).mean() > 0.95
    assert result.sizes.tolist() == np.bincount(labels).tolist()
    deviations = X - result.centres[labels]
    assert result.inertia == pytest.approx((deviations**2).sum(), rel=1e-12)


def test_without_first_centres_clusters_begin_scattered_around_the_mean() -> None:
    algorithm = KMeans(features=FEATURES, clusters=3, scaled=True)

    result = clusters(algorithm, owners_of(COLUMNS, UNEQUAL[5]))

    assert result.sizes.tolist() == pytest.approx([60, 60, 60], abs=3)


def test_a_centre_that_nobody_is_near_gets_another_place() -> None:
    lonely = KMeans(features=FEATURES, centres=((0, 0, 0), (4, 0, 0), (900, 900, 900)))

    result = clusters(lonely, owners_of(COLUMNS, UNEQUAL[3]))

    assert (result.sizes >= 5).all()
    assert "1 centres with fewer than 5 rows got new places" in result.notes
    assert (
        result.inertia
        < clusters(
            KMeans(features=FEATURES, centres=((0, 0, 0), (4, 0, 0))),
            owners_of(COLUMNS, UNEQUAL[3]),
        ).inertia
    )


def test_the_mean_of_a_few_rows_is_never_asked_for() -> None:
    odd = {name: column.copy() for name, column in COLUMNS.items()}
    odd["a"][:3] = 500.0
    algorithm = KMeans(features=FEATURES, centres=((0, 0, 0), (500, 0, 0)))
    owners, state = owners_of(odd, UNEQUAL[3]), algorithm.start()
    for _ in range(3):
        state = one_round(algorithm, state, owners)
    assert state.floats("sizes").tolist() == [177, 3]

    sums = [algorithm.layout(state).unpack(algorithm.local(state, t)) for t in owners.values()]

    assert all((part["sums"][1] == 0).all() for part in sums)
    assert any((part["sums"][0] != 0).any() for part in sums)


def test_more_clusters_than_rows_allow_are_refused() -> None:
    with pytest.raises(JobFailed, match="still have fewer than 5 rows; ask for fewer clusters"):
        fit(KMeans(features=FEATURES, clusters=60), owners_of(COLUMNS, UNEQUAL[3]))


def test_what_few_rows_would_change_is_not_asked_for() -> None:
    def moves(least: int) -> list[float]:
        algorithm = KMeans(
            features=FEATURES, centres=((0, 0, 0), (1, 0, 0), (0, 1, 0)), least=least
        )
        state, asked = algorithm.start(), []
        while not algorithm.verdict(state).over:
            if state.facts.get("counting") is False and state.count("iterations") > 0:
                asked.append(state.number("moved"))
            state = one_round(algorithm, state, owners)
        return asked

    owners = owners_of(COLUMNS, UNEQUAL[3])
    exact, crowds = moves(1), moves(5)

    assert 0 < min(exact) < 5
    assert min(crowds) >= 5
    assert crowds == exact[: len(crowds)]


def test_a_fit_goes_on_from_its_centres_when_an_owner_leaves() -> None:
    owners = owners_of(COLUMNS, UNEQUAL[5])
    state = CLUSTERS.start()
    for _ in range(4):
        state = one_round(CLUSTERS, state, owners)
    before = state.floats("centres") + state.floats("mean")

    for _ in range(3):
        state = one_round(CLUSTERS, state, dict(list(owners.items())[1:]))

    assert state.text("phase") == "lloyd"
    np.testing.assert_allclose(state.floats("centres") + state.floats("mean"), before)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "give clusters, how many, or centres"),
        ({"clusters": 2, "centres": ((0, 0, 0), (1, 1, 1))}, "give clusters, how many, or centres"),
        ({"clusters": 1}, "clusters must be 2 or more"),
        ({"centres": ((0, 0, 0),)}, "two points or more"),
        ({"centres": ((0, 0), (1, 1))}, "a number for each column"),
        ({"centres": ((0, 0, 0), (1, 1, np.inf))}, "finite numbers"),
        ({"clusters": 2, "least": 0}, "least must be 1 or more"),
    ],
)
def test_clusters_that_make_no_sense_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        KMeans(features=FEATURES, **options)  # type: ignore[arg-type]


# --- classes ---


@pytest.mark.parametrize("algorithm", [BAYES, LDA], ids=["bayes", "lda"])
def test_classes_are_predicted_by_name_with_chances(algorithm: NaiveBayes | Lda) -> None:
    result = algorithm.fit(fit(algorithm, owners_of(COLUMNS, UNEQUAL[5])))

    assert result is not None
    rows = {name: CENTRES[:, place] for place, name in enumerate(FEATURES)}
    assert result.predict(rows) == LEVELS
    np.testing.assert_allclose(result.chances(rows).sum(axis=1), 1)
    right = np.array(result.predict({name: COLUMNS[name] for name in FEATURES}))
    assert (right == np.array(LEVELS)[KIND.astype(int)]).mean() > 0.98


@pytest.mark.parametrize("algorithm", [BAYES, LDA], ids=["bayes", "lda"])
def test_a_class_of_few_rows_is_refused_before_its_mean_is_asked_for(
    algorithm: NaiveBayes | Lda,
) -> None:
    few = np.concatenate([np.arange(120), [130, 140, 150, 160]])
    owners = owners_of({name: column[few] for name, column in COLUMNS.items()}, UNEQUAL[3])

    with pytest.raises(JobFailed, match=r"classes with fewer than 5 rows: blue \(4\)"):
        fit(algorithm, owners)


def test_columns_that_depend_on_each_other_within_classes_are_named() -> None:
    more = COLUMNS | {"sum": COLUMNS["a"] - 2 * COLUMNS["b"]}
    algorithm = Lda(features=(*FEATURES, "sum"), target="kind", levels=LEVELS)

    with pytest.raises(JobFailed, match=r"linearly dependent \(a, b, sum\)"):
        fit(algorithm, owners_of(more, UNEQUAL[3]))


def test_a_column_that_is_constant_in_a_class_keeps_chances_finite() -> None:
    flat = COLUMNS | {"c": np.where(KIND == 0, 1.0, COLUMNS["c"])}

    result = BAYES.fit(fit(BAYES, owners_of(flat, UNEQUAL[3])))

    assert result is not None
    assert (result.variances > 0).all()
    assert np.isfinite(result.chances({name: flat[name] for name in FEATURES})).all()


def test_where_columns_say_nothing_classes_have_their_shares() -> None:
    flat = {name: np.ones(180) for name in FEATURES} | {
        "kind": np.repeat([0.0, 1, 2], [90, 60, 30])
    }

    result = BAYES.fit(fit(BAYES, owners_of(flat, UNEQUAL[3])))

    assert result is not None
    chances = result.chances({name: np.ones(1) for name in FEATURES})
    np.testing.assert_allclose(chances, [[1 / 2, 1 / 3, 1 / 6]])


@pytest.mark.parametrize("unit", [1e-9, 1e9])
@pytest.mark.parametrize("algorithm", [BAYES, LDA], ids=["bayes", "lda"])
def test_units_do_not_matter_for_classes(algorithm: NaiveBayes | Lda, unit: float) -> None:
    other = {name: unit * COLUMNS[name] + unit for name in FEATURES} | {"kind": KIND}

    result = algorithm.fit(fit(algorithm, owners_of(other, UNEQUAL[3])))

    same = algorithm.fit(fit(algorithm, owners_of(COLUMNS, UNEQUAL[3])))
    assert result is not None
    assert same is not None
    chances = result.chances({name: other[name] for name in FEATURES})
    expected = same.chances({name: COLUMNS[name] for name in FEATURES})
    np.testing.assert_allclose(chances, expected, atol=1e-9)
