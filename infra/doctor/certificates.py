"""An actor's own certificate files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cryptography import x509

from infra.rabbitmq.address import AddressError, BrokerAddress, Tls

from .finding import Finding, fine, problem
from .reach import lasting


def own_files(address: BrokerAddress, now: datetime) -> list[Finding]:
    """Look whether the files can be used, until when, and who else can read the key."""
    tls = address.tls
    if tls is None:
        return []
    try:
        address.ssl_context()
    except AddressError as error:
        return [problem("tls.files", str(error), "correct the files named in [broker]")]
    named = [("the authority", tls.ca_file), ("our certificate", tls.cert_file)]
    found = [
        lasting("tls.files", f"{what} ({file})", expiry(file), now)
        for what, file in named
        if file is not None
    ]
    return [*found, *_key(tls)]


def private(check: str, file: Path) -> Finding:
    """Look whether only its user can read a file with a secret."""
    mode = file.stat().st_mode & 0o777
    if mode & 0o077:
        return problem(check, f"{file} can be read by others (mode {mode:o})", f"chmod 600 {file}")
    return fine(check, f"{file} is private")


def _key(tls: Tls) -> list[Finding]:
    file = tls.key_file or tls.cert_file
    return [] if file is None else [private("tls.files", file)]


def expiry(file: Path) -> datetime:
    """Return the earliest end among the certificates of a file that OpenSSL could read."""
    certificates = x509.load_pem_x509_certificates(file.read_bytes())
    return min(certificate.not_valid_after_utc for certificate in certificates)
