"""Contexts of encrypted connections, for those who serve and those who pull."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from infra.rabbitmq import address
from infra.rabbitmq.address import AddressError, Tls

from .places import HttpBlobsError


def client_context(tls: Tls) -> ssl.SSLContext:
    """Return what checks the server's certificate and host name, and shows ours where asked.

    Reads the files anew at each call. Raises `HttpBlobsError` where one can't be used.
    """
    with _in_our_name():
        return address.client_context(tls)


def server_context(tls: Tls) -> ssl.SSLContext:
    """Return what shows our certificate, and asks for one where `tls` names an authority.

    Raises `HttpBlobsError` where a file can't be used.
    """
    with _in_our_name():
        if tls.ca_file is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        else:
            context = address.trusting(ssl.Purpose.CLIENT_AUTH, tls)
            context.verify_mode = ssl.CERT_REQUIRED
        address.show_ourselves(context, tls)
        return context


@contextmanager
def _in_our_name() -> Iterator[None]:
    try:
        yield
    except AddressError as error:
        raise HttpBlobsError(str(error)) from error
