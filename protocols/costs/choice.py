"""Which suite a round is to have: the fastest, where it is worth what it takes to believe in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .effort import Effort, effort_of
from .setting import Setting
from .traffic import Traffic, traffic_of

OWNER_LINK, SITE_LINK = 12.5e6, 125e6
"""Bytes a second of an owner, 100 Mbit/s, and of holders, coordinator and broker, ten times that.

An assumption, and the same for every suite.
"""

WORTH = 1.1
"""A suite that assumes more than another one must make rounds faster by this factor."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A round that could be, and what it takes."""

    setting: Setting
    traffic: Traffic
    effort: Effort

    @classmethod
    def of(cls, setting: Setting) -> Cost:
        """Work out what a round takes."""
        return cls(setting, traffic_of(setting), effort_of(setting))

    @property
    def seconds(self) -> float:
        """How long a round takes, one party after the other, without the owners' own code.

        All owners compute and send at once; the party among the others that gets most has to
        take it in; then holders add, and the coordinator opens.
        """
        bytes_, effort = self.traffic, self.effort
        busiest = max(bytes_.holder_in, bytes_.coordinator_in, bytes_.broker_out)
        links = bytes_.trainer_up / OWNER_LINK + busiest / SITE_LINK
        return links + effort.trainer_s + effort.holder_s + effort.coordinator_s


@dataclass(frozen=True, slots=True)
class Ruled:
    """A suite that a round can't have, by name, and why."""

    name: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was chosen, and what else there was, in the order in which it is preferred."""

    chosen: Cost
    possible: tuple[Cost, ...]
    ruled_out: tuple[Ruled, ...] = ()

    @property
    def why(self) -> str:
        """Say in a sentence why this suite."""
        own = self.chosen
        others = [each for each in self.possible if each is not own]
        sent = size_text(own.traffic.trainer_up)
        what = f"{sent} from each owner and {span_text(own.seconds)} a round"
        if not others:
            return f"{what}; no other suite suits this job"
        next_best = min(others, key=lambda each: each.seconds)
        beside = (
            f"where {next_best.setting.name} takes {size_text(next_best.traffic.trainer_up)} "
            f"and {span_text(next_best.seconds)}"
        )
        nearly = next_best.seconds < own.seconds <= WORTH * next_best.seconds
        if nearly and _assumed(own.setting) < _assumed(next_best.setting):
            return f"{what}, {beside}: not {WORTH:g} times as fast, and it assumes more"
        return f"{what}, {beside}"


def decide(possible: Sequence[Setting], ruled_out: Sequence[Ruled] = ()) -> Decision:
    """Choose among settings, which stand in the order of what they assume, the least first.

    The first is taken that is as fast as the fastest, up to the factor `WORTH`. The same
    settings always give the same choice.

    Raises:
        ValueError: there is nothing to choose from.
    """
    if not possible:
        raise ValueError("no suite to choose from")
    costs = tuple(Cost.of(setting) for setting in possible)
    fastest = min(cost.seconds for cost in costs)
    chosen = next(cost for cost in costs if cost.seconds <= WORTH * fastest)
    return Decision(chosen, costs, tuple(ruled_out))


def _assumed(setting: Setting) -> tuple[int, int]:
    """Return what tells how much a suite assumes: the smaller, the less."""
    return ("shamir", "packed", "masked").index(setting.suite), setting.packing


def size_text(count: float) -> str:
    """Write a number of bytes, in units of a thousand."""
    for unit in ("bytes", "KB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"


def span_text(seconds: float) -> str:
    """Write a time."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
