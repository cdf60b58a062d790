"""`quorate doctor`: everything a job or an actor depends on, looked at once."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path

from infra.config import ConfigError
from infra.doctor.cluster import Inspection
from infra.doctor.examination import examine
from infra.doctor.finding import Finding, Level
from infra.rabbitmq.management import Management, ManagementError

from .display import print_json
from .signals import STOPPED
from .terminal import console, show_config_error, show_interrupted

ADMIN_VARIABLE = "QUORATE_BROKER_ADMIN"
_WELL, _ILL, _USAGE = 0, 1, 2


def examine_and_show(path: Path, *, management: str | None, ca: Path | None, output: str) -> int:
    """Look at everything, show it as it is found, and return the exit code."""
    try:
        _require(path)
        api = None if management is None else _inspection(management, ca)
        counts = asyncio.run(_examined(examine(path, api, ca=ca), output))
    except ConfigError as error:
        show_config_error(error, output)
        return _USAGE
    except KeyboardInterrupt:
        show_interrupted(output)
        return STOPPED
    _sum_up(counts, output)
    return _ILL if counts[Level.ERROR] else _WELL


def _require(path: Path) -> None:
    if not path.exists():
        raise ConfigError([f"{path}: not there; name a job file or the home of an actor"])


def _inspection(url: str, ca: Path | None) -> Inspection:
    try:
        found = Management.parse(url, credentials=os.environ.get(ADMIN_VARIABLE), ca_file=ca)
    except ManagementError as error:
        raise ConfigError([f"--management: {error}"]) from None
    return Inspection(found.url, found.user, found.password, found.ca_file)


async def _examined(findings: AsyncIterator[Finding], output: str) -> Counter[Level]:
    counts: Counter[Level] = Counter()
    async for finding in findings:
        counts[finding.level] += 1
        _show(finding, output)
    return counts


def _show(finding: Finding, output: str) -> None:
    if output == "json":
        print_json({"kind": "finding", **asdict(finding)})
        return
    console.print(
        f"{finding.level.value:<8} {finding.check:<20} {finding.what}",
        markup=False,
        soft_wrap=True,
        style={Level.ERROR: "red", Level.WARNING: "yellow", Level.OK: ""}[finding.level],
    )
    if finding.fix:
        console.print(f"{'':<8} {'to do':<20} {finding.fix}", markup=False, soft_wrap=True)


def _sum_up(counts: Counter[Level], output: str) -> None:
    errors, warnings = counts[Level.ERROR], counts[Level.WARNING]
    if output == "json":
        outcome = "problems" if errors else "well"
        print_json(
            {
                "kind": "summary",
                "outcome": outcome,
                "errors": errors,
                "warnings": warnings,
                "checked": counts.total(),
            }
        )
        return
    console.print(f"{counts.total()} looked at: {errors} problems, {warnings} warnings")
