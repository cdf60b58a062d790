"""`quorate provision`: from a job file to a home for each of its actors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from infra.casting import first_state, resolved, with_suite
from infra.config import ConfigError, load_job
from infra.homes.access import Sources, access_of, model_way_of, on_broker
from infra.homes.provisioning import Provisioned, Provisioning
from infra.identity.credentials import told_as_config_errors
from infra.identity.roster_folder import load_roster
from infra.identity.trial import SharedRoster, TrialIdentities
from protocols.trust.changes import Validity

from .display import Display, print_json
from .roster_commands import ROSTER_DAYS
from .session import DONE, USAGE
from .signals import STOPPED
from .terminal import console, display_of, show_config_error, show_interrupted
from .trust_outcome import DAY_S, now_s


@dataclass(frozen=True, slots=True)
class Homes:
    """Which homes are wanted: of a job, below a folder, with a roster, or a trial's in a folder."""

    job: Path
    out: Path
    roster: Path | None = None
    trial_roster: Path | None = None


def run(wanted: Homes, sources: Sources, *, output: str) -> int:
    """Write the homes and return the exit code."""
    display = display_of(output)
    out = wanted.out
    try:
        homes = _homes(wanted, out.absolute(), sources, display)
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


def _homes(wanted: Homes, out: Path, sources: Sources, display: Display) -> list[Provisioned]:
    # The owners' data are on their machines; where some are here, they say what the columns are.
    job = resolved(on_broker(load_job(wanted.job, files=False), sources.urls))
    names = job.roster()
    paths = {name: out / name for name in (names.coordinator, *names.holders, *names.trainers)}
    with told_as_config_errors():
        identities = _identities(wanted)
        identities.require_room(names, paths)
    access = access_of(job, sources)
    model = model_way_of(job, sources)
    initial = asyncio.run(first_state(job))
    job, chosen = with_suite(job, initial)
    if chosen is not None:
        display.emit(chosen)
    return Provisioning(job, initial, access, identities, model=model).write(out)


def _identities(wanted: Homes) -> TrialIdentities | SharedRoster:
    roster, trial = wanted.roster, wanted.trial_roster
    if roster is not None and trial is None:
        return SharedRoster(load_roster(roster))
    if trial is None or roster is not None:
        raise ConfigError(
            [
                "whose keys? Give --roster FILE, the roster of members that have each made their "
                "own (quorate identity new), or --trial-roster FOLDER, to make all private keys "
                "on this machine, for a trial"
            ]
        )
    return TrialIdentities(trial, _validity())


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
