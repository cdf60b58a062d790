"""An owner that is lost for good: the regression begins again and is exact on who remains."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from system.jobs import logistic, tables

from infra.casting import cast
from infra.cli.display import QuietDisplay
from infra.cli.session import run_federation, summary
from infra.config import load_job
from infra.federation import Federation
from protocols.reports import Event, RoundBegan


class LosesAnOwner:
    """Kills the trainer `o4` for good when round 5 begins."""

    def __init__(self, federation: Federation) -> None:
        self.kills: list[asyncio.Task[None]] = []
        self._federation = federation
        federation.listen(self)

    def emit(self, event: Event) -> None:
        if isinstance(event, RoundBegan) and event.number == 5:
            self.kills.append(asyncio.create_task(self._federation.kill("o4")))


def rows_of(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    owners = tables()
    lines = [line for name in names for line in owners[name].splitlines()[1:]]
    cells = np.array([line.split(",") for line in lines], dtype=np.float64)
    return cells[:, :-1], cells[:, -1]


async def test_a_regression_that_loses_an_owner_is_exact_on_those_who_remain(
    tmp_path: Path,
) -> None:
    limits: dict[str, object] = {"patience_s": 2.0}
    casting = await cast(load_job(logistic(tmp_path, tables(), limits=limits)))
    display = QuietDisplay()
    (tmp_path / "home").mkdir()

    result = await run_federation(casting, tmp_path / "home", display, prepare=LosesAnOwner)

    x, y = rows_of(["o1", "o2", "o3"])
    pooled = LogisticRegression(solver="newton-cholesky", tol=1e-12)
    pooled.fit(StandardScaler().fit_transform(x), y)
    found = result.algorithm.result(result.state)
    assert result.ended.outcome == "converged"
    assert found["coefficients"] == pytest.approx(pooled.coef_[0], abs=1e-6)
    assert found["intercept"] == pytest.approx(pooled.intercept_[0], abs=1e-6)

    told = summary(result, display, {})
    (gone,) = told["dropped_trainers"]
    assert (gone["name"], gone["left"], gone["returned"]) == ("o4", 5, None)
    assert told["notes"] == ["round 5: o4 left, nobody came; began again"]
