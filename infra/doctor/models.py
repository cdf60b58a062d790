"""Model states over HTTPS: addresses that answer, encrypted, to those with the token only."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from infra.homes import ActorHome
from infra.homes.actor_home import SETTINGS
from infra.homes.settings import read_settings
from infra.http_blobs import BaseUrl, HttpBlobsError, Pulling, Serving
from infra.http_blobs.places import bracketed
from infra.http_blobs.tls import client_context
from infra.telemetry.snapshot import read_home

from .certificates import expiry, private
from .finding import Finding, fine, problem, warning
from .reach import lasting

_STEP_S = 10.0
_NO_BLOB = bytes(32)  # the digest of nothing that is known
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to look, not to listen


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    expires: datetime | None


async def model_findings(home: ActorHome | None) -> AsyncIterator[Finding]:
    """Yield what is found of the section `[model]` of a home, nothing where there is none.

    No model state is fetched: what is asked for does not exist.
    """
    if home is None or home.model is None:
        return
    for finding in _files(home):
        yield finding
    if isinstance(home.model, Serving):
        yield await _served(home, home.model)
        return
    for base in home.model.urls:
        for finding in await asyncio.to_thread(_pulled, base, home.model):
            yield finding


def _files(home: ActorHome) -> Iterator[Finding]:
    model, now = read_settings(home.path / SETTINGS).model, datetime.now(UTC)
    for what, file in (("the authority", model.ca_file), ("the certificate", model.cert_file)):
        if file is not None:
            yield lasting("model.files", f"{what} ({file})", expiry(file), now)
    for secret in (model.token_file, model.key_file or model.cert_file):
        if secret is not None:
            yield private("model.files", secret)


# --- a coordinator ----------------------------------------------------------------------


async def _served(home: ActorHome, serving: Serving) -> Finding:
    check, where = "model.port", f"{bracketed(serving.host)}:{serving.port}"
    running = read_home(home.path).running
    answers = await asyncio.to_thread(_accepts, serving)
    if running and not answers:
        return problem(
            check,
            f"the coordinator runs, and {where} accepts no connections",
            "correct serve below [model] and start the coordinator again; look for a firewall",
        )
    if answers and not running:
        return problem(
            check,
            f"the coordinator does not run, and something else listens at {where}",
            "choose another port below [model], or stop what has it",
        )
    if answers:
        return fine(check, f"model states are served at {where}")
    return fine(check, f"{where} is free; the coordinator does not run")


def _accepts(serving: Serving) -> bool:
    place = _EVERYWHERE.get(serving.host, serving.host), serving.port
    try:
        with socket.create_connection(place, timeout=_STEP_S):
            return True
    except OSError:
        return False


# --- a trainer --------------------------------------------------------------------------


def _pulled(base: BaseUrl, pulling: Pulling) -> list[Finding]:
    try:
        answer = _asked(base, pulling, pulling.token)
    except ssl.SSLCertVerificationError as error:
        return [problem("model.tls", f"{base}: {error.verify_message}", _trust(error))]
    except ssl.SSLError as error:
        said = error.reason or str(error)
        fix = "name in cert_file and key_file a certificate that it trusts, if it asks for one"
        return [problem("model.tls", f"{base}: no encryption ({said})", fix)]
    except HttpBlobsError as error:
        return [problem("model.tls", str(error), "correct the files named in [model]")]
    except (OSError, http.client.HTTPException) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        fix = "start the coordinator, correct urls below [model], or open the port in the firewalls"
        return [problem("model.url", f"{base} can't be asked ({said})", fix)]
    found = [_encryption(base, answer), _admitted(base, answer)]
    if pulling.token is not None and answer.status == HTTPStatus.NOT_FOUND:
        found.append(_closed_to_others(base, pulling))
    return found


def _asked(base: BaseUrl, pulling: Pulling, token: str | None) -> _Answer:
    connection = http.client.HTTPConnection(base.host, base.port, timeout=_STEP_S)
    if base.scheme == "https":
        context = client_context(pulling.tls)
        connection = http.client.HTTPSConnection(
            base.host, base.port, timeout=_STEP_S, context=context
        )
    with closing(connection):
        connection.connect()
        expires = _expires(connection.sock)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        connection.request("HEAD", base.path(_NO_BLOB), headers=headers)
        return _Answer(connection.getresponse().status, expires)


def _expires(connected: socket.socket) -> datetime | None:
    if not isinstance(connected, ssl.SSLSocket):
        return None
    shown = (connected.getpeercert() or {}).get("notAfter")
    if not isinstance(shown, str):
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(shown), UTC)


def _encryption(base: BaseUrl, answer: _Answer) -> Finding:
    if answer.expires is None:
        return warning(
            "model.tls", f"{base} is not encrypted", "use https:// off this machine: see provision"
        )
    return lasting("model.tls", f"the certificate of {base}", answer.expires, datetime.now(UTC))


def _admitted(base: BaseUrl, answer: _Answer) -> Finding:
    check = "model.token"
    match answer.status:
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return fine(check, f"{base} lets us pull")
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return problem(
                check,
                f"{base} refuses us ({answer.status})",
                "compare token_file with the coordinator's; a cache may ask for more",
            )
    return problem(
        check,
        f"{base} answers {answer.status} to a request for what does not exist",
        "name the address of a coordinator, or of a cache that passes its answers on",
    )


def _closed_to_others(base: BaseUrl, pulling: Pulling) -> Finding:
    check = "model.rights"
    try:
        answer = _asked(base, pulling, None)
    except (OSError, http.client.HTTPException) as error:
        return warning(check, f"{base} can't be asked without the token ({error})", "try again")
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return fine(check, f"{base} refuses those without the token")
    return warning(
        check,
        f"{base} answers {answer.status} without the token: whoever reaches it can pull",
        "name token_file at the coordinator, and compare the token in a cache",
    )


def _trust(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message.lower()
    if "expired" in said:
        return "renew the certificate of this address and start the coordinator again"
    if "match" in said or "hostname" in said or "ip address" in said:
        return "use one of the names in its certificate, or issue it again for this one"
    return "name in ca_file below [model] the authority that signed its certificate"
