"""A kept history, run again and told as a story."""

from __future__ import annotations

from dataclasses import dataclass

from infra.simulation.ghost import Violation
from infra.simulation.job import roster_of
from infra.simulation.runner import History, run
from infra.simulation.story import Line, printed, story
from infra.simulation.witness import Witness
from infra.simulation.wording import cast, meaning, planned

from .reproduction import Failure, Reproduction


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
    history = run(kept.plan, kept.seed, keep_trace=keep_trace, witness=witness)
    witness.finish()
    host = history.violations[0].host if history.violations else ""
    lines = story(witness.moments, roster_of(kept.plan.size), host)
    return Replay(kept, history, lines, witness.disk)


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
