"""How model states reach and leave an actor, as the section `[model]` of its settings says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from infra.config import ConfigError
from infra.http_blobs import HttpBlobsError, Pulling, Serving
from infra.http_blobs.tls import client_context, server_context
from infra.rabbitmq.address import Tls

from .settings import ModelSettings, Settings, password_in

_TRAINERS = ("urls",)
_COORDINATORS = ("serve", "stream")


def way_of(file: Path, settings: Settings) -> Serving | Pulling | None:
    """Return where an actor serves or pulls, None where the broker's stream is used.

    Raises `ConfigError`, with file and key.
    """
    model = settings.model
    problems = [f"{file}: {problem}" for problem in _misplaced(settings)]
    if problems:
        raise ConfigError(problems)
    if not model.model_fields_set:
        return None
    key = "serve" if model.serve is not None else "urls"
    try:
        return _serving(model) if model.serve is not None else _pulling(model)
    except HttpBlobsError as error:
        raise ConfigError([f"{file}: model.{key}: {error}"]) from None


def _misplaced(settings: Settings) -> Iterator[str]:
    given = settings.model.model_fields_set
    match settings.actor.role:
        case "holder" if given:
            yield "model: holders need no model states; remove the section [model]"
        case "coordinator" if given:
            for key in given.intersection(_TRAINERS):
                yield f"model.{key}: for trainers only; remove it"
            if "serve" not in given:
                yield 'model.serve: missing; add serve = "0.0.0.0:8443", or remove [model]'
        case "trainer" if given:
            for key in sorted(given.intersection(_COORDINATORS)):
                yield f"model.{key}: for the coordinator only; remove it"
            if not settings.model.urls:
                yield (
                    'model.urls: missing; add urls = ["https://coordinator.example.org:8443"], or '
                    "remove [model]"
                )
        case _:
            pass


def _serving(model: ModelSettings) -> Serving:
    serving = Serving.parse(
        model.serve or "", token=_token(model), tls=_tls(model), insecure=model.insecure
    )
    if serving.port == 0:
        raise HttpBlobsError("nobody would know which free port 0 takes: name one")
    if serving.tls is not None:
        server_context(serving.tls)
    return serving


def _pulling(model: ModelSettings) -> Pulling:
    pulling = Pulling.parse(
        model.urls, token=_token(model), tls=_tls(model), insecure=model.insecure
    )
    client_context(pulling.tls)
    return pulling


def _token(model: ModelSettings) -> str | None:
    return None if model.token_file is None else password_in(model.token_file, what="token")


def _tls(model: ModelSettings) -> Tls | None:
    files = (model.ca_file, model.cert_file, model.key_file)
    return Tls(*files) if any(files) else None
