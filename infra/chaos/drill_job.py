"""The job of every drill on real processes: owners of known vectors, and how patient a round is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from infra.casting import cast
from infra.config import Job, load_job
from infra.federation import Casting
from infra.probe_manners import GOOD, SUFFIX
from infra.rabbitmq.address import BrokerAddress

_NO_END = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillJob:
    """Who takes part and how long anything may take, in seconds.

    `manners`: each owner has a file of its own that says how its code behaves.
    """

    owners: tuple[str, ...] = ("north", "south", "east", "west")
    holders: int = 5
    threshold: int = 3
    faults: int = 0
    minimum: int = 3
    vote: bool = True
    replicated: bool = False
    values: int = 100_000
    chunk_kb: int = 256
    delay_s: float = 0.3
    patience_s: float = 8.0
    opening_s: float = 4.0
    resend_s: float = 1.0
    round_s: float = 120.0
    compute_s: float = 60.0
    manners: bool = False

    def document(self, address: BrokerAddress) -> dict[str, Any]:
        """Return the job file, but for the owners."""
        return {
            "job": {"name": "drill", "algorithm": "probe", "max_rounds": _NO_END},
            "probe": {"values": self.values, "delay_s": self.delay_s},
            "federation": {
                "broker": [f"amqp://{host}:{port}/" for host, port in address.hosts],
                "replicated": self.replicated,
                "holders": self.holders,
                "threshold": self.threshold,
                "faults": self.faults,
                "minimum": self.minimum,
                "vote": self.vote,
            },
            "limits": {
                "patience_s": self.patience_s,
                "opening_s": self.opening_s,
                "resend_s": self.resend_s,
                "round_s": self.round_s,
                "compute_s": self.compute_s,
                "chunk_kb": self.chunk_kb,
                "abandoned_rounds": 1000,
            },
        }


async def drill_job(
    folder: Path, address: BrokerAddress, wanted: DrillJob | None = None
) -> tuple[Job, Casting]:
    """Write the job of a drill and cast its actors."""
    wanted = wanted or DrillJob()
    owners: list[dict[str, str]] = [{"name": name} for name in wanted.owners]
    if wanted.manners:
        for owner in owners:
            file = manners_file(folder, owner["name"])
            file.parent.mkdir(exist_ok=True)
            file.write_text(GOOD)
            owner["data"] = str(file)
    path = folder / "job.toml"
    path.write_text(tomli_w.dumps({**wanted.document(address), "owner": owners}))
    job = load_job(path)
    return job, await cast(job)


def manners_file(folder: Path, owner: str) -> Path:
    """Return the file that says how an owner's code behaves, in the folder of a drill."""
    return folder / "manners" / f"{owner}{SUFFIX}"
