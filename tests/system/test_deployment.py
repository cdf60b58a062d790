"""From a job file to running actors as the documents say: certificates, accounts, homes."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path
from typing import Any

import pytest
from brokers import broker_root, started
from system.actor_processes import Homes, linked, lost
from system.commands import quorate, running
from system.jobs import logistic, tables

from infra.homes import open_home
from infra.rabbitmq.private_node import NodeTls, PrivateNode

ADMIN = "QUORATE_BROKER_ADMIN"


@pytest.fixture(autouse=True)
def _administrator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADMIN, "guest:guest")


@pytest.fixture
async def node(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A broker that demands a certificate of everybody who connects with TLS."""
    made = quorate("tls", tmp_path / "tls", "--host", "localhost")
    assert made.code == 0, made.err
    files = (tmp_path / "tls" / name for name in ("ca.pem", "server.pem", "server.key"))
    tls = NodeTls(*files, clients=True)
    node = PrivateNode(tmp_path / "node", root=broker_root(), tls=tls, management=True)
    await started(node)
    yield node
    await node.close()


def deployed(tmp_path: Path, node: PrivateNode) -> Homes:
    """Do what docs/deploying.md says, and carry each home away from where it was written."""
    job = logistic(tmp_path, tables())
    url = f"amqps://localhost:{node.tls_port}/tiny"
    text = job.read_text().replace("'memory'", f"'{url}'")
    job.write_text(text.replace("target = 'y'", "target = 'y'\nfeatures = ['a', 'b', 'c']"))
    owned = {path.stem: path.rename(tmp_path / f"{path.stem}.owned") for path in tables_in(job)}

    names = ("coordinator", "holder-1", "holder-2", "holder-3", *owned)
    actors = [word for name in names for word in ("--actor", name)]
    management = ("--management", f"http://127.0.0.1:{node.management_port}")
    passwords = ("--credentials", tmp_path / "passwords")
    folders = ("--tls", tmp_path / "tls", "--trial-roster", tmp_path / "authority")
    for words in (
        ("tls", tmp_path / "tls", *actors),
        ("broker", "apply", job, *management, *passwords, "--broker", node.url),
        ("provision", job, "--out", tmp_path / "homes", *passwords, *folders),
    ):
        ended = quorate(*words)
        assert ended.code == 0, ended.err + ended.out
    for home in (tmp_path / "homes").iterdir():
        shutil.move(home, tmp_path / "away" / home.name)
    for name, table in owned.items():
        table.rename(tmp_path / "away" / name / f"{name}.csv")
    return Homes(tmp_path / "away", url, job)


def tables_in(job: Path) -> list[Path]:
    return sorted(job.parent.glob("*.csv"))


async def test_a_deployment_with_certificates_and_accounts_does_its_job(
    tmp_path: Path, node: PrivateNode
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    in_memory: dict[str, Any] = quorate("run", logistic(whole, tables()), "--json").summary
    homes = deployed(tmp_path, node)

    with homes.everybody_but():
        ended = quorate(*homes.words("coordinator"), "--json")

    assert ended.code == 0, ended.err
    assert ended.summary["coefficients"] == in_memory["coefficients"]
    again = quorate(*homes.words("coordinator"))  # the job is over: it tells people what it found
    assert again.code == 0, again.err
    assert "tiny: converged" in again.out
    for value in in_memory["raw_coefficients"]:
        assert f"{value:.4f}" in again.out
    users = {name: open_home(homes.of(name)).address.user for name in ("coordinator", "o2")}
    assert users == {"coordinator": "tiny.coordinator", "o2": "tiny.o2"}
    assert isinstance(open_home(homes.of("o2")).address.ssl_context(), ssl.SSLContext)


async def test_an_actor_whose_account_or_certificate_is_refused_says_so_and_tries_again(
    tmp_path: Path, node: PrivateNode
) -> None:
    homes = deployed(tmp_path, node)
    (homes.of("o1") / "password").write_text("wrong\n")
    (homes.of("o2") / "actor.toml").write_text(
        (homes.of("o2") / "actor.toml")
        .read_text()
        .replace('cert_file = "actor.pem"\n', "")
        .replace('key_file = "actor.key"\n', "")
    )

    said = {}
    for name in ("o1", "o2"):
        with running(*homes.words(name)) as trainer:
            said[name] = trainer.until(lost)["reason"]
            trainer.until(lost)
    with running(*homes.words("o3")) as trainer:
        trainer.until(linked)

    assert "refused" in said["o1"].lower()
    assert said["o2"]
