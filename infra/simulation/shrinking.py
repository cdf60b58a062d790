"""Delta debugging: leave out what a failure does not need (Zeller and Hildebrandt, 2002)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def ddmin(items: Sequence[T], fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """Return some of the items, in their order, with which it still fails.

    `items` must fail. The result is 1-minimal: without any one of its items it does not fail,
    or it is empty. For n items `fails` is called n² + 3n + 1 times at most, about n when few
    matter, and never with what is empty twice. A `fails` that has had enough may answer False
    from then on: the result is then the best so far.
    """
    kept = tuple(items)
    if not kept or fails(()):
        return ()
    size = (len(kept) + 1) // 2
    while True:
        fewer = _pass(kept, size, fails)
        if size == 1 and len(fewer) == len(kept):
            return kept
        kept, size = fewer, max(1, min(size // 2, (len(fewer) + 1) // 2))


def _pass(kept: tuple[T, ...], size: int, fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """Try once to do without each piece of so many items; later ones first."""
    end = len(kept)
    while end > 0:
        begin = max(0, end - size)
        fewer = kept[:begin] + kept[end:]
        if fewer and fails(fewer):
            kept = fewer
        end = begin
    return kept


def first_that(candidates: Sequence[T], fails: Callable[[T], bool], otherwise: T) -> T:
    """Return the first candidate that fails too; candidates are given simplest first."""
    return next((candidate for candidate in candidates if fails(candidate)), otherwise)
