"""The machine: Python, what it is built from, room on the disk, limits of the system."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from infra.origins import check_origins

from .finding import Finding, fine, problem, warning

_OLDEST_PYTHON = (3, 11)
_LIBRARIES = ("numpy", "numba", "aio-pika")
_SCARCE_BYTES, _FULL_BYTES = 2 * 2**30, 200 * 2**20
_FEW_FILES = 1024
_FEW_INODES = 1000


def python() -> Finding:
    """Look at the version of Python."""
    if sys.version_info < _OLDEST_PYTHON:
        return problem(
            "machine.python", f"Python {platform.python_version()} is too old", "use 3.11 or newer"
        )
    return fine("machine.python", f"Python {platform.python_version()}, {platform.platform()}")


def libraries() -> Finding:
    """Look whether the libraries for every role are installed."""
    found, missing = [], []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return problem(
            "machine.libraries", f"not installed: {', '.join(missing)}", "install quorate again"
        )
    return fine("machine.libraries", ", ".join(found))


def origins() -> Finding:
    """Look whether our packages are ours, and whether the current folder can hide them."""
    try:
        check_origins()
    except ImportError as error:
        return problem("machine.packages", str(error), "see the sentence before")
    if not sys.flags.safe_path:
        return warning(
            "machine.packages",
            "Python looks for packages in the current folder or beside the script first",
            "set PYTHONSAFEPATH=1 in the service's environment",
        )
    return fine("machine.packages", "only installed packages are looked at")


def room(folder: Path) -> Finding:
    """Look at the free space and the free entries of the disk that holds a folder."""
    free = shutil.disk_usage(folder).free
    entries = os.statvfs(folder)
    shown = f"{free / 2**30:.1f} GiB are free at {folder}"
    if free < _FULL_BYTES or (entries.f_files and entries.f_favail < _FEW_INODES):
        return problem(
            "machine.disk",
            f"{shown}, {entries.f_favail} entries",
            "make room: journals and spools need it, and an actor stops without",
        )
    if free < _SCARCE_BYTES:
        return warning("machine.disk", shown, "make room before it runs out")
    return fine("machine.disk", shown)


def open_files() -> Finding:
    """Look how many files and sockets a process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < _FEW_FILES:
        return warning(
            "machine.open_files",
            f"a process may have {soft} files open",
            f"raise LimitNOFILE (systemd), nofile (container) or `ulimit -n` to {_FEW_FILES}",
        )
    return fine("machine.open_files", f"a process may have {soft} files open")


MACHINE: tuple[Callable[[], Finding], ...] = (python, libraries, origins, open_files)
