"""The keys and certificates we make: what stands in them, and that a real broker heeds them."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiormq.exceptions import AMQPError
from cryptography import x509
from tls_broker import TlsBroker

from infra.rabbitmq.address import BrokerAddress, Tls
from infra.rabbitmq.wire import Wire
from infra.tls_material import AUTHORITY_DAYS, LEAF_DAYS, TlsFolder, TlsMaterialError

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HOSTS = ["broker.example.org", "10.0.0.7"]


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def names(file: Path) -> list[str]:
    found = certificate(file).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in found.value]


async def log_in(address: BrokerAddress) -> None:
    wire = await Wire.open(
        address, address.hosts[0], name="test", heartbeat_s=10, blocked=lambda _: None
    )
    await wire.close(within_s=3.0)


def test_keys_are_readable_by_their_user_only(tmp_path: Path) -> None:
    TlsFolder(tmp_path / "tls", now=NOW).issue(HOSTS, ["north"])

    modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "tls").iterdir()}

    keys = {name: mode for name, mode in modes.items() if name.endswith(".key")}
    assert keys == {"ca.key": 0o600, "server.key": 0o600, "north.key": 0o600}
    assert set(modes) - set(keys) == {"ca.pem", "server.pem", "north.pem"}


def test_the_server_is_certified_for_names_and_addresses(tmp_path: Path) -> None:
    TlsFolder(tmp_path, now=NOW).issue(HOSTS, [])

    assert names(tmp_path / "server.pem") == HOSTS


def test_lifetimes_are_bounded_and_no_leaf_outlives_the_authority(tmp_path: Path) -> None:
    TlsFolder(tmp_path, now=NOW).issue(HOSTS, [])
    late = NOW + timedelta(days=AUTHORITY_DAYS - 100)
    TlsFolder(tmp_path, now=late).issue([], ["north"])

    authority, server = certificate(tmp_path / "ca.pem"), certificate(tmp_path / "server.pem")
    assert authority.not_valid_after_utc == NOW + timedelta(days=AUTHORITY_DAYS)
    assert server.not_valid_after_utc == NOW + timedelta(days=LEAF_DAYS)
    last = certificate(tmp_path / "north.pem").not_valid_after_utc
    assert last == authority.not_valid_after_utc


def test_a_second_time_nothing_is_written_again(tmp_path: Path) -> None:
    TlsFolder(tmp_path, now=NOW).issue(HOSTS, ["north"])
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    issued = TlsFolder(tmp_path, now=NOW).issue(HOSTS, ["north", "south"])

    assert {entry.name for entry in issued if entry.made} == {"south"}
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_renewing_gives_new_keys_and_keeps_the_authority(tmp_path: Path) -> None:
    folder = TlsFolder(tmp_path, now=NOW)
    folder.issue(HOSTS, ["north"])
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    TlsFolder(tmp_path, now=NOW + timedelta(days=300)).issue(HOSTS, ["north"], renew=True)

    same = {name for name, content in before.items() if (tmp_path / name).read_bytes() == content}
    assert same == {"ca.pem", "ca.key"}


def test_a_certificate_that_lacks_a_host_is_not_taken_for_done(tmp_path: Path) -> None:
    TlsFolder(tmp_path, now=NOW).issue(HOSTS, [])

    with pytest.raises(TlsMaterialError, match=r"does not cover other\.org; renew it"):
        TlsFolder(tmp_path, now=NOW).issue([*HOSTS, "other.org"], [])


@pytest.mark.parametrize("name", ["ca", "server", "../north", ""])
def test_a_name_that_would_hit_another_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TlsMaterialError, match="choose another name"):
        TlsFolder(tmp_path, now=NOW).issue([], [name])


def test_without_the_authority_key_nothing_is_signed(tmp_path: Path) -> None:
    TlsFolder(tmp_path, now=NOW).issue(HOSTS, [])
    (tmp_path / "ca.key").unlink()

    with pytest.raises(TlsMaterialError, match=r"ca\.key: missing, and needed to sign"):
        TlsFolder(tmp_path, now=NOW).issue([], ["north"])


def test_a_certificate_of_another_authority_is_not_taken_for_done(tmp_path: Path) -> None:
    for folder in ("ours", "theirs"):
        TlsFolder(tmp_path / folder, now=NOW).issue([], ["north"])
    for name in ("north.pem", "north.key"):
        (tmp_path / "theirs" / name).replace(tmp_path / "ours" / name)

    with pytest.raises(TlsMaterialError, match="signed by another authority"):
        TlsFolder(tmp_path / "ours", now=NOW).issue([], ["north"])


def test_an_authority_about_to_end_signs_no_more(tmp_path: Path) -> None:
    TlsFolder(tmp_path, now=NOW).issue([], ["north"])

    with pytest.raises(TlsMaterialError, match="ends on 2039-12-30; begin anew"):
        TlsFolder(tmp_path, now=NOW + timedelta(days=AUTHORITY_DAYS - 10)).issue([], ["south"])


async def test_a_broker_lets_in_whom_the_authority_certified(tls_broker: TlsBroker) -> None:
    await log_in(tls_broker.address(tls_broker.files()))


async def test_a_broker_refuses_a_client_without_certificate(tls_broker: TlsBroker) -> None:
    with pytest.raises((AMQPError, OSError)):
        await log_in(tls_broker.address(Tls(tls_broker.tls / "ca.pem")))


async def test_a_broker_refuses_a_certificate_that_has_expired(
    tls_broker: TlsBroker, tmp_path: Path
) -> None:
    for name in ("ca.pem", "ca.key"):
        (tmp_path / name).write_bytes((tls_broker.tls / name).read_bytes())
    past = datetime.now(UTC) - timedelta(days=LEAF_DAYS + 1)
    TlsFolder(tmp_path, now=past).issue([], ["late"])
    files = Tls(tmp_path / "ca.pem", tmp_path / "late.pem", tmp_path / "late.key")

    with pytest.raises((AMQPError, OSError)):
        await log_in(tls_broker.address(files))


async def test_a_broker_refuses_a_certificate_of_another_authority(
    tls_broker: TlsBroker, tmp_path: Path
) -> None:
    TlsFolder(tmp_path, now=datetime.now(UTC)).issue([], ["client"])
    files = Tls(tls_broker.tls / "ca.pem", tmp_path / "client.pem", tmp_path / "client.key")

    with pytest.raises((AMQPError, OSError)):
        await log_in(tls_broker.address(files))


async def test_a_client_refuses_a_broker_of_another_authority(
    tls_broker: TlsBroker, tmp_path: Path
) -> None:
    TlsFolder(tmp_path, now=datetime.now(UTC)).issue([], ["client"])
    ours = tls_broker.files()

    with pytest.raises(ssl.SSLCertVerificationError):
        await log_in(tls_broker.address(Tls(tmp_path / "ca.pem", ours.cert_file, ours.key_file)))


async def test_a_client_refuses_a_broker_of_another_name(tls_broker: TlsBroker) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        await log_in(tls_broker.address(tls_broker.files(), host="localhost"))


async def test_a_server_can_not_pass_as_a_client(tls_broker: TlsBroker) -> None:
    with pytest.raises((AMQPError, OSError)):
        await log_in(tls_broker.address(tls_broker.files("server")))
