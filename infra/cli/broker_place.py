"""Which broker, virtual host and administrator a `quorate broker` command means."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from rich.console import Console

from infra.config import ConfigError, Job, load_job
from infra.homes.access import topology_of
from infra.rabbitmq.address import AddressError, BrokerAddress, Tls
from infra.rabbitmq.declare import DeclareError
from infra.rabbitmq.management import Management, ManagementError
from infra.rabbitmq.topology import Topology

from .display import print_json
from .signals import STOPPED
from .terminal import show_config_error, show_interrupted

ADMIN = "QUORATE_BROKER_ADMIN"
DONE, FAILED, USAGE = 0, 1, 2


class Refused(Exception):
    """The options, or the job, don't say what is needed; the text says what and how."""


class Options(Protocol):
    """What all commands can be told; None where the job file decides."""

    @property
    def job(self) -> Path:
        """The job file."""
        ...

    @property
    def vhost(self) -> str | None:
        """The virtual host."""
        ...

    @property
    def ca(self) -> Path | None:
        """Who signed the broker's certificate."""
        ...

    @property
    def json(self) -> bool:
        """Whether to speak to machines."""
        ...


class JobPlace:
    """A job, where on which broker it belongs, and the administrator there."""

    def __init__(
        self,
        options: Options,
        *,
        management: str | None = None,
        broker: Sequence[str] | None = None,
    ) -> None:
        self._options = options
        self._management = management
        self._broker = tuple(broker or ())
        self.json = options.json

    @cached_property
    def job(self) -> Job:
        """The job, without the owners' data. Raises `ConfigError`."""
        return load_job(self._options.job, files=False)

    def topology(self) -> Topology:
        """Return what the job needs on a broker."""
        return topology_of(self.job)

    def vhost(self) -> str:
        """Return the virtual host: the option's, the job's address's, or the job's name."""
        if self._options.vhost is not None:
            return self._options.vhost
        urls = self.job.federation.urls
        named = _vhost(urls or self._broker)
        if named == "/" and urls:
            raise Refused(
                f"the job's broker address names no virtual host: a federation needs one of its "
                f"own, as in {urls[0].rstrip('/')}/{self.job.name} (or say --vhost /)"
            )
        return self.job.name if named == "/" else named

    def compared(self) -> bool:
        """Say whether a broker was named to compare with."""
        return self._management is not None

    def management(self) -> Management:
        """Return the management API with the administrator's account. Raises `Refused`."""
        url = self._management or ""
        credentials = os.environ.get(ADMIN)
        try:
            return Management.parse(url, credentials=credentials, ca_file=self._options.ca)
        except ManagementError as error:
            raise Refused(str(error)) from None

    def address(self) -> BrokerAddress | None:
        """Return where to speak AMQP as administrator, None if no address is named."""
        options, urls = self._options, self._urls()
        if not urls:
            return None
        user, _, password = os.environ.get(ADMIN, "").partition(":")
        if not user and "@" not in urls[0]:
            raise Refused(f"no administrator is named: set {ADMIN}=user:password")
        address = BrokerAddress.parse(
            urls,
            user=user or None,
            password=password or None,
            tls=Tls(ca_file=options.ca) if options.ca else None,
            insecure=self.job.federation.insecure,
        )
        return replace(address, vhost=self.vhost())

    def _urls(self) -> tuple[str, ...]:
        return self._broker or self.job.federation.urls


def _vhost(urls: Sequence[str]) -> str:
    if not urls:
        return "/"
    # Only the path of the address counts here.
    return BrokerAddress.parse(urls, user="-", password="-", insecure=True).vhost  # noqa: S106


def guarded(place: JobPlace, work: Callable[[], int]) -> int:
    """Do the work and return its exit code; tell in plain words why it can't be done."""
    output = "json" if place.json else "live"
    try:
        return work()
    except ConfigError as error:
        show_config_error(error, output)
        return USAGE
    except (AddressError, Refused) as error:
        show_config_error(ConfigError([str(error)]), output)
        return USAGE
    except (ManagementError, DeclareError, OSError) as error:
        _show_failure(error, place)
        return FAILED
    except KeyboardInterrupt:
        show_interrupted(output)
        return STOPPED


def _show_failure(error: Exception, place: JobPlace) -> None:
    lines = error.problems if isinstance(error, DeclareError) else (str(error),)
    if place.json:
        for line in lines:
            print_json({"kind": "error", "text": line})
        print_json({"kind": "summary", "outcome": "failed", "reason": lines[0]})
        return
    problems = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    for line in lines:
        problems.print(line)
