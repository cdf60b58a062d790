"""Pulling blobs over HTTP: going on after a cut, and believing nobody but the digest."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from fakes.http_rig import MIB, TIMEOUT_S, TOKEN, Odd, gives, odd, policy, puller, pulling

from actors.ports import LinkLost, PortError, StorageFailed
from infra.http_blobs import (
    BaseUrl,
    BlobServer,
    HttpBlobsError,
    PullBlobs,
    Pulled,
    Pulling,
    ServedFolder,
    Serving,
)
from infra.rabbitmq.address import Tls
from infra.tls_material import TlsFolder
from protocols.pieces import Pieces

BLOB = Random(2).randbytes(MIB + 99)
DIGEST = sha256(BLOB).digest()
LIE = Random(3).randbytes(len(BLOB))


async def pulled(blobs: PullBlobs, digest: bytes = DIGEST) -> bytes:
    async with asyncio.timeout(TIMEOUT_S):
        blob = await blobs.fetch(digest)
    await blobs.close()
    return blob


def begins(asked: list[tuple[str, dict[str, str]]]) -> list[str | None]:
    return [headers.get("Range") for _, headers in asked]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def grown(folder: Path, size: int) -> None:
    """Wait until so much of a download is on disk."""
    part = folder / f"{DIGEST.hex()}.part"

    def wait() -> None:
        while not (part.exists() and part.stat().st_size == size):
            pass

    async with asyncio.timeout(TIMEOUT_S):
        await asyncio.to_thread(wait)


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    texts: list[str] = []
    heard, logger = Heard(logging.WARNING), logging.getLogger("infra.http_blobs")
    logger.addHandler(heard)
    yield texts
    logger.removeHandler(heard)


# --- going on -------------------------------------------------------------------------


async def test_a_download_that_is_cut_goes_on_where_it_was(tmp_path: Path) -> None:
    with odd(gives(BLOB, at_most=300_000)) as server:
        assert await pulled(puller(tmp_path, server.url)) == BLOB

    assert begins(server.asked) == [
        None,
        "bytes=300000-",
        "bytes=600000-",
        "bytes=900000-",
    ]


async def test_a_new_process_goes_on_where_the_old_one_was(tmp_path: Path) -> None:
    held = threading.Event()

    def act(request: Odd) -> None:
        if request.begin:
            gives(BLOB)(request)
        else:
            request.reply(200, BLOB[:500_000], length=len(BLOB))
            held.wait(TIMEOUT_S)

    with odd(act) as server:
        first = puller(tmp_path, server.url)
        fetch = asyncio.create_task(first.fetch(DIGEST))
        await grown(tmp_path, 500_000)
        await first.close()
        with pytest.raises(LinkLost):
            await fetch
        assert await pulled(puller(tmp_path, server.url)) == BLOB
        held.set()

    assert begins(server.asked) == [None, "bytes=500000-"]


async def test_the_rest_may_come_from_another_address(tmp_path: Path) -> None:
    with odd(gives(BLOB, at_most=400_000)) as cache, odd(gives(BLOB)) as origin:
        assert await pulled(puller(tmp_path, cache.url, origin.url)) == BLOB

    assert begins(cache.asked) == [None]
    assert begins(origin.asked) == ["bytes=400000-"]


async def test_what_is_pulled_is_counted_and_how_each_attempt_ended(tmp_path: Path) -> None:
    def early(request: Odd) -> None:
        request.reply(404)

    with odd(gives(LIE)) as liar, odd(early) as empty, odd(gives(BLOB)) as whole:
        blobs = puller(tmp_path, liar.url, empty.url, whole.url)
        assert await pulled(blobs) == BLOB

    traffic = blobs.traffic
    assert traffic.pulled_bytes == 2 * len(BLOB)
    assert {how: traffic.count(how) for how in Pulled} == {
        Pulled.WHOLE: 1,
        Pulled.ABSENT: 1,
        Pulled.FAILED: 0,
        Pulled.FALSE: 1,
    }


async def test_a_download_that_breaks_off_counts_as_failed_with_its_bytes(tmp_path: Path) -> None:
    with odd(gives(BLOB, at_most=1000)) as broken, odd(gives(BLOB)) as whole:
        blobs = puller(tmp_path, broken.url, whole.url)
        await pulled(blobs)

    assert blobs.traffic.count(Pulled.FAILED) == 1
    assert blobs.traffic.pulled_bytes == len(BLOB)


async def test_a_server_without_ranges_may_be_cut_at_any_place(tmp_path: Path) -> None:
    lengths = [300_000, 200_000, 900_000, None]

    def act(request: Odd) -> None:
        request.reply(200, BLOB[: lengths.pop(0)], length=len(BLOB))

    with odd(act) as server:
        assert await pulled(puller(tmp_path, server.url)) == BLOB
    assert lengths == []


async def test_a_finished_blob_is_not_asked_for_again_and_a_newer_one_replaces_it(
    tmp_path: Path,
) -> None:
    newer = BLOB + b"newer"
    known = {sha256(blob).hexdigest(): blob for blob in (BLOB, newer)}

    def act(request: Odd) -> None:
        gives(known[request.path.removeprefix("/blobs/")])(request)

    with odd(act) as server:
        for _ in range(2):
            assert await pulled(puller(tmp_path, server.url)) == BLOB
        assert len(server.asked) == 1
        assert await pulled(puller(tmp_path, server.url), sha256(newer).digest()) == newer

    assert names(tmp_path) == [f"{sha256(newer).hexdigest()}.blob"]


async def test_fetches_at_the_same_time_share_one_download(tmp_path: Path) -> None:
    with odd(gives(BLOB)) as server:
        blobs = puller(tmp_path, server.url)
        found = await asyncio.gather(*(blobs.fetch(DIGEST) for _ in range(3)))
        await blobs.close()

    assert all(blob is found[0] for blob in found)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "refusal", [(404, {}), (503, {"Retry_After": "0"}), (500, {}), (401, {}), (204, {})]
)
async def test_an_address_that_has_nothing_yet_is_asked_again(
    tmp_path: Path, refusal: tuple[int, dict[str, str]]
) -> None:
    asked = 0

    def act(request: Odd) -> None:
        nonlocal asked
        asked += 1
        if asked < 5:
            request.reply(refusal[0], **refusal[1])
        else:
            gives(BLOB)(request)

    with odd(act) as server:
        assert await pulled(puller(tmp_path, server.url)) == BLOB
    assert asked == 5


async def test_an_address_that_is_down_is_no_end(tmp_path: Path) -> None:
    with odd(gives(BLOB)) as server:
        gone = BaseUrl.parse(server.url)
    with odd(gives(BLOB)) as server:
        blobs = puller(tmp_path, str(gone), server.url)
        assert await pulled(blobs) == BLOB


async def test_an_empty_blob_can_be_pulled(tmp_path: Path) -> None:
    with odd(gives(b"")) as server:
        assert await pulled(puller(tmp_path, server.url), sha256(b"").digest()) == b""


# --- believing nobody -----------------------------------------------------------------


async def test_wrong_bytes_of_a_cache_are_refused_and_the_next_is_asked(
    tmp_path: Path, warnings: list[str]
) -> None:
    with odd(gives(LIE)) as cache, odd(gives(BLOB)) as origin:
        assert await pulled(puller(tmp_path, cache.url, origin.url)) == BLOB

    assert (len(cache.asked), begins(origin.asked)) == (1, [None])
    assert any("digest" in text and cache.url in text for text in warnings)
    assert names(tmp_path) == [f"{DIGEST.hex()}.blob"]


@pytest.mark.parametrize("at_most", [100_000, 1])
async def test_a_cache_that_lies_and_is_cut_can_not_spoil_what_others_give(
    tmp_path: Path, at_most: int
) -> None:
    with odd(gives(LIE, at_most=at_most)) as cache, odd(gives(BLOB, at_most=700_000)) as origin:
        assert await pulled(puller(tmp_path, cache.url, origin.url)) == BLOB


async def test_a_cache_that_lied_alone_is_left_out(tmp_path: Path) -> None:
    with odd(gives(LIE)) as cache, odd(gives(BLOB, at_most=200_000)) as origin:
        assert await pulled(puller(tmp_path, cache.url, origin.url)) == BLOB

    assert len(cache.asked) == 2


async def test_all_lie_until_one_does_not(tmp_path: Path) -> None:
    lies = 0

    def act(request: Odd) -> None:
        nonlocal lies
        lies += 1
        gives(LIE if lies < 5 else BLOB)(request)

    with odd(act) as first, odd(gives(LIE)) as second:
        assert await pulled(puller(tmp_path, first.url, second.url)) == BLOB


@pytest.mark.parametrize("told", [True, False])
async def test_more_bytes_than_a_model_may_have_are_never_taken(
    tmp_path: Path, *, told: bool
) -> None:
    sent = threading.Semaphore(0)

    def act(request: Odd) -> None:
        if told:
            request.reply(200, BLOB)
        else:
            request.send_response(200)
            request.send_header("Connection", "close")
            request.end_headers()
            while True:  # for ever, if it is let
                request.wfile.write(BLOB)
                sent.release()

    small = Random(4).randbytes(MIB // 2)
    with odd(act) as cache, odd(gives(small)) as origin:
        blobs = puller(tmp_path, cache.url, origin.url, limit_bytes=MIB // 2)
        assert await pulled(blobs, sha256(small).digest()) == small
    assert (begins(origin.asked) == [None]) is told  # what is told to be too large never begins


async def test_a_part_that_was_not_asked_for_is_refused(tmp_path: Path) -> None:
    def act(request: Odd) -> None:
        request.reply(206, BLOB[5:], Content_Range=f"bytes 5-{len(BLOB) - 1}/{len(BLOB)}")

    with odd(act) as cache, odd(gives(BLOB)) as origin:
        assert await pulled(puller(tmp_path, cache.url, origin.url)) == BLOB
    assert begins(origin.asked) == [None]


async def test_the_token_goes_to_nobody_else(tmp_path: Path) -> None:
    with odd(gives(BLOB)) as stranger:

        def away(request: Odd) -> None:
            request.reply(302, Location=f"{stranger.url}{request.path}")

        def round_the_corner(request: Odd) -> None:
            if request.path.startswith("/there"):
                gives(BLOB)(request)
            else:
                request.reply(307, Location=f"/there{request.path}")

        with odd(away) as cache, odd(round_the_corner) as origin:
            assert await pulled(puller(tmp_path, cache.url, origin.url)) == BLOB

    assert stranger.asked == []
    assert len(cache.asked) == 1
    assert [headers["Authorization"] for _, headers in origin.asked] == [f"Bearer {TOKEN}"] * 2


@pytest.mark.parametrize("place", ["", "/for/ever", "http://[", "//", "\t", "https://127.0.0.1/"])
async def test_a_redirection_that_leads_nowhere_is_given_up(tmp_path: Path, place: str) -> None:
    with (
        odd(lambda request: request.reply(301, Location=place)) as cache,
        odd(gives(BLOB)) as origin,
    ):
        assert await pulled(puller(tmp_path, cache.url, origin.url)) == BLOB


async def test_a_server_that_speaks_no_http_is_passed_over(tmp_path: Path) -> None:
    with (
        odd(lambda request: request.wfile.write(b"\0" * 100_000) and None) as cache,
        odd(gives(BLOB)) as origin,
    ):
        assert await pulled(puller(tmp_path, cache.url, origin.url)) == BLOB


@pytest.mark.parametrize("drips", [False, True])
async def test_a_server_that_hangs_is_given_up(tmp_path: Path, *, drips: bool) -> None:
    ended = threading.Event()

    def act(request: Odd) -> None:
        request.reply(200, BLOB[:10], length=len(BLOB))
        while not ended.wait(0.05):
            if drips:
                request.wfile.write(b"x")

    with odd(act) as cache, odd(gives(BLOB)) as origin:
        blobs = puller(tmp_path, cache.url, origin.url, piece_s=0.3)
        assert await pulled(blobs) == BLOB
        ended.set()


# --- being given up -------------------------------------------------------------------


@pytest.fixture
async def hung(tmp_path: Path) -> AsyncIterator[Callable[[], asyncio.Task[bytes]]]:
    """A fetch in the middle of an answer that never ends."""
    ended = threading.Event()

    def act(request: Odd) -> None:
        request.reply(200, BLOB[:10], length=len(BLOB))
        ended.wait(TIMEOUT_S)

    with odd(act) as server:
        blobs = puller(tmp_path, server.url)
        fetch = asyncio.create_task(blobs.fetch(DIGEST))
        await grown(tmp_path, 10)
        yield lambda: fetch
        async with asyncio.timeout(10.0):  # its thread does not wait for the server's time
            await blobs.close()
        ended.set()


async def test_a_fetch_in_the_middle_can_be_cancelled(
    hung: Callable[[], asyncio.Task[bytes]],
) -> None:
    fetch = hung()
    fetch.cancel()
    async with asyncio.timeout(10.0):
        await asyncio.wait([fetch])
    assert fetch.cancelled()


async def test_after_closing_nothing_is_fetched_or_published(tmp_path: Path) -> None:
    served = ServedFolder(tmp_path / "served")
    blobs = PullBlobs("ann", tmp_path, pulling(), policy(), served=served)
    await blobs.close()

    for use in (blobs.fetch(DIGEST), blobs.publish(Pieces.of(BLOB)), blobs.retain([])):
        with pytest.raises(LinkLost):
            await use


async def test_one_who_only_pulls_says_that_it_can_not_publish(tmp_path: Path) -> None:
    blobs = puller(tmp_path, "http://127.0.0.1:1")

    with pytest.raises(PortError, match="no folder to serve"):
        await blobs.publish(Pieces.of(BLOB))

    await blobs.close()


async def test_a_disk_that_fails_is_no_matter_of_trying_again(tmp_path: Path) -> None:
    (tmp_path / f"{DIGEST.hex()}.part").mkdir()
    with odd(gives(BLOB)) as server:
        blobs = puller(tmp_path, server.url)
        with pytest.raises(StorageFailed, match="check the disk"):
            await blobs.fetch(DIGEST)
        await blobs.close()


# --- encryption -----------------------------------------------------------------------


@pytest.fixture
def material(tmp_path: Path) -> Path:
    for name in ("tls", "other"):
        folder = TlsFolder(tmp_path / name, now=datetime.now(UTC))
        folder.issue(["127.0.0.1"], ["north"])
    return tmp_path / "tls"


@pytest.fixture
def encrypted(tmp_path: Path, material: Path) -> Iterator[str]:
    folder = ServedFolder(tmp_path / "served")
    folder.keep(Pieces.of(BLOB))
    tls = Tls(material / "ca.pem", material / "server.pem", material / "server.key")
    server = BlobServer(folder, Serving.parse("127.0.0.1:0", token=TOKEN, tls=tls))
    server.start()
    assert server.url is not None
    yield server.url
    server.close()


def over_tls(url: str, authority: Path, own: Path | None = None) -> Pulling:
    files = (own / "north.pem", own / "north.key") if own else (None, None)
    return Pulling.parse([url], token=TOKEN, tls=Tls(authority / "ca.pem", *files))


async def test_a_blob_comes_encrypted_and_in_parts(
    tmp_path: Path, encrypted: str, material: Path
) -> None:
    (tmp_path / f"{DIGEST.hex()}.part").write_bytes(BLOB[:500_000])
    ways = over_tls(encrypted, material, material)

    assert await pulled(PullBlobs("bob", tmp_path, ways, policy())) == BLOB


@pytest.mark.parametrize(
    ("authority", "own", "said"),
    [("other", "tls", "not trusted"), ("tls", "other", ""), ("tls", None, "")],
)
async def test_nobody_is_believed_whose_authority_is_unknown(
    tmp_path: Path, encrypted: str, authority: str, own: str | None, said: str
) -> None:
    told = asyncio.Event()
    texts: list[str] = []
    loop = asyncio.get_running_loop()

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())
            loop.call_soon_threadsafe(told.set)

    heard, logger = Heard(logging.WARNING), logging.getLogger("infra.http_blobs")
    logger.addHandler(heard)
    ways = over_tls(encrypted, tmp_path / authority, own and tmp_path / own)
    blobs = PullBlobs("bob", tmp_path / "pulled", ways, policy())
    fetch = asyncio.create_task(blobs.fetch(DIGEST))
    async with asyncio.timeout(TIMEOUT_S):
        await told.wait()
    assert not fetch.done()
    await blobs.close()
    logger.removeHandler(heard)

    with pytest.raises(LinkLost):
        await fetch
    assert said in texts[0]
    assert (tmp_path / "pulled" / f"{DIGEST.hex()}.part").read_bytes() == b""


# --- addresses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://example.org", "unencrypted"),
        ("ftp://example.org", "https://"),
        ("https://", "https://"),
        ("https://me:secret@example.org", "token_file"),
        ("https://example.org:secret", "no URL"),
        ("https://example.org/?secret", "after"),
        ("https://example.org:0", "port 0"),
        ("https://example.org/a b", "%XX"),
    ],
)
def test_an_address_that_can_not_be_used_is_refused(url: str, hint: str) -> None:
    with pytest.raises(HttpBlobsError, match=hint) as caught:
        Pulling.parse([url])
    assert "secret" not in str(caught.value)


def test_addresses_are_read_with_port_and_prefix() -> None:
    read = BaseUrl.parse("https://Cache.example.org/models/")

    assert str(read) == "https://cache.example.org:443/models"
    assert read.path(b"\xab") == "/models/blobs/ab"
    assert str(BaseUrl.parse("http://[::1]:80")) == "http://[::1]:80"
    assert BaseUrl.parse("http://example.org", insecure=True).port == 80
