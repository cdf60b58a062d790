"""`quorate doctor` and the way for model states over HTTPS: each planted fault is named."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.http_rig import odd
from fakes.ports import FakeClock
from fakes.telemetry_parts import subject

from infra.casting import first_state, resolved
from infra.config import load_job
from infra.doctor.finding import Finding, Level
from infra.doctor.models import model_findings
from infra.homes import ActorHome, open_home
from infra.homes.access import Sources, model_way_of
from infra.homes.provisioning import Access, Provisioning, accounts_for_all
from infra.http_blobs import BlobServer, Pulling, ServedFolder, Serving
from infra.identity.trial import TrialIdentities
from infra.telemetry.snapshot import FILE, LOCK, encode
from infra.telemetry.status import StatusBoard
from infra.tls_material import LEAF_DAYS, TlsFolder

NOWHERE = "https://127.0.0.1:1"
OTHER_TOKEN = "fedcba9876543210"  # noqa: S105
JOB = """
[job]
name = "tiny"
algorithm = "probe"
max_rounds = 5
[federation]
broker = "amqps://localhost:5671/tiny"
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


class Federation:
    """Provisioned homes whose trainers pull from a server on this machine."""

    def __init__(self, folder: Path, *, issued: datetime) -> None:
        self.folder = folder
        (folder / "job.toml").write_text(JOB)
        job = resolved(load_job(folder / "job.toml"))
        self.tls = TlsFolder(folder / "tls", now=issued)
        self.tls.issue(["127.0.0.1"], [])
        access = Access(user="u", password="p", ca_file=folder / "tls" / "ca.pem")  # noqa: S106
        way = model_way_of(job, Sources(model_urls=(NOWHERE,)))
        writing = Provisioning(
            job,
            asyncio.run(first_state(job)),
            accounts_for_all(job, access),
            TrialIdentities(folder / "authority"),
            model=way,
        )
        writing.write(folder / "homes")
        for name, copy in (("server.pem", "model.pem"), ("server.key", "model.key")):
            there = folder / "homes" / "coordinator" / copy
            there.write_bytes((folder / "tls" / name).read_bytes())
            there.chmod(0o600)

    def home(self, name: str) -> ActorHome:
        return open_home(self.folder / "homes" / name)

    @contextmanager
    def serving(self, **changed: Any) -> Iterator[str]:
        """Serve as the coordinator would, at a free port; return the address."""
        serving = self.home("coordinator").model
        assert isinstance(serving, Serving)
        usual: dict[str, Any] = {"host": "127.0.0.1", "port": 0}
        server = BlobServer(
            ServedFolder(self.folder / "served"), replace(serving, **(usual | changed))
        )
        server.start()
        assert server.url is not None
        try:
            yield server.url
        finally:
            server.close()

    def trainer(self, url: str) -> ActorHome:
        """Return a trainer's home that pulls from an address."""
        settings = self.folder / "homes" / "north" / "actor.toml"
        text = settings.read_text()
        assert NOWHERE in text
        settings.write_text(text.replace(NOWHERE, url))
        return self.home("north")


@pytest.fixture
def fed(tmp_path: Path) -> Federation:
    return Federation(tmp_path, issued=datetime.now(UTC))


def found(home: ActorHome | None) -> list[Finding]:
    async def all_of() -> list[Finding]:
        return [finding async for finding in model_findings(home)]

    return asyncio.run(all_of())


def ill(home: ActorHome) -> list[Finding]:
    return [finding for finding in found(home) if finding.level is not Level.OK]


def test_a_sound_address_is_well_in_every_respect(fed: Federation) -> None:
    with fed.serving() as url:
        findings = found(fed.trainer(url))

    assert {finding.level for finding in findings} == {Level.OK}
    checks = {finding.check for finding in findings}
    assert checks == {"model.files", "model.tls", "model.token", "model.rights"}


def test_a_home_without_the_section_is_not_asked_about(fed: Federation) -> None:
    assert found(fed.home("holder-1")) == []
    assert found(None) == []


def test_another_token_is_named_and_never_shown(fed: Federation) -> None:
    with fed.serving(token=OTHER_TOKEN) as url:
        home = fed.trainer(url)
        (finding,) = ill(home)

    assert finding.check == "model.token"
    assert "refuses us (401)" in finding.what
    assert isinstance(home.model, Pulling)
    assert str(home.model.token) not in str(found(home))


def test_a_server_that_is_open_to_everybody_is_a_warning(fed: Federation) -> None:
    with fed.serving(token=None) as url:
        (finding,) = ill(fed.trainer(url))

    assert (finding.check, finding.level) == ("model.rights", Level.WARNING)
    assert "without the token" in finding.what


def test_an_authority_that_did_not_sign_is_named(fed: Federation, tmp_path: Path) -> None:
    TlsFolder(tmp_path / "others", now=datetime.now(UTC)).issue(["127.0.0.1"], [])
    with fed.serving() as url:
        home = fed.trainer(url)
        (home.path / "ca.pem").write_bytes((tmp_path / "others" / "ca.pem").read_bytes())
        (finding,) = ill(fed.home("north"))

    assert (finding.check, finding.level) == ("model.tls", Level.ERROR)
    assert "ca_file below [model]" in finding.fix


def test_a_name_that_is_not_in_the_certificate_is_named(fed: Federation) -> None:
    with fed.serving() as url:
        (finding,) = ill(fed.trainer(url.replace("127.0.0.1", "localhost")))

    assert finding.check == "model.tls"
    assert "names in its certificate" in finding.fix


@pytest.mark.parametrize(
    ("age_days", "level", "hint"),
    [(LEAF_DAYS + 1, Level.ERROR, "expired"), (LEAF_DAYS - 5, Level.WARNING, "is valid until")],
)
def test_a_certificate_that_ended_or_ends_soon_is_named(
    tmp_path: Path, age_days: int, level: Level, hint: str
) -> None:
    fed = Federation(tmp_path, issued=datetime.now(UTC) - timedelta(days=age_days))
    with fed.serving() as url:
        (seen,) = ill(fed.trainer(url))
    (own,) = ill(fed.home("coordinator"))

    assert (seen.check, seen.level) == ("model.tls", level)
    assert hint in seen.what
    assert (own.check, own.level) == ("model.files", level)


def test_an_address_where_nothing_listens_is_named(fed: Federation) -> None:
    (finding,) = ill(fed.trainer(NOWHERE))

    assert (finding.check, finding.level) == ("model.url", Level.ERROR)


def test_what_is_no_server_of_models_is_told_from_one(fed: Federation) -> None:
    with odd(lambda request: request.reply(200)) as other:
        home = replace(fed.home("north"), model=Pulling.parse([other.url]))
        findings = ill(home)

    assert [(finding.check, finding.level) for finding in findings] == [
        ("model.tls", Level.WARNING),
        ("model.token", Level.ERROR),
    ]
    assert "to a request for what does not exist" in findings[1].what


@pytest.mark.parametrize("file", ["model.token", "model.key"])
def test_secrets_that_others_can_read_are_problems(fed: Federation, file: str) -> None:
    home = fed.home("coordinator")
    (home.path / file).chmod(0o644)

    (finding,) = ill(home)

    assert (finding.check, finding.level) == ("model.files", Level.ERROR)
    assert file in finding.what


# --- the coordinator --------------------------------------------------------------------


@contextmanager
def running(home: ActorHome) -> Iterator[None]:
    """Let a home look as if its process ran: its status is there and locked."""
    board = StatusBoard(subject(), FakeClock(), lambda: (0, 0.0))
    (home.path / FILE).write_bytes(encode(board.snapshot()))
    with (home.path / LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize(
    ("runs", "listens", "level", "hint"),
    [
        (True, True, Level.OK, "are served at"),
        (False, False, Level.OK, "is free"),
        (True, False, Level.ERROR, "accepts no connections"),
        (False, True, Level.ERROR, "something else listens"),
    ],
)
def test_a_coordinators_port_is_compared_with_whether_it_runs(
    fed: Federation, *, runs: bool, listens: bool, level: Level, hint: str
) -> None:
    home = fed.home("coordinator")
    with fed.serving() as url:
        port = int(url.rpartition(":")[2]) if listens else 1
        assert isinstance(home.model, Serving)
        home = replace(home, model=replace(home.model, port=port))
        if runs:
            with running(home):
                findings = found(home)
        else:
            findings = found(home)

    (finding,) = [finding for finding in findings if finding.check == "model.port"]
    assert finding.level is level
    assert hint in finding.what
