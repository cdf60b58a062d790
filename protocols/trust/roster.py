"""The signed roster: who belongs to a federation, under which key, in which epoch.

Whoever sets a federation up, the *authority*, signs it. What is signed is `framed` with the tag
`quorate/roster` and one field, the canonical bytes of the `RosterBody`; the SHA-256 of those bytes
is in today's `Roster` and with it in every round, so a round binds all keys and the epoch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec

from protocols.codec import Undecodable, canonical, parse
from protocols.errors import Misuse
from protocols.messages import MAX_HOLDERS, MAX_TRAINERS
from protocols.round_config import MINIMUM_FLOOR, Digest, Name, Roster

from .armour import armoured, dearmoured
from .errors import Untrusted
from .framing import framed
from .keys import KeyBytes, SignatureBytes, SigningKey, key_id, require_key, verify

DOMAIN = "quorate/roster"
VERSION = 1  # of this form, whatever the protocol's is
KIND = "ROSTER"
MAX_AUTHORITIES = 8
MAX_REVOKED = 100_000

Seconds = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Epoch = Annotated[int, msgspec.Meta(ge=1, lt=2**53)]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One member: its name, what it does, and its Ed25519 public key.

    There is no long-term key to seal boxes to: those are made for each round and signed with
    this one, so that a key that is stolen later opens no share of the past.
    """

    name: Name
    role: Literal["coordinator", "holder", "trainer"]
    key: KeyBytes


class Revoked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key that nobody may have again, whose it was, and in which epoch it ended."""

    key: KeyBytes
    name: Name
    epoch: Epoch


class RosterBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the authority signs.

    Attributes:
        epoch: 1 for the first roster of a federation, one more with each change.
        previous: SHA-256 of the body of the epoch before, None for the first.
        valid_from: Unix time, UTC seconds, or None for always.
        valid_until: Unix time, UTC seconds, of the first second in which it is not valid.
        authorities: public keys that may sign this federation's next rosters.
        entries: the members; holders are numbered in this order.
        revoked: keys that are refused for ever, sorted.

    Raises `ValueError` where two members could be confused with each other; whether it has the
    members that a federation needs says `faults`.
    """

    federation: Name
    epoch: Epoch
    previous: Digest | None
    valid_from: Seconds | None
    valid_until: Seconds | None
    authorities: Annotated[tuple[KeyBytes, ...], msgspec.Meta(min_length=1, max_length=8)]
    entries: Annotated[tuple[Entry, ...], msgspec.Meta(max_length=1 + MAX_HOLDERS + MAX_TRAINERS)]
    revoked: Annotated[tuple[Revoked, ...], msgspec.Meta(max_length=MAX_REVOKED)]

    def __post_init__(self) -> None:
        keys = [*self.authorities, *(entry.key for entry in self.entries)]
        revoked = [entry.key for entry in self.revoked]
        for faulty, text in (
            ((self.epoch == 1) != (self.previous is None), "only the first epoch follows none"),
            (not _ordered(self.valid_from, self.valid_until), "it ends before it begins"),
            (_repeated([entry.name for entry in self.entries]), "two members have the same name"),
            (_repeated(keys), "two members, or a member and the authority, have the same key"),
            (list(revoked) != sorted(set(revoked)), "revoked keys are not sorted, or repeated"),
            (not set(revoked).isdisjoint(keys), "somebody has a key that was revoked"),
            (any(entry.epoch > self.epoch for entry in self.revoked), "revoked in the future"),
            (len(self._of("coordinator")) > 1, "there is more than one coordinator"),
            (len(self._of("holder")) > MAX_HOLDERS, f"more than {MAX_HOLDERS} holders"),
            (len(self._of("trainer")) > MAX_TRAINERS, f"more than {MAX_TRAINERS} trainers"),
        ):
            if faulty:
                raise ValueError(text)

    def digest(self) -> bytes:
        """Return the SHA-256 of the canonical bytes."""
        return hashlib.sha256(canonical(self)).digest()

    def statement(self) -> bytes:
        """Return the bytes that the authority signs."""
        return framed(DOMAIN, VERSION, canonical(self))

    def faults(self) -> list[str]:
        """Say which members are missing; empty where a federation can work with this roster."""
        return list(self._missing())

    def names(self) -> Roster:
        """Return who takes part, as the machines know it; its digest binds keys and epoch.

        Raises:
            Misuse: members are missing, see `faults`.
        """
        if faults := self.faults():
            raise Misuse("; ".join(faults))
        (coordinator,) = self._of("coordinator")
        return Roster(
            federation=self.federation,
            coordinator=coordinator,
            holders=self._of("holder"),
            trainers=self._of("trainer"),
            keys=self.digest(),
        )

    def entry(self, name: str) -> Entry | None:
        """Return the member of this name, None for a stranger."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def signed_by(self, keys: Sequence[SigningKey]) -> SignedRoster:
        """Return it signed by these keys of authorities."""
        statement = self.statement()
        signatures = [Signed(key=key.public, signature=key.sign(statement)) for key in keys]
        return SignedRoster(
            body=self, signatures=tuple(sorted(signatures, key=lambda signed: signed.key))
        )

    def _of(self, role: str) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.entries if entry.role == role)

    def _missing(self) -> Iterator[str]:
        if not self._of("coordinator"):
            yield "there is no coordinator"
        if (holders := len(self._of("holder"))) < 2:
            yield f"there are {holders} holders, and two or more are needed"
        if (trainers := len(self._of("trainer"))) < MINIMUM_FLOOR:
            yield f"there are {trainers} trainers, and {MINIMUM_FLOOR} or more are needed"


class Signed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signature, and the public key that it is to be checked with."""

    key: KeyBytes
    signature: SignatureBytes


class SignedRoster(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A roster as it travels. `acceptance.accepted` says whether to trust it.

    When the authority changes its key, the old and the new one have both signed.
    """

    body: RosterBody
    signatures: Annotated[
        tuple[Signed, ...], msgspec.Meta(min_length=1, max_length=2 * MAX_AUTHORITIES)
    ]

    def __post_init__(self) -> None:
        keys = [signed.key for signed in self.signatures]
        if keys != sorted(set(keys)):
            raise ValueError("signatures are not sorted by key, or repeated")

    def to_text(self) -> str:
        """Return the text of the file that everybody gets."""
        return armoured(KIND, canonical(self))

    def require(self) -> tuple[bytes, ...]:
        """Check every signature and every key; return who has signed.

        Raises:
            Untrusted: one of them is bad, or no authority of this very roster has signed.
        """
        for key in (*self.body.authorities, *(entry.key for entry in self.body.entries)):
            require_key(key)
        statement = self.body.statement()
        for signed in self.signatures:
            verify(signed.key, signed.signature, statement)
        signers = tuple(signed.key for signed in self.signatures)
        if set(signers).isdisjoint(self.body.authorities):
            raise Untrusted(
                "authority",
                f"the roster of epoch {self.body.epoch} is signed by none of the authorities "
                f"that it names: {', '.join(key_id(key) for key in self.body.authorities)}",
            )
        return signers


def read_roster(text: bytes) -> SignedRoster:
    """Return the roster of a file. Its signatures are its own; whose they are is not checked.

    Raises:
        Untrusted: it is damaged, contradicts itself, or a signature is bad.
    """
    content = dearmoured(KIND, text)
    try:
        signed = parse(content, SignedRoster)
    except Undecodable as error:
        raise Untrusted("form", f"no roster: {error}") from None
    if canonical(signed) != content:
        raise Untrusted("form", "a roster in another form than the canonical one")
    signed.require()
    return signed


def _ordered(first: int | None, second: int | None) -> bool:
    return first is None or second is None or first < second


def _repeated(values: Sequence[object]) -> bool:
    return len(set(values)) != len(values)
