"""A signing request: what a site sends to whoever keeps the roster, proof of its key included."""

from __future__ import annotations

from typing import Literal

import msgspec

from protocols.codec import Undecodable, canonical, parse
from protocols.round_config import Name

from .armour import armoured, dearmoured
from .errors import Untrusted
from .framing import framed
from .keys import KeyBytes, SignatureBytes, SigningKey, require_key, verify

DOMAIN = "quorate/request"
VERSION = 1  # of this form, whatever the protocol's is
KIND = "SIGNING REQUEST"
Role = Literal["coordinator", "holder", "trainer"]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who somebody wants to be in a federation, and under which key.

    `replaces` is the key that this one is to take the place of, which then has signed, too.
    """

    federation: Name
    name: Name
    role: Role
    key: KeyBytes
    replaces: KeyBytes | None = None

    def statement(self) -> bytes:
        """Return the bytes that are signed."""
        return framed(DOMAIN, VERSION, canonical(self))

    def signed_by(self, key: SigningKey, old: SigningKey | None = None) -> SignedRequest:
        """Return it signed by its key, and by the one that it replaces."""
        statement = self.statement()
        return SignedRequest(
            request=self,
            signature=key.sign(statement),
            old_signature=None if old is None else old.sign(statement),
        )


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request as it travels; trust it only from `read_request`, or after `require`."""

    request: Request
    signature: SignatureBytes
    old_signature: SignatureBytes | None = None

    def to_text(self) -> str:
        """Return the text of the file that the site sends."""
        return armoured(KIND, canonical(self))

    def require(self) -> None:
        """Check that whoever made the request has the keys it names. Raises `Untrusted`."""
        request = self.request
        statement = request.statement()
        verify(request.key, self.signature, statement)
        if (request.replaces is None) != (self.old_signature is None):
            raise Untrusted("signature", "a new key is to be signed by the old one, and only then")
        if request.replaces is not None and self.old_signature is not None:
            if request.replaces == request.key:
                raise Untrusted("key", "a key can't replace itself")
            verify(request.replaces, self.old_signature, statement)


def read_request(text: bytes) -> SignedRequest:
    """Return the request of a file, with its signatures checked.

    Raises:
        Untrusted: it is damaged, or whoever made it lacks the key.
    """
    content = dearmoured(KIND, text)
    try:
        signed = parse(content, SignedRequest)
    except Undecodable as error:
        raise Untrusted("form", f"no signing request: {error}") from None
    if canonical(signed) != content:
        raise Untrusted("form", "a signing request in another form than the canonical one")
    require_key(signed.request.key)
    signed.require()
    return signed
