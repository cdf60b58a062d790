"""Works out what a job would take, and shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import floor, isfinite
from pathlib import Path
from typing import Any

from rich.table import Table

from infra.config import ConfigError
from infra.planning import Outline, outline
from protocols.costs.choice import Cost, size_text, span_text

from .display import print_json
from .terminal import console, show_config_error

_DONE, _USAGE = 0, 2


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Which job, for how many owners and values; None is what the job says itself."""

    job: Path
    owners: int | None = None
    dimension: int | None = None


def run(request: PlanRequest, output: str) -> int:
    """Show the plan and return the exit code."""
    try:
        planned = outline(request.job, owners=request.owners, dimension=request.dimension)
    except ConfigError as error:
        show_config_error(error, output)
        return _USAGE
    if output == "json":
        _print(planned)
    else:
        _show(planned)
    return _DONE


def _print(planned: Outline) -> None:
    for cost in planned.decision.possible:
        print_json({"kind": "suite", **_plain(cost), "chosen": cost is planned.cost})
    for ruled in planned.decision.ruled_out:
        print_json({"kind": "ruled_out", "suite": ruled.name, "reasons": list(ruled.reasons)})
    print_json({"kind": "summary", "outcome": "done", **_facts(planned)})


def _facts(planned: Outline) -> dict[str, Any]:
    job, bits = planned.job, planned.headroom_bits
    return {
        "job": job.name,
        "algorithm": job.algorithm,
        "owners": planned.owners,
        "asked": planned.asked,
        "batches": planned.batches[0],
        "drawn": planned.batches[1],
        "dimension": planned.cost.setting.dimension,
        "dimension_of": "model" if planned.of_model else "option",
        "rounds": job.max_rounds,
        "left_open": planned.left_open,
        "why": planned.why,
        **_plain(planned.cost),
        "headroom_bits": bits if isfinite(bits) else None,
        "threshold": job.federation.threshold,
        "holders": job.federation.holders,
        "minimum": job.federation.minimum,
        **asdict(planned.tolerance),
    }


def _plain(cost: Cost) -> dict[str, Any]:
    setting, layout = cost.setting, cost.setting.layout
    return {
        "suite": setting.suite,
        "field": setting.field,
        "packing": setting.packing,
        "parameters": "" if layout is None else layout.parameters.name,
        "slots": 0 if layout is None else layout.slots,
        "slot_bits": 0 if layout is None else layout.width,
        "seconds": cost.seconds,
        "bytes": asdict(cost.traffic),
        "effort": asdict(cost.effort),
    }


def _show(planned: Outline) -> None:
    job, setting = planned.job, planned.cost.setting
    whose = "in the longest vector" if planned.of_model else "in a vector"
    console.print(
        f"{job.name}: {job.algorithm}, {planned.owners:,} owners, {setting.dimension:,} values "
        f"{whose}, {job.max_rounds:,} round{'s' if job.max_rounds > 1 else ''} at most. Of one "
        f"round:",
        markup=False,
        soft_wrap=True,
    )
    console.print()
    console.print(_parties(planned.cost))
    console.print()
    console.print(_suites(planned))
    for line in _sentences(planned):
        console.print(line, markup=False, soft_wrap=True)


def _parties(cost: Cost) -> Table:
    bytes_, effort = cost.traffic, cost.effort
    table = Table("", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("sends", "gets", "on disk", "CPU", "memory"):
        table.add_column(column, justify="right", no_wrap=True)
    rows: tuple[tuple[str, int, int, int, float, int], ...] = (
        (
            "each owner",
            bytes_.trainer_up,
            bytes_.trainer_down,
            bytes_.trainer_disk,
            effort.trainer_s,
            effort.trainer_memory,
        ),
        (
            "each holder",
            bytes_.holder_out,
            bytes_.holder_in,
            bytes_.holder_disk,
            effort.holder_s,
            effort.holder_memory,
        ),
        (
            "coordinator",
            bytes_.coordinator_out,
            bytes_.coordinator_in,
            bytes_.coordinator_disk,
            effort.coordinator_s,
            effort.coordinator_memory,
        ),
    )
    for name, out, into, disk, seconds, memory in rows:
        sizes = (size_text(each) for each in (out, into, disk))
        table.add_row(name, *sizes, span_text(seconds), size_text(memory))
    table.add_row("broker", size_text(bytes_.broker_out), size_text(bytes_.broker_in), "", "", "")
    return table


def _suites(planned: Outline) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", "suite"):
        table.add_column(column, no_wrap=True)
    for column in ("owner sends", "holder gets", "coord. gets", "a round", "T"):
        table.add_column(column, justify="right", no_wrap=True)
    for cost in planned.decision.possible:
        bytes_ = cost.traffic
        sizes = (bytes_.trainer_up, bytes_.holder_in, bytes_.coordinator_in)
        table.add_row(
            ">" if cost is planned.cost else "",
            _short(cost),
            *map(size_text, sizes),
            span_text(cost.seconds),
            str(cost.setting.privacy),
        )
    return table


def _short(cost: Cost) -> str:
    setting, layout = cost.setting, cost.setting.layout
    if layout is not None:
        return f"masked {layout.parameters.name}, {layout.slots} x {layout.width} bits"
    packing = f", k = {setting.packing}" if setting.packing else ""
    return f"{setting.suite} {setting.field}{packing}"


def _sentences(planned: Outline) -> Iterator[str]:
    job, stands = planned.job, planned.tolerance
    federation = job.federation
    for ruled in planned.decision.ruled_out:
        yield f"not {ruled.name}: {'; '.join(ruled.reasons)}"
    yield ""
    yield f"suite: {planned.why}"
    vote = f", {stands.quorum} votes make a set" if stands.quorum else ", without a vote"
    yield (
        f"holders: any {federation.threshold} of {federation.holders} open a sum{vote}; a round "
        f"needs {stands.needed} of them: {stands.silent} may be silent, {stands.lie} may lie, "
        f"{stands.collude} that pool all they have learn nothing of a vector (T)"
    )
    yield _owners(planned)
    yield f"headroom: {_headroom(planned)}"


def _owners(planned: Outline) -> str:
    vanish, (batches, drawn) = planned.tolerance.vanish, planned.batches
    none = f"no sum of fewer than {planned.job.federation.minimum:,}"
    if not batches:
        return f"owners: {vanish:,} of {planned.owners:,} may vanish in a round; {none} is opened"
    least = planned.owners // batches
    return (
        f"owners: a round asks {planned.asked:,} of {planned.owners:,}, {drawn} of {batches} fixed "
        f"batches of {least:,} or more in turn; {vanish:,} of a batch may vanish, and {none} of a "
        f"batch is opened"
    )


def _headroom(planned: Outline) -> str:
    bits, layout = planned.headroom_bits, planned.cost.setting.layout
    room = f"slots of {layout.width} bits" if layout else f"the field {planned.cost.setting.field}"
    if not isfinite(bits):
        return f"all of {room}"
    return (
        f"{floor(bits * 10) / 10:.1f} bits in {room}: sums stay exact for values up to "
        f"{2.0**bits:,.3g} times the largest that the job allows"
    )
