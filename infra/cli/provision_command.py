"""`quorate provision`: from a job file to a home for each of its actors."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from infra.casting import first_state, resolved
from infra.config import ConfigError, load_job
from infra.homes.access import Sources, access_of, model_way_of, on_broker
from infra.homes.provisioning import Provisioned, Provisioning
from infra.identity.new_files import IdentityError
from infra.identity.trial import TrialIdentities
from protocols.round_config import Roster
from protocols.trust.changes import Validity

from .display import print_json
from .roster_commands import ROSTER_DAYS
from .session import DONE, USAGE
from .signals import STOPPED
from .terminal import console, display_of, show_config_error, show_interrupted
from .trust_outcome import DAY_S, now_s


@dataclass(frozen=True, slots=True)
class Homes:
    """Which homes are wanted: of a job, below a folder, and with a trial's roster in another."""

    job: Path
    out: Path
    trial_roster: Path | None = None


def run(wanted: Homes, sources: Sources, *, output: str) -> int:
    """Write the homes and return the exit code."""
    display_of(output)
    out = wanted.out
    try:
        homes = _homes(wanted, out.absolute(), sources)
    except ConfigError as error:
        show_config_error(error, output)
        return USAGE
    except KeyboardInterrupt:
        show_interrupted(output)
        return STOPPED
    if output == "json":
        _print(homes, out)
    else:
        _show(homes, out)
    return DONE


def _homes(wanted: Homes, out: Path, sources: Sources) -> list[Provisioned]:
    # The owners' data are on their machines; where some are here, they say what the columns are.
    job = resolved(on_broker(load_job(wanted.job, files=False), sources.urls))
    names = job.roster()
    paths = {name: out / name for name in (names.coordinator, *names.holders, *names.trainers)}
    trial = None
    if wanted.trial_roster is not None:
        trial = TrialIdentities(wanted.trial_roster, _validity())
        _require_room(trial, paths)
    access = access_of(job, sources)
    model = model_way_of(job, sources)
    homes = Provisioning(job, asyncio.run(first_state(job)), access, model=model).write(out)
    if trial is not None:
        _make(trial, names, paths)
    return homes


def _make(trial: TrialIdentities, names: Roster, homes: Mapping[str, Path]) -> None:
    try:
        trial.make(names, homes)
    except IdentityError as error:
        raise ConfigError([str(error)]) from None
    except OSError as error:
        raise ConfigError([f"{error.filename}: {error.strerror}; correct that"]) from None


def _require_room(trial: TrialIdentities, homes: Mapping[str, Path]) -> None:
    try:
        trial.require_room(homes)
    except IdentityError as error:
        raise ConfigError([str(error)]) from None


def _validity() -> Validity:
    now = now_s()
    return Validity(valid_from=now, valid_until=now + ROSTER_DAYS * DAY_S)


def _print(homes: Sequence[Provisioned], out: Path) -> None:
    for home in homes:
        line = {"name": home.name, "role": home.role, "path": str(home.path)}
        print_json({"kind": "home", **line, "missing": list(home.open)})
    print_json({"kind": "summary", "outcome": "provisioned", "out": str(out), "homes": len(homes)})


def _show(homes: Sequence[Provisioned], out: Path) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("actor", "home", "to be filled in there"):
        table.add_column(column, overflow="fold")
    for home in homes:
        table.add_row(home.name, str(home.path), "; ".join(home.open) or "-")
    console.print(table, markup=False)
    console.print(
        f"\nCopy each folder of {out} to the machine of its actor, and to no other: it holds the "
        f"actor's password. Start it there with\n\n"
        f"    quorate coordinator|holder|trainer --home FOLDER\n",
        markup=False,
        soft_wrap=True,
    )
