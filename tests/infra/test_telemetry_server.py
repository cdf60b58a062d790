"""The telemetry server: its pages, its bounds, and what it does to clients that misbehave."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from fakes.telemetry_parts import get
from prometheus_client import CollectorRegistry, Gauge

from infra.telemetry.server import Pages, ServerLimits, TelemetryServer
from infra.telemetry.subject import Listen, TelemetryError

ANY = Listen("127.0.0.1", 0)


@contextmanager
def serving(
    *ailments: str, limits: ServerLimits | None = None, listen: Listen = ANY
) -> Iterator[str]:
    registry = CollectorRegistry()
    Gauge("quorate_answer", "Of everything", registry=registry).set(42)
    pages = Pages(registry, lambda: ailments, lambda: b'{"actor": "ann"}')
    server = TelemetryServer(pages, listen, limits)
    server.start()
    try:
        assert server.url is not None
        yield server.url
    finally:
        server.close()


def connection(url: str) -> socket.socket:
    place = urlsplit(url)
    return socket.create_connection((str(place.hostname), place.port or 0), timeout=20)


def test_the_pages_are_there() -> None:
    with serving() as url:
        assert b"quorate_answer 42.0" in get(url, "/metrics")[1]
        assert get(url, "/status") == (200, b'{"actor": "ann"}')
        assert get(url, "/healthz")[0] == 200
        assert get(url, "/")[0] == 404
        assert get(url, "/metrics", method="POST")[0] == 405


def test_illness_is_a_503_with_its_reasons() -> None:
    with serving("no link to the broker for 200 s") as url:
        status, body = get(url, "/healthz")

    assert status == 503
    assert json.loads(body) == {"healthy": False, "reasons": ["no link to the broker for 200 s"]}


def test_a_port_in_use_is_a_clear_error() -> None:
    with serving() as url:
        taken = urlsplit(url).port
        assert taken is not None

        with (
            pytest.raises(
                TelemetryError, match=rf"127\.0\.0\.1:{taken} can't be listened on .* 0 for"
            ),
            serving(listen=Listen("127.0.0.1", taken)),
        ):
            pass


def test_a_port_is_free_again_after_the_end() -> None:
    with serving() as url:
        port = urlsplit(url).port or 0
        get(url, "/metrics")

    with serving(listen=Listen("127.0.0.1", port)) as again:
        assert get(again, "/metrics")[0] == 200


def test_a_silent_client_is_hung_up_on_and_does_not_hold_up_others() -> None:
    with serving(limits=ServerLimits(request_s=0.3)) as url, connection(url) as silent:
        silent.sendall(b"GET /metr")

        assert get(url, "/metrics")[0] == 200
        assert silent.recv(100) == b""


def test_a_client_that_trickles_is_hung_up_on_too() -> None:
    with serving(limits=ServerLimits(request_s=0.3)) as url, connection(url) as slow:
        slow.settimeout(0.01)
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        ended = False
        for _ in range(2000):
            try:
                slow.sendall(b"X")
                ended = slow.recv(100) == b""
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                ended = True
            if ended:
                break

        assert ended


def test_more_clients_than_allowed_are_hung_up_on_at_once() -> None:
    limits = ServerLimits(clients=2, request_s=60.0)
    with serving(limits=limits) as url, connection(url) as one, connection(url) as two:
        one.sendall(b"G")
        two.sendall(b"G")

        with connection(url) as third:
            assert third.recv(100) == b""

        one.sendall(b"ET /status HTTP/1.0\r\n\r\n")
        assert b"200 OK" in one.recv(1000)


def test_the_end_waits_for_no_client() -> None:
    with serving(limits=ServerLimits(request_s=600.0)) as url:
        hanging = connection(url)
        hanging.sendall(b"GET")
        get(url, "/status")

    with hanging:
        assert hanging.recv(10) == b""


@pytest.mark.parametrize("text", ["off", "", " off "])
def test_no_server_on_demand(text: str) -> None:
    assert Listen.parse(text) is None


def test_addresses_are_read() -> None:
    assert Listen.parse("127.0.0.1:9464") == Listen("127.0.0.1", 9464)
    assert Listen.parse("[::1]:0") == Listen("::1", 0)


@pytest.mark.parametrize("text", ["9464", ":9464", "host:", "host:x", "host:70000", "host:-1"])
def test_a_wrong_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(TelemetryError, match=r"127\.0\.0\.1:9464"):
        Listen.parse(text)
