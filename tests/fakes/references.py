"""Numbers of ours beside those of a reference implementation on the pooled rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

_WIDTH = 46


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number, or the worst of several, computed federated and pooled."""

    what: str
    owners: int
    ours: float
    theirs: float
    difference: float
    allowed: float

    def line(self) -> str:
        """Return one line of the table."""
        name = self.what if len(self.what) <= _WIDTH else self.what[: _WIDTH - 1] + "…"
        return (
            f"{name:<{_WIDTH}} {self.owners:>6} {self.ours:>22.14g} {self.theirs:>22.14g} "
            f"{self.difference:>9.1e} {self.allowed:>9.0e}"
        )


@dataclass(slots=True)
class Record:
    """Every comparison of a session."""

    comparisons: list[Comparison] = field(default_factory=list)

    def compare(
        self,
        what: str,
        owners: int,
        ours: ArrayLike,
        theirs: ArrayLike,
        *,
        within: float,
        relative: bool = False,
    ) -> None:
        """Write the worst number down, then assert that all are as near as they should be."""
        mine, other = (
            np.atleast_1d(np.asarray(ours, float)),
            np.atleast_1d(np.asarray(theirs, float)),
        )
        assert mine.shape == other.shape, f"{what}: {mine.shape} beside {other.shape}"
        unit = np.abs(other) if relative else np.ones_like(other)
        differences = np.abs(mine - other) / unit
        worst = int(np.argmax(differences))
        found = Comparison(
            what=what,
            owners=owners,
            ours=float(mine.flat[worst]),
            theirs=float(other.flat[worst]),
            difference=float(differences.flat[worst]),
            allowed=within,
        )
        self.comparisons.append(found)
        assert found.difference <= within, found.line()

    def lines(self) -> Iterator[str]:
        """Yield the table: of several numbers, the one that differs most."""
        yield (
            f"{'':<{_WIDTH}} {'owners':>6} {'federated':>22} {'reference':>22} "
            f"{'differs':>9} {'allowed':>9}"
        )
        for comparison in self.comparisons:
            yield comparison.line()
