"""Runs a kept history again, and tells it as a story or as JSON lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.chaos.reproduction import BadReproduction, Failure, Reproduction
from infra.config import ConfigError
from infra.simulation.ghost import Violation
from infra.simulation.job import roster_of
from infra.simulation.runner import History
from infra.simulation.runner import run as run_history
from infra.simulation.story import Line, printed, story
from infra.simulation.witness import Witness
from infra.simulation.wording import cast, meaning, planned

from .chaos_stage import say
from .display import print_json
from .session import DONE, FAILED, USAGE
from .terminal import show_config_error


@dataclass(frozen=True, slots=True)
class Replay:
    """What was kept, and what came of it now."""

    kept: Reproduction
    history: History
    lines: list[Line]
    disk: tuple[str, ...]

    @property
    def broken(self) -> Violation | None:
        """The first rule that was broken, None where none was."""
        return next(iter(self.history.violations), None)

    @property
    def outcome(self) -> str:
        """`mended`, `fails` as it did, or `fails otherwise`."""
        if self.broken is None:
            return "mended"
        alike = Failure.of(self.broken, self.kept.plan) == self.kept.failure
        return "fails" if alike else "fails otherwise"


def replayed(kept: Reproduction, *, keep_trace: bool = False) -> Replay:
    """Run it again. Must not be called inside an event loop."""
    witness = Witness()
    history = run_history(kept.plan, kept.seed, keep_trace=keep_trace, witness=witness)
    witness.finish()
    host = history.violations[0].host if history.violations else ""
    lines = story(witness.moments, roster_of(kept.plan.size), host)
    return Replay(kept, history, lines, witness.disk)


def run(file: Path, trace: Path | None, output: str) -> int:
    """Replay a file and return the exit code."""
    try:
        kept = Reproduction.read(file)
        replay = replayed(kept, keep_trace=trace is not None)
        if trace is not None:
            trace.write_text(replay.history.trace)
    except (BadReproduction, OSError) as error:
        show_config_error(ConfigError([str(error)]), output)
        return USAGE
    if output == "json":
        _print(replay)
    else:
        for line in told(replay):
            say(line)
    return DONE if replay.broken is None else FAILED


def told(replay: Replay) -> list[str]:
    """Return the whole story, line by line."""
    kept, lines = replay.kept, [f"seed {replay.kept.seed}, kept by {replay.kept.software}"]
    lines += [kept.note] if kept.note else []
    lines += ["", *(f"  {line}" for line in cast(kept.plan))]
    for fault in kept.plan.faults:
        when = "" if fault.aim else f" at {fault.at_s:g} s"
        lines.append(f"    {fault.target or 'broker or all'}: {planned(fault)}{when}")
    lines += ["", "  seconds  round and step    ! fault  * host  = round  X broken", ""]
    lines += [*printed(replay.lines), ""]
    return lines + _ending(replay)


def _ending(replay: Replay) -> list[str]:
    broken = replay.broken
    if broken is None:
        completed = f"rounds complete: {replay.history.completed}"
        return [f"No rule was broken; {completed}. It used to be: {replay.kept.said}"]
    last = replay.lines[-1]
    lines = [
        f"BROKEN: {broken.rule.value}.",
        f"  {broken.host} at {broken.at_s:.3f} s, in round {last.number}, {last.step}: "
        f"{broken.text}.",
        f"  {meaning(broken.rule)}",
    ]
    if replay.disk:
        lines.append(f"  On the disk of {broken.host} at that moment: {', '.join(replay.disk)}.")
    if (more := len(replay.history.violations) - 1) > 0:
        lines.append(f"  {more} more followed.")
    if replay.outcome == "fails otherwise":
        lines.append(f"  It was kept for another failure: {replay.kept.said}")
    return lines


def _print(replay: Replay) -> None:
    kept, history, broken = replay.kept, replay.history, replay.broken
    print_json({"kind": "cast", "seed": kept.seed, "lines": cast(kept.plan), "note": kept.note})
    for line in replay.lines:
        print_json(
            {
                "kind": line.what.value,
                "at_s": line.at_s,
                "round": line.number,
                "step": line.step,
                "who": line.who,
                "to": line.to,
                "text": line.text,
                "facts": line.facts,
                "times": line.times,
            }
        )
    print_json(
        {
            "kind": "summary",
            "outcome": replay.outcome,
            "rule": None if broken is None else broken.rule.name.lower(),
            "text": "" if broken is None else str(broken),
            "disk": list(replay.disk),
            "violations": len(history.violations),
            "completed": history.completed,
            "abandoned": history.abandoned,
            "digest": history.digest,
        }
    )
