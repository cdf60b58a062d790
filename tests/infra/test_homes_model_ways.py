"""The section `[model]` of an actor's settings: what is taken, and what is refused at the start."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.casting import first_state, resolved
from infra.config import ConfigError, load_job
from infra.homes import open_home
from infra.homes.provisioning import Access, Provisioning, accounts_for_all
from infra.http_blobs import Pulling, Serving
from infra.tls_material import TlsFolder

TOKEN = "0123456789abcdef"  # noqa: S105

JOB = """
[job]
name = "tiny"
algorithm = "probe"
max_rounds = 5
[federation]
broker = "amqp://localhost:5673/tiny"
holders = 3
threshold = 2
minimum = 3
[[owner]]
name = "north"
[[owner]]
name = "middle"
[[owner]]
name = "south"
"""


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    (tmp_path / "job.toml").write_text(JOB)
    job = resolved(load_job(tmp_path / "job.toml"))
    access = accounts_for_all(job, Access(user="guest", password="hunter2"))  # noqa: S106
    Provisioning(job, asyncio.run(first_state(job)), access).write(tmp_path / "homes")
    TlsFolder(tmp_path / "tls", now=datetime.now(UTC)).issue(["127.0.0.1"], ["north"])
    for home in (tmp_path / "homes").iterdir():
        (home / "token").write_text(f"{TOKEN}\n")
        (home / "empty").write_text("\n")
        (home / "short").write_text("short\n")
    return tmp_path / "homes"


def with_model(home: Path, *lines: str) -> Path:
    with (home / "actor.toml").open("a") as settings:
        settings.write("\n[model]\n" + "\n".join(lines) + "\n")
    return home


def test_without_the_section_states_take_the_stream(homes: Path) -> None:
    for name in ("coordinator", "holder-1", "north"):
        assert open_home(homes / name).model is None


def test_a_coordinator_serves_and_writes_the_stream_unless_told_otherwise(homes: Path) -> None:
    tls = ['cert_file = "../../tls/server.pem"', 'key_file = "../../tls/server.key"']
    home = with_model(homes / "coordinator", 'serve = "0.0.0.0:8443"', 'token_file = "token"', *tls)

    opened = open_home(home)

    assert isinstance(opened.model, Serving)
    assert (opened.model.port, opened.model.token) == (8443, TOKEN)
    assert opened.stream
    assert TOKEN not in repr(opened)


def test_a_trainer_pulls_from_all_its_addresses_in_order(homes: Path) -> None:
    urls = ["https://cache.example.org/models", "https://coordinator.example.org:8443"]
    home = with_model(homes / "north", f"urls = {urls}", 'token_file = "token"')

    model = open_home(home).model

    assert isinstance(model, Pulling)
    assert [str(url) for url in model.urls] == [
        "https://cache.example.org:443/models",
        "https://coordinator.example.org:8443",
    ]
    assert (model.token, TOKEN in repr(model)) == (TOKEN, False)


@pytest.mark.parametrize(
    ("name", "lines", "problem"),
    [
        ("holder-1", ["stream = true"], "model: holders need no model states"),
        ("north", ['serve = "127.0.0.1:1"'], "model.serve: for the coordinator only"),
        ("north", ['token_file = "token"'], "model.urls: missing"),
        ("north", ["urls = []"], "model.urls: missing"),
        ("north", ['urls = ["http://far.example.org"]'], "model.urls: http://far.example.org:80"),
        ("north", ['urls = "https://a/"', 'token_file = "short"'], "model.urls: the token must be"),
        ("north", ['urls = "https://a/"', 'token_file = "empty"'], "empty: no token"),
        ("north", ['urls = "https://a/"', 'ca_file = "token"'], "model.urls: the authority file"),
        ("north", ['urls = "https://a/"', 'ca_file = "gone"'], "model.ca_file: "),
        ("north", ['url = "https://a/"'], 'model.url: unknown key; did you mean "urls"?'),
        ("coordinator", ['urls = ["https://a/"]'], "model.urls: for trainers only"),
        ("coordinator", ["stream = false"], "model.serve: missing"),
        ("coordinator", ['serve = "127.0.0.1:0"'], "model.serve: nobody would know"),
        ("coordinator", ['serve = "0.0.0.0:1"'], "model.serve: 0.0.0.0 would be served unencr"),
        ("coordinator", ['serve = "0.0.0.0:1"', "insecure = true"], "served to everybody"),
        ("coordinator", ['serve = "127.0.0.1:1"', 'cert_file = "token"'], "can't be used"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(
    homes: Path, name: str, lines: list[str], problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        open_home(with_model(homes / name, *lines))

    text = str(caught.value)
    assert problem in text
    assert str(homes / name) in text
    assert TOKEN not in text
