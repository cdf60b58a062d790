"""The example's coefficients are those of a fit on the pooled rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from system.commands import quorate
from system.jobs import BREAST_CANCER


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    ended = quorate("run", BREAST_CANCER, "--json", "--home", tmp_path_factory.mktemp("run") / "h")
    assert ended.code == 0
    return ended.summary


def test_breast_cancer_coefficients_are_those_of_the_pooled_fit(summary: dict[str, Any]) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    pooled = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=100)
    pooled.fit(StandardScaler().fit_transform(x), y)

    assert summary["coefficients"] == pytest.approx(pooled.coef_[0], abs=1e-6)
    assert summary["intercept"] == pytest.approx(pooled.intercept_[0], abs=1e-6)


def test_breast_cancer_figures_are_the_published_ones(summary: dict[str, Any]) -> None:
    assert np.linalg.norm(summary["coefficients"]) == pytest.approx(3.84160879, abs=1e-6)
    assert summary["intercept"] == pytest.approx(0.21450272, abs=1e-6)
    assert summary["converged"] is True
    assert summary["rounds"] <= 30
    assert summary["cleartext_vectors_seen"] == 0
    assert Path(summary["checkpoint"]).suffix == ".safetensors"
