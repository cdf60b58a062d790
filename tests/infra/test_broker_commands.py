"""`quorate broker` says what it needs before it touches a broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes.provisioned import JOB
from typer.testing import CliRunner, Result

from infra.cli.main import app

OWNERS = "".join(f'[[owner]]\nname = "{name}"\n' for name in ("north", "south", "west"))


@pytest.fixture
def job(tmp_path: Path) -> Path:
    file = tmp_path / "job.toml"
    file.write_text(JOB.format(name="study", holders=3) + OWNERS.replace("\n[[", "\n\n[["))
    return file


def name_broker(job: Path, address: str) -> None:
    job.write_text(job.read_text().replace('broker = "memory"', f'broker = "{address}"'))


def run(*arguments: str | Path, admin: str | None = "admin:secret") -> Result:
    runner = CliRunner(env={"QUORATE_BROKER_ADMIN": admin or "", "COLUMNS": "200"})
    result = runner.invoke(app, ["broker", *map(str, arguments)])
    assert "secret" not in result.output
    return result


def test_a_plan_needs_no_broker_and_names_every_account_and_queue(job: Path) -> None:
    result = run("plan", job, "--json")

    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    names = {kind: [row["name"] for row in lines if row["kind"] == kind] for kind in ("vhost",)}
    assert names["vhost"] == ["study"]
    users = [row["user"] for row in lines if row["kind"] == "account"]
    assert users == [f"study.{n}" for n in ("coordinator", "holder-1", "holder-2", "holder-3")] + [
        f"study.{n}" for n in ("north", "south", "west")
    ]
    queues = {row["name"]: row for row in lines if row["kind"] == "queue"}
    assert queues["holder-2.control"]["type"] == "quorum"
    assert queues["west.control"]["arguments"]["x-max-length-bytes"] == 8 * 2**20
    assert lines[-1]["kind"] == "summary"


def test_a_plan_for_people_shows_rights_and_bounds(job: Path) -> None:
    shown = run("plan", job).stdout

    assert "virtual host  study" in shown
    assert r"^north\.(coordinator|(holder-1|holder-2|holder-3))\.(control|bulk)$" in shown
    assert "1024 MiB" in shown


def test_the_virtual_host_is_that_of_the_jobs_address(job: Path) -> None:
    name_broker(job, "amqps://broker.example.org/elsewhere")

    assert "virtual host  elsewhere" in run("plan", job).stdout
    assert "virtual host  third" in run("plan", job, "--vhost", "third").stdout


def test_an_address_without_a_virtual_host_is_told_what_to_write(job: Path) -> None:
    name_broker(job, "amqps://broker.example.org")

    result = run("plan", job)

    assert result.exit_code == 2
    assert "amqps://broker.example.org/study" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "JOB", "--check"], "--management"),
        (["plan", "JOB", "--definitions", "d.json"], "need each other"),
        (["apply", "JOB", "--credentials", "c"], "management"),
        (
            ["apply", "JOB", "--credentials", "c", "--management", "https://h", "--force"],
            "is for --prune",
        ),
        (["apply", "JOB", "--credentials", "c", "--management", "http://h"], "unencrypted"),
        (["dead-letters", "list", "JOB"], "--broker"),
        (["dead-letters", "list", "JOB", "--broker", "amqp://h.example.org/v"], "unencrypted"),
        (["dead-letters", "list", "missing.toml"], "missing.toml"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_2(job: Path, arguments: list[str], said: str) -> None:
    result = run(*(job if argument == "JOB" else argument for argument in arguments))

    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "--management", "https://127.0.0.1:1"],
        ["dead-letters", "list", "--broker", "amqp://127.0.0.1:1/v"],
    ],
)
def test_without_an_administrator_it_says_how_to_name_one(job: Path, arguments: list[str]) -> None:
    result = run(*arguments, job, admin=None)

    assert result.exit_code == 2
    assert "QUORATE_BROKER_ADMIN=user:password" in result.output


@pytest.mark.parametrize("json", [True, False])
@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "--management", "http://127.0.0.1:1"],
        ["dead-letters", "redrive", "--broker", "amqp://127.0.0.1:1/v"],
    ],
)
def test_a_broker_that_does_not_answer_ends_with_1(
    job: Path, arguments: list[str], json: bool
) -> None:
    result = run(*arguments, job, *(["--json"] if json else []))

    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.output
    if json:
        assert '"kind": "summary"' in result.stdout.splitlines()[-1]


def test_a_definitions_file_holds_hashes_and_the_passwords_stay_the_same(
    job: Path, tmp_path: Path
) -> None:
    target, folder = tmp_path / "definitions.json", tmp_path / "credentials"
    arguments = ["plan", job, "--definitions", target, "--credentials", folder]

    assert run(*arguments).exit_code == 0
    passwords = {file.name: file.read_text().strip() for file in folder.iterdir()}
    assert run(*arguments).exit_code == 0

    assert {file.name: file.read_text().strip() for file in folder.iterdir()} == passwords
    assert len(set(passwords.values())) == 7
    assert not any(password in target.read_text() for password in passwords.values())
    assert target.stat().st_mode & 0o777 == 0o600
