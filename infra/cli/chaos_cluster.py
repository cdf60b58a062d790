"""`quorate chaos --cluster`: take nodes away from a federation on a cluster of three."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from infra.chaos.cluster_drill import Act, Report, Wanted, run_cluster

from .chaos_stage import Place, play, say
from .display import print_json
from .terminal import console


def run(place: Place, output: str, *, replicated: bool) -> int:
    """Run the drill and return the exit code."""

    async def drill(folder: Path) -> Report:
        wanted = Wanted(folder, replicated, place.root)
        return await run_cluster(wanted, lambda act: _tell(act, output))

    return play(place, output, drill, lambda report: _show(report, output))


def _tell(act: Act, output: str) -> None:
    if output == "json":
        print_json({"kind": "act", **asdict(act), "outlived": act.outlived})
    elif output == "live":
        say(f"{act.node}: {act.what}: {_s(act.whole_s)} s until a round had everybody")


def _show(report: Report, output: str) -> bool:
    if output == "json":
        print_json(
            {
                "kind": "summary",
                "outcome": "survived" if report.passed else "failed",
                "problems": list(report.problems),
                "broker": report.broker,
                "replicated": report.replicated,
                "acts": [{**asdict(act), "outlived": act.outlived} for act in report.acts],
                "rounds": report.rounds,
                "messages_left": report.remains.messages,
                "shares_left": report.remains.shares,
            }
        )
        return report.passed
    table = Table("node", "what", "confirmed", "a sum", "everybody", "node away")
    table.box, table.padding = None, (0, 1, 0, 0)
    for act in report.acts:
        times = (act.confirm_s, act.round_s, act.whole_s, act.away_s)
        table.add_row(act.node, act.what, *(f"{_s(each)} s" for each in times))
    console.print(table)
    queues = "replicated" if report.replicated else "partly on one node"
    say(
        f"RabbitMQ {report.broker}, queues {queues}: {report.rounds['complete']} rounds complete, "
        f"{report.rounds['abandoned']} abandoned"
    )
    for problem in report.problems:
        say(f"! {problem}")
    return report.passed


def _s(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
