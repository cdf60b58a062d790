"""The odds of a round as curves, over the trainers that drop and over the holders that are lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .odds import Dangers, Setting, neighbours, round_odds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg")
_POINTS = 101


class NoPlots(Exception):
    """Matplotlib is not installed; the text says how to get it."""


def plot(setting: Setting, dangers: Dangers, file: Path) -> None:
    """Draw the setting and its neighbours into `file`, whose suffix is one of `FORMATS`.

    Raises:
        NoPlots: matplotlib is missing.
        OSError: the file can't be written.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise NoPlots("--plot needs matplotlib: pip install 'quorate[plots]'") from None
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    near = list(neighbours(setting, with_patience=False))
    by_minimum = [one for one in near if one[1].holders == setting.holders]
    trainers = [one for one in by_minimum if one[1].threshold == setting.threshold]
    holders = [one for one in near if one[1].minimum == setting.minimum]
    _curves(left, trainers, lambda share: replace(dangers, drop=share))
    _curves(right, holders, lambda share: replace(dangers, holder_loss=share))
    _label(left, "trainers that drop", dangers.drop)
    _label(right, "holders that are away", dangers.holder_loss)
    left.set_ylabel("a round completes")
    figure.savefig(file, dpi=150)


def _curves(
    axes: Axes, settings: Iterable[tuple[str, Setting]], dangers: Callable[[float], Dangers]
) -> None:
    shares = [place / (_POINTS - 1) for place in range(_POINTS)]
    for name, setting in settings:
        odds = [round_odds(setting, dangers(share)).completes for share in shares]
        of = f"n {setting.holders}, t {setting.threshold}, minimum {setting.minimum}"
        bold = name == "as it is"
        axes.plot(shares, odds, label=f"{of} ({name})", linewidth=2.5 if bold else 1.2)


def _label(axes: Axes, danger: str, now: float) -> None:
    axes.axvline(now, color="grey", linestyle=":", linewidth=1)
    axes.set_xlabel(f"share of {danger}; dotted: as asked")
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.02, 1.02)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
