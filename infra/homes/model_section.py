"""The section `[model]` of homes whose trainers pull model states over HTTPS."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tomli_w

from infra.config import ConfigError
from infra.http_blobs import HttpBlobsError, Pulling
from infra.http_blobs.places import BaseUrl, bracketed

from .settings import password_in

TOKEN = "model.token"  # noqa: S105 - the file's name
CERT, KEY = "model.pem", "model.key"


@dataclass(frozen=True, slots=True)
class ModelWay:
    """Where trainers pull, in this order; the last address is the coordinator's own.

    The token is the whole federation's.
    """

    urls: tuple[BaseUrl, ...]
    token: str = field(repr=False)

    @classmethod
    def parse(cls, urls: Sequence[str], token_file: Path | None, *, insecure: bool) -> ModelWay:
        """Read addresses and the token; make a token where there is no file.

        Raises `ConfigError`.
        """
        token = secrets.token_hex(32)
        if token_file is not None:
            token = password_in(token_file, what="token")
        try:
            pulling = Pulling.parse(urls, token=token, insecure=insecure)
        except HttpBlobsError as error:
            raise ConfigError([f"--model-url: {error}"]) from None
        own = pulling.urls[-1]
        if own.prefix:
            raise ConfigError(
                [
                    f"--model-url: {own}: the coordinator serves below no path; name its own "
                    f"address last, without one"
                ]
            )
        return cls(pulling.urls, token)

    @property
    def encrypted(self) -> bool:
        """Whether the coordinator itself needs a certificate."""
        return self.urls[-1].scheme == "https"

    def section(
        self, role: Literal["coordinator", "trainer"], *, ca_file: str | None, insecure: bool
    ) -> list[str]:
        """Return the lines of a home's section; `ca_file` is the authority of its home."""
        own = self.urls[-1]
        keys: dict[str, object] = {"urls": [str(url) for url in self.urls]}
        if role == "coordinator":
            # A name may lead elsewhere from within: only loopback is certain to be here.
            host = "0.0.0.0" if self.encrypted or insecure else own.host  # noqa: S104
            keys = {"serve": f"{bracketed(host)}:{own.port}", "stream": False}
        keys["token_file"] = TOKEN
        if role == "coordinator" and self.encrypted:
            keys |= {"cert_file": CERT, "key_file": KEY}
        if role == "trainer" and ca_file and any(url.scheme == "https" for url in self.urls):
            keys["ca_file"] = ca_file
        if insecure:
            keys["insecure"] = True
        return ["", "[model]", *tomli_w.dumps(keys, multiline_strings=False).splitlines()]

    def left_open(self) -> str | None:
        """Return what the coordinator still needs, None where that is nothing."""
        if not self.encrypted:
            return None
        return f"{CERT} and {KEY}: a certificate of {self.urls[-1].host}"
