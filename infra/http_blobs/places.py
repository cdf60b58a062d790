"""Where model states are served and pulled from, and with which token and certificates."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from infra.rabbitmq.address import Tls

DEFAULT_PORTS = {"http": 80, "https": 443}
_EXAMPLE = "https://coordinator.example.org:8443"
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,1024}")


class HttpBlobsError(ValueError):
    """A way over HTTPS that can't be used; the text says why and never holds the token."""


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """A place that serves `/blobs/<sha256>`, maybe below a prefix."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @classmethod
    def parse(cls, text: str, *, insecure: bool = False) -> BaseUrl:
        """Read `https://host:port/prefix`; plain http is for loopback only, unless `insecure`.

        Raises `HttpBlobsError`.
        """
        try:
            place = urlsplit(text.strip())
            port = place.port
        except ValueError:
            # The text may hold a password, and the library's error the text.
            raise HttpBlobsError(f"an address is no URL; write for example {_EXAMPLE}") from None
        if place.scheme not in DEFAULT_PORTS or not place.hostname:
            raise HttpBlobsError(
                f"an address must begin with https:// and name a host; write for example {_EXAMPLE}"
            )
        made = cls(
            place.scheme,
            place.hostname,
            DEFAULT_PORTS[place.scheme] if port is None else port,
            place.path.rstrip("/"),
        )
        _check(place, made, insecure=insecure)
        return made

    def path(self, digest: bytes) -> str:
        """Return where a blob is, below the host."""
        return f"{self.prefix}/blobs/{digest.hex()}"

    def __str__(self) -> str:
        """Return the URL, which holds no secret."""
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}{self.prefix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulling:
    """How a trainer pulls: from the first address that gives it, and so on.

    All get the same token. `tls` may name an authority and a certificate of ours.
    """

    urls: tuple[BaseUrl, ...]
    token: str | None = field(default=None, repr=False)
    tls: Tls = field(default_factory=Tls)

    @classmethod
    def parse(
        cls,
        urls: Sequence[str],
        *,
        token: str | None = None,
        tls: Tls | None = None,
        insecure: bool = False,
    ) -> Pulling:
        """Read addresses. Raises `HttpBlobsError`."""
        places = tuple(BaseUrl.parse(url, insecure=insecure) for url in urls)
        if len(set(places)) < len(places):
            raise HttpBlobsError("an address is there twice: name it once")
        if tls is not None and all(place.scheme == "http" for place in places):
            raise HttpBlobsError("certificates are given for unencrypted addresses: write https://")
        return cls(urls=places, token=checked_token(token), tls=tls or Tls())


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Where a coordinator serves; port 0 takes any free one.

    Without `tls` it serves plain http. Who pulls shows the token, where there is one, and, where
    `tls` names an authority, a certificate that this authority has signed.
    """

    host: str
    port: int
    token: str | None = field(default=None, repr=False)
    tls: Tls | None = None

    @classmethod
    def parse(
        cls,
        listen: str,
        *,
        token: str | None = None,
        tls: Tls | None = None,
        insecure: bool = False,
    ) -> Serving:
        """Read `HOST:PORT`. Raises `HttpBlobsError`.

        Off loopback it must be encrypted, unless `insecure`, and must know who pulls.
        """
        host, colon, port = listen.strip().rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            raise HttpBlobsError('it must be "HOST:PORT"; write for example "0.0.0.0:8443"')
        if tls is not None and tls.cert_file is None:
            raise HttpBlobsError("a server with TLS needs a certificate: name cert_file, key_file")
        if not is_loopback(host):
            if tls is None and not insecure:
                raise HttpBlobsError(
                    f"{host} would be served unencrypted: name cert_file and key_file, or say "
                    f"insecure = true if that network is protected otherwise"
                )
            if token is None and (tls is None or tls.ca_file is None):
                raise HttpBlobsError(
                    f"{host} would be served to everybody: name token_file, or ca_file for "
                    f"certificates of those who pull"
                )
        return cls(host=host, port=int(port), token=checked_token(token), tls=tls)


def checked_token(token: str | None) -> str | None:
    """Return a token that can stand in a header. Raises `HttpBlobsError`."""
    if token is not None and not _TOKEN.fullmatch(token):
        raise HttpBlobsError(
            "the token must be 16 to 1024 of A-Z a-z 0-9 . _ ~ + / = -; make one for example with "
            "openssl rand -hex 32"
        )
    return token


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine and nobody else's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bracketed(host: str) -> str:
    """Return a host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def _check(place: SplitResult, made: BaseUrl, *, insecure: bool) -> None:
    if place.username is not None or place.password is not None:
        raise HttpBlobsError(
            f"{bracketed(made.host)} is given with an account: name a token_file instead"
        )
    if place.query or place.fragment:
        raise HttpBlobsError(f"{made} has something after ? or #: remove it")
    if not re.fullmatch(r"[A-Za-z0-9._~/%-]*", made.prefix):
        raise HttpBlobsError(f"the path of {made.host} has signs that must be written as %XX")
    if made.port == 0:
        raise HttpBlobsError(f"port 0 of {made.host} can't be connected to")
    if made.scheme == "http" and not insecure and not is_loopback(made.host):
        raise HttpBlobsError(
            f"{made} would send the token unencrypted through the network: use https://, or say "
            f"insecure = true if that network is protected otherwise"
        )
