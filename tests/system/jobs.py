"""Small jobs on disk, as a user would write them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

BREAST_CANCER = Path(__file__).parents[2] / "examples" / "breast_cancer" / "job.toml"

FEDERATION = {"broker": "memory", "holders": 3, "threshold": 2, "minimum": 3}
LIMITS = {"patience_s": 20.0, "opening_s": 1.0, "resend_s": 0.5, "compute_s": 30.0}

TASK = """
import os, signal, sys, time
import torch

def model():
    return torch.nn.Linear(3, 2)

def data(owner):
    global who
    who = owner.name
    rows = 100 if who == "heavy" else 20
    x = torch.randn(rows, 3, generator=torch.Generator().manual_seed(len(who)))
    return x, (x[:, 0] > 0).long()
"""


@dataclass
class Text:
    """Sections of a job file; a test changes what it is about."""

    algorithm: str
    owners: dict[str, str | None]
    job: dict[str, object] = field(default_factory=dict)
    sections: dict[str, dict[str, object]] = field(default_factory=dict)
    rules: dict[str, object] = field(default_factory=dict)  # each owner's own

    def written(self, folder: Path) -> Path:
        head = {"name": "tiny", "algorithm": self.algorithm, "max_rounds": 20, **self.job}
        sections = {"job": head, "federation": FEDERATION, "limits": LIMITS}
        for name, keys in self.sections.items():
            sections[name] = {**sections.get(name, {}), **keys}
        text = "".join(_section(f"[{name}]", keys) for name, keys in sections.items())
        for name, data in self.owners.items():
            text += _section("[[owner]]", {"name": name} | ({"data": data} if data else {}))
            text += _section("[owner.disclosure]", self.rules) if self.rules else ""
        path = folder / "job.toml"
        path.write_text(text)
        return path


def logistic(folder: Path, owners: dict[str, str], **sections: dict[str, object]) -> Path:
    """Write the owners' tables, given as text, and the job over them."""
    for name, content in owners.items():
        (folder / f"{name}.csv").write_bytes(content.encode("latin-1"))
    named: dict[str, str | None] = {name: f"{name}.csv" for name in owners}
    return Text("logistic", named, sections={"data": {"target": "y"}, **sections}).written(folder)


def fedavg(
    folder: Path, owners: list[str], *, task: str = "", rounds: int = 1, **more: dict[str, object]
) -> Path:
    """Write a torch task, the small one with `task` behind it, and the job."""
    (folder / "task.py").write_text(TASK + task)
    sections = {"model": {"task": "task.py"}, **more}
    names: dict[str, str | None] = dict.fromkeys(owners)
    return Text("fedavg", names, {"max_rounds": rounds}, sections).written(folder)


def table(rows: int, *, seed: int) -> str:
    """Return a CSV table of three features and the target `y`."""
    random, lines = Random(seed), ["a,b,c,y"]
    for _ in range(rows):
        x = [random.gauss(0, 1) for _ in range(3)]
        positive = random.random() < 1 / (1 + math.exp(0.5 * x[1] - x[0] - 0.3))
        lines.append(",".join([*(f"{value:.9f}" for value in x), str(int(positive))]))
    return "\n".join(lines) + "\n"


def tables(count: int = 4) -> dict[str, str]:
    """Return the tables of so many owners."""
    return {f"o{number}": table(50 + 10 * number, seed=number) for number in range(1, count + 1)}


def _section(title: str, keys: dict[str, object]) -> str:
    return f"{title}\n" + "".join(f"{key} = {_value(value)}\n" for key, value in keys.items())


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
