"""A capture of all that is sent, searched for what is private: nothing is found."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from system.capture import SPY, Collector, captured, row_forms, vector_forms, weight_forms
from system.jobs import fedavg, logistic, table

from actors.ports import Lane
from infra.federation import Federation

ROWS = {"north": 211, "middle": 307, "south": 401}  # primes: few numbers look like them
TABLES = {name: table(rows, seed=rows) for name, rows in ROWS.items()}
BITS = 30

TASK = """
def data(owner):
    rows = {"north": 211, "middle": 307, "south": 401}[owner.name]
    x = torch.randn(rows, 3, generator=torch.Generator().manual_seed(rows))
    return x, (x[:, 0] > 0).long()
"""


def leaks(collector: Collector) -> dict[str, int]:
    """Count the pieces of private things that stand in the capture."""
    everything = collector.everything
    rows = [form for csv in TABLES.values() for form in row_forms(csv, every=7)]
    updates = {form for vector in collector.vectors for form in vector_forms(vector, BITS)}
    weights = [form for count in ROWS.values() for form in weight_forms(count, BITS)]
    found = {"rows": rows, "updates": updates, "weights": weights}
    return {what: sum(form in everything for form in forms) for what, forms in found.items()}


def leak_first(body_of: str, collector: Collector, federation: Federation) -> None:
    """Let a spy send something private over the bus as soon as there is a vector."""
    federation.bus.declare(SPY)
    link = federation.bus.connect(SPY)
    watch, tasks = collector.watch, set()

    def watch_and_tell(owner, vector):  # type: ignore[no-untyped-def]
        first = not collector.vectors
        watch(owner, vector)
        if first:
            bodies = {
                "rows": TABLES["north"].splitlines()[1].encode(),
                "updates": vector.astype("<f4").tobytes(),
                "weights": next(weight_forms(ROWS["south"], BITS)),
            }
            tasks.add(asyncio.create_task(link.send("holder-1", bodies[body_of], lane=Lane.BULK)))

    collector.watch = watch_and_tell  # type: ignore[method-assign]


async def test_nothing_private_is_sent_in_a_regression(tmp_path: Path) -> None:
    collector, ended = await captured(logistic(tmp_path, TABLES), tmp_path / "home")

    assert ended.outcome == "converged"
    assert len(collector.vectors) == 3 * ended.completed
    assert any(sent.recipient == "*" for sent in collector.sent)  # blobs are searched too
    assert leaks(collector) == {"rows": 0, "updates": 0, "weights": 0}


async def test_nothing_private_is_sent_in_federated_averaging(tmp_path: Path) -> None:
    job = fedavg(tmp_path, list(ROWS), task=TASK, rounds=3)

    collector, ended = await captured(job, tmp_path / "home")

    assert ended.completed == 3
    assert len(collector.vectors) == 9
    assert leaks(collector) == {"rows": 0, "updates": 0, "weights": 0}


@pytest.mark.parametrize("what", ["rows", "updates", "weights"])
async def test_the_search_finds_what_is_sent_on_purpose(tmp_path: Path, what: str) -> None:
    collector, _ = await captured(
        logistic(tmp_path, TABLES),
        tmp_path / "home",
        prepare=lambda federation, collector: leak_first(what, collector, federation),
    )

    found = leaks(collector)

    assert found[what] > 0


async def test_the_witness_of_a_run_finds_a_vector_that_is_sent_on_purpose(tmp_path: Path) -> None:
    collector, _ = await captured(
        logistic(tmp_path, TABLES),
        tmp_path / "home",
        prepare=lambda federation, collector: leak_first("updates", collector, federation),
    )

    assert collector.cleartext_by_recipient == {"holder-1": 1}


async def test_an_owners_trouble_is_not_told_on_the_bus(tmp_path: Path) -> None:
    header, *rest = TABLES["north"].splitlines()
    faulty = "\n".join([header, "1.5,secretword,2.5,1", *rest])

    collector, ended = await captured(
        logistic(tmp_path, {**TABLES, "faulty": faulty}), tmp_path / "home"
    )

    everything = collector.everything
    assert ended.outcome == "converged"
    assert b"not a number" in everything
    for private in (b"secretword", b"faulty.csv", b"column", b"line 2"):
        assert private not in everything
