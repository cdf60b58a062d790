"""`quorate doctor` on a real broker: what is sound is well, and each planted fault is named."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aio_pika
import pamqp.frame
import pytest
from examining import ACTORS, found, inspection, only_problem, problems, replaced
from pamqp import commands
from tls_broker import Federation

from infra.doctor.finding import Level
from infra.homes.actor_home import open_home
from infra.tls_material import LEAF_DAYS, TlsFolder

# --- a sound federation -----------------------------------------------------------------


@pytest.mark.parametrize("actor", ACTORS)
async def test_a_sound_home_has_no_problem(fed: Federation, actor: str) -> None:
    findings = await found(fed.home(actor), inspection(fed.broker))

    assert [finding for finding in findings if finding.level is Level.ERROR] == []
    checks = {finding.check for finding in findings if finding.level is Level.OK}
    assert checks >= {"broker.queues", "broker.rights", "broker.login", "broker.plan", "tls.files"}


async def test_waiting_messages_are_left_alone(fed: Federation) -> None:
    queue = "holder-2.control"
    await fed.admit_guest()
    connection = await aio_pika.connect(f"{fed.broker.node.url}{fed.name}")
    async with connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"due"), queue)

        assert await problems(fed.home("holder-2")) == []

        arrived: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
        await (await channel.get_queue(queue, ensure=False)).consume(arrived.put)
        async with asyncio.timeout(30):
            waiting = await arrived.get()
    assert (waiting.body, waiting.redelivered) == (b"due", False)
    assert waiting.headers.get("x-delivery-count", 0) == 0


async def test_a_consumer_stays_the_one_that_is_served(fed: Federation) -> None:
    home, served = open_home(fed.home("north")), asyncio.Queue[bytes]()
    account = home.address
    connection = await aio_pika.connect(
        host="127.0.0.1", port=fed.broker.node.port, login=account.user,
        password=account.password, virtualhost=fed.name,
    )  # fmt: skip
    async with connection:
        channel = await connection.channel()

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            await message.ack()
            served.put_nowait(message.body)

        await (await channel.get_queue("north.control", ensure=False)).consume(take)

        assert await problems(fed.home("north")) == []

        body = {"properties": {}, "routing_key": "coordinator.north.control",
                "payload": "due", "payload_encoding": "string"}  # fmt: skip
        await fed.admit_guest()
        await fed.broker.node.api("POST", f"/exchanges/{fed.name}/quorate.messages/publish", body)
        async with asyncio.timeout(30):
            assert await served.get() == b"due"


# --- getting there ----------------------------------------------------------------------


async def test_a_wrong_password_is_named(fed: Federation) -> None:
    (fed.home("north") / "password").write_text("wrong\n")

    finding = await only_problem(fed.home("north"))

    assert finding.check == "broker.login"
    assert "user or password is refused" in finding.what
    assert "wrong" not in finding.what


async def test_a_missing_virtual_host_is_named(fed: Federation) -> None:
    replaced(fed.home("north"), f"/{fed.name}", "/elsewhere")

    finding = await only_problem(fed.home("north"))

    assert finding.check == "broker.login"
    assert "into the virtual host elsewhere" in finding.what


async def test_a_closed_port_is_named(fed: Federation) -> None:
    replaced(fed.home("north"), f":{fed.broker.port}", ":1")

    finding = await only_problem(fed.home("north"))

    assert finding.check == "broker.port"


async def test_an_unknown_host_is_named(fed: Federation) -> None:
    replaced(fed.home("north"), "127.0.0.1", "broker.invalid")

    finding = await only_problem(fed.home("north"))

    assert finding.check == "broker.name"


async def test_the_port_without_encryption_is_told_from_a_broken_one(fed: Federation) -> None:
    replaced(fed.home("north"), f":{fed.broker.port}", f":{fed.broker.node.port}")

    finding = await only_problem(fed.home("north"))

    assert finding.check == "broker.tls"
    assert "not encrypted" in finding.what


async def test_one_host_that_is_down_does_not_hide_the_others(fed: Federation) -> None:
    url = f"amqps://127.0.0.1:{fed.broker.port}/{fed.name}"
    replaced(fed.home("north"), f'"{url}"', f'"amqps://127.0.0.1:1/{fed.name}", "{url}"')

    findings = await found(fed.home("north"))

    assert [f.check for f in findings if f.level is Level.ERROR] == ["broker.port"]
    assert any(f.check == "broker" and "1 of 2 hosts" in f.what for f in findings)
    assert any(f.check == "broker.queues" and f.level is Level.OK for f in findings)


# --- certificates -----------------------------------------------------------------------


def certify(fed: Federation, actor: str, *, days_ago: int, authority: Path) -> None:
    """Give an actor another certificate, signed by the authority in a folder some time ago."""
    folder = fed.folder / "other"
    folder.mkdir()
    for name in ("ca.pem", "ca.key"):
        if (authority / name).exists():
            (folder / name).write_bytes((authority / name).read_bytes())
    then = datetime.now(UTC) - timedelta(days=days_ago)
    TlsFolder(folder, now=then).issue([], ["actor"])
    for name in ("actor.pem", "actor.key"):
        (fed.home(actor) / name).write_bytes((folder / name).read_bytes())


async def test_an_expired_certificate_is_named_with_the_refusal(fed: Federation) -> None:
    certify(fed, "north", days_ago=LEAF_DAYS + 1, authority=fed.broker.tls)

    first, second = await problems(fed.home("north"))

    assert first.check == "tls.files"
    assert "has expired" in first.what
    assert "refuses our certificate: it has expired" in second.what


async def test_a_certificate_that_ends_soon_is_a_warning(fed: Federation) -> None:
    certify(fed, "north", days_ago=LEAF_DAYS - 20, authority=fed.broker.tls)

    findings = await found(fed.home("north"))

    warned = [finding.check for finding in findings if finding.level is Level.WARNING]
    assert "tls.files" in warned
    assert all(finding.level is not Level.ERROR for finding in findings)


async def test_a_certificate_that_the_broker_does_not_know_is_named(fed: Federation) -> None:
    certify(fed, "north", days_ago=0, authority=fed.folder / "none")

    finding = await only_problem(fed.home("north"))

    assert finding.check == "broker.tls"
    assert "does not know who signed our certificate" in finding.what


async def test_no_certificate_at_all_is_named(fed: Federation) -> None:
    home = fed.home("north")
    replaced(home, 'cert_file = "actor.pem"\n', "")
    replaced(home, 'key_file = "actor.key"\n', "")

    finding = await only_problem(home)

    assert "asks for a client certificate" in finding.what
    assert "cert_file and key_file" in finding.fix


async def test_an_authority_that_did_not_sign_the_broker_is_named(
    fed: Federation, tmp_path: Path
) -> None:
    TlsFolder(tmp_path / "foreign", now=datetime.now(UTC)).issue([], ["x"])
    (fed.home("north") / "ca.pem").write_bytes((tmp_path / "foreign" / "ca.pem").read_bytes())

    finding = await only_problem(fed.home("north"))

    assert finding.check == "broker.tls"
    assert "ca_file" in finding.fix


async def test_a_name_that_the_broker_is_not_certified_for_is_named(fed: Federation) -> None:
    replaced(fed.home("north"), "127.0.0.1", "localhost")

    finding = await only_problem(fed.home("north"))

    assert finding.check == "broker.tls"
    assert "names in the broker's certificate" in finding.fix


async def test_a_brokers_expired_certificate_is_named(fed: Federation, tmp_path: Path) -> None:
    folder = tmp_path / "past"
    folder.mkdir()
    for name in ("ca.pem", "ca.key"):
        (folder / name).write_bytes((fed.broker.tls / name).read_bytes())
    past = datetime.now(UTC) - timedelta(days=LEAF_DAYS + 1)
    TlsFolder(folder, now=past).issue(["127.0.0.1"], [])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")

    async with listening(lambda _: b"", context) as port:
        replaced(fed.home("north"), f":{fed.broker.port}", f":{port}")
        finding = await only_problem(fed.home("north"))

    assert "expired" in finding.what
    assert "renew the broker's certificate" in finding.fix


async def test_a_key_that_others_can_read_is_a_problem(fed: Federation) -> None:
    (fed.home("north") / "actor.key").chmod(0o644)

    finding = await only_problem(fed.home("north"))

    assert finding.fix.startswith("chmod 600")


# --- versions ---------------------------------------------------------------------------


@asynccontextmanager
async def listening(
    answer: Callable[[bytes], bytes], context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asked := await reader.read(8):
            writer.write(answer(asked))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def banner(version: str) -> bytes:
    start = commands.Connection.Start(
        server_properties={"product": "RabbitMQ", "version": version},
        mechanisms="PLAIN",
        locales="en_US",
    )
    return pamqp.frame.marshal(start, 0)


def plain_home(fed: Federation, port: int) -> Path:
    home = fed.home("north")
    replaced(home, f"amqps://127.0.0.1:{fed.broker.port}", f"amqp://127.0.0.1:{port}")
    for name in ("ca_file", "cert_file", "key_file"):
        replaced(home, f"{name} =", f"# {name} =")
    return home


async def test_a_broker_that_is_too_old_is_named(fed: Federation) -> None:
    async with listening(lambda _: banner("3.9.29")) as port:
        finding = await only_problem(plain_home(fed, port))

    assert finding.check == "broker.version"
    assert "3.9.29, too old" in finding.what


async def test_what_is_no_broker_is_not_taken_for_one(fed: Federation) -> None:
    async with listening(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        finding = await only_problem(plain_home(fed, port))

    assert finding.check == "broker.amqp"
    assert "no AMQP broker" in finding.what


# --- the command ------------------------------------------------------------------------


async def command(*arguments: str) -> tuple[int, list[dict[str, object]]]:
    code = "from infra.cli.main import run; run()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", code, "doctor", "--json", *arguments,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, [json.loads(line) for line in printed.splitlines()]


async def test_the_command_tells_machines_line_by_line(fed: Federation) -> None:
    code, lines = await command(str(fed.home("north")))

    assert code == 0
    assert {line["kind"] for line in lines[:-1]} == {"finding"}
    assert lines[-1]["kind"] == "summary"
    assert lines[-1]["outcome"] == "well"
    assert lines[-1]["checked"] == len(lines) - 1


async def test_the_command_fails_where_there_are_problems(fed: Federation) -> None:
    (fed.home("north") / "password").write_text("wrong\n")

    code, lines = await command(str(fed.home("north")))

    assert code == 1
    assert lines[-1]["errors"] == 1
    assert all(line["fix"] for line in lines[:-1] if line["level"] != "ok")


async def test_the_command_refuses_a_path_that_is_not_there(tmp_path: Path) -> None:
    code, _ = await command(str(tmp_path / "nothing"))

    assert code == 2


async def test_data_of_another_machine_are_a_warning(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "breast_cancer" / "job.toml"
    (tmp_path / "job.toml").write_bytes(example.read_bytes())

    findings = [
        finding for finding in await found(tmp_path / "job.toml") if finding.check == "data"
    ]

    assert [finding.level for finding in findings] == [Level.WARNING] * 3
    assert "is not on this machine" in findings[0].what
