"""A failure to keep: the plan and the seed of a history that broke a rule, as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from actors.software import SOFTWARE
from infra.simulation.faults import ANYBODY, Plan, Size
from infra.simulation.ghost import Rule, Violation
from infra.simulation.job import roster_of
from infra.simulation.wording import wording
from protocols.round_config import crowd_fault

_FORMAT = 1
_MOST_BYTES = 1 << 20
_MOST_ACTORS = 99
_LONGEST_S = 86400.0


class BadReproduction(ValueError):
    """A file that is no reproduction."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What was broken, by whom, and how, without the numbers and names of one history."""

    rule: str
    role: str
    wording: str

    @staticmethod
    def of(violation: Violation, plan: Plan) -> Failure:
        """Return the kind of failure that a violation is one of."""
        role = roster_of(plan.size).role(violation.host) or violation.host
        return Failure(rule=violation.rule.name.lower(), role=role, wording=wording(violation.text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """A plan and a seed, the failure that they showed with this software, and a note."""

    format: int = _FORMAT
    software: str
    note: str = ""
    seed: int
    failure: Failure
    said: str
    plan: Plan

    @staticmethod
    def of(plan: Plan, seed: int, violation: Violation, note: str = "") -> Reproduction:
        """Return what there is to keep of a history that broke a rule, with this software."""
        return Reproduction(
            software=SOFTWARE,
            note=note,
            seed=seed,
            failure=Failure.of(violation, plan),
            said=str(violation),
            plan=plan,
        )

    def write(self, path: Path) -> None:
        """Write it as JSON, for people to read too."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")

    @staticmethod
    def read(path: Path) -> Reproduction:
        """Read a file. Raises `BadReproduction`."""
        try:
            data = path.read_bytes()
            if len(data) > _MOST_BYTES:
                raise BadReproduction(path, f"{len(data)} bytes are no reproduction")
            found = msgspec.json.decode(data, type=Reproduction)
        except OSError as error:
            raise BadReproduction(path, error.strerror or "can't be read") from error
        except (ValueError, RecursionError) as error:
            raise BadReproduction(path, str(error)) from error
        for problem in found.problems():
            raise BadReproduction(path, problem)
        return found

    def problems(self) -> list[str]:
        """Say why it can't be run; nothing if it can."""
        size, plan = self.plan.size, self.plan
        found = []
        if self.format != _FORMAT:
            found.append(f"format {self.format}; this version reads {_FORMAT}")
        if self.failure.rule.upper() not in Rule.__members__:
            found.append(f"failure.rule: there is no rule {self.failure.rule!r}")
        if not (1 <= size.holders <= _MOST_ACTORS and 1 <= size.trainers <= _MOST_ACTORS):
            return [*found, f"plan.size: {size.holders} holders and {size.trainers} trainers"]
        if not 1 <= size.threshold <= size.holders:
            found.append(f"plan.size: threshold {size.threshold} of {size.holders} holders")
        if not 0 <= size.packing <= max(size.most_packing, 0):
            found.append(f"plan.size: packing {size.packing} with threshold {size.threshold}")
        if size.packing and (size.masked or size.norms):
            found.append(f"plan.size: packing {size.packing} where vectors are masked or bound")
        if (crowd := crowd_fault(size.holders, size.faults)) is not None:
            found.append(f"plan.size: {crowd}")
        if not 1 <= size.minimum <= size.trainers:
            found.append(f"plan.size: minimum {size.minimum} of {size.trainers} trainers")
        found += _batch_problems(size)
        roster = roster_of(size)
        known = ("", roster.coordinator, *roster.holders, *roster.trainers)
        found += [
            f"plan.faults: {fault.kind.value} aims at {fault.target}, who takes no part"
            for fault in plan.faults
            if fault.target not in known
        ]
        found += [
            f"plan.faults: {fault.kind.value} waits for {fault.aim.by}, who takes no part"
            for fault in plan.faults
            if fault.aim is not None and fault.aim.by not in (*known, ANYBODY)
        ]
        found += [f"plan.core: {name} takes no part" for name in plan.core if name not in known]
        times = [plan.faulty_s, plan.healed_s, size.training_s]
        times += [time_s for fault in plan.faults for time_s in (fault.at_s, fault.duration_s)]
        if not all(0 <= time_s <= _LONGEST_S for time_s in times):
            found.append(f"plan: a time is below 0 or above {_LONGEST_S:g} s")
        return found


def _batch_problems(size: Size) -> list[str]:
    """Say why rounds of this size can't ask batches; nothing if they can, or ask everybody."""
    if size.batches == size.drawn == 0:
        return []
    if not 1 <= size.drawn < size.batches:
        return [f"plan.size: {size.drawn} of {size.batches} batches"]
    if size.trainers // size.batches < size.minimum:
        return [f"plan.size: {size.batches} batches of {size.trainers} trainers"]
    return ["plan.size: batches where rounds are buffered"] if size.buffered else []
