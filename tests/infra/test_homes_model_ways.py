"""The section `[model]` of an actor's settings: what is taken, and what is refused at the start."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.casting import first_state, resolved
from infra.config import ConfigError, load_job
from infra.homes import open_home
from infra.homes.access import Sources, model_way_of
from infra.homes.provisioning import Access, Provisioned, Provisioning, accounts_for_all
from infra.http_blobs import Pulling, Serving
from infra.identity.trial import TrialIdentities
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
    trial = TrialIdentities(tmp_path / "authority")
    Provisioning(job, asyncio.run(first_state(job)), access, trial).write(tmp_path / "homes")
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


# --- homes that are provisioned with the section --------------------------------------


def provisioned(folder: Path, *urls: str, token: Path | None = None) -> dict[str, Provisioned]:
    (folder / "job.toml").write_text(JOB.replace("amqp://", "amqps://"))
    job = resolved(load_job(folder / "job.toml"))
    TlsFolder(folder / "tls", now=datetime.now(UTC)).issue(["coordinator.example.org"], [])
    authority = folder / "tls" / "ca.pem"
    account = Access(user="guest", password="hunter2", ca_file=authority)  # noqa: S106
    way = model_way_of(job, Sources(model_urls=urls, model_token=token))
    access = accounts_for_all(job, account)
    trial = TrialIdentities(folder / "authority")
    writing = Provisioning(job, asyncio.run(first_state(job)), access, trial, model=way)
    return {home.name: home for home in writing.write(folder / "made")}


def test_provisioned_trainers_pull_from_a_provisioned_coordinator(tmp_path: Path) -> None:
    made = provisioned(
        tmp_path, "https://cache.example.org/models", "https://coordinator.example.org:8443"
    )
    home = made["coordinator"].path
    before = made["coordinator"].open
    with pytest.raises(ConfigError, match=r"model.cert_file: .*model.pem"):
        open_home(home)
    for name, copy in (("server.pem", "model.pem"), ("server.key", "model.key")):
        (home / copy).write_bytes((tmp_path / "tls" / name).read_bytes())

    serving, pulling = open_home(home).model, open_home(made["north"].path).model

    assert "model.pem and model.key: a certificate of coordinator.example.org" in before
    assert isinstance(serving, Serving)
    assert isinstance(pulling, Pulling)
    assert (serving.host, serving.port) == ("0.0.0.0", 8443)  # noqa: S104
    assert not open_home(home).stream
    assert [str(url) for url in pulling.urls] == [
        "https://cache.example.org:443/models",
        "https://coordinator.example.org:8443",
    ]
    assert pulling.tls.ca_file == made["north"].path / "ca.pem"
    assert serving.token == pulling.token
    assert len(serving.token or "") == 64
    assert open_home(made["holder-1"].path).model is None
    assert not (made["holder-1"].path / "model.token").exists()


def test_on_one_machine_nothing_is_left_to_be_filled_in(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    made = provisioned(tmp_path, "http://127.0.0.1:8080", token=tmp_path / "token")

    serving = open_home(made["coordinator"].path).model

    assert made["coordinator"].open == ()
    assert isinstance(serving, Serving)
    assert (serving.host, serving.port, serving.token) == ("127.0.0.1", 8080, TOKEN)


@pytest.mark.parametrize(
    ("urls", "hint"),
    [
        (("http://coordinator.example.org",), "--model-url: .*unencrypted"),
        (("https://a.example.org", "https://a.example.org"), "--model-url: .*twice"),
        (("https://a.example.org/below",), "--model-url: .*serves below no path"),
        ((), "--model-token: .*name them: --model-url"),
    ],
)
def test_addresses_that_can_not_be_are_refused(
    tmp_path: Path, urls: tuple[str, ...], hint: str
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with pytest.raises(ConfigError, match=hint):
        provisioned(tmp_path, *urls, token=tmp_path / "token")
