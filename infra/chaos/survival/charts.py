"""The pictures of a report, as inline SVG: when rounds ended and faults struck, and recovery."""

from __future__ import annotations

from .figures import BUCKETS_S, Spread
from .markup import Html, tag
from .story import Round, Story, Strike

_WIDTH, _LEFT, _RIGHT = 960, 96, 12
_LANE, _ROUND = 18, 22
_PARTIES = ("coordinator", "holder", "trainer", "broker")
_STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600, 7200, 14400, 43200)
_MOST_TICKS = 12
_LATE = "not before the end"
_NUMBER_WIDTH = 18  # a round that is drawn narrower shows no number


def timeline(story: Story) -> Html:
    """Draw the rounds of a history, and above them a mark for each fault, by party."""
    lanes = [p for p in _PARTIES if any(strike.party == p for strike in story.strikes)]
    top = _LANE * len(lanes) + 6
    height = top + _ROUND + 24
    scale = _Scale(max(story.end_s, 1.0))
    marks = [
        _mark(strike, scale.x(strike.at_s), lanes.index(strike.party)) for strike in story.strikes
    ]
    label = (
        f"Timeline of seed {story.seed}: {len(story.complete)} rounds complete, "
        f"{len(story.abandoned)} abandoned, {len(story.strikes)} faults in {story.end_s:.0f} s"
    )
    names = [
        tag(
            "text",
            f"{lane}" if lane in ("coordinator", "broker") else f"{lane}s",
            x=0,
            y=_LANE * i + 13,
        )
        for i, lane in enumerate(lanes)
    ]
    rounds = [_round(each, scale, top) for each in story.rounds]
    return tag(
        "svg",
        tag("title", label),
        *names,
        tag("text", "rounds", x=0, y=top + 15),
        *rounds,
        *marks,
        *_axis(scale, top + _ROUND + 4),
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        aria_label=label,
    )


class _Scale:
    def __init__(self, end_s: float) -> None:
        self.end_s = end_s

    def x(self, at_s: float) -> float:
        """Return where a time is drawn."""
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * min(at_s, self.end_s) / self.end_s, 1)


def _round(each: Round, scale: _Scale, top: int) -> Html:
    left, right = scale.x(each.began_s), scale.x(each.ended_s)
    width = max(1.0, round(right - left - 1, 1))
    said = f"round {each.number}: {each.fate}, {each.began_s:.1f} to {each.ended_s:.1f} s"
    if each.survivors:
        said += f", sum of {len(each.survivors)}"
    if each.reason:
        said += f", {each.reason}"
    inner = [tag("title", said)]
    inner.append(tag("rect", x=left, y=top, width=width, height=_ROUND, class_=each.fate))
    if each.fate == "abandoned":
        cross = f"M{left} {top + _ROUND}L{left + width} {top}"
        inner.append(tag("path", d=cross, class_="cross"))
    elif width >= _NUMBER_WIDTH:
        middle = round(left + width / 2, 1)
        inner.append(
            tag("text", str(each.number), x=middle, y=top + 15, class_="on", text_anchor="middle")
        )
    return tag("g", *inner)


def _mark(strike: Strike, x: float, lane: int) -> Html:
    y = _LANE * lane + 4
    where = f", in {strike.step}" if strike.step else ""
    said = f"{strike.at_s:.1f} s: {strike.action} {strike.target}{where}"
    path = f"M{x - 5} {y}L{x + 5} {y}L{x} {y + 10}Z"
    return tag("path", tag("title", said), d=path, class_="mark")


def _axis(scale: _Scale, y: int) -> list[Html]:
    step = next((s for s in _STEPS_S if scale.end_s / s <= _MOST_TICKS), _STEPS_S[-1])
    parts = [tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="axis")]
    for number in range(int(scale.end_s / step) + 1):
        x = scale.x(number * step)
        parts.append(tag("line", x1=x, x2=x, y1=y, y2=y + 4, class_="axis"))
        parts.append(tag("text", f"{number * step} s", x=x, y=y + 16, text_anchor="middle"))
    return parts


def histogram(spread: Spread, what: str) -> Html:
    """Draw how many faults took how long until `what`; the last bar is what was not seen."""
    bars = list(zip(_labels(), spread.buckets, strict=True))
    struck = [place for place, (_, count) in enumerate(bars) if count]
    shown = bars[struck[0] : struck[-1] + 1] if struck else []
    if spread.open:
        shown.append((_LATE, spread.open))
    most = max((count for _, count in shown), default=1)
    label = f"Faults by time until {what}: " + ", ".join(f"{n}: {c}" for n, c in shown)
    parts = [tag("title", label)]
    room = _WIDTH - 130 - 60
    for place, (name, count) in enumerate(shown):
        y, width = place * 24, round(room * count / most, 1)
        parts += [
            tag("text", name, x=122, y=y + 15, text_anchor="end"),
            tag(
                "rect",
                x=130,
                y=y + 3,
                width=width,
                height=17,
                class_="late" if name == _LATE else "bar",
            ),
            tag("text", str(count), x=136 + width, y=y + 16, class_="value"),
        ]
    height = 24 * len(shown) + 4
    return tag("svg", *parts, viewBox=f"0 0 {_WIDTH} {height}", role="img", aria_label=label)


def _labels() -> list[str]:
    names, before = [], "0"
    for bound in BUCKETS_S:
        names.append(f"{before} to {bound:g} s")
        before = f"{bound:g}"
    return [*names, f"above {before} s"]
