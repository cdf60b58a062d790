"""What a trained model is, how it came about, and what was opened on the way: a page of text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version
from itertools import groupby

from protocols.learning.federated.attending import survivors_by_round
from protocols.learning.federated.federated import Federated
from protocols.learning.state import State
from protocols.round_config import majority

from .config import Job, SecureSum

_MOST = 200  # rows of a table


def model_card(
    job: Job, algorithm: Federated, state: State, *, ended: datetime, digest: str
) -> str:
    """Return the card as Markdown; `digest` is the SHA-256 of the model's file."""
    sections = (
        _head(job, state, ended, digest),
        _model(algorithm, state),
        _training(job, algorithm, state),
        _rounds(state),
        _privacy(job, state),
    )
    return "\n".join(line for section in sections for line in (*section, "")).rstrip() + "\n"


def _head(job: Job, state: State, ended: datetime, digest: str) -> Iterator[str]:
    yield f"# Model of the job {job.name}"
    yield ""
    yield f"* trained until: {ended:%Y-%m-%d %H:%M} UTC, {state.count('round')} rounds"
    yield f"* by: Quorate {version('quorate')}, `{job.algorithm}`"
    yield f"* file: `model.safetensors`, SHA-256 `{digest}`"
    yield from (f"* {note}" for note in map(str, state.items("notes") if _has_notes(state) else []))


def _model(algorithm: Federated, state: State) -> Iterator[str]:
    arrays = algorithm.model(state)
    fixed = {str(name) for name in state.items("fixed")}
    numbers = sum(array.size for array in arrays.values())
    yield "## The model"
    yield ""
    yield f"{len(arrays)} arrays, {numbers:,} numbers."
    if fixed:
        yield f"As they were at the start, by `requires_grad`: {', '.join(sorted(fixed))}."
    if algorithm.personal:
        patterns = ", ".join(f"`{pattern}`" for pattern in algorithm.personal)
        yield f"Not in this file: {patterns} stay at each owner's home, and differ."


def _training(job: Job, algorithm: Federated, state: State) -> Iterator[str]:
    yield "## Training"
    yield ""
    yield "| option | value |"
    yield "|---|---|"
    for name in algorithm.__dataclass_fields__:
        value = getattr(algorithm, name)
        if value not in ("", (), None):
            yield f"| {name} | {_shown(value)} |"
    yield ""
    of = "held-out" if algorithm.held_out else "measured"
    yield f"Means over the {of} rows of the owners in a round, of the model that came in:"
    yield ""
    yield "| round | " + " | ".join(algorithm.metric_names) + " |"
    yield "|---|" + "---|" * len(algorithm.metric_names)
    history = [values for values in state.items("history") if isinstance(values, list)]
    every = -(-len(history) // _MOST)
    for number, values in enumerate(history, start=1):
        if number % every and number != len(history):
            continue
        yield f"| {number} | " + " | ".join(_shown(value) for value in values) + " |"


def _rounds(state: State) -> Iterator[str]:
    rounds = survivors_by_round(state)
    everybody = [str(name) for name in state.items("owners")]
    yield "## Who is in it"
    yield ""
    yield f"{len(everybody)} owners contributed: {', '.join(sorted(everybody))}."
    yield ""
    yield "| rounds | in the sum | not in it |"
    yield "|---|---|---|"
    place = 1
    for changes, (here, run) in enumerate(groupby(rounds)):
        if changes == _MOST:
            yield f"| {place} to {len(rounds)} | changes in each few rounds | |"
            return
        last = place + len(list(run)) - 1
        rounds_ = str(place) if place == last else f"{place} to {last}"
        missing = ", ".join(sorted(set(everybody) - set(here))) or "none"
        yield f"| {rounds_} | {len(here)} | {missing} |"
        place = last + 1


def _privacy(job: Job, state: State) -> Iterator[str]:
    federation, secure_sum = job.federation, job.secure_sum
    fewest = min((len(here) for here in survivors_by_round(state)), default=0)
    t, n = federation.threshold, federation.holders
    yield "## What was opened"
    yield ""
    yield (
        f"Only sums over owners were opened, one in a round: of the changes of the model times "
        f"rows, of rows, and of metrics times rows. No sum over fewer than {federation.minimum} "
        f"owners is opened; the smallest here is over {fewest}."
    )
    batches, drawn = job.batches
    if batches:
        yield ""
        yield (
            f"Owners are split into {batches} batches, the same in all rounds, and each round "
            f"asked {drawn} of them in turn."
        )
    yield ""
    yield (
        f"* suite: {_hidden_by(secure_sum)}, {secure_sum.fraction_bits} fraction "
        f"bits; shares sealed to their holder ({secure_sum.sealing})"
    )
    yield (
        f"* threshold: {t} of {n} share-holders open a sum; {job.privacy} learn nothing but the "
        f"sum, even together with the coordinator"
    )
    if federation.vote:
        quorum = majority(n, federation.faults)
        yield f"* vote: {quorum} of {n} holders agreed on who is in each sum before they answered"
    if federation.faults:
        yield f"* up to {federation.faults} of the holders may have lied without a wrong sum"
    yield (
        "* no noise was added: the model is a function of the owners' rows, and may reveal "
        "something about them"
    )


def _hidden_by(secure_sum: SecureSum) -> str:
    if secure_sum.suite == "masked":
        return "a mask, and Shamir's scheme for its secret"
    if secure_sum.suite == "packed":
        return f"packed shares over {secure_sum.field}, {secure_sum.packing} numbers in each word"
    return f"Shamir's scheme over {secure_sum.field}"


def _has_notes(state: State) -> bool:
    return "notes" in state.facts


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(each) for each in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
