"""Seeded decisions, each from the name of what is decided on: none shifts when another is gone."""

from __future__ import annotations

from math import log
from random import Random

from xxhash import xxh3_64_intdigest

_STEPS = 256
_WORD = (1 << 64) - 1
# Exponential with mean 1, in equally likely steps.
_EXPONENTIAL = tuple(-log(1.0 - (step + 0.5) / _STEPS) for step in range(_STEPS))
_LEAST = 0.2  # of a hop's mean time
_HOP = tuple(_LEAST + waiting for waiting in _EXPONENTIAL)


def mixed(seed: int, name: str, number: int = 0) -> int:
    """Return 64 bits that belong to a seed, a name and a number."""
    return xxh3_64_intdigest(name.encode(), seed=(seed * 0x9E3779B97F4A7C15 + number) & _WORD)


def stream(seed: int, name: str) -> Random:
    """Return a generator of its own for one concern."""
    return Random(mixed(seed, name))  # noqa: S311 - for a schedule, never for secrets


def fraction(bits: int, shift: int) -> float:
    """Return 16 of the bits as a number from 0 up to 1."""
    return ((bits >> shift) & 0xFFFF) / 65536


def hop_s(mean_s: float, bits: int, shift: int) -> float:
    """Return the time of one way of this mean, given 8 of the bits."""
    return mean_s * _HOP[(bits >> shift) & 0xFF]


def exponential(bits: int, shift: int) -> float:
    """Return 8 of the bits as a waiting time with mean 1, at most about 6."""
    return _EXPONENTIAL[(bits >> shift) & 0xFF]
