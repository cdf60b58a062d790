"""Keys and certificates of a private authority: for the broker's hosts and for every actor.

    ca.pem  ca.key            the authority; brokers and actors get ca.pem and never ca.key
    server.pem  server.key    for all hosts of the broker
    NAME.pem  NAME.key        for the actor NAME

A file that is there is kept as it is; only `renew` gives the server and the actors new keys, and
nothing ever replaces the authority.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .durable_files import make_folder, sync_folder

AUTHORITY = "ca"
SERVER = "server"
AUTHORITY_DAYS = 3650
LEAF_DAYS = 397
_CLOCKS_APART = timedelta(hours=1)  # of two machines that are both right enough
_SOON = timedelta(days=30)


class TlsMaterialError(ValueError):
    """The folder can't be completed; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate of the folder, and whether it was made just now."""

    name: str
    file: Path
    expires: datetime
    made: bool


@dataclass(frozen=True, slots=True)
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class TlsFolder:
    """The material in a folder; `now` is an aware time, from which certificates are valid.

    Raises `TlsMaterialError` where something of the folder is missing or contradicts the request.
    """

    def __init__(self, folder: Path, *, now: datetime) -> None:
        self._folder = folder
        self._now = now

    def issue(
        self, hosts: Sequence[str], actors: Sequence[str], *, renew: bool = False, days: int = 0
    ) -> list[Issued]:
        """Make what is missing, or with `renew` everything but the authority.

        Args:
            hosts: names and addresses by which actors reach the broker.
            actors: names of the actors.
            renew: give new keys and certificates to these hosts and actors.
            days: how long they are valid, 397 by default; never longer than the authority.
        """
        for name in actors:
            if name in (AUTHORITY, SERVER) or Path(name).name != name or not name:
                raise TlsMaterialError(f'"{name}" can\'t name an actor here; choose another name')
        make_folder(self._folder)
        authority, first = self._authority()
        expires = min(
            self._now + timedelta(days=days or LEAF_DAYS), authority.certificate.not_valid_after_utc
        )
        issued = [first]
        if hosts:
            names = [_alternative(host) for host in hosts]
            template = _Template(SERVER, tuple(names), ExtendedKeyUsageOID.SERVER_AUTH, expires)
            issued.append(self._leaf(template, authority, renew=renew))
        for actor in actors:
            template = _Template(
                actor, (x509.DNSName(actor),), ExtendedKeyUsageOID.CLIENT_AUTH, expires
            )
            issued.append(self._leaf(template, authority, renew=renew))
        return issued

    # --- one certificate --------------------------------------------------------------

    def _authority(self) -> tuple[_Pair, Issued]:
        certificate, key = self._files(AUTHORITY)
        if certificate.exists():
            if not key.exists():
                raise TlsMaterialError(
                    f"{key}: missing, and needed to sign; bring it back for this command, or "
                    f"begin anew in an empty folder"
                )
            pair = self._loaded(AUTHORITY)
            if pair.certificate.not_valid_after_utc < self._now + _SOON:
                raise TlsMaterialError(
                    f"{certificate}: ends on {pair.certificate.not_valid_after_utc:%Y-%m-%d}; "
                    f"begin anew in an empty folder and let brokers and actors trust both for "
                    f"a while"
                )
            return pair, self._entry(AUTHORITY, pair, made=False)
        pair = _self_signed(self._now)
        self._write(AUTHORITY, pair)
        return pair, self._entry(AUTHORITY, pair, made=True)

    def _leaf(self, template: _Template, authority: _Pair, *, renew: bool) -> Issued:
        certificate, _ = self._files(template.name)
        if certificate.exists() and not renew:
            pair = self._loaded(template.name)
            _check_kept(certificate, pair.certificate, template, authority.certificate)
            return self._entry(template.name, pair, made=False)
        pair = template.signed_by(authority, self._now)
        self._write(template.name, pair)
        return self._entry(template.name, pair, made=True)

    # --- files ------------------------------------------------------------------------

    def _files(self, name: str) -> tuple[Path, Path]:
        return self._folder / f"{name}.pem", self._folder / f"{name}.key"

    def _entry(self, name: str, pair: _Pair, *, made: bool) -> Issued:
        file, _ = self._files(name)
        return Issued(name, file, pair.certificate.not_valid_after_utc, made)

    def _loaded(self, name: str) -> _Pair:
        file, key_file = self._files(name)
        try:
            certificate = x509.load_pem_x509_certificate(file.read_bytes())
            key = load_pem_private_key(key_file.read_bytes(), password=None)
        except FileNotFoundError as error:
            raise TlsMaterialError(
                f"{error.filename}: missing; bring it back, or remove {file.name} and run again"
            ) from None
        except ValueError:
            raise TlsMaterialError(
                f"{file}, {key_file.name}: not what this command wrote; bring back the files, or "
                f"begin anew in an empty folder"
            ) from None
        if (
            not isinstance(key, ec.EllipticCurvePrivateKey)
            or key.public_key() != certificate.public_key()
        ):
            raise TlsMaterialError(
                f"{file}, {key_file.name}: the key is not the certificate's; bring back the "
                f"files, or begin anew in an empty folder"
            )
        return _Pair(certificate, key)

    def _write(self, name: str, pair: _Pair) -> None:
        """Replace both files; the key first, so that no certificate is left without one."""
        certificate, key = self._files(name)
        private = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _replace(key, private, mode=0o600)
        _replace(certificate, pair.certificate.public_bytes(Encoding.PEM), mode=0o644)
        sync_folder(self._folder)


@dataclass(frozen=True, slots=True)
class _Template:
    """What stands in a certificate that the authority signs."""

    name: str
    alternatives: tuple[x509.GeneralName, ...]
    purpose: x509.ObjectIdentifier
    expires: datetime

    def signed_by(self, authority: _Pair, now: datetime) -> _Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        identifier = authority.certificate.extensions.get_extension_for_class(
            x509.SubjectKeyIdentifier
        ).value
        builder = (
            _builder(self.name, key, issuer=authority.certificate.subject)
            .not_valid_before(now - _CLOCKS_APART)
            .not_valid_after(self.expires)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([self.purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName(self.alternatives), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
                critical=False,
            )
        )
        return _Pair(builder.sign(authority.key, hashes.SHA256()), key)


def _self_signed(now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = "Quorate private authority"
    builder = (
        _builder(name, key, issuer=_name(name))
        .not_valid_before(now - _CLOCKS_APART)
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return _Pair(builder.sign(key, hashes.SHA256()), key)


def _builder(
    name: str, key: ec.EllipticCurvePrivateKey, *, issuer: x509.Name
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError:
        raise TlsMaterialError(f'"{host}" is no host name; write it in ASCII') from None


def _check_kept(
    file: Path, kept: x509.Certificate, template: _Template, authority: x509.Certificate
) -> None:
    if kept.issuer != authority.subject or not _signed(kept, authority):
        raise TlsMaterialError(
            f"{file}: signed by another authority; renew it with --renew, or use another folder"
        )
    covered = kept.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    lacking = [str(name.value) for name in template.alternatives if name not in covered]
    if lacking:
        raise TlsMaterialError(
            f"{file}: is there and does not cover {', '.join(lacking)}; renew it with --renew"
        )


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _replace(target: Path, content: bytes, *, mode: int) -> None:
    """As `replace_file`, but nobody else can read the file for a moment."""
    incoming = target.with_name(target.name + ".incoming")
    incoming.unlink(missing_ok=True)
    descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    incoming.rename(target)
