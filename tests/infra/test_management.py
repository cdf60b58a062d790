"""The administrator's password goes to the named broker and nowhere else."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from infra.rabbitmq.management import Management, ManagementError, path
from infra.tls_material import TlsFolder

PASSWORD = "p:ss/wörd@#%"  # noqa: S105
ADMIN = f"admin:{PASSWORD}"


class Broker(BaseHTTPRequestHandler):
    """Answers every request with what the server was made with, and keeps its headers."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.seen.append((self.path, self.headers.get("Authorization")))
        self.send_response(server.status)
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(server.body)

    do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """An HTTP server on loopback that always answers the same."""

    def __init__(self, status: int = 200, body: object = None, **headers: str) -> None:
        super().__init__(("127.0.0.1", 0), Broker)
        self.status, self.headers = status, headers
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.seen: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def running(server: Server) -> Iterator[Server]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_it_logs_in_with_the_given_account_and_reads_the_answer() -> None:
    with running(Server(body={"rabbitmq_version": "9"})) as server:
        overview = Management.parse(server.url, credentials=ADMIN).overview()

    assert overview["rabbitmq_version"] == "9"

    expected = "Basic " + b64encode(ADMIN.encode()).decode()
    assert server.seen == [("/api/overview?disable_stats=true", expected)]


def test_the_account_may_stand_in_the_url_and_is_not_shown() -> None:
    api = Management.parse("https://admin:p%40ss@broker.example.org:15671/")

    assert (api.user, api.password) == ("admin", "p@ss")
    assert api.url == "https://broker.example.org:15671"
    assert "p@ss" not in repr(api)


def test_a_redirect_is_not_followed() -> None:
    with (
        running(Server(body=[])) as thief,
        running(Server(302, Location=f"{thief.url}/api/users")) as server,
        pytest.raises(ManagementError, match="302"),
    ):
        Management.parse(server.url, credentials=ADMIN).users()

    assert thief.seen == []


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(Server(body=[])) as proxy, running(Server(body=[])) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert Management.parse(server.url, credentials=ADMIN).users() == []

    assert proxy.seen == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://broker.example.org:15672", "unencrypted"),
        ("http://127.0.0.1.example.org:15672", "unencrypted"),
        ("ftp://broker.example.org", "must begin with https://"),
        ("broker.example.org", "must begin with https://"),
        ("https://admin:secret@host:port", "no URL"),
        ("https://", "must begin with https://"),
    ],
)
def test_an_address_that_can_not_be_used_is_refused(url: str, said: str) -> None:
    with pytest.raises(ManagementError, match=said) as raised:
        Management.parse(url, credentials=ADMIN)

    assert PASSWORD not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_without_an_account_it_says_how_to_name_one() -> None:
    with pytest.raises(ManagementError, match="QUORATE_BROKER_ADMIN=user:password"):
        Management.parse("https://broker.example.org")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, {"error": "not_authorised"}, "does not let admin in"),
        (400, {"error": "bad_request", "reason": "no such thing"}, "400: no such thing"),
        (500, b"", "500"),
        (200, b"<html>", "does not answer as RabbitMQ does"),
        (200, {"a": 1}, "does not answer as RabbitMQ does"),
    ],
)
def test_a_refusal_says_what_and_where_without_the_password(
    status: int, body: object, said: str
) -> None:
    with (
        running(Server(status, body)) as server,
        pytest.raises(ManagementError, match=said) as raised,
    ):
        Management.parse(server.url, credentials=ADMIN).users()

    assert PASSWORD not in str(raised.value)


def test_deleting_what_is_not_there_is_fine() -> None:
    with running(Server(404, {"reason": "Not Found"})) as server:
        api = Management.parse(server.url, credentials=ADMIN)
        assert api.delete(path("queues", "/", "a b")) is False

    assert server.seen[0][0] == "/api/queues/%2F/a%20b"


def test_only_a_certificate_of_the_named_authority_is_trusted(tmp_path: Path) -> None:
    ours, other = tmp_path / "ours", tmp_path / "other"
    for folder in (ours, other):
        TlsFolder(folder, now=datetime.now(UTC)).issue(["127.0.0.1"], [], renew=False)
    server = Server(body=[])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(ours), certificate(ours).with_suffix(".key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://127.0.0.1:{server.server_port}"

    with running(server):
        trusted = Management.parse(url, credentials=ADMIN, ca_file=ours / "ca.pem")
        assert trusted.users() == []
        for ca_file in (other / "ca.pem", None):
            doubted = Management.parse(url, credentials=ADMIN, ca_file=ca_file)
            with pytest.raises(ManagementError, match=r"can't be trusted.*--ca"):
                doubted.users()

    assert len(server.seen) == 1


def test_a_missing_authority_file_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"

    with pytest.raises(ManagementError, match=f"{missing}.*can't be used"):
        Management.parse("https://127.0.0.1:1", credentials=ADMIN, ca_file=missing).users()


def certificate(folder: Path) -> Path:
    (found,) = [file for file in folder.rglob("*.pem") if file.name != "ca.pem"]
    return found
