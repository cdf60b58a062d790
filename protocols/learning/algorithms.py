"""The algorithms by the name that job.toml gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Never

import msgspec

from protocols.errors import Misuse

from .auc import Auc
from .boosting import Boosting
from .contingency import Contingency
from .correlation import Correlation
from .cox import Cox
from .elastic_net import ElasticNet, Ridge
from .federated.fedadam import FedAdam
from .federated.fedavg import FedAvg
from .federated.federated import Federated
from .federated.fedprox import FedProx
from .federated.fedyogi import FedYogi
from .federated.scaffold import Scaffold
from .glm import Glm
from .histogram import Histogram
from .job import Algorithm
from .kaplan_meier import KaplanMeier
from .kmeans import KMeans
from .lda import Lda
from .logistic import Logistic
from .moments import GroupedMoments, Moments
from .naive_bayes import NaiveBayes
from .pca import Pca
from .probe import Probe
from .quantiles import Quantiles
from .softmax import Softmax
from .t_test import TTest
from .tabular import Tabular

TABULAR: Mapping[str, type[Tabular]] = {
    "auc": Auc,
    "boosting": Boosting,
    "contingency": Contingency,
    "correlation": Correlation,
    "cox": Cox,
    "elastic_net": ElasticNet,
    "glm": Glm,
    "grouped_moments": GroupedMoments,
    "histogram": Histogram,
    "kaplan_meier": KaplanMeier,
    "kmeans": KMeans,
    "lda": Lda,
    "logistic": Logistic,
    "moments": Moments,
    "naive_bayes": NaiveBayes,
    "pca": Pca,
    "quantiles": Quantiles,
    "ridge": Ridge,
    "softmax": Softmax,
    "t_test": TTest,
}

TORCH: Mapping[str, type[Federated]] = {
    "fedadam": FedAdam,
    "fedavg": FedAvg,
    "fedprox": FedProx,
    "fedyogi": FedYogi,
    "scaffold": Scaffold,
}

# Never: whoever builds an algorithm by name can't know what data its `local` takes.
ALGORITHMS: Mapping[str, type[Algorithm[Never]]] = {
    "probe": Probe,
    **TABULAR,
    **TORCH,
}


def build(name: str, options: Mapping[str, object]) -> Algorithm[Never]:
    """Return the algorithm `name` with these options of job.toml.

    Raises:
        ValueError: no such algorithm, or an option that is unknown, missing or out of range.
    """
    if name not in ALGORITHMS:
        raise ValueError(f"no algorithm {name!r}; there are {', '.join(sorted(ALGORITHMS))}")
    kind = ALGORITHMS[name]
    known = [field.name for field in options_of(kind)]
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise ValueError(
            f"{name} has no option {', '.join(map(repr, unknown))}; it has {', '.join(known)}"
        )
    try:
        return msgspec.convert(dict(options), kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name}: {error}") from None


def options_of(kind: type[object]) -> tuple[Field[object], ...]:
    """Return the options of an algorithm."""
    if not is_dataclass(kind):
        raise Misuse(f"{kind.__name__} is no dataclass")
    return fields(kind)
