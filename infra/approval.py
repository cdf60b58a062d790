"""What an owner's trainer takes part in: its own list, in its own settings.

An entry is the name of an algorithm, or JOB/ALGORITHM; `*` and `?` stand for any letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from protocols.round_config import RoundConfig
from protocols.secagg.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnJob(Terms):
    """Terms of a trainer: besides, the round is of the job that its owner has read."""

    job: str

    def fault(self, config: RoundConfig) -> str | None:
        """Say why not to take part in this round, None where it is fine."""
        if config.job != self.job:
            return "a round of another job than that of this home"
        # Slots make a class anew, which the short form of super does not find.
        return Terms.fault(self, config)


def refusal(allow: Sequence[str] | None, *, job: str, algorithm: str) -> str:
    """Return why a trainer takes no part in a job; empty where its owner allows it.

    None allows everything: the home's job file is then all that the owner has agreed to. An
    empty list allows nothing.
    """
    if allow is None or any(_matches(entry, job, algorithm) for entry in allow):
        return ""
    known = ", ".join(allow) or "nothing"
    return (
        f"the job {job!r} with algorithm {algorithm!r} is not on this owner's list (allow: "
        f"{known}); to take part, add {algorithm!r} or '{job}/{algorithm}'"
    )


def algorithm_of(entry: str) -> str:
    """Return the part of an entry that stands for algorithms."""
    return entry.rpartition("/")[2]


def _matches(entry: str, job: str, algorithm: str) -> bool:
    jobs, slash, algorithms = entry.rpartition("/")
    return fnmatchcase(algorithm, algorithms) and fnmatchcase(job, jobs if slash else "*")
