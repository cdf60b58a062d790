"""The broker's management HTTP API, as far as provisioning and checking need it."""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

_TIMEOUT_S = 60.0  # an import of thousands of queues answers when all are there
_ANSWER_BYTES = 256 * 2**20
# With statistics RabbitMQ 4.0 answers 500 while it has none of what is new.
_BARE = "?disable_stats=true"
_EXAMPLE = "https://broker.example.org:15671"

Object = dict[str, Any]


class ManagementError(Exception):
    """The management API can't be reached or refuses; never holds the password.

    `status` is the HTTP status where there was one.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Management:
    """A broker's management API and the administrator that we are there.

    Calls block; each opens a connection of its own, straight to the host and past any proxy.
    `ca_file` holds who signed the server's certificate, None for the system's authorities.
    """

    url: str
    user: str
    password: str = field(repr=False)
    ca_file: Path | None = None

    @classmethod
    def parse(
        cls, url: str, *, credentials: str | None = None, ca_file: Path | None = None
    ) -> Management:
        """Read `https://user:password@host:port`; `credentials` is `user:password` and wins.

        Plain http is for loopback only. Raises `ManagementError`.
        """
        try:
            place = urlsplit(url.strip())
            port = place.port
        except ValueError:
            # Neither the text nor the library's error may be shown: both can hold the password.
            raise ManagementError(_no_url("it is no URL")) from None
        if place.scheme not in ("http", "https") or not place.hostname:
            raise ManagementError(_no_url("it must begin with https:// and name a host"))
        if place.scheme == "http" and not _is_loopback(place.hostname):
            raise ManagementError(
                f"http://{place.hostname} would send the administrator's password unencrypted: "
                f"use https://, or a tunnel that ends at 127.0.0.1"
            )
        user, _, password = (credentials or "").partition(":")
        user = user or unquote(place.username or "")
        password = password or unquote(place.password or "")
        if not user or not password:
            raise ManagementError(
                "no administrator is named: set QUORATE_BROKER_ADMIN=user:password, or write "
                "https://user:password@host:port (which others on this machine can read)"
            )
        host = f"[{place.hostname}]" if ":" in place.hostname else place.hostname
        origin = f"{place.scheme}://{host}" + (f":{port}" if port else "")
        return cls(origin + place.path.rstrip("/"), user, password, ca_file)

    # --- what there is ----------------------------------------------------------------

    def overview(self) -> Object:
        """Return what the broker is: `rabbitmq_version`, `node`, `listeners`."""
        return self._object("/overview" + _BARE)

    def vhosts(self) -> list[Object]:
        """Return the virtual hosts that the administrator may see."""
        return self._list("/vhosts" + _BARE)

    def users(self) -> list[Object]:
        """Return all accounts of the broker, with hashes of their passwords."""
        return self._list("/users")

    def permissions(self, vhost: str | None = None) -> list[Object]:
        """Return who may configure, write and read what, in one virtual host or in all."""
        return self._list("/permissions" if vhost is None else path("vhosts", vhost, "permissions"))

    def topic_permissions(self, vhost: str) -> list[Object]:
        """Return who may publish with which routing keys."""
        return self._list(path("vhosts", vhost, "topic-permissions"))

    def exchanges(self, vhost: str) -> list[Object]:
        """Return the exchanges of a virtual host, RabbitMQ's own too."""
        return self._list(path("exchanges", vhost) + _BARE)

    def queues(self, vhost: str) -> list[Object]:
        """Return the queues of a virtual host; counts of messages may be seconds old."""
        return self._list(path("queues", vhost) + _BARE + "&enable_queue_totals=true")

    def bindings(self, vhost: str) -> list[Object]:
        """Return the bindings of a virtual host, those to the default exchange too."""
        return self._list(path("bindings", vhost))

    # --- changes ----------------------------------------------------------------------

    def put(self, where: str, body: Object) -> None:
        """Create or replace what `where` names (see `path`)."""
        self.call("PUT", where, body)

    def delete(self, where: str) -> bool:
        """Delete what `where` names; return False if it was not there."""
        try:
            self.call("DELETE", where)
        except ManagementError as error:
            if error.status != http.client.NOT_FOUND:
                raise
            return False
        return True

    def post(self, where: str, body: Object) -> Any:
        """Send `body` and return the answer, None for an empty one."""
        return self.call("POST", where, body)

    # --- the wire ---------------------------------------------------------------------

    def _object(self, where: str) -> Object:
        answer = self.call("GET", where)
        if not isinstance(answer, dict):
            raise self._stranger()
        return answer

    def _list(self, where: str) -> list[Object]:
        answer = self.call("GET", where)
        if not isinstance(answer, list):
            raise self._stranger()
        return answer

    def call(self, method: str, where: str, body: Object | None = None) -> Any:
        """Return the answer to any request of the API, None for an empty one.

        `where` follows `/api` and is quoted (see `path`). Raises `ManagementError`.
        """
        account = b64encode(f"{self.user}:{self.password}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310  # http and https only, see `parse`
            f"{self.url}/api{where}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Basic {account}", "Content-Type": "application/json"},
        )
        try:
            with _opener(self.url.startswith("https:"), self.ca_file).open(
                request, timeout=_TIMEOUT_S
            ) as answer:
                text = answer.read(_ANSWER_BYTES)
            return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error, where) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        except (ValueError, RecursionError):
            raise self._stranger() from None

    def _stranger(self) -> ManagementError:
        return ManagementError(f"{self.url} does not answer as RabbitMQ does; check the URL")

    def _refused(self, error: urllib.error.HTTPError, where: str) -> ManagementError:
        status = error.code
        if status == http.client.UNAUTHORIZED:
            text = (
                f"{self.url} does not let {self.user} in: check the password, and that the "
                f"account has the tag administrator"
            )
        else:
            text = f"{self.url}/api{where} answers {status}: {_reason(error)}"
        return ManagementError(text, status)

    def _unreachable(self, error: Exception) -> ManagementError:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return ManagementError(
                f"the certificate of {self.url} can't be trusted ({reason.verify_message}): name "
                f"the file of its authority with --ca"
            )
        said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return ManagementError(
            f"no answer from {self.url} ({said}): check the address, and that the broker has the "
            f"plugin rabbitmq_management"
        )


@lru_cache(maxsize=8)
def _opener(encrypted: bool, ca_file: Path | None) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirect()]
    if encrypted:
        # Reading the system's authorities takes longer than a call.
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            said = error.strerror or type(error).__name__
            raise ManagementError(
                f"the authority file {ca_file} can't be used ({said}); it must be PEM"
            ) from error
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: the password would go along."""

    def redirect_request(self, *_: Any) -> None:
        """Treat a redirect as a refusal."""


def path(*parts: str) -> str:
    """Return the path of a resource; parts are quoted: a virtual host may be called `/`."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        answer = json.loads(error.read(10_000))
        return str(answer["reason"])
    except (ValueError, KeyError, TypeError, RecursionError, OSError):
        return str(error.reason)


def _no_url(what: str) -> str:
    return f"the address of the management API can't be used, {what}: {_EXAMPLE}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
