"""Runs a job and drains for a second only; started by `test_stops`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from infra.casting import cast
from infra.cli.session import run_federation, summary
from infra.cli.terminal import display_of
from infra.config import load_job


async def main(job: Path, home: Path) -> int:
    display = display_of("json")
    result = await run_federation(await cast(load_job(job)), home, display, drain_s=1.0)
    display.final(summary(result, display, {}))
    return result.exit_code


if __name__ == "__main__":
    Path(sys.argv[2]).mkdir()
    sys.exit(asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]))))
