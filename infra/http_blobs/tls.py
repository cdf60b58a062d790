"""Contexts of encrypted connections, for those who serve and those who pull."""

from __future__ import annotations

import ssl

from infra.rabbitmq.address import Tls

from .places import HttpBlobsError


def client_context(tls: Tls) -> ssl.SSLContext:
    """Return what checks the server's certificate and host name, and shows ours where asked.

    Reads the files anew at each call. Raises `HttpBlobsError` where one can't be used.
    """
    context = _trusting(ssl.Purpose.SERVER_AUTH, tls)
    _show_ourselves(context, tls)
    return context


def server_context(tls: Tls) -> ssl.SSLContext:
    """Return what shows our certificate, and asks for one where `tls` names an authority.

    Raises `HttpBlobsError` where a file can't be used.
    """
    if tls.ca_file is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    else:
        context = _trusting(ssl.Purpose.CLIENT_AUTH, tls)
        context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show_ourselves(context, tls)
    return context


def _trusting(purpose: ssl.Purpose, tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(purpose, cafile=tls.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise HttpBlobsError(
            f"the authority file {tls.ca_file} can't be used ({_reason(error)}): it must hold "
            "certificates in PEM form"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _show_ourselves(context: ssl.SSLContext, tls: Tls) -> None:
    if tls.cert_file is None:
        if tls.key_file is not None:
            raise HttpBlobsError(f"{tls.key_file} is the key of no certificate: name cert_file")
        return

    def no_passphrase() -> str:
        raise HttpBlobsError(
            f"the key {tls.key_file or tls.cert_file} is protected by a passphrase, and nobody is "
            "here to type it: store it without one, readable by this account only"
        )

    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=no_passphrase)
    except (OSError, ssl.SSLError) as error:
        raise HttpBlobsError(
            f"the certificate {tls.cert_file} with the key {tls.key_file or tls.cert_file} can't "
            f"be used ({_reason(error)}): both must be readable PEM files and belong together"
        ) from error


def _reason(error: OSError) -> str:
    return error.strerror or getattr(error, "reason", None) or type(error).__name__
