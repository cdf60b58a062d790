"""`quorate demo`: digits at five owners, a killed trainer, a lost share-holder, and the table."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from actors.ports import Lane, WorkFailed
from infra.casting import cast
from infra.config import ConfigError, Job, load_job
from infra.demo.comparison import accuracy, without_federation
from infra.demo.mishaps import Fate, Mishaps
from infra.demo.tap import tapped
from infra.federation import Casting, Federation
from infra.memory_queue import Sent
from infra.processes import ProcessFederation, Stage, require_free
from infra.rabbitmq.address import BrokerAddress
from infra.witness import Witness
from protocols.round_config import Roster

from .broker_run import placed
from .display import Display
from .session import (
    DONE,
    USAGE,
    Result,
    peak_memory_mb,
    run_federation,
    run_processes,
    summary,
)
from .signals import STOPPED
from .terminal import console, display_of, show_config_error, show_interrupted

_JOB = Path(__file__).parent.parent / "demo" / "digits.toml"
MISHAPS = Mishaps(
    trainer="site-3",
    killed_in=3,
    killed_after=8,
    back_in=8,
    holder="holder-4",
    lost_in=5,
)


@dataclass(frozen=True, slots=True)
class Accuracies:
    """On the held-out quarter."""

    alone: dict[str, float]
    federated: float
    pooled: float


def run(*, broker: Sequence[str] = (), output: str) -> int:
    """Run the demonstration and return the exit code; over a broker where one is named."""
    display = display_of(output)
    try:
        job, address = placed(load_job(_JOB), broker)
        with tempfile.TemporaryDirectory(prefix="quorate-demo-") as home:
            result, accuracies = asyncio.run(_run(job, address, Path(home), display))
        extra = _extra(job, result, accuracies)
        display.final(summary(result, display, extra))
    except ConfigError as error:
        show_config_error(error, output)
        return USAGE
    except KeyboardInterrupt:
        show_interrupted(output)
        return STOPPED
    if output != "json":
        _show(job.roster(), result, display, extra)
    return result.exit_code


async def _run(
    job: Job, address: BrokerAddress | None, home: Path, display: Display
) -> tuple[Result, Accuracies | None]:
    display.note(
        f"{job.max_rounds} rounds of federated averaging over {len(job.owners)} owners; any "
        f"{job.federation.threshold} of {job.federation.holders} share-holders open a sum.\n"
        f"{MISHAPS.trainer} is killed in round {MISHAPS.killed_in} and comes back in round "
        f"{MISHAPS.back_in}; {MISHAPS.holder} is gone from round {MISHAPS.lost_in} on."
    )
    casting = await cast(job)
    if address is None:
        result = await run_federation(casting, home, display, prepare=_in_memory)
    else:
        result = await _on_broker(Stage(casting.job, casting, address), home, display)
    if result.exit_code != DONE:
        return result, None
    if result.interrupted:
        raise KeyboardInterrupt
    try:
        return result, await _accuracies(job, casting, result, display)
    except WorkFailed as error:
        display.urge(f"nothing to compare with: {error.kind}: {error}")
        return result, None


def _in_memory(federation: Federation) -> None:
    fate = Fate(MISHAPS, federation)

    def observe(sent: Sent) -> None:
        if sent.sender == MISHAPS.trainer and sent.lane is Lane.BULK:
            fate.uploading()

    federation.listen(fate)
    federation.watch(observe)


async def _on_broker(stage: Stage, home: Path, display: Display) -> Result:
    await require_free(stage)
    fates: list[Fate] = []

    def prepare(federation: ProcessFederation) -> None:
        # A look at the broker is slower than one in memory: strike at the first sight.
        fates.append(Fate(replace(MISHAPS, killed_after=1), federation))
        federation.listen(fates[0])

    def uploading() -> None:
        for fate in fates:
            fate.uploading()

    keys = f"{MISHAPS.trainer}.*.{Lane.BULK.value}"
    async with tapped(stage.address, keys, uploading):
        return await run_processes(stage, home, display, prepare=prepare)


async def _accuracies(job: Job, casting: Casting, result: Result, display: Display) -> Accuracies:
    with display.busy("for comparison: every owner alone, and all rows in one place"):
        epochs = job.max_rounds * getattr(job.learning, "epochs", 1)
        alone, pooled = await without_federation(casting.workers, epochs=epochs)
        some = next(iter(casting.workers.values()))
        federated = await accuracy(some, result.state.to_bytes())
    return Accuracies(alone, federated, pooled)


def _extra(job: Job, result: Result, accuracies: Accuracies | None) -> dict[str, Any]:
    # The home was temporary, and so the checkpoint in it.
    seen = None if result.witness is None else _seen(job.roster(), result, result.witness)
    extra: dict[str, Any] = {"seen": seen, "checkpoint": None}
    if accuracies is not None:
        extra["accuracy"] = {
            "alone": accuracies.alone,
            "federated": accuracies.federated,
            "pooled": accuracies.pooled,
        }
    return extra


def _seen(roster: Roster, result: Result, witness: Witness) -> dict[str, dict[str, int]]:
    """Count what each kind of party saw: messages, private vectors among them, and sums."""
    seen = {
        "coordinator": [roster.coordinator],
        "each share-holder": list(roster.holders),
        "the bus": list(witness.messages_by_recipient),  # the public models too
    }
    return {
        party: {
            "messages": sum(witness.messages_by_recipient[name] for name in names)
            // (len(names) if party.startswith("each") else 1),
            "vectors_in_clear": sum(witness.cleartext_by_recipient[name] for name in names),
            "sums": result.rounds if party == "coordinator" else 0,
        }
        for party, names in seen.items()
    }


def _show(roster: Roster, result: Result, display: Display, extra: dict[str, Any]) -> None:
    ended = result.ended
    console.print()
    if "accuracy" not in extra:
        reason = f": {ended.reason}" if ended.reason else ""
        console.print(f"{ended.outcome} after {result.rounds} rounds{reason}", markup=False)
        return
    console.print(_accuracy_table(extra["accuracy"]))
    console.print(_absence_table(display))
    memory, seconds = peak_memory_mb(), f"{result.rounds} rounds in {result.seconds:.1f} s"
    if result.witness is None:
        largest = f"{memory['largest_child']} MiB (the largest of all processes)"
        console.print(f"{seconds}; largest memory: {largest}")
        return
    console.print(_seen_table(extra["seen"], result.witness))
    console.print(
        f"{seconds}; largest memory: {memory['actors']} MiB "
        f"(all {1 + len(roster.holders) + len(roster.trainers)} actors), "
        f"{memory['largest_child']} MiB (one owner's training process)"
    )


def _accuracy_table(reached: dict[str, Any]) -> Table:
    table = Table(title="Accuracy on the held-out quarter", title_justify="left")
    table.add_column("who")
    table.add_column("accuracy", justify="right")
    for name, value in reached["alone"].items():
        table.add_row(f"{name} alone", f"{value:.4f}")
    table.add_row("federated", f"{reached['federated']:.4f}", style="bold")
    table.add_row("pooled (all rows in one place)", f"{reached['pooled']:.4f}")
    return table


def _absence_table(display: Display) -> Table:
    table = Table(title="Who dropped out, and when", title_justify="left")
    for column in ("who", "from round", "why", "back in round"):
        table.add_column(column)
    for absence in [*display.log.trainers, *display.log.holders]:
        back = "never" if absence.returned is None else str(absence.returned)
        table.add_row(absence.name, str(absence.left), absence.reason, back)
    return table


def _seen_table(seen: dict[str, dict[str, int]], witness: Witness) -> Table:
    table = Table(title="What each party saw, and sent", title_justify="left")
    for column in ("party", "messages", "vectors in clear", "sums", "bytes sent"):
        table.add_column(column, justify="left" if column == "party" else "right")
    sent = witness.bytes_by_role
    roles = {"coordinator": "coordinator", "each share-holder": "holder", "the bus": ""}
    for party, counts in seen.items():
        role = roles[party]
        total = f"{sent[role]:,}" + (" (all)" if role == "holder" else "") if role else "-"
        table.add_row(
            party,
            f"{counts['messages']:,}",
            str(counts["vectors_in_clear"]),
            str(counts["sums"]),
            total,
        )
    table.add_row("each trainer", "", "its own", "0", f"{sent['trainer']:,} (all)")
    return table
