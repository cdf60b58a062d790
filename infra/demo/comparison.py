"""What the digits model reaches without a federation: each owner alone, and all rows pooled."""

from __future__ import annotations

import asyncio

import msgspec

from infra.workers import WorkSpec, evaluate_state, fit_alone


async def accuracy(spec: WorkSpec, state: bytes, *, on: str = "held-out") -> float:
    """Return the accuracy of a model on rows that nobody trained on."""
    metrics = await evaluate_state(msgspec.structs.replace(spec, owner=on), state)
    return metrics["accuracy"]


async def without_federation(
    specs: dict[str, WorkSpec], *, epochs: int, at_once: int = 2
) -> tuple[dict[str, float], float]:
    """Return the accuracy of each owner alone, and of one party that holds all rows."""
    some = next(iter(specs.values()))
    everybody = {**specs, "pooled": msgspec.structs.replace(some, owner="pooled")}
    slots = asyncio.Semaphore(at_once)

    async def reach(spec: WorkSpec) -> float:
        async with slots:
            return await accuracy(spec, await fit_alone(spec, epochs))

    reached = await asyncio.gather(*(reach(spec) for spec in everybody.values()))
    alone = dict(zip(everybody, reached, strict=True))
    pooled = alone.pop("pooled")
    return alone, pooled
