"""What is examined: a job as its author sees it, or the home of one actor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actors.ports import WorkFailed
from infra.approval import refusal
from infra.casting import agreement_of, algorithm_at
from infra.config import ConfigError, Job, TableSettings, load_job
from infra.homes import ActorHome, open_home
from infra.homes.access import topology_of
from infra.homes.actor_home import PASSWORD_VARIABLE, USER_VARIABLE
from infra.rabbitmq.address import AddressError, BrokerAddress, Tls
from infra.rabbitmq.topology import Topology
from infra.tables import load_table
from protocols.errors import Unfit
from protocols.learning.disclosure import require_round

from .certificates import private
from .finding import Finding, fine, problem, warning


@dataclass(frozen=True, slots=True)
class Subject:
    """A job, and where known the broker, an account there, and the actor it belongs to.

    `address` is None for a job in one process. Without an `account`, its user and password are
    placeholders.
    """

    job: Job
    address: BrokerAddress | None
    account: bool
    home: ActorHome | None = None

    @property
    def topology(self) -> Topology:
        """What the job needs on its broker."""
        return topology_of(self.job)

    @property
    def actor(self) -> str | None:
        """The actor whose account it is, None for another account or none."""
        if self.address is None or not self.account:
            return None
        roster, user = self.job.roster(), self.address.user
        names = (roster.coordinator, *roster.holders, *roster.trainers)
        return next((name for name in names if self.topology.user(name) == user), None)


def open_subject(path: Path, ca: Path | None = None) -> Subject:
    """Read a job file, or a home if `path` is a folder. Raises `ConfigError`.

    `ca` is the authority of a job's broker; a home names its own.
    """
    if path.is_dir():
        home = open_home(path)
        return Subject(home.job, home.address, account=True, home=home)
    job = load_job(path, files=False)
    urls = job.federation.urls
    if not urls:
        return Subject(job, None, account=False)
    user, password = os.environ.get(USER_VARIABLE), os.environ.get(PASSWORD_VARIABLE)
    known = bool(user and password)
    try:
        address = BrokerAddress.parse(
            urls,
            user=user if known else "-",
            password=password if known else "-",
            tls=None if ca is None else Tls(ca_file=ca),
            insecure=job.federation.insecure,
        )
    except AddressError as error:
        raise ConfigError([f"{path}: federation.broker: {error}"]) from None
    return Subject(job, address, account=known)


def job_findings(subject: Subject) -> Iterator[Finding]:
    """Say what the job is, and look at the files that it or the home names."""
    job, federation = subject.job, subject.job.federation
    yield fine(
        "job",
        f"{job.path} is in order: {job.algorithm}, {len(job.owners)} owners, "
        f"{federation.threshold} of {federation.holders} holders open a sum",
    )
    if subject.home is not None:
        yield from _home(subject.home)
    elif subject.address is not None and not subject.account:
        yield warning(
            "account",
            "a job file names no account, so rights and queues are looked at with --management "
            "only",
            f"examine an actor's home, or set {USER_VARIABLE} and {PASSWORD_VARIABLE}",
        )
    yield from _tables(subject)


def _home(home: ActorHome) -> Iterator[Finding]:
    mode = home.path.stat().st_mode & 0o777
    if mode & 0o077:
        yield problem(
            "home",
            f"{home.path} is open to others (mode {mode:o}); it holds shares and passwords",
            f"chmod 700 {home.path}",
        )
    elif not os.access(home.path, os.W_OK):
        yield problem(
            "home",
            f"{home.path} can't be written",
            "correct its owner, or run this as the service's user",
        )
    else:
        yield fine("home", f"{home.path} is the home of the {home.role} {home.name}")
    password = home.path / "password"
    if password.exists():
        yield private("home", password)


def _tables(subject: Subject) -> Iterator[Finding]:
    learning, home = subject.job.learning, subject.home
    if not isinstance(learning, TableSettings):
        return
    owners = subject.job.owners if home is None else (home.owner,)
    for owner in owners:
        file = owner.data
        if said := refusal(owner.allow, job=subject.job.name, algorithm=subject.job.algorithm):
            yield problem("allow", f"{owner.name} takes no part: {said}", "or leave it at that")
        if file is None:
            continue
        if home is None and not file.exists():
            yield warning(
                "data",
                f"{file} is not on this machine",
                "examine the trainer's home where the data are, or correct the path",
            )
            continue
        try:
            algorithm = algorithm_at(subject.job, str(file))
            table = load_table(str(file), algorithm.columns(), agreement_of(subject.job))
        except WorkFailed as error:
            yield problem("data", str(error), "correct the file, or the columns in the job")
            continue
        features = len(algorithm.columns()) - len(learning.named_columns)
        yield fine("data", f"{file} has {table.rows} rows of {features} features")
        try:
            require_round(owner.disclosure.rules(), algorithm, algorithm.start(), table)
        except Unfit as error:
            what = f"{owner.name} will decline: {error.kind}: {error}"
            yield warning(
                "disclosure", what, "or leave it at that: others go on without this owner"
            )
