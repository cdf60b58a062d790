"""What figures were measured with: machine, versions, commit, and how busy it was."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_LIBRARIES = ("quorate", "numpy", "numba", "cryptography", "msgspec")


def description() -> dict[str, Any]:
    """Return it as JSON takes it."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "commit": _commit(),
        "load": [round(one, 1) for one in os.getloadavg()],
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _commit() -> str:
    """Return the commit, with a `+` where files have changed since; empty outside of git."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        said = [
            subprocess.run([*git, *words], check=True, capture_output=True, text=True).stdout
            for words in (("rev-parse", "--short", "HEAD"), ("status", "--short", "-uno"))
        ]
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said[0].strip() + ("+" if said[1].strip() else "")
