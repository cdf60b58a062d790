"""`quorate tls`: a private authority, and certificates of the broker and of the actors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from infra.config import ConfigError, load_job
from infra.tls_material import Issued, TlsFolder, TlsMaterialError

from .display import print_json
from .terminal import console, show_config_error

_DONE, _USAGE = 0, 2


_JOB_SUFFIX = ".toml"  # no name of an actor has a dot


@dataclass(frozen=True, slots=True)
class TlsRequest:
    """What `quorate tls` was asked for; a job file among the actors stands for all of its."""

    folder: Path
    hosts: tuple[str, ...]
    actors: tuple[str, ...]
    renew: bool


def make_tls(request: TlsRequest, output: str) -> int:
    """Complete the folder and return the exit code."""
    try:
        issued = _issue(request)
    except TlsMaterialError as error:
        problems = ConfigError([str(error)])
    except OSError as error:
        place = error.filename or request.folder
        problems = ConfigError([f"{place}: {error.strerror}; correct that or choose another"])
    except ConfigError as error:
        problems = error
    else:
        _show(request.folder, issued, output)
        return _DONE
    show_config_error(problems, output)
    return _USAGE


def _issue(request: TlsRequest) -> list[Issued]:
    # Each once, in the order they were named.
    actors = list(dict.fromkeys(name for actor in request.actors for name in _named(actor)))
    if not request.hosts and not actors:
        raise ConfigError(
            ["nothing to certify: name the broker's hosts with --host, and actors with --actor"]
        )
    folder = TlsFolder(request.folder, now=datetime.now(UTC))
    return folder.issue(request.hosts, actors, renew=request.renew)


def _named(actor: str) -> list[str]:
    if not actor.endswith(_JOB_SUFFIX):
        return [actor]
    roster = load_job(Path(actor), files=False).roster()
    return [roster.coordinator, *roster.holders, *roster.trainers]


def _show(folder: Path, issued: Sequence[Issued], output: str) -> None:
    made = sum(entry.made for entry in issued)
    if output == "json":
        for entry in issued:
            print_json(
                {
                    "kind": "certificate",
                    "name": entry.name,
                    "file": str(entry.file),
                    "expires": entry.expires.isoformat(),
                    "made": entry.made,
                }
            )
        print_json({"kind": "summary", "folder": str(folder), "made": made, "of": len(issued)})
        return
    for entry in issued:
        what = "made" if entry.made else "kept"
        console.print(
            f"{what}  {entry.file}  until {entry.expires:%Y-%m-%d}", markup=False, soft_wrap=True
        )
    console.print(
        f"Give {folder / 'ca.pem'} to everybody, each key to its owner alone, and keep "
        f"{folder / 'ca.key'} offline.",
        markup=False,
        soft_wrap=True,
    )
