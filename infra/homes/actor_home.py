"""One actor's folder: read and checked as a whole before the actor starts, then its alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.config import ConfigError, Job, Owner, TableSettings, TorchSettings, load_job
from infra.config.schema import DisclosureSettings
from infra.folder_lock import FolderInUse, locked
from infra.http_blobs import Pulling, Serving
from infra.identity.credentials import (
    HOME_ROSTER,
    Credentials,
    Trust,
    membership_faults,
    open_credentials,
    told_as_config_errors,
)
from infra.rabbitmq.address import AddressError, BrokerAddress, Tls
from protocols.codec import Undecodable
from protocols.learning.state import State
from protocols.round_config import Roster

from .model_ways import way_of
from .settings import BrokerSettings, Role, Settings, TelemetrySettings, password_in, read_settings

SETTINGS = "actor.toml"
JOB = "job.toml"
INITIAL = "initial.safetensors"
JOURNAL = "journal.sqlite"
USER_VARIABLE = "QUORATE_BROKER_USER"
PASSWORD_VARIABLE = "QUORATE_BROKER_PASSWORD"  # noqa: S105 - its name


@dataclass(frozen=True, slots=True)
class ActorHome:
    """A home that is in order: who lives there, and where everything lies."""

    path: Path
    role: Role
    name: str
    job: Job
    address: BrokerAddress
    telemetry: TelemetrySettings
    trust: Trust
    data: Path | None = None
    allow: tuple[str, ...] | None = None
    disclosure: DisclosureSettings = DisclosureSettings()  # noqa: RUF009 - it is frozen
    model: Serving | Pulling | None = None  # None: over the broker's stream
    stream: bool = True  # whether a coordinator that serves writes the stream, too

    @property
    def roster(self) -> Roster:
        """Who takes part in the job."""
        return self.job.roster()

    @property
    def journal(self) -> Path:
        """The file of the actor's journal."""
        return self.path / JOURNAL

    @property
    def spool(self) -> Path:
        """The folder of the actor's shares and uploads."""
        return self.path / "spool"

    @property
    def blobs(self) -> Path:
        """The folder of the model states that came from the broker or wait to go there."""
        return self.path / "blobs"

    @property
    def served(self) -> Path:
        """The folder of the model states that others pull from here."""
        return self.blobs / "served"

    @property
    def pulled(self) -> Path:
        """The folder of the model states that were pulled over HTTPS."""
        return self.blobs / "pulled"

    @property
    def kept(self) -> Path:
        """The folder of what a trainer keeps from round to round."""
        return self.path / "kept"

    @property
    def checkpoints(self) -> Path:
        """The folder of the coordinator's model states."""
        return self.path / "checkpoints"

    @property
    def transcripts(self) -> Path:
        """The folder of what the coordinator's rounds left behind."""
        return self.path / "transcripts"

    @property
    def evidence(self) -> Path:
        """The folder of what a share-holder found against others."""
        return self.path / "evidence"

    @property
    def log(self) -> Path:
        """The file of the actor's log."""
        return self.path / "actor.log"

    @property
    def owner(self) -> Owner:
        """The owner that a trainer works for: its data, what it allows, what it keeps to itself."""
        return Owner.model_construct(
            name=self.name, data=self.data, allow=self.allow, disclosure=self.disclosure
        )

    def credentials(self) -> Credentials:
        """Accept the roster, and unlock the actor's key. Raises `ConfigError`."""
        with told_as_config_errors():
            found = open_credentials(self.path, self.name, self.trust)
        if faults := membership_faults(found.roster, self.roster):
            raise ConfigError(
                [f"{self.path / HOME_ROSTER}: other members than in {JOB}: {'; '.join(faults)}"]
            )
        return found

    def initial(self) -> State:
        """Return the coordinator's state before the first round. Raises `ConfigError`."""
        file = self.path / INITIAL
        try:
            return State.from_bytes(file.read_bytes())
        except OSError as error:
            raise ConfigError(
                [f"{file}: can't be read ({error.strerror}); copy it from where it was provisioned"]
            ) from None
        except Undecodable as error:
            raise ConfigError(
                [f"{file}: {error}; copy it again from where it was provisioned"]
            ) from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out while inside. Raises `ConfigError` where one is there."""
        try:
            with locked(self.path, name="actor.lock"):
                yield
        except FolderInUse as error:
            raise ConfigError([f"{error}; one actor has one process: stop the other one"]) from None
        except OSError as error:
            place = error.filename or self.path
            raise ConfigError([f"{place}: {error.strerror}; correct its owner or rights"]) from None


def open_home(path: Path, *, role: Role | None = None) -> ActorHome:
    """Read the home of an actor, of this role where one is named.

    Nothing of other actors needs to be there: neither owners' data nor, but for a trainer of
    a model, the task file.

    Raises:
        ConfigError: naming file and key of everything that is wrong.
    """
    path = path.absolute()
    if not (path / SETTINGS).exists():
        raise ConfigError(
            [f"{path}: no home of an actor, {SETTINGS} is missing; make one: quorate provision"]
        )
    settings = read_settings(path / SETTINGS)
    actor = settings.actor
    _require_role(path, actor.role, role)
    job = _job(path)
    problems = [*_membership(path, settings, job), *_owners_files(path, settings, job)]
    if problems:
        raise ConfigError(problems)
    return ActorHome(
        path=path,
        role=actor.role,
        name=actor.name,
        job=job,
        address=_address(path, settings.broker, job),
        telemetry=settings.telemetry,
        trust=_trust(path, settings, job),
        data=settings.trainer.data,
        allow=settings.trainer.allow,
        disclosure=settings.disclosure,
        model=way_of(path / SETTINGS, settings),
        stream=settings.model.stream,
    )


def _trust(path: Path, settings: Settings, job: Job) -> Trust:
    trust = settings.trust
    if not trust.authorities:
        raise ConfigError(
            [
                f"{path / SETTINGS}: trust.authorities: missing; write the public key of whoever "
                f"keeps the federation's roster, as told by phone or on paper, below [trust]: "
                f'authorities = ["..."]'
            ]
        )
    return Trust(
        federation=job.roster().federation,
        authorities=tuple(bytes.fromhex(key) for key in trust.authorities),
        passphrase_file=trust.passphrase_file,
    )


def _require_role(path: Path, found: Role, wanted: Role | None) -> None:
    if wanted not in (None, found):
        raise ConfigError(
            [
                f"{path / SETTINGS}: role: the home of a {found}, not of a {wanted}; start it "
                f"with quorate {found}, or correct the path"
            ]
        )


def _job(path: Path) -> Job:
    file = path / JOB
    try:
        job = load_job(file, files=False)
    except ConfigError as error:
        raise ConfigError([_placed(file, problem) for problem in error.problems]) from None
    if isinstance(job.learning, TableSettings) and job.learning.open_features:
        raise ConfigError(
            [f"{file}: data.features: missing; copy the file that quorate provision wrote"]
        )
    if job.secure_sum.suite == "auto":
        raise ConfigError(
            [
                f'{file}: secure_sum.suite: "auto" is for the file that a job is begun with; copy '
                f"the file that quorate provision wrote, which names the suite that was chosen"
            ]
        )
    return job


def _placed(file: Path, problem: str) -> str:
    return problem if problem.startswith(str(file)) else f"{file}: {problem}"


def _membership(path: Path, settings: Settings, job: Job) -> Iterator[str]:
    roster, actor = job.roster(), settings.actor
    if roster.role(actor.name) == actor.role:
        return
    names = {
        "coordinator": (roster.coordinator,),
        "holder": roster.holders,
        "trainer": roster.trainers,
    }[actor.role]
    known = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    yield (
        f'{path / SETTINGS}: name: "{actor.name}" is no {actor.role} of the job in {JOB}; '
        f"its {actor.role} is named: {known}"
    )


def _owners_files(path: Path, settings: Settings, job: Job) -> Iterator[str]:
    if settings.actor.role != "trainer":
        return
    data, place = settings.trainer.data, f"{path / SETTINGS}: trainer.data"
    match job.learning:
        case TorchSettings(task=task) if not task.is_file():
            yield f"{path / JOB}: model.task: {task} is not there; copy it into the home"
        case TableSettings() if data is None:
            yield (
                f"{place}: missing; name the owner's CSV or Parquet file, or a .toml file that "
                f'asks a database, below [trainer]: data = "..."'
            )
        case TableSettings() if data is not None and data.is_dir():
            yield f"{place}: {data} is a folder; name a CSV file"


def _address(path: Path, broker: BrokerSettings, job: Job) -> BrokerAddress:
    place = path / SETTINGS
    urls = broker.urls or job.federation.urls
    if not urls:
        raise ConfigError(
            [
                f"{place}: broker.urls: missing, and {JOB} names no broker either; write for "
                'example urls = ["amqps://broker.example.org/my-federation"] below [broker]'
            ]
        )
    password = os.environ.get(PASSWORD_VARIABLE)
    if broker.password_file is not None:
        password = password_in(broker.password_file)
    files = (broker.ca_file, broker.cert_file, broker.key_file)
    try:
        address = BrokerAddress.parse(
            urls,
            user=broker.user or os.environ.get(USER_VARIABLE),
            password=password,
            tls=Tls(*files) if any(files) else None,
            insecure=broker.insecure or job.federation.insecure,
        )
        address.ssl_context()
    except AddressError as error:
        raise ConfigError([f"{place}: broker: {error}{_account_advice(str(error))}"]) from None
    return address


def _account_advice(text: str) -> str:
    if "names no " not in text:
        return ""
    return (
        f"; write user and password_file below [broker], or set {USER_VARIABLE} and "
        f"{PASSWORD_VARIABLE}"
    )
