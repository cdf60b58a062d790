"""The accounts and certificates that go into the homes, from where they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import ValidationError

from infra.config import ConfigError, Federation, Job
from infra.config.problems import sentence
from infra.rabbitmq.address import AddressError, BrokerAddress
from infra.rabbitmq.passwords import PasswordFolder
from infra.rabbitmq.topology import Sizes, Topology
from infra.tls_material import AUTHORITY

from .model_section import ModelWay
from .provisioning import Access


@dataclass(frozen=True, slots=True)
class Sources:
    """Where accounts come from.

    `urls`: addresses that win over the job's; an account in them is everybody's.
    `credentials`: the folder that `quorate broker apply` keeps, `tls` that of `quorate tls`.
    `model_urls`: where trainers pull model states, with the token of `model_token`.
    """

    urls: Sequence[str] = ()
    credentials: Path | None = None
    tls: Path | None = None
    model_urls: Sequence[str] = ()
    model_token: Path | None = None


def model_way_of(job: Job, sources: Sources) -> ModelWay | None:
    """Return how trainers pull model states, None over the broker. Raises `ConfigError`."""
    if sources.model_urls:
        insecure = job.federation.insecure
        return ModelWay.parse(sources.model_urls, sources.model_token, insecure=insecure)
    if sources.model_token is not None:
        raise ConfigError(["--model-token: is for addresses to pull from; name them: --model-url"])
    return None


def on_broker(job: Job, urls: Sequence[str]) -> Job:
    """Return the job on the broker with these addresses, or on its own where none are given.

    An account in the addresses is left out. Raises `ConfigError`.
    """
    if not urls:
        if job.federation.urls:
            return job
        raise ConfigError(
            [
                'federation.broker: "memory" is for one process only; name a broker with --broker '
                "or in the job file"
            ]
        )
    keys = job.federation.model_dump() | {"broker": [without_account(url) for url in urls]}
    try:
        BrokerAddress.parse(urls, user="-", password="-", insecure=keys["insecure"])  # noqa: S106
        federation = Federation.model_validate(keys)
    except AddressError as error:
        raise ConfigError([f"--broker: {error}"]) from None
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise ConfigError([sentence(each, Federation, "federation") for each in found]) from None
    return job.model_copy(update={"federation": federation})


def without_account(url: str) -> str:
    """Return an address without user and password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def access_of(job: Job, sources: Sources) -> dict[str, Access]:
    """Return how each actor of the job reaches the broker. Raises `ConfigError`."""
    roster = job.roster()
    topology = topology_of(job)
    found: dict[str, Access] = {}
    problems: list[str] = []
    for name in (roster.coordinator, *roster.holders, *roster.trainers):
        try:
            user, password = _account(sources, name, topology)
            certificates = _files(sources.tls, name)
            found[name] = replace(certificates, user=user, password=password)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return found


def topology_of(job: Job) -> Topology:
    """Return what a job needs on a broker, for models of its largest size."""
    return Topology(
        job.roster(),
        Sizes(model_bytes=job.limits.model_bytes),
        replicated=job.federation.replicated,
    )


def _account(sources: Sources, name: str, topology: Topology) -> tuple[str, str | None]:
    if sources.credentials is None:
        user, password = _account_in(sources.urls)
        return user or topology.user(name), password
    folder = PasswordFolder(sources.credentials)
    try:
        password = folder.read(name)
    except OSError as error:
        raise ConfigError(
            [f"{folder.file(name)}: can't be read ({error.strerror}); correct its rights"]
        ) from None
    if password is None:
        raise ConfigError(
            [f"{folder.file(name)}: no password; make the account with quorate broker apply"]
        )
    return topology.user(name), password


def _account_in(urls: Sequence[str]) -> tuple[str | None, str | None]:
    if not urls:
        return None, None
    parts = urlsplit(urls[0])
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return user or None, password or None


def _files(folder: Path | None, name: str) -> Access:
    if folder is None:
        return Access()
    authority = folder / f"{AUTHORITY}.pem"
    if not authority.is_file():
        raise ConfigError([f"{authority}: is not there; name the folder that quorate tls made"])
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    if not (certificate.is_file() and key.is_file()):
        return Access(ca_file=authority)  # brokers need not ask for certificates of actors
    return Access(ca_file=authority, cert_file=certificate, key_file=key)
