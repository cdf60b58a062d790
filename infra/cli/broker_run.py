"""From the addresses on the command line to a broker account for a run of one's own."""

from __future__ import annotations

import os
from collections.abc import Sequence

from infra.config import ConfigError, Job
from infra.homes.access import on_broker
from infra.homes.actor_home import PASSWORD_VARIABLE, USER_VARIABLE
from infra.rabbitmq.address import AddressError, BrokerAddress


def placed(job: Job, urls: Sequence[str]) -> tuple[Job, BrokerAddress | None]:
    """Return the job on its broker and how to log in there, None for a run in one process.

    The account stands in `urls` or in the environment. Raises `ConfigError`.
    """
    if not urls and not job.federation.urls:
        return job, None
    job = on_broker(job, urls)
    try:
        address = BrokerAddress.parse(
            urls or job.federation.urls,
            user=os.environ.get(USER_VARIABLE),
            password=os.environ.get(PASSWORD_VARIABLE),
            insecure=job.federation.insecure,
        )
    except AddressError as error:
        raise ConfigError([f"broker: {error}{_advice(str(error))}"]) from None
    return job, address


def _advice(text: str) -> str:
    if "names no " not in text:
        return ""
    return f" by setting {USER_VARIABLE} and {PASSWORD_VARIABLE}; it must be allowed to configure"
