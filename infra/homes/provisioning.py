"""Making the homes of all actors of a job, one folder each, ready to be carried to its machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from infra.config import ConfigError, Job, TableSettings, TorchSettings, job_text
from infra.durable_files import make_folder, sync_folder
from infra.identity.credentials import HOME_ROSTER, told_as_config_errors
from infra.identity.identity_folder import FOLDER
from infra.identity.trial import SharedRoster, TrialIdentities
from protocols.errors import Misuse
from protocols.learning.state import State

from .actor_home import INITIAL, JOB, JOURNAL, SETTINGS
from .model_section import TOKEN, ModelWay
from .settings import Role
from .task_files import task_files

PASSWORD = "password"  # noqa: S105 - the file's name
_CA, _CERT, _KEY = "ca.pem", "actor.pem", "actor.key"
_LIVED = (JOURNAL, "spool", "checkpoints", "blobs", "kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How one actor reaches the broker; what is None is left for the actor's own machine.

    The three files are copied into the home. `urls` win over the job's, for an actor that
    reaches the broker by another way than the others.
    """

    urls: tuple[str, ...] = ()
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Provisioned:
    """A home that was written, and what still has to be filled in there."""

    name: str
    role: Role
    path: Path
    open: tuple[str, ...]


class Provisioning:
    """Writes the homes of a resolved job below a folder.

    A home that an actor has lived in is never touched, unless `renew`: then its settings are
    written again and what it keeps stays. A folder that is not ours is refused. With `model`,
    trainers pull model states and the coordinator serves them.
    """

    def __init__(
        self,
        job: Job,
        initial: State,
        access: Mapping[str, Access],
        identities: TrialIdentities | SharedRoster,
        *,
        model: ModelWay | None = None,
    ) -> None:
        if job.secure_sum.suite == "auto":
            raise Misuse("every home names the suite: choose it before")
        self._job = job
        self._initial = initial.to_bytes()
        self._access = access
        self._identities = identities
        self._authorities: tuple[bytes, ...] = ()
        self._model = model
        self._task: dict[str, Path] = {}

    def write(self, out: Path, *, renew: bool = False) -> list[Provisioned]:
        """Write all homes, or none. Raises `ConfigError` naming every folder that is in the way."""
        roster = self._job.roster()
        names = (roster.coordinator, *roster.holders, *roster.trainers)
        problems = [*state_faults(self._job, len(self._initial)), *self._no_task()]
        problems += [
            problem for name in names for problem in self._in_the_way(out / name, renew=renew)
        ]
        if problems:
            raise ConfigError(problems)
        with told_as_config_errors():
            folders = {name: out / name for name in names}
            self._authorities = self._identities.install(roster, folders)
        try:
            return [self._home(out / name, name) for name in names]
        except OSError as error:
            raise ConfigError(
                [f"{error.filename or out}: {error.strerror}; correct that or choose another --out"]
            ) from None

    def _no_task(self) -> Iterator[str]:
        learning = self._job.learning
        if not isinstance(learning, TorchSettings):
            return
        if not learning.task.is_file():
            yield f"model.task: {learning.task} is not there; create it or correct the path"
            return
        try:
            self._task = task_files(learning.task)
        except ConfigError as error:
            yield from error.problems

    def _in_the_way(self, path: Path, *, renew: bool) -> Iterator[str]:
        try:
            there = {entry.name for entry in path.iterdir()}
        except FileNotFoundError:
            return
        except OSError as error:
            yield f"{path}: {error.strerror}; choose another folder with --out"
            return
        there -= {FOLDER, HOME_ROSTER}  # an identity may be there before anything else
        ours = SETTINGS in there or (renew and JOURNAL in there)
        if there and not ours:
            yield f"{path}: not empty, and no home of ours; choose another folder with --out"
        elif not renew and (lived := there.intersection(_LIVED)):
            yield (
                f"{path}: an actor has lived here ({sorted(lived)[0]}); move the folder away or "
                f"choose another with --out"
            )

    def _home(self, path: Path, name: str) -> Provisioned:
        make_folder(path)
        path.chmod(0o700)
        role = self._job.roster().role(name)
        if role is None:
            raise ValueError(name)
        access = self._access.get(name, Access())
        _write(path / JOB, job_text(self._job).encode())
        if access.password is not None:
            _write(path / PASSWORD, access.password.encode() + b"\n")
        if self._model is not None and role != "holder":
            _write(path / TOKEN, self._model.token.encode() + b"\n")
        for file, copy in self._copies(access, role):
            if file is not None:
                (path / copy).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _write(path / copy, file.read_bytes())
        if role == "coordinator":
            _write(path / INITIAL, self._initial)
        data = self._data(name) if role == "trainer" else None
        # The last: a home without it is none.
        _write(path / SETTINGS, self._settings(name, role, access, data).encode())
        sync_folder(path)
        return Provisioned(name, role, path, tuple(self._left_open(role, access, data)))

    def _copies(self, access: Access, role: Role) -> list[tuple[Path | None, str]]:
        copies: list[tuple[Path | None, str]] = [(access.ca_file, _CA)]
        copies += [(access.cert_file, _CERT), (access.key_file, _KEY)]
        if role == "trainer":
            copies += [(file, name) for name, file in self._task.items()]
        return copies

    def _data(self, name: str) -> str | None:
        """Return where the owner's data are: here, or as the job file says of its machine."""
        (owner,) = (owner for owner in self._job.owners if owner.name == name)
        if owner.data is None or owner.data.exists():
            return None if owner.data is None else str(owner.data.resolve())
        folder = self._job.path.parent
        inside = owner.data.is_relative_to(folder)
        return str(owner.data.relative_to(folder) if inside else owner.data)

    def _settings(self, name: str, role: Role, access: Access, data: str | None) -> str:
        job = self._job
        lines = [
            f"# The {role} {name!r} of the job {job.name!r}. Start: quorate {role} --home .",
            *_line("role", role),
            *_line("name", name),
            "",
            "[broker]",
            *_line("urls", list(access.urls or job.federation.urls)),
            *_line("user", access.user),
            *_line("password_file", None if access.password is None else PASSWORD),
            *_line("ca_file", access.ca_file and _CA),
            *_line("cert_file", access.cert_file and _CERT),
            *_line("key_file", access.key_file and _KEY),
        ]
        if job.federation.insecure:
            lines += _line("insecure", True)
        lines += ["", "[trust]", *_line("authorities", [key.hex() for key in self._authorities])]
        if self._model is not None and role != "holder":
            ca_file = _CA if access.ca_file else None
            lines += self._model.section(role, ca_file=ca_file, insecure=job.federation.insecure)
        if role == "trainer":
            lines += ["", "[trainer]", *self._data_line(data), *self._owners_own(name)]
        lines += ["", "[telemetry]", '# listen = "127.0.0.1:9464"   # metrics and health', ""]
        return "\n".join(lines)

    def _data_line(self, data: str | None) -> list[str]:
        if data is None and isinstance(self._job.learning, TableSettings):
            return ['# data = "table.csv"   # or Parquet, or a .toml file that asks a database']
        return _line("data", data)

    def _owners_own(self, name: str) -> list[str]:
        """Return what the owner allows and keeps to itself; from now on in its own hands."""
        (owner,) = (owner for owner in self._job.owners if owner.name == name)
        allow = ['# allow = ["moments", "trial-*/glm"]   # all that this trainer takes part in']
        if owner.allow is not None:
            allow = _line("allow", list(owner.allow))
        rules = owner.disclosure
        return [
            *allow,
            "",
            "[disclosure]",
            *_line("smallest_cell", rules.smallest_cell),
            *_line("parameters_per_row", rules.parameters_per_row),
        ]

    def _left_open(self, role: Role, access: Access, data: str | None) -> Iterator[str]:
        if access.user is None or access.password is None:
            yield "user and password_file below [broker]"
        if role == "coordinator" and self._model is not None:
            yield from filter(None, [self._model.left_open()])
        if role != "trainer":
            return
        if data is None and isinstance(self._job.learning, TableSettings):
            yield "data below [trainer]: the owner's table"
        if data is not None and not Path(data).is_absolute():
            yield f"the owner's data at {data}"


def state_faults(job: Job, size: int) -> list[str]:
    """Say why a first model state of so many bytes is too large; empty where it is not."""
    if size <= job.limits.model_bytes:
        return []
    needed = -(-size // 2**20)
    return [
        f"limits.model_mb: the first model state has {needed} MiB, above the limit of "
        f"{job.limits.model_mb}; write model_mb = {needed + 1} or more"
    ]


def accounts_for_all(job: Job, access: Access) -> dict[str, Access]:
    """Let every actor use the same account; for a federation on one's own machine."""
    roster = job.roster()
    return dict.fromkeys((roster.coordinator, *roster.holders, *roster.trainers), access)


def _line(key: str, value: Any) -> list[str]:
    """Return lines of TOML, none where nothing is known."""
    if value is None:
        return []
    return [tomli_w.dumps({key: value}).rstrip("\n")]


def _write(file: Path, content: bytes) -> None:
    """Give a file its content, for the eyes of its user only; whole or not at all."""
    incoming = file.with_name(file.name + ".incoming")
    incoming.unlink(missing_ok=True)
    descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    incoming.rename(file)
