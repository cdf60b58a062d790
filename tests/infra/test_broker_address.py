"""Broker addresses: what is understood, what is refused, and that no password shows."""

import ssl
import subprocess
from pathlib import Path

import pytest

from infra.rabbitmq.address import AddressError, BrokerAddress, Tls

SECRET = "s3cret-p/ss"  # noqa: S105
URL = "amqps://hospital.ann:s3cret-p%2Fss@broker.example.org/hospital"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", "/CN=ann", "-days", "1"]
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run(
        [*make, "-nodes", "-keyout", key, "-out", cert, *subject], check=True, capture_output=True
    )
    return Tls(ca_file=cert, cert_file=cert, key_file=key)


def test_every_part_of_a_url_is_read() -> None:
    address = BrokerAddress.parse("amqps://a%40b:p%3Aw@h.example.org:1234/my%2Fhost")

    assert address.hosts == (("h.example.org", 1234),)
    assert (address.user, address.password, address.vhost) == ("a@b", "p:w", "my/host")
    assert address.tls == Tls()


@pytest.mark.parametrize(
    ("url", "host", "vhost"),
    [
        ("amqp://u:p@localhost", ("localhost", 5672), "/"),
        ("amqp://u:p@127.0.0.1/", ("127.0.0.1", 5672), "/"),
        ("amqp://u:p@[::1]/%2F", ("::1", 5672), "/"),
        ("amqps://u:p@h/v", ("h", 5671), "v"),
    ],
)
def test_port_and_virtual_host_have_defaults(url: str, host: tuple[str, int], vhost: str) -> None:
    address = BrokerAddress.parse(url)

    assert address.hosts == (host,)
    assert address.vhost == vhost


def test_account_beside_the_url_wins_and_is_taken_literally() -> None:
    address = BrokerAddress.parse("amqps://other:old@h", user="a%40", password="p%2F")  # noqa: S106

    assert (address.user, address.password) == ("a%40", "p%2F")


def test_several_urls_are_hosts_of_one_cluster() -> None:
    address = BrokerAddress.parse(["amqps://u:p@one/v", "amqps://u:p@two:99/v"])

    assert address.hosts == (("one", 5671), ("two", 99))


@pytest.mark.parametrize(
    "second",
    ["amqps://u:p@two/w", "amqps://u:q@two/v", "amqps://x:p@two/v", "amqp://u:p@two/v"],
)
def test_urls_that_differ_in_more_than_the_host_are_refused(second: str) -> None:
    with pytest.raises(AddressError, match="differ in more than host and port"):
        BrokerAddress.parse(["amqps://u:p@one/v", second])


def test_unencrypted_address_off_loopback_needs_a_word() -> None:
    with pytest.raises(AddressError, match=r"amqp://10\.0\.0\.7:5672 .*unencrypted.*amqps"):
        BrokerAddress.parse("amqp://u:p@10.0.0.7")
    with pytest.raises(AddressError, match="unencrypted"):
        BrokerAddress.parse(["amqp://u:p@127.0.0.1", "amqp://u:p@localhost.example.org"])

    assert BrokerAddress.parse("amqp://u:p@10.0.0.7", insecure=True).tls is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://u:p@h", "begin with amqps"),
        ("broker.example.org", "begin with amqps"),
        ("amqps://u:p@", "name a host"),
        (f"amqps://u:{SECRET}@h", "no URL"),
        ("amqps://u:s3cret-p@ss@h:x", "no URL"),
        ("amqps://u:s3cret-p@h:70000", "no URL"),
        ("amqps://u:s3cret-p@h:0", "port 0"),
        ("amqps://u:s3cret-p@h/a/b", "has a slash"),
        ("amqps://u:s3cret-p@h/v?heartbeat=3", "after"),
        ("amqps://u:s3cret-p@[h", "no URL"),
        ("amqps://:s3cret-p@h", "no user"),
        ("amqps://u@h", "no password"),
    ],
)
def test_unusable_address_is_refused_without_showing_the_password(url: str, said: str) -> None:
    with pytest.raises(AddressError, match=said) as caught:
        BrokerAddress.parse(url)

    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_address_at_all_is_refused() -> None:
    with pytest.raises(AddressError, match="no broker address"):
        BrokerAddress.parse([])


def test_certificates_for_an_unencrypted_address_are_refused() -> None:
    with pytest.raises(AddressError, match="amqps"):
        BrokerAddress.parse("amqp://u:p@localhost", tls=Tls())


def test_password_is_neither_in_the_repr_nor_in_what_is_shown() -> None:
    address = BrokerAddress.parse(URL)

    assert address.password == SECRET
    for text in (repr(address), str(address), address.shown(), f"{address}"):
        assert "s3cret" not in text
    assert address.shown() == "amqps://hospital.ann@broker.example.org:5671/hospital"


def test_tls_checks_the_brokers_name_and_shows_our_certificate(certificate: Tls) -> None:
    context = BrokerAddress.parse(URL, tls=certificate).ssl_context()

    assert context is not None
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.cert_store_stats()["x509_ca"] == 1
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_plain_address_has_no_tls() -> None:
    assert BrokerAddress.parse("amqp://u:p@localhost").ssl_context() is None


def test_unusable_certificate_files_are_named(certificate: Tls, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    missing = tmp_path / "missing.pem"

    for tls, said in [
        (Tls(ca_file=missing), "authority file .*missing.pem.*No such file"),
        (Tls(ca_file=empty), "authority file .*empty.pem.*PEM"),
        (Tls(cert_file=missing, key_file=certificate.key_file), "certificate .*missing.pem"),
        (Tls(cert_file=certificate.cert_file, key_file=empty), "key .*empty.pem"),
        (Tls(key_file=certificate.key_file), "key of no certificate"),
    ]:
        with pytest.raises(AddressError, match=said):
            BrokerAddress.parse(URL, tls=tls).ssl_context()


def test_key_with_a_passphrase_does_not_ask_on_the_terminal(
    certificate: Tls, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.pem"
    lock = ["openssl", "ec", "-in", certificate.key_file, "-aes256", "-passout", "pass:x"]
    subprocess.run([*lock, "-out", locked], check=True, capture_output=True)

    with pytest.raises(AddressError, match=r"locked\.pem is protected by a passphrase"):
        BrokerAddress.parse(
            URL, tls=Tls(cert_file=certificate.cert_file, key_file=locked)
        ).ssl_context()
