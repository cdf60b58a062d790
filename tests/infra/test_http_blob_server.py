"""Serving blobs over HTTP: who may have what, in parts or whole, and nothing else."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from fakes.http_rig import MIB, TIMEOUT_S, TOKEN, ask, raw

from infra.http_blobs import (
    BaseUrl,
    BlobServer,
    HttpBlobsError,
    Served,
    ServedFolder,
    ServeLimits,
    Serving,
)
from infra.rabbitmq.address import Tls
from infra.tls_material import TlsFolder
from protocols.pieces import Pieces

BLOB = Random(1).randbytes(MIB + 77)
NAME = sha256(BLOB).hexdigest()
PATH = f"/blobs/{NAME}"


@pytest.fixture
def folder(tmp_path: Path) -> ServedFolder:
    made = ServedFolder(tmp_path / "served")
    made.keep(Pieces.of(BLOB))
    return made


def serving(folder: ServedFolder, **limits: float | int) -> BlobServer:
    made = BlobServer(
        folder,
        Serving.parse("127.0.0.1:0", token=TOKEN),
        ServeLimits(**limits),  # type: ignore[arg-type]
    )
    made.start()
    return made


@pytest.fixture
def url(folder: ServedFolder) -> Iterator[str]:
    server = serving(folder)
    assert server.url is not None
    yield server.url
    server.close()


def test_a_blob_comes_whole_and_may_be_kept_for_ever(url: str) -> None:
    status, headers, body = ask(url, PATH)

    assert (status, body) == (200, BLOB)
    assert headers["ETag"] == f'"{NAME}"'
    assert "immutable" in headers["Cache-Control"]
    assert headers["Accept-Ranges"] == "bytes"


def test_head_tells_the_same_without_the_bytes(url: str) -> None:
    status, headers, body = ask(url, PATH, method="HEAD")

    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) == len(BLOB)


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1000-", 1000, len(BLOB)),
        ("bytes=5-9999999999", 5, len(BLOB)),
        ("bytes=-10", len(BLOB) - 10, len(BLOB)),
        ("bytes=-9999999999", 0, len(BLOB)),
    ],
)
def test_a_range_comes_alone(url: str, asked: str, begin: int, end: int) -> None:
    status, headers, body = ask(url, PATH, Range=asked)

    assert (status, body) == (206, BLOB[begin:end])
    assert headers["Content-Range"] == f"bytes {begin}-{end - 1}/{len(BLOB)}"


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,4-5", "bytes=9-3", "bytes=-", "lines=0-1", "bytes=a-b", "bytes=" + "9" * 30],
)
def test_what_is_no_single_range_is_as_if_it_were_not_there(url: str, asked: str) -> None:
    assert ask(url, PATH, Range=asked)[::2] == (200, BLOB)


@pytest.mark.parametrize("asked", [f"bytes={len(BLOB)}-", "bytes=-0"])
def test_a_range_behind_the_end_tells_the_size(url: str, asked: str) -> None:
    status, headers, body = ask(url, PATH, Range=asked)

    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(BLOB)}")
    assert len(body) < 100


def test_a_range_of_another_version_brings_all(url: str) -> None:
    assert ask(url, PATH, Range="bytes=5-", If_Range='"old"')[0] == 200
    assert ask(url, PATH, Range="bytes=5-", If_Range=f'"{NAME}"')[0] == 206


def test_one_who_has_it_is_told_so(url: str) -> None:
    assert ask(url, PATH, If_None_Match=f'"x", "{NAME}"')[::2] == (304, b"")


def test_a_blob_that_is_not_there_yet_is_to_be_asked_for_again(url: str) -> None:
    status, headers, _ = ask(url, "/blobs/" + "0" * 64)

    assert (status, headers["Retry-After"]) == (404, "1")
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("shown", [None, "", "wrong-wrong-wrong", TOKEN[:-1], TOKEN + "0", "\xff"])
def test_without_the_token_nothing_is_told(url: str, shown: str | None) -> None:
    for path in (PATH, "/blobs/" + "0" * 64, "/"):
        status, headers, body = ask(url, path, token=shown)

        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert len(body) < 100


def test_a_token_of_another_scheme_or_shown_twice_is_refused(url: str) -> None:
    for lines in (f"Basic {TOKEN}", f"Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}"):
        request = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {lines}\r\n\r\n"
        assert raw(url, request.encode()).startswith(b"HTTP/1.1 401 ")


def test_nothing_but_blobs_can_be_reached(folder: ServedFolder, url: str) -> None:
    secret = folder.path.parent / "secret"
    secret.write_bytes(b"secret")
    (folder.path / "secret").write_bytes(b"secret")
    (folder.path / ("a" * 64)).symlink_to(secret)
    (folder.path / ("b" * 64)).mkdir()
    os.mkfifo(folder.path / ("c" * 64))
    (folder.path / f"{NAME}.incoming").write_bytes(b"half")
    paths = ["/", "/blobs", "/blobs/", "/blobs/secret", "/blobs/../secret", "/blobs/..%2fsecret"]
    paths += [f"/blobs/{letter * 64}" for letter in "abc"]
    paths += [f"/blobs/{NAME}.incoming", f"/blobs/{NAME}/", f"/blobs//{NAME}", f"/blobs/{NAME}?x"]
    paths += [f"/blobs/{NAME.upper()}", f"/blobs/{NAME}%00", f"//blobs/../../{secret}", str(secret)]

    for path in paths:
        status, _, body = ask(url, path)
        assert (status, b"secret" in body) == (404, False), path


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_nothing_but_reading_is_known(url: str, method: str) -> None:
    assert ask(url, PATH, method=method)[0] == 501


@pytest.mark.parametrize(
    "nonsense", [b"\r\n\r\n", b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
)
def test_nonsense_is_hung_up_on(url: str, nonsense: bytes) -> None:
    assert len(raw(url, nonsense)) < 500
    assert ask(url, PATH)[0] == 200


# --- clients that take too much -------------------------------------------------------


def connected(url: str) -> socket.socket:
    base = BaseUrl.parse(url)
    return socket.create_connection((base.host, base.port), timeout=TIMEOUT_S)


def test_a_client_that_does_not_ask_is_hung_up_on(folder: ServedFolder) -> None:
    server = serving(folder, request_s=0.3)
    assert server.url is not None
    with connected(server.url) as silent:
        silent.sendall(b"GET /blobs/")
        assert _drained(silent) == 0
    server.close()


def test_a_client_that_does_not_take_is_hung_up_on(tmp_path: Path) -> None:
    folder = ServedFolder(tmp_path)
    name = folder.keep(Pieces.of(bytes(64 * MIB))).hex()
    server = serving(folder, piece_s=0.3, clients=1)
    assert server.url is not None
    with connected(server.url) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(
            f"GET /blobs/{name} HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        while _place_taken(server.url):  # the only one, until the slow client is hung up on
            pass
        assert _drained(slow) < 64 * MIB
    server.close()
    assert server.traffic.count(Served.CUT_OFF) == 1
    assert server.traffic.served_bytes < 64 * MIB


def _place_taken(url: str) -> bool:
    try:
        return ask(url, "/blobs/" + "0" * 64)[0] != 404
    except (ConnectionError, OSError):
        return True


def _drained(connection: socket.socket) -> int:
    count = 0
    try:
        while piece := connection.recv(65536):
            count += len(piece)
    except ConnectionError:
        pass
    return count


def test_more_clients_than_allowed_are_hung_up_on(folder: ServedFolder) -> None:
    server = serving(folder, clients=2)
    assert server.url is not None
    with connected(server.url) as first, connected(server.url) as second:
        for one in (first, second):
            one.sendall(b"GET ")
        with connected(server.url) as third:
            assert _drained(third) == 0
    server.close()
    assert server.traffic.count(Served.CROWDED) == 1


def test_what_is_served_and_what_is_not_is_counted(folder: ServedFolder) -> None:
    server = serving(folder)
    url, traffic = server.url, server.traffic
    assert url is not None

    ask(url, PATH)
    ask(url, PATH, Range="bytes=10-19")
    ask(url, PATH, If_None_Match=f'"{NAME}"')
    ask(url, PATH, method="HEAD")
    ask(url, PATH, token=None)
    ask(url, PATH, token="x" * 16)
    ask(url, "/blobs/" + "0" * 64)
    ask(url, PATH, Range=f"bytes={len(BLOB)}-")
    server.close()

    assert traffic.served_bytes == len(BLOB) + 10
    assert {how: traffic.count(how) for how in Served} == {
        Served.SENT: 2,
        Served.UNCHANGED: 1,
        Served.ABSENT: 1,
        Served.REFUSED: 2,
        Served.WRONG: 1,
        Served.CUT_OFF: 0,
        Served.CROWDED: 0,
    }


def test_closing_hangs_up_and_frees_the_port(folder: ServedFolder) -> None:
    server = serving(folder)
    url = server.url
    assert url is not None
    with connected(url) as client:
        client.sendall(b"GET ")
        server.close()
        server.close()
        assert _drained(client) == 0

    again = BlobServer(folder, Serving.parse(url.removeprefix("http://"), token=TOKEN))
    again.start()
    assert ask(url, PATH)[0] == 200
    again.close()


def test_a_port_that_is_taken_is_named(folder: ServedFolder, url: str) -> None:
    other = BlobServer(folder, Serving.parse(url.removeprefix("http://")))

    with pytest.raises(HttpBlobsError, match="choose another address or port"):
        other.start()


# --- the folder -----------------------------------------------------------------------


def test_only_what_is_retained_stays_and_other_files_are_left_alone(folder: ServedFolder) -> None:
    other = folder.keep(Pieces.of(b"other"))
    (folder.path / "README").write_bytes(b"")
    (folder.path / f"{NAME}.incoming").write_bytes(b"torn")

    folder.retain([other])

    assert {path.name for path in folder.path.iterdir()} == {other.hex(), "README"}


def test_a_blob_that_rotted_is_written_again_and_a_good_one_is_not(folder: ServedFolder) -> None:
    file = folder.path / NAME
    before = file.stat().st_ino
    folder.keep(Pieces.of(BLOB))
    assert file.stat().st_ino == before

    file.write_bytes(b"rot")
    folder.keep(Pieces.of(BLOB))

    assert file.read_bytes() == BLOB


def test_one_who_is_reading_reads_to_the_end(folder: ServedFolder) -> None:
    file = folder.opened(NAME)
    assert file is not None

    folder.retain([])

    with file:
        assert file.readall() == BLOB  # type: ignore[attr-defined]
    assert folder.opened(NAME) is None


# --- encryption -----------------------------------------------------------------------


@pytest.fixture
def material(tmp_path: Path) -> Path:
    made = tmp_path / "tls"
    TlsFolder(made, now=datetime.now(UTC)).issue(["127.0.0.1", "localhost"], ["north"])
    return made


def test_certificates_of_clients_are_demanded_where_an_authority_is_named(
    folder: ServedFolder, material: Path
) -> None:
    tls = Tls(material / "ca.pem", material / "server.pem", material / "server.key")
    server = BlobServer(folder, Serving.parse("127.0.0.1:0", tls=tls))
    server.start()
    words: list[object] = ["curl", "--silent", "--output", "-", "--cacert", material / "ca.pem"]
    own: list[object] = ["--cert", material / "north.pem", "--key", material / "north.key"]

    def curl(*more: object) -> tuple[int, bytes]:
        ended = subprocess.run(
            [*words, *more, f"{server.url}{PATH}"], check=False, capture_output=True, timeout=20
        )
        return ended.returncode, ended.stdout

    stranger, north = curl(), curl(*own)
    server.close()

    assert (stranger[0] != 0, stranger[1]) == (True, b"")
    assert north == (0, BLOB)


def test_a_client_that_never_greets_holds_up_nobody(folder: ServedFolder, material: Path) -> None:
    tls = Tls(cert_file=material / "server.pem", key_file=material / "server.key")
    server = BlobServer(
        folder, Serving.parse("127.0.0.1:0", token=TOKEN, tls=tls), ServeLimits(request_s=0.5)
    )
    server.start()
    assert server.url is not None
    context = ssl.create_default_context(cafile=material / "ca.pem")
    with connected(server.url) as silent, connected(server.url) as other:
        with context.wrap_socket(other, server_hostname="localhost") as greeted:
            greeted.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert greeted.recv(12) == b"HTTP/1.1 401"
        assert _drained(silent) == 0
    server.close()


# --- the address ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listen", "keys", "hint"),
    [
        ("0.0.0.0:8443", {"token": TOKEN}, "unencrypted"),
        ("example.org:8443", {"token": TOKEN}, "unencrypted"),
        ("0.0.0.0:8443", {"insecure": True}, "to everybody"),
        ("8443", {}, "HOST:PORT"),
        ("127.0.0.1:99999", {}, "HOST:PORT"),
        ("127.0.0.1:1", {"token": "short"}, "16 to 1024"),
        ("127.0.0.1:1", {"token": "sixteen letters\n"}, "16 to 1024"),
        ("127.0.0.1:1", {"tls": Tls(ca_file=Path("ca.pem"))}, "needs a certificate"),
    ],
)
def test_an_address_that_would_be_open_to_others_is_refused(
    listen: str, keys: dict[str, object], hint: str
) -> None:
    with pytest.raises(HttpBlobsError, match=hint) as caught:
        Serving.parse(listen, **keys)  # type: ignore[arg-type]
    assert str(keys.get("token")) not in str(caught.value)


def test_the_token_never_shows() -> None:
    assert TOKEN not in repr(Serving.parse("127.0.0.1:0", token=TOKEN))
