"""A link over TLS: both sides show a certificate, and a stranger's is refused in plain words."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from brokers import broker_root, started
from fakes.rabbit_rig import POLICY, TIMEOUT_S, LinkLog

from actors.ports import Lane
from infra.rabbitmq.address import BrokerAddress, Tls
from infra.rabbitmq.errors import reason_of
from infra.rabbitmq.link import LinkState, RabbitLink
from infra.rabbitmq.private_node import NodeTls, PrivateNode
from infra.rabbitmq.topology import EXCHANGE
from infra.tls_material import TlsFolder

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls") / "ours"
    TlsFolder(folder, now=datetime.now(UTC)).issue(["localhost"], ["north"])
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(
    certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PrivateNode]:
    server = certificates / "server.pem", certificates / "server.key"
    tls = NodeTls(certificates / "ca.pem", *server, clients=True)
    folder = tmp_path_factory.mktemp("broker")
    node = PrivateNode(folder, root=broker_root(), tls=tls)
    await started(node)
    yield node
    await node.close()


async def opened(
    node: PrivateNode, host: str, tls: Tls, *, port: int | None = None
) -> tuple[RabbitLink, LinkLog]:
    url = f"amqps://guest:guest@{host}:{port or node.tls_port}"
    log = LinkLog()
    link = RabbitLink("north", BrokerAddress.parse(url, tls=tls), policy=POLICY, notice=log)
    link.start()
    return link, log


async def test_link_with_both_certificates_carries_messages(
    node: PrivateNode, certificates: Path
) -> None:
    ours = certificates / "north.pem", certificates / "north.key"
    link, log = await opened(node, "localhost", Tls(certificates / "ca.pem", *ours))

    async with asyncio.timeout(TIMEOUT_S):
        await link.opened()
        # Nothing is provisioned here, so the broker's own words are the proof.
        publish = asyncio.create_task(link.publish("north.bob.bulk", bytes(99), lane=Lane.BULK))
        await log.until(lambda change: f"no exchange '{EXCHANGE}'" in change.reason)
    publish.cancel()
    await asyncio.gather(publish, return_exceptions=True)
    await link.close()


@pytest.mark.parametrize(
    ("host", "with_ca", "said"),
    [
        ("localhost", False, "certificate is not trusted"),
        ("127.0.0.1", True, "certificate is not trusted: IP address mismatch"),
    ],
)
async def test_untrusted_broker_is_refused(
    node: PrivateNode, certificates: Path, host: str, with_ca: bool, said: str
) -> None:
    ours = certificates / "north.pem", certificates / "north.key"
    link, log = await opened(node, host, Tls(certificates / "ca.pem" if with_ca else None, *ours))

    await log.until(lambda change: said in change.reason)
    await link.close()

    assert LinkState.OPEN not in log.states()


async def test_broker_refuses_a_link_without_a_certificate(
    node: PrivateNode, certificates: Path
) -> None:
    link, log = await opened(node, "localhost", Tls(certificates / "ca.pem"))

    lost = await log.until(
        lambda change: change.state is LinkState.LOST and "Connection refused" not in change.reason
    )
    await link.close()

    assert "alert" in lost.reason or "reset" in lost.reason or "closed" in lost.reason

    assert LinkState.OPEN not in log.states()


async def test_the_port_without_tls_is_told_from_a_broken_one(
    node: PrivateNode, certificates: Path
) -> None:
    link, log = await opened(node, "localhost", Tls(certificates / "ca.pem"), port=node.port)

    lost = await log.becomes(LinkState.LOST)
    await link.close()

    assert "this port speaks no TLS" in lost.reason
    assert "_ssl.c" not in lost.reason


@pytest.mark.parametrize(
    ("alert", "refused"),
    [
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", True),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", True),
        ("TLSV1_ALERT_UNKNOWN_CA", True),
        ("TLSV1_ALERT_PROTOCOL_VERSION", False),
    ],
)
async def test_what_a_broker_says_of_our_certificate_is_put_into_words(
    alert: str, refused: bool
) -> None:
    words = alert.partition("ALERT_")[2].lower().replace("_", " ")
    reason = reason_of(ssl.SSLError(1, f"[SSL: {alert}] alert {words} (_ssl.c:2578)"))

    assert reason.startswith("the broker refuses our certificate") == refused
    assert words in reason
