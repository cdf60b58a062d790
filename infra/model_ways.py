"""Which way model states take in a process: over the broker's stream, over HTTPS, or both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

from actors.ports import Blobs

from .config import ConfigError
from .homes import ActorHome
from .homes.actor_home import SETTINGS
from .http_blobs import (
    BlobServer,
    BlobTraffic,
    BothWays,
    HttpBlobsError,
    PullBlobs,
    Pulling,
    PullPolicy,
    ServedFolder,
    Serving,
)
from .rabbitmq.blobs import RabbitBlobs
from .rabbitmq.link import RabbitLink

Watch = Callable[[BlobTraffic], None]


@contextmanager
def model_server(home: ActorHome, watch: Watch) -> Iterator[None]:
    """Serve the model states of a coordinator while inside, where its home says so.

    `watch` gets what counts the requests, as soon as there is one.
    Raises `ConfigError` for an address that can't be had.
    """
    if not isinstance(home.model, Serving):
        yield
        return
    server = BlobServer(ServedFolder(home.served), home.model)
    try:
        server.start()
    except HttpBlobsError as error:
        raise ConfigError([f"{home.path / SETTINGS}: model.serve: {error}"]) from None
    watch(server.traffic)
    try:
        yield
    finally:
        server.close()


def blobs_of(home: ActorHome, link: RabbitLink, stack: AsyncExitStack, watch: Watch) -> Blobs:
    """Return an actor's model states; `stack` closes them, `watch` gets what counts pulls."""
    if home.model is None:
        return _streamed(home, link, stack)
    served = isinstance(home.model, Serving)
    pulled = PullBlobs(
        home.name,
        home.pulled,
        Pulling(urls=()) if isinstance(home.model, Serving) else home.model,
        PullPolicy(limit_bytes=home.job.limits.model_bytes),
        served=ServedFolder(home.served) if served else None,
    )
    stack.push_async_callback(pulled.close)
    if not served:
        watch(pulled.traffic)
    if served and home.stream:
        return BothWays(pulled, _streamed(home, link, stack))
    return pulled


def _streamed(home: ActorHome, link: RabbitLink, stack: AsyncExitStack) -> RabbitBlobs:
    blobs = RabbitBlobs(home.name, link, home.blobs)
    stack.push_async_callback(blobs.close)
    return blobs
