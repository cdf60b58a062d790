"""Components, clusters and classes over unequal owners, beside scikit-learn on the pooled rows."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.references import Record
from fakes.secure_fits import UNEQUAL, Vector, fit, owners_of
from sklearn import cluster, datasets, decomposition
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from protocols.learning.kmeans import KMeans
from protocols.learning.kmeans_fit import KMeansFit
from protocols.learning.lda import Lda
from protocols.learning.naive_bayes import NaiveBayes
from protocols.learning.pca import Pca
from protocols.learning.pca_fit import PcaFit

pytestmark = pytest.mark.reference

DATA = {
    "iris": datasets.load_iris(return_X_y=True),
    "wine": datasets.load_wine(return_X_y=True),
    "digits": datasets.load_digits(return_X_y=True),
    "breast cancer": datasets.load_breast_cancer(return_X_y=True),
}
STARTS = {"iris": (0, 50, 100), "digits": range(10)}
Y = "class"


def columns(x: Vector, y: Vector | None = None) -> dict[str, Vector]:
    found = {f"x{place}": column for place, column in enumerate(x.T)}
    return found if y is None else {**found, Y: y.astype(np.float64)}


def features(x: Vector) -> tuple[str, ...]:
    return tuple(f"x{place}" for place in range(x.shape[1]))


def levels(y: Vector) -> tuple[str, ...]:
    return tuple(str(level) for level in range(int(y.max()) + 1))


def components(x: Vector, owners: int, *, scaled: bool = False) -> PcaFit:
    algorithm = Pca(features=features(x), scaled=scaled)
    found = algorithm.fit(fit(algorithm, owners_of(columns(x), UNEQUAL[owners])))
    assert found is not None
    return found


def clusters(x: Vector, rows: range | tuple[int, ...], owners: int, *, least: int) -> KMeansFit:
    centres = tuple(tuple(point) for point in x[list(rows)].tolist())
    algorithm = KMeans(features=features(x), centres=centres, least=least)
    found = algorithm.fit(fit(algorithm, owners_of(columns(x), UNEQUAL[owners])))
    assert found is not None
    return found


@pytest.mark.parametrize("owners", [3, 5])
@pytest.mark.parametrize("name", DATA)
def test_components(reference: Record, name: str, owners: int) -> None:
    x = DATA[name][0]
    pooled = decomposition.PCA(svd_solver="full").fit(x)

    ours = components(x, owners)

    near = {"within": 1e-9, "relative": True}
    what = f"{name} PCA"
    some = pooled.explained_variance_ > 1e-6 * pooled.explained_variance_[0]
    reference.compare(
        f"{what}: variances, rel.",
        owners,
        ours.variances[some],
        pooled.explained_variance_[some],
        **near,
    )
    ratios = pooled.explained_variance_ratio_
    reference.compare(f"{what}: ratios", owners, ours.ratios, ratios, within=1e-12)
    apart = some & (name != "digits" or np.arange(len(some)) < 50)
    reference.compare(
        f"{what}: loadings", owners, ours.components[apart], pooled.components_[apart], within=1e-7
    )


def test_pinned_components(reference: Record) -> None:
    cancer = (0.44272026, 0.18971182, 0.09393163, 0.06602135, 0.05495768)
    digits = (179.0069, 163.7177, 141.7884, 101.1004, 69.5132)
    x = DATA["breast cancer"][0]

    scaled = components(x, 5, scaled=True)
    same = components(StandardScaler().fit_transform(x), 5)
    images = components(DATA["digits"][0], 5)

    reference.compare("breast cancer PCA, pinned", 5, scaled.ratios[:5], cancer, within=6e-9)
    reference.compare(
        "breast cancer PCA, scaled by us", 5, scaled.variances, same.variances, within=1e-12
    )
    reference.compare("digits PCA, pinned", 5, images.variances[:5], digits, within=6e-5)


@pytest.mark.parametrize("owners", [3, 5])
@pytest.mark.parametrize("name", STARTS)
def test_clusters(reference: Record, name: str, owners: int) -> None:
    x = DATA[name][0]
    start = x[list(STARTS[name])]
    pooled = cluster.KMeans(len(start), init=start, n_init=1).fit(x)

    ours = clusters(x, STARTS[name], owners, least=1)

    what = f"{name} k-means"
    reference.compare(
        f"{what}: inertia, rel.", owners, ours.inertia, pooled.inertia_, within=1e-13, relative=True
    )
    reference.compare(f"{what}: iterations", owners, ours.iterations, pooled.n_iter_, within=0)
    reference.compare(
        f"{what}: centres", owners, ours.centres, pooled.cluster_centers_, within=1e-12
    )
    labels = ours.predict(columns(x))
    reference.compare(f"{what}: labels", owners, labels, pooled.labels_, within=0)


@pytest.mark.parametrize(
    ("name", "inertia", "iterations"),
    [("iris", 78.85144143, 4), ("digits", 1167859.384007, 14)],
)
def test_pinned_clusters(reference: Record, name: str, inertia: float, iterations: int) -> None:
    x = DATA[name][0]

    ours = clusters(x, STARTS[name], 5, least=1)
    crowds = clusters(x, STARTS[name], 5, least=5)

    reference.compare(f"{name} k-means, pinned: inertia", 5, ours.inertia, inertia, within=6e-7)
    reference.compare(f"{name}, pinned: iterations", 5, ours.iterations, iterations, within=0)
    reference.compare(
        f"{name}, crowds only: inertia, rel.",
        5,
        crowds.inertia,
        inertia,
        within=2e-3,
        relative=True,
    )


@pytest.mark.parametrize("owners", [3, 5])
@pytest.mark.parametrize("name", DATA)
def test_naive_bayes(reference: Record, name: str, owners: int) -> None:
    x, y = DATA[name]
    pooled = GaussianNB().fit(x, y)
    algorithm = NaiveBayes(features=features(x), target=Y, levels=levels(y))

    ours = algorithm.fit(fit(algorithm, owners_of(columns(x, y), UNEQUAL[owners])))

    assert ours is not None
    what = f"{name} naive Bayes"
    reference.compare(f"{what}: priors", owners, ours.priors, pooled.class_prior_, within=1e-15)
    unit = np.sqrt(x.var(axis=0)) + 1e-9
    reference.compare(
        f"{what}: means", owners, ours.means / unit, pooled.theta_ / unit, within=1e-12
    )
    near = {"within": 1e-10, "relative": True}
    reference.compare(f"{what}: variances, rel.", owners, ours.variances, pooled.var_, **near)
    chances = pooled.predict_proba(x)
    reference.compare(f"{what}: chances", owners, ours.chances(columns(x)), chances, within=1e-10)


@pytest.mark.parametrize("owners", [3, 5])
@pytest.mark.parametrize("name", DATA)
def test_discriminant_analysis(reference: Record, name: str, owners: int) -> None:
    x, y = DATA[name]
    x = x[:, x.var(axis=0) > 0]
    pooled = LinearDiscriminantAnalysis().fit(x, y)
    algorithm = Lda(features=features(x), target=Y, levels=levels(y))

    ours = algorithm.fit(fit(algorithm, owners_of(columns(x, y), UNEQUAL[owners])))

    assert ours is not None
    what = f"{name} LDA"
    chances = pooled.predict_proba(x)
    reference.compare(f"{what}: chances", owners, ours.chances(columns(x)), chances, within=1e-8)
    ratios = pooled.explained_variance_ratio_
    reference.compare(f"{what}: explained", owners, ours.ratios, ratios, within=1e-9)
    if len(pooled.classes_) > 2:
        mine = ours.coefficients * x.std(axis=0)
        theirs = pooled.coef_ * x.std(axis=0)
        reference.compare(f"{what}: coefficients", owners, mine, theirs, within=1e-8)
        reference.compare(
            f"{what}: intercepts, rel.",
            owners,
            ours.intercepts,
            pooled.intercept_,
            within=1e-8,
            relative=True,
        )
    places = np.abs(pooled.transform(x))
    reference.compare(
        f"{what}: places", owners, np.abs(ours.projected(columns(x))), places, within=1e-7
    )
