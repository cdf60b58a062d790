"""Whether a history came to what its scenario expects."""

from __future__ import annotations

from collections.abc import Iterator

from infra.chaos.scenario import Script

from .figures import Unmet
from .story import Story, Strike


def unmet_by(script: Script, story: Story) -> tuple[Unmet, ...]:
    """Return every expectation that this history did not meet, with what it came to instead."""
    return tuple(
        Unmet(seed=story.seed, expectation=name, text=text) for name, text in _found(script, story)
    )


def _found(script: Script, story: Story) -> Iterator[tuple[str, str]]:
    yield from _counts(script, story)
    expect = script.expect
    fewest = min((len(each.survivors) for each in story.complete if each.survivors), default=None)
    least = expect.survivors_at_least
    if least is not None and fewest is not None and fewest < least:
        yield "survivors_at_least", f"a sum of {fewest}, not of {least} or more"
    for strike in story.strikes:
        sum_bound = ("recovered_within_s", expect.recovered_within_s, strike.sum_s)
        yield from _late(story, strike, sum_bound)
        all_bound = ("everybody_within_s", expect.everybody_within_s, strike.everybody_s)
        yield from _late(story, strike, all_bound)
    if expect.all_strike:
        for place in story.missed:
            yield "all_strike", f"fault[{place}] never struck"


def _counts(script: Script, story: Story) -> Iterator[tuple[str, str]]:
    expect, completed = script.expect, len(story.complete)
    if expect.completed_at_least is not None and completed < expect.completed_at_least:
        text = f"{completed} rounds complete, not {expect.completed_at_least} or more"
        yield "completed_at_least", text
    if expect.completed_at_most is not None and completed > expect.completed_at_most:
        text = f"{completed} rounds complete, not {expect.completed_at_most} or fewer"
        yield "completed_at_most", text
    abandoned = len(story.abandoned)
    if expect.abandoned_at_most is not None and abandoned > expect.abandoned_at_most:
        text = f"{abandoned} rounds abandoned, not {expect.abandoned_at_most} or fewer"
        yield "abandoned_at_most", text


def _late(
    story: Story, strike: Strike, bound: tuple[str, float | None, float | None]
) -> Iterator[tuple[str, str]]:
    name, bound_s, took_s = bound
    # What was not seen before the end may still have come in time.
    waited_s = story.end_s - strike.at_s if took_s is None else took_s
    if bound_s is not None and waited_s > bound_s:
        whom = f"{strike.action} {strike.target} at {strike.at_s:.1f} s"
        text = "not before the end" if took_s is None else f"after {took_s:.1f} s"
        yield name, f"{whom}: {text}, not within {bound_s:g} s"
