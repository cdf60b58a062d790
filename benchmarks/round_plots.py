"""Pictures of what `rounds.py` and `peers.py` measured, as PNG and SVG; needs matplotlib.

    python benchmarks/round_plots.py rounds FILE FOLDER
    python benchmarks/round_plots.py peers FILE FOLDER

Slopes are on two logarithmic axes: a straight line at 45 degrees is what grows in proportion.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]

_MARKS = {"masked": "o", "shamir": "s", "packed": "^"}
_ROLES = {
    "trainer_sent_kb": "a trainer sends",
    "holder_received_kb": "a holder gets",
    "coordinator_received_kb": "the coordinator gets",
}


def draw(rows: list[Row], folder: Path) -> None:
    """Draw slopes over d and N, and bytes by role; says so where matplotlib is missing."""
    if not _has_matplotlib():
        return
    folder.mkdir(parents=True, exist_ok=True)
    by_length = [row for row in rows if row["trainers"] == _LEAST]
    by_trainers = [row for row in rows if row["values"] == _FEW]
    _save(folder / "rounds-cpu", lambda axes: _slopes(axes, (by_length, by_trainers), _CPU))
    _save(folder / "rounds-memory", lambda axes: _slopes(axes, (by_length, by_trainers), _MEMORY))
    _save(folder / "rounds-bytes", lambda axes: _bytes(axes, by_length))


_LEAST, _FEW = 10, 10_000
_CPU = (("trainer_cpu_ms", "a trainer"), ("coordinator_cpu_ms", "the coordinator"))
_MEMORY = (("coordinator_mb", "the coordinator"), ("holder_mb", "a holder"))


def draw_peers(figures: list[Row], folder: Path) -> None:
    """Draw how many times better than the first of its group each one is."""
    if not _has_matplotlib():
        return
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder / "peers", lambda axes: _ratios(axes[0], figures), columns=1)


def _has_matplotlib() -> bool:
    try:
        import matplotlib as _  # noqa: F401, PLC0415
    except ModuleNotFoundError:
        print("no pictures: pip install 'quorate[plots]'", file=sys.stderr)
        return False
    return True


def _save(stem: Path, drawing: Callable[[Any], None], columns: int = 2) -> None:
    from matplotlib import rcParams  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    rcParams["svg.hashsalt"] = "quorate"  # the same figures give the same file
    figure = Figure(figsize=(5 * columns, 4), layout="constrained")
    drawing(figure.subplots(1, columns, squeeze=False)[0])
    figure.savefig(stem.with_suffix(".png"), dpi=110, metadata={"Software": None})
    figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})


def _slopes(axes: Any, series: tuple[list[Row], list[Row]], lines: Any) -> None:
    over = (("values", f"values, {_LEAST} trainers"), ("trainers", f"trainers, {_FEW:,} values"))
    for ax, rows, (key, title) in zip(axes, series, over, strict=True):
        for suite, mark in _MARKS.items():
            some = sorted((r for r in rows if r["suite"] == suite), key=lambda r: int(r[key]))
            for (figure, who), style in zip(lines, ("-", "--"), strict=True):
                xs, ys = [r[key] for r in some], [max(r[figure], 0.01) for r in some]
                ax.loglog(xs, ys, mark + style, label=f"{suite}: {who}")
        ax.set_xlabel(title)
        ax.set_ylabel("MB above idle" if lines is _MEMORY else "CPU ms of a contribution")
        ax.grid(visible=True, which="major", alpha=0.3)
    axes[0].legend(fontsize=7)


def _bytes(axes: Any, rows: list[Row]) -> None:
    for ax, length in zip(axes, (min(_lengths(rows)), max(_lengths(rows))), strict=True):
        some = {row["suite"]: row for row in rows if row["values"] == length}
        for place, (figure, who) in enumerate(_ROLES.items()):
            xs = [number + place * 0.27 for number in range(len(some))]
            ax.bar(xs, [row[figure] for row in some.values()], 0.25, label=who)
        ax.set_xticks([number + 0.27 for number in range(len(some))], list(some))
        ax.set_yscale("log")
        ax.set_ylabel("kB of one contribution")
        ax.set_title(f"{length:,} values", fontsize=9)
    axes[0].legend(fontsize=7)


def _lengths(rows: list[Row]) -> list[int]:
    common = [{row["values"] for row in rows if row["suite"] == suite} for suite in _MARKS]
    return sorted(set.intersection(*common))


def _ratios(ax: Any, figures: list[Row]) -> None:
    names = [f"{one['who']} ({one['group'].partition(':')[0]})" for one in figures]
    ax.barh(range(len(figures)), [one["ratio"] for one in figures])
    ax.set_yticks(range(len(figures)), names, fontsize=6)
    ax.set_xscale("log")
    ax.set_xlabel("times better than the peer of its group")


if __name__ == "__main__":
    what, file, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    told = json.loads(file.read_text())
    if what == "peers":
        draw_peers(told["figures"], folder)
    else:
        draw(told["rows"], folder)
