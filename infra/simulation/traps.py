"""While a simulation runs, whatever would let the real world in raises, and shows where."""

from __future__ import annotations

import logging
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# A kernel that was never called before is compiled and kept on the disk: no history can tell.
_COMPILER, _NEAR = "numba.", 4

# The logging module stamps its records with the real time; the simulation shows nobody the stamp.
_STAMPS = ("time", "time_ns")
_TIME = (*_STAMPS, "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep")
_RANDOM = (
    "random",
    "randint",
    "randrange",
    "randbytes",
    "choice",
    "choices",
    "sample",
    "shuffle",
    "uniform",
    "getrandbits",
)
_PLACES: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (time, _TIME),
    (os, ("urandom", "fork")),
    (random, _RANDOM),
    (secrets, ("token_bytes", "token_hex", "randbits")),
    (uuid, ("uuid1", "uuid4")),
    (socket, ("socket",)),
    (subprocess, ("Popen",)),
    (threading.Thread, ("start",)),
)


class Escaped(BaseException):
    """The simulated program reached for the real world. No `except Exception` may hide it."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} was called inside a simulation: take time, entropy and work from the ports"
        )


@contextmanager
def trapped() -> Iterator[None]:
    """Replace the ways out of this thread's simulation; put them back afterwards.

    Other threads may go on with the real functions.
    """
    inside = threading.get_ident()
    kept = [(place, name, getattr(place, name)) for place, names in _PLACES for name in names]
    for place, name, real in kept:
        setattr(place, name, _trap(f"{_name(place)}.{name}", real, inside))
    try:
        yield
    finally:
        for place, name, real in kept:
            setattr(place, name, real)


def _name(place: Any) -> str:
    return str(place.__name__)


def _trap(name: str, real: Callable[..., Any], inside: int) -> Callable[..., Any]:
    may_be_stamped = name.removeprefix("time.") in _STAMPS

    def trap(*args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != inside:
            return real(*args, **kwargs)
        if may_be_stamped and sys._getframe(1).f_globals.get("__name__") == logging.__name__:
            return real(*args, **kwargs)
        if _for_the_compiler():
            return real(*args, **kwargs)
        raise Escaped(name)

    return trap


def _for_the_compiler() -> bool:
    frame: FrameType | None = sys._getframe(2)
    for _ in range(_NEAR):
        if frame is None:
            return False
        if str(frame.f_globals.get("__name__")).startswith(_COMPILER):
            return True
        frame = frame.f_back
    return False
