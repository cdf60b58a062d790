"""Digits at five owners: each alone, federated, pooled. `python -m examples.images`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from matplotlib.figure import Figure

from examples.images.task import OWNERS, divided
from examples.side_by_side import federated_state, show
from infra.casting import work_spec
from infra.config import Job, load_job
from infra.torch_task import TorchTask
from protocols.learning.state import State

HERE = Path(__file__).parent
WAYS = sorted(file.stem for file in HERE.glob("*.toml"))


def main() -> None:
    """Run both jobs, compare, draw."""
    job = load_job(HERE / f"{WAYS[0]}.toml")
    reached = without_federation(job)
    states = {way: federated_state(HERE / f"{way}.toml") for way in WAYS}
    for way, state in states.items():
        reached[f"federated, {way}"] = accuracy(load_job(HERE / f"{way}.toml"), state)
    reached["pooled"] = reached.pop("pooled")
    labels = {
        who: divided().get(who.removesuffix(" alone"), divided()["pooled"])[1] for who in reached
    }
    rows = [
        (who, str(len(labels[who])), kinds(labels[who]), f"{value:.4f}")
        for who, value in reached.items()
    ]
    title = f"Accuracy on {len(divided()['held-out'][1])} pictures that nobody trained on"
    show(title, ("who", "pictures", "digits, most of them first", "accuracy"), rows)
    draw(states, reached).savefig(HERE / "accuracy.png", dpi=90)


def without_federation(job: Job) -> dict[str, float]:
    """Return the accuracy of each owner alone, and of all rows in one place, as many epochs."""
    some = work_spec(job, job.owners[0])
    epochs = job.max_rounds * getattr(job.learning, "epochs", 1)
    reached = {}
    for name in (*OWNERS, "pooled"):
        state = TorchTask(msgspec.structs.replace(some, owner=name)).fit(epochs)
        reached[name if name == "pooled" else f"{name} alone"] = accuracy(job, state)
    return reached


def accuracy(job: Job, state: State) -> float:
    """Return the part of the held-out pictures that a model reads right."""
    spec = msgspec.structs.replace(work_spec(job, job.owners[0]), owner="held-out")
    return TorchTask(spec).evaluate(state)["accuracy"]


def kinds(labels: np.ndarray) -> str:
    """Return the digits that are more than one in fifty of an owner's, most of them first."""
    counts = np.bincount(labels, minlength=10)
    often = [
        digit for digit in np.argsort(-counts, kind="stable") if counts[digit] > len(labels) / 50
    ]
    return " ".join(map(str, often))


def draw(states: dict[str, State], reached: dict[str, float]) -> Figure:
    """Draw the accuracy on the held-out pictures from round to round, as the owners measured it."""
    figure = Figure(figsize=(6.8, 3.6), layout="constrained")
    axes = figure.subplots()
    alone = [value for who, value in reached.items() if who.endswith("alone")]
    axes.axhspan(min(alone), max(alone), color="tab:grey", alpha=0.3, label="owners alone")
    axes.axhline(reached["pooled"], linestyle=":", color="black", label="pooled")
    for way, state in states.items():
        history = np.array(state.items("history"), dtype=float)
        axes.plot(np.arange(len(history)), history[:, 1], label=f"federated, {way}")
    axes.set_xlabel("rounds")
    axes.set_ylabel("accuracy, held-out pictures")
    axes.set_ylim(0, 1.02)
    axes.legend(loc="lower right")
    return figure


if __name__ == "__main__":
    main()
