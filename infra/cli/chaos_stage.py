"""What all drills of `quorate chaos` have in common: a folder, an end, a last line."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from infra.chaos.real_stage import EndedEarly
from infra.config import ConfigError
from infra.rabbitmq.erlang_host import BrokerMissing, NodeFailed
from infra.rabbitmq.ports import NoFreePort

from .session import DONE, FAILED, USAGE
from .signals import STOPPED
from .terminal import console, log_to, show_config_error, show_interrupted

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the homes and logs go, None for a scratch folder; a chroot with another RabbitMQ."""

    folder: Path | None
    root: Path | None


def play(
    place: Place,
    output: str,
    drill: Callable[[Path], Coroutine[Any, Any, R]],
    show: Callable[[R], bool],
) -> int:
    """Run a drill in its folder and show its report; return the exit code.

    `show` returns whether the drill was survived.
    """
    return in_folder(
        place, output, lambda folder: DONE if show(asyncio.run(drill(folder))) else FAILED
    )


def in_folder(place: Place, output: str, work: Callable[[Path], int]) -> int:
    """Do what needs a folder and a broker, and return its exit code, or that of what went wrong."""
    with tempfile.TemporaryDirectory(prefix="quorate-chaos-") as scratch:
        folder = (place.folder or Path(scratch)).absolute()
        try:
            _prepare(folder)
            return work(folder)
        except (ConfigError, BrokerMissing, NodeFailed, NoFreePort, EndedEarly) as error:
            problems = error.problems if isinstance(error, ConfigError) else [str(error)]
            show_config_error(ConfigError(problems), output)
            return FAILED if isinstance(error, EndedEarly) else USAGE
        except KeyboardInterrupt:
            show_interrupted(output)
            return STOPPED


def say(text: str) -> None:
    """Print one line as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _prepare(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError([f"{folder}: not empty; name a new folder with --home"])
    folder.mkdir(parents=True, exist_ok=True)
    log_to(folder / "chaos.log")
