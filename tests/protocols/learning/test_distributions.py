from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from protocols.learning.distributions import (
    chi2_tail,
    f_tail,
    log_gamma,
    normal_quantile,
    normal_tails,
    t_quantile,
    t_tails,
    x_log_y,
)

Z = np.array([-40.0, -2.5, 0.0, 0.3, 8.0])


def test_tails_are_those_of_scipys_distributions() -> None:
    np.testing.assert_allclose(normal_tails(Z), 2 * stats.norm.sf(np.abs(Z)), rtol=1e-12)
    np.testing.assert_allclose(t_tails(Z, 7), 2 * stats.t.sf(np.abs(Z), 7), rtol=1e-10)
    assert f_tail(3.2, 4, 11) == pytest.approx(stats.f.sf(3.2, 4, 11), rel=1e-12)
    assert chi2_tail(9.9, 3) == pytest.approx(stats.chi2.sf(9.9, 3), rel=1e-12)


def test_quantiles_are_those_of_scipys_distributions() -> None:
    assert normal_quantile(0.975) == pytest.approx(1.959963984540054, rel=1e-14)
    assert t_quantile(0.975, 5) == pytest.approx(stats.t.ppf(0.975, 5), rel=1e-10)


def test_logarithms_are_right_at_zero() -> None:
    assert x_log_y(np.array([0.0, 2.0]), np.array([0.0, 3.0])).tolist() == [0.0, 2 * np.log(3)]
    np.testing.assert_allclose(log_gamma(np.array([1.0, 5.0])), [0.0, np.log(24)], atol=1e-15)


def test_who_only_knows_the_algorithms_does_without_scipy() -> None:
    code = "import sys, infra.config, infra.worker_child; print('scipy' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )

    assert done.stdout == "False\n"
