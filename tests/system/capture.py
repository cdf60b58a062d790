"""Everything that was sent in a run, and what must not be found in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.casting import cast
from infra.cli.display import QuietDisplay
from infra.config import load_job
from infra.federation import Federation
from infra.memory_queue import Sent
from infra.witness import Witness
from protocols.reports import JobEnded
from protocols.secagg.field import FIELDS

WINDOW = 4  # consecutive values: 16 to 32 bytes, never there by chance
SPY = "spy"

Vector = NDArray[np.float64]


class Collector(Witness):
    """Keeps the owners' vectors and every message and blob on the bus."""

    def __init__(self, federation_roster: object, *, fraction_bits: int) -> None:
        super().__init__(federation_roster, fraction_bits=fraction_bits)  # type: ignore[arg-type]
        self.vectors: list[Vector] = []
        self.sent: list[Sent] = []

    def observe(self, sent: Sent) -> None:
        super().observe(sent)
        self.sent.append(sent)

    def watch(self, owner: str, vector: Vector) -> None:
        super().watch(owner, vector)
        self.vectors.append(vector)

    @property
    def everything(self) -> bytes:
        # Joined by what no encoding of ours begins with, so that nothing is found across a border.
        return b"\xc1\xc1\xc1\xc1".join(sent.body for sent in self.sent)


async def captured(
    job: Path, home: Path, *, prepare: Callable[[Federation, Collector], None] | None = None
) -> tuple[Collector, JobEnded]:
    """Run a job in this process and keep all that was sent."""
    casting = await cast(load_job(job))
    plan = casting.assignment.plan
    collector = Collector(casting.roster, fraction_bits=plan.fraction_bits)
    federation = Federation(casting, home, QuietDisplay(), collector)
    if prepare is not None:
        prepare(federation, collector)
    return collector, await federation.run()


def row_forms(csv: str, *, every: int) -> Iterator[bytes]:
    """Give every so many of a table's rows as CSV text and as binary of its features."""
    for line in csv.splitlines()[1::every]:
        yield line.encode()
        features = line.rpartition(",")[0]
        yield features.encode()
        values = np.array(features.split(","), dtype=np.float64)
        yield values.astype("<f8").tobytes()
        yield values.astype("<f4").tobytes()


def vector_forms(vector: Vector, fraction_bits: int) -> Iterator[bytes]:
    """Give all windows of an update as floats, fixed-point integers and residues."""
    for form in _forms(vector, fraction_bits):
        for start in range(len(form) - WINDOW + 1):
            window = form[start : start + WINDOW]
            # A run of equal numbers stands in many an innocent message.
            if len(np.unique(window)) > 2:
                yield window.tobytes()


def weight_forms(rows: int, fraction_bits: int) -> Iterator[bytes]:
    """Give a row count as it would stand in a vector."""
    for form in _forms(np.array([rows], dtype=np.float64), fraction_bits):
        if form.itemsize == 8:
            yield form.tobytes()


def _forms(vector: Vector, fraction_bits: int) -> Iterator[NDArray[np.generic]]:
    yield vector.astype("<f8")
    yield vector.astype("<f4")
    fixed = np.rint(vector * 2.0**fraction_bits).astype("<i8")
    yield fixed
    for field in FIELDS.values():
        yield (fixed % field.modulus).astype(field.dtype)
