"""Histories until the first that breaks a rule: `python -m mutants.histories SEEDS`, in a copy.

Prints one JSON object: `seeds` is how many were run; `caught` is the first broken rule and `text`
how it was broken; `breakdown` says instead why the code does not run. What is not so is null.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from . import own_code

_CRASHED = "crashed by itself: "


def main(seeds: int) -> dict[str, object]:
    """Run seeds from 0 until a rule is broken; return what is printed."""
    own_code.require(Path.cwd())
    # Only now, when it is known to be the copy's.
    from infra.simulation.runner import run  # noqa: PLC0415
    from infra.simulation.swarm import plan_of  # noqa: PLC0415

    for seed in range(seeds):
        broken = run(plan_of(seed), seed).violations
        breakdown = next((v.text for v in broken if _is_breakdown(v.text)), None)
        if breakdown is not None:
            return _told(seed + 1, None, str(broken[0]), breakdown)
        if broken:
            # An actor that its own guards ended says less than a promise that was broken.
            said = next((v for v in broken if not v.text.startswith(_CRASHED)), broken[0])
            return _told(seed + 1, said.rule.value, str(said), None)
    return _told(seeds, None, None, None)


def _told(
    seeds: int, caught: str | None, text: str | None, breakdown: str | None
) -> dict[str, object]:
    return {"seeds": seeds, "caught": caught, "text": text, "breakdown": breakdown}


def _is_breakdown(text: str) -> bool:
    kind = text.removeprefix(_CRASHED).partition(":")[0]
    return text.startswith(_CRASHED) and kind in own_code.BREAKDOWNS


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
