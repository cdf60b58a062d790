"""Runs a kept history again, and tells it as a story or as JSON lines."""

from __future__ import annotations

from pathlib import Path

from infra.chaos.reproduction import BadReproduction, Reproduction
from infra.chaos.retelling import Replay, replayed, told
from infra.config import ConfigError
from infra.simulation.wording import cast

from .chaos_stage import say
from .display import print_json
from .session import DONE, FAILED, USAGE
from .terminal import show_config_error


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
