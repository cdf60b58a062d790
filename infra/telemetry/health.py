"""Is this process well? A judgement of facts, the same for people, probes and the watchdog."""

from __future__ import annotations

from dataclasses import dataclass

from .snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthLimits:
    """How long something may be in the way before it counts. All in seconds.

    Attributes:
        loop_s: the event loop does not answer.
        link_s: the link to the broker does not work.
        inbox_s: a message is with the actor and is not acknowledged.
        start_s: the actor is being built.
    """

    loop_s: float = 10.0
    link_s: float = 120.0
    inbox_s: float = 120.0
    start_s: float = 120.0


def ailments(state: Snapshot, loop_silent_s: float, limits: HealthLimits) -> tuple[str, ...]:
    """Name everything for which a probe should call this process ill; nothing when it is well."""
    found = []
    if loop_silent_s > limits.loop_s:
        found.append(f"the event loop has not answered for {loop_silent_s:.0f} s")
    found += _of_life(state, limits)
    link = state.link
    if link is not None and link.state == "closed" and state.life != "ended":
        found.append(f"the link to the broker was closed: {link.reason}")
    elif link is not None and link.down_s > limits.link_s:
        found.append(f"no link to the broker for {link.down_s:.0f} s: {link.reason}")
    return (*found, *_of_work(state, limits))


def makes_progress(state: Snapshot, limits: HealthLimits) -> bool:
    """Say whether the actor gets on with its work: the watchdog's question.

    A broker that is away or full is no reason to end this process: a new one could not do
    better.
    """
    return not _of_work(state, limits)


def _of_life(state: Snapshot, limits: HealthLimits) -> list[str]:
    match state.life:
        case "restarting":
            return [f"the actor crashed and is being built again: {state.life_reason}"]
        case "ended":
            return ["the actor has ended"]
        case "starting" if state.life_s > limits.start_s:
            return [f"the actor has been starting for {state.life_s:.0f} s"]
    return []


def _of_work(state: Snapshot, limits: HealthLimits) -> list[str]:
    works = state.link is None or state.link.state == "open"
    if works and state.inbox_oldest_s > limits.inbox_s:
        return [
            f"the actor makes no progress: a message has been in its hands for "
            f"{state.inbox_oldest_s:.0f} s"
        ]
    return []
