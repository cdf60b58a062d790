"""Where a broker is and who we are there; the password never shows."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

_PORTS = {"amqp": 5672, "amqps": 5671}
_EXAMPLE = "amqps://broker.example.org/federation"


class AddressError(ValueError):
    """A broker address that can't be used; the text says why and never holds the password."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of an encrypted connection, PEM each.

    `ca_file`: who signed the broker's certificate, None for the system's authorities.
    `cert_file` and `key_file`: our own certificate, where the broker asks for one.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Hosts of one broker (several for a cluster), a virtual host on it, and our account.

    `tls` is None for an unencrypted connection.
    """

    hosts: tuple[tuple[str, int], ...]
    vhost: str
    user: str
    password: str = field(repr=False)
    tls: Tls | None

    @classmethod
    def parse(
        cls,
        urls: str | Sequence[str],
        *,
        user: str | None = None,
        password: str | None = None,
        tls: Tls | None = None,
        insecure: bool = False,
    ) -> BrokerAddress:
        """Read `amqps://user:password@host:port/vhost`, or several that differ in the host only.

        `user` and `password` win over those of the URL. The port is 5671, or 5672 without TLS;
        the virtual host is `/` where none is named. An unencrypted `amqp://` is for loopback
        only, unless `insecure`. Raises `AddressError`.
        """
        texts = [urls] if isinstance(urls, str) else list(urls)
        if not texts:
            raise AddressError(f"no broker address is given: name one as {_EXAMPLE}")
        places = [_split(text) for text in texts]
        first = places[0]
        if any(_common(place) != _common(first) for place in places):
            raise AddressError(
                "the broker addresses differ in more than host and port: give all of one cluster "
                "the same scheme, account and virtual host"
            )
        encrypted = first.scheme == "amqps"
        if tls is not None and not encrypted:
            raise AddressError(
                f"certificates are given for the unencrypted {_origin(first)}: write amqps://"
            )
        if not encrypted and not insecure:
            _require_loopback(places)
        return cls(
            hosts=tuple(_host(place) for place in places),
            vhost=_vhost(first),
            user=_given(user, first.username, "user"),
            password=_given(password, first.password, "password"),
            tls=(tls or Tls()) if encrypted else None,
        )

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return what checks the broker's certificate and host name; None without TLS.

        Reads the files anew at each call. Raises `AddressError` where one can't be used.
        """
        return None if self.tls is None else client_context(self.tls)

    def shown(self) -> str:
        """Return the address for people and logs, without the password."""
        scheme = "amqps" if self.tls else "amqp"
        places = ",".join(f"{_bracketed(host)}:{port}" for host, port in self.hosts)
        return f"{scheme}://{quote(self.user, safe='')}@{places}/{quote(self.vhost, safe='')}"

    def __str__(self) -> str:
        """Return `shown()`."""
        return self.shown()


def client_context(tls: Tls) -> ssl.SSLContext:
    """Return what checks a server's certificate and host name, and shows ours where asked.

    Reads the files anew at each call. Raises `AddressError` where one can't be used.
    """
    context = trusting(ssl.Purpose.SERVER_AUTH, tls)
    show_ourselves(context, tls)
    return context


def trusting(purpose: ssl.Purpose, tls: Tls) -> ssl.SSLContext:
    """Return what checks the other side's certificate. Raises `AddressError`."""
    try:
        context = ssl.create_default_context(purpose, cafile=tls.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise AddressError(
            f"the authority file {tls.ca_file} can't be used ({_reason(error)}): it must hold "
            "certificates in PEM form"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def show_ourselves(context: ssl.SSLContext, tls: Tls) -> None:
    """Let a context show our certificate, if we have one. Raises `AddressError`."""
    if tls.cert_file is None:
        if tls.key_file is not None:
            raise AddressError(f"{tls.key_file} is the key of no certificate: name cert_file")
        return

    def no_passphrase() -> str:
        raise AddressError(
            f"the key {tls.key_file or tls.cert_file} is protected by a passphrase, and nobody is "
            "here to type it: store it without one, readable by this account only"
        )

    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=no_passphrase)
    except (OSError, ssl.SSLError) as error:
        raise AddressError(
            f"the certificate {tls.cert_file} with the key {tls.key_file or tls.cert_file} can't "
            f"be used ({_reason(error)}): both must be readable PEM files and belong together"
        ) from error


def _split(text: str) -> SplitResult:
    try:
        place = urlsplit(text.strip())
        port = place.port
    except ValueError:
        # Neither the text nor the library's error may be shown: both can hold the password.
        raise AddressError(
            "a broker address is no URL: its port must be a number up to 65535, and / : @ # ? in "
            f"a user or password are written as %2F %3A %40 %23 %3F; an example is {_EXAMPLE}"
        ) from None
    if place.scheme not in _PORTS or not place.hostname:
        raise AddressError(
            f"a broker address must begin with amqps:// (or amqp://) and name a host: {_EXAMPLE}"
        )
    if port == 0:
        raise AddressError(f"port 0 of {_origin(place)} can't be connected to")
    if place.query or place.fragment:
        raise AddressError(
            f"{_origin(place)} has something after ? or #: what can be set has its own key in the "
            "configuration"
        )
    return place


def _common(place: SplitResult) -> tuple[str | None, ...]:
    return place.scheme, place.username, place.password, _vhost(place)


def _vhost(place: SplitResult) -> str:
    path = place.path.removeprefix("/")
    if "/" in path:
        raise AddressError(
            f"the virtual host in {_origin(place)}{place.path} has a slash: write it as %2F"
        )
    return unquote(path) or "/"


def _host(place: SplitResult) -> tuple[str, int]:
    return place.hostname or "", place.port or _PORTS[place.scheme]


def _given(explicit: str | None, from_url: str | None, what: str) -> str:
    value = explicit if explicit is not None else unquote(from_url or "")
    if not value:
        raise AddressError(f"the broker address names no {what}: give one")
    return value


def _require_loopback(places: Sequence[SplitResult]) -> None:
    for place in places:
        if not _is_loopback(place.hostname or ""):
            raise AddressError(
                f"{_origin(place)} would send the password unencrypted through the network: use "
                "amqps://, or say insecure = true if that network is protected otherwise"
            )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _origin(place: SplitResult) -> str:
    host, port = _host(place)
    return f"{place.scheme}://{_bracketed(host)}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reason(error: OSError) -> str:
    return error.strerror or getattr(error, "reason", None) or type(error).__name__
