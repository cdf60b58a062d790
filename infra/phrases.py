"""Durations and lists of names in words."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.reports import TrainersSuspected

_SHOWN = 5  # names of a list


def duration(seconds: float) -> str:
    """Return a duration of 0 and more with two units at most: `42 s`, `3 min 20 s`, `2 d 4 h`."""
    whole = round(max(0.0, seconds))
    for unit, size, smaller, part in (
        ("d", 86_400, "h", 3600),
        ("h", 3600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def names(listed: Sequence[str], last: str = "and") -> str:
    """Return names as a list in a sentence; of many only the first."""
    if not listed:
        return "nobody"
    shown = list(listed[:_SHOWN])
    more = len(listed) - len(shown)
    if more > 0:
        return f"{', '.join(shown)} {last} {more} more"
    return f" {last} ".join(part for part in (", ".join(shown[:-1]), shown[-1]) if part)


def suspicion(event: TrainersSuspected) -> str:
    """Say who is under suspicion of garbling sums, and what becomes of them."""
    if not event.groups:
        return "nobody is suspected of garbling sums any more"
    told = []
    tried = [n for group in event.groups for n in group if n not in event.left_out]
    if tried:
        told.append(
            f"a sum was garbled, and the mask of one of {names(tried, 'or')} does not belong to "
            f"its secret: they take part in turns until it is known whose"
        )
    if event.left_out:
        told.append(
            f"sums with {names(event.left_out)} were garbled, and so few can't be told apart: "
            f"their owners should look at their trainers (version, memory, disk); they are tried "
            f"again when {event.asked_at} rounds of the job are completed"
        )
    return "; ".join(told)
