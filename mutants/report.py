"""What is told of a run: a line for each planted bug as soon as it is known, then the sum."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from .trial import Outcome, Verdict

_LINE = "{:44} {:14} {:>5} {:>6}  {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What the verdicts add up to; a median is None where there is nothing to take it of."""

    mutants: int
    by_simulation: int
    by_tests: int
    equivalent: int
    not_as_they_must_be: tuple[str, ...]
    median_cpu_s: float | None
    median_cpu_s_by_simulation: float | None
    median_seeds: float | None
    cpu_seconds: float

    @classmethod
    def of(cls, verdicts: Sequence[Verdict]) -> Total:
        """Add up."""
        simulated = [v for v in verdicts if v.outcome is Outcome.SIMULATION]
        tested = [v for v in verdicts if v.outcome is Outcome.TESTS]
        return cls(
            mutants=len(verdicts),
            by_simulation=len(simulated),
            by_tests=len(tested),
            equivalent=sum(v.outcome is Outcome.EQUIVALENT for v in verdicts),
            not_as_they_must_be=tuple(v.mutant.name for v in verdicts if not v.outcome.good),
            median_cpu_s=_median([v.cpu_s for v in (*simulated, *tested)]),
            median_cpu_s_by_simulation=_median([v.cpu_s for v in simulated]),
            median_seeds=_median([v.seeds for v in simulated]),
            cpu_seconds=round(sum(v.cpu_s for v in verdicts), 1),
        )

    def as_json(self) -> str:
        """Return it as a JSON object of kind `summary`."""
        return json.dumps({"kind": "summary", **asdict(self)})

    def words(self) -> str:
        """Return it in words."""
        bad = " ".join(self.not_as_they_must_be)
        return (
            f"\n{self.mutants} planted bugs: {self.by_simulation} caught by the simulator, "
            f"{self.by_tests} by tests, {self.equivalent} argued equivalent; "
            f"{self.cpu_seconds:.0f} CPU s\n"
            f"median to the first kill: {_shown(self.median_cpu_s)} CPU s; in the simulator "
            f"{_shown(self.median_cpu_s_by_simulation)} CPU s, {_shown(self.median_seeds)} seeds\n"
            + (f"not as they must be: {bad}" if bad else "all as it must be")
        )


def _median(values: Sequence[float]) -> float | None:
    return round(median(values), 2) if values else None


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def head() -> str:
    """Return the first line of the table."""
    return _LINE.format("planted bug", "caught by", "seeds", "CPU s", "rule or test")


def line(verdict: Verdict) -> str:
    """Return the line of one."""
    return _LINE.format(
        verdict.mutant.name,
        verdict.outcome.value,
        verdict.seeds or "-",
        f"{verdict.cpu_s:.1f}",
        verdict.by.rpartition("::")[2],
    )


def as_json(verdict: Verdict) -> str:
    """Return one as a JSON object of kind `mutant`."""
    return json.dumps(
        {
            "kind": "mutant",
            "name": verdict.mutant.name,
            "title": verdict.mutant.title,
            "file": verdict.mutant.file,
            "outcome": verdict.outcome.value,
            "by": verdict.by,
            "seeds": verdict.seeds,
            "cpu_seconds": round(verdict.cpu_s, 2),
        }
    )
