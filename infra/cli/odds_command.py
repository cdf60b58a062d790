"""Reads the job, works out the odds of its rounds, and shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from infra.chaos.odds import Dangers, Odds, Setting, neighbours, round_odds, setting_of
from infra.chaos.odds_plot import FORMATS, NoPlots, plot
from infra.config import ConfigError, Job, load_job

from .display import print_json
from .terminal import console, show_config_error

_DONE, _USAGE = 0, 2
_LOST = (0, 1, 2, 5, 10)

Row = tuple[str, Setting, Odds]


@dataclass(frozen=True, slots=True)
class OddsRequest:
    """Which job, under which dangers, for how many rounds (None: its own), drawn into what."""

    job: Path
    dangers: Dangers
    rounds: int | None
    plot: Path | None


def run(request: OddsRequest, output: str) -> int:
    """Show the odds and return the exit code."""
    try:
        job = load_job(request.job, files=False)
        _draw(request, setting_of(job))
    except ConfigError as error:
        show_config_error(error, output)
        return _USAGE
    shown = _Shown(job, request)
    if output == "json":
        shown.as_json()
    else:
        shown.as_table()
    return _DONE


def _draw(request: OddsRequest, setting: Setting) -> None:
    file = request.plot
    if file is None:
        return
    if file.suffix not in FORMATS:
        raise ConfigError([f"--plot: {file} must end in {' or '.join(FORMATS)}"])
    try:
        plot(setting, request.dangers, file)
    except NoPlots as error:
        raise ConfigError([str(error)]) from None
    except OSError as error:
        raise ConfigError([f"--plot: {file}: {error.strerror}; name another file"]) from None


class _Shown:
    """The setting of a job and its neighbours, worked out."""

    def __init__(self, job: Job, request: OddsRequest) -> None:
        self._job = job
        self._dangers = request.dangers
        self._slow = request.dangers.slow_share > 0
        self._rounds = request.rounds or job.max_rounds
        self._in_a_row = job.limits.abandoned_rounds
        near = neighbours(setting_of(job), with_patience=self._slow)
        self._rows: list[Row] = [(name, one, round_odds(one, self._dangers)) for name, one in near]

    def as_json(self) -> None:
        for name, setting, odds in self._rows:
            print_json({"kind": "setting", "change": name, **self._plain(setting, odds)})
        _, setting, odds = self._rows[0]
        asked = {"job": self._job.name, **asdict(self._dangers)}
        if not self._slow:
            asked["slow_by_s"] = None
        plain = self._plain(setting, odds)
        print_json({"kind": "summary", "outcome": "done", **asked, **plain})

    def _plain(self, setting: Setting, odds: Odds) -> dict[str, Any]:
        return {
            **asdict(setting),
            "quorum": setting.quorum,
            "holders_needed": setting.needed,
            "completes": odds.completes,
            "lost": odds.lost,
            "rounds": self._rounds,
            # JSON has no infinity: what never completes has no number of attempts.
            "attempts": odds.attempts(self._rounds) if odds.completes else None,
            "at_most_lost": {str(k): self._few(odds, k) for k in _LOST},
            "given_up": odds.given_up(self._rounds, self._in_a_row),
        }

    def _few(self, odds: Odds, lost: int) -> float:
        return odds.at_most_lost(self._rounds, lost, in_a_row=self._in_a_row)

    def as_table(self) -> None:
        columns = self._columns()
        setting = self._rows[0][1]
        missing = per_cent(self._dangers.trainer_missing(setting.patience_s))
        away = per_cent(self._dangers.holder_loss)
        console.print(
            f"{setting.owners} owners, each missing in a round with {missing}, holders with {away}"
        )
        table = Table("", "", *columns, box=None, padding=(0, 1, 0, 0))
        for place, (name, setting, odds) in enumerate(self._rows):
            cells = (cell(setting, odds) for cell in columns.values())
            table.add_row("" if place else ">", name, *cells)
        console.print(table)
        for line in self._sentences(self._rows[0][2]):
            console.print(line, markup=False, soft_wrap=True)

    def _columns(self) -> dict[str, Callable[[Setting, Odds], str]]:
        rounds, in_a_row = self._rounds, self._in_a_row
        columns: dict[str, Callable[[Setting, Odds], str]] = {
            "n": lambda setting, _: str(setting.holders),
            "t": lambda setting, _: str(setting.threshold),
            "quorum": lambda setting, _: str(setting.quorum) if setting.vote else "-",
            "needed": lambda setting, _: str(setting.needed),
            "minimum": lambda setting, _: str(setting.minimum),
        }
        if self._slow:
            columns["patience"] = lambda setting, _: f"{setting.patience_s:g} s"
        return columns | {
            "completes": lambda _, odds: per_cent(odds.completes, odds.lost),
            "none lost": lambda _, odds: per_cent(self._few(odds, 0)),
            "given up": lambda _, odds: per_cent(odds.given_up(rounds, in_a_row)),
        }

    def _sentences(self, odds: Odds) -> Sequence[str]:
        rounds = self._rounds
        few = ", ".join(f"at most {k}: {per_cent(self._few(odds, k))}" for k in _LOST[1:])
        begun = f"{odds.attempts(rounds):,.1f} are begun" if odds.completes else "none completes"
        often = f"one in {1 / odds.lost:,.1f}" if odds.lost else "none"
        return (
            f"completes: a round opens a sum. Of all rounds {often} is lost; for {rounds} that "
            f"complete {begun} on average.",
            f"none lost: on the way to {rounds} that complete; {few}",
            f"given up: {self._in_a_row} rounds in a row are lost on it, which ends the job "
            f"(limits.abandoned_rounds)",
        )


def per_cent(value: float, rest: float | None = None) -> str:
    """Write a probability with as many digits as keep it apart from 0 and from 100 %.

    `rest` is 1 - value, where that is known better than by the difference.
    """
    rest = 1.0 - value if rest is None else rest
    if value <= 0.0 or rest <= 0.0:
        return "0 %" if value <= 0.0 else "100 %"
    if min(value, rest) < 1e-8:
        return "< 0.000001 %" if value < rest else "> 99.999999 %"
    digits = next(d for d in range(1, 7) if min(value, rest) >= 10.0 ** -(d + 2))
    return f"{100 * value:.{digits}f} %"
