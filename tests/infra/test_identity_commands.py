"""`quorate identity` and `quorate roster`, from the first key to a revoked one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from infra.cli.main import app

MEMBERS = (
    ("boss", "coordinator"),
    ("h-1", "holder"),
    ("h-2", "holder"),
    ("north", "trainer"),
    ("middle", "trainer"),
    ("south", "trainer"),
)


def quorate(*words: object) -> Result:
    unset = {"QUORATE_IDENTITY_PASSPHRASE": None, "QUORATE_AUTHORITY_PASSPHRASE": None}
    return CliRunner(env=unset | {"COLUMNS": "200"}).invoke(app, [str(word) for word in words])


def lines(*words: object) -> list[dict[str, Any]]:
    ended = quorate(*words, "--json")
    assert ended.exit_code == 0, ended.output
    return [json.loads(line) for line in ended.stdout.splitlines()]


def identity(folder: Path, name: str, role: str, *words: object) -> Path:
    made = lines(
        "identity", "new", name, "--federation", "trial", "--role", role,
        "--home", folder / name, *words,
    )  # fmt: skip
    return Path(made[-1]["request"])


def federation(folder: Path, *, members: Sequence[tuple[str, str]] = MEMBERS) -> Path:
    """Make a federation's roster of two epochs; return the folder of its keeper."""
    kept = folder / "kept"
    lines("roster", "new", "trial", "--folder", kept)
    requests = [identity(folder, name, role) for name, role in members]
    lines("roster", "add", *requests, "--folder", kept)
    return kept


def refused(ended: Result, code: int, text: str) -> None:
    assert ended.exit_code == code, ended.output
    assert text in ended.output
    assert "Traceback" not in ended.output


def test_a_roster_goes_from_requests_to_a_signed_list_that_everybody_can_check(
    tmp_path: Path,
) -> None:
    kept = federation(tmp_path)

    shown = lines("roster", "show", kept)
    summary = shown[-1]
    key = summary["authorities"][0]
    checked = lines(
        "roster",
        "verify",
        kept / "epoch-000002.roster",
        "--authority",
        key,
        "--federation",
        "trial",
    )

    assert [(line["name"], line["role"]) for line in shown[:-1]] == list(MEMBERS)
    assert summary["epoch"] == 2
    assert summary["missing"] == []
    assert summary["signed_by"] == [key]
    assert checked[-1]["outcome"] == "accepted"
    assert checked[-1]["digest"] == summary["digest"]
    assert lines("roster", "verify", kept, "--after", kept / "epoch-000001.roster")


def test_people_are_told_what_to_do_next(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    begun = quorate("roster", "new", "trial", "--folder", kept)
    made = quorate(
        "identity", "new", "north", "--federation", "trial", "--role", "trainer",
        "--home", tmp_path / "north",
    )  # fmt: skip
    (request,) = (tmp_path / "north" / "identity").glob("*.request")
    taken = quorate("roster", "add", request, "--folder", kept)
    shown = quorate("roster", "show", kept)

    assert "Not complete yet: there is no coordinator" in begun.output
    assert "stays here" in made.output
    assert "epoch 2: 1 members" in taken.output
    assert "north" in shown.output
    assert "not complete yet" in shown.output


def test_a_removed_members_key_never_comes_back(tmp_path: Path) -> None:
    kept = federation(tmp_path)
    lines("roster", "remove", "south", "--folder", kept)
    (request,) = (tmp_path / "south" / "identity").glob("*.request")

    again = quorate("roster", "add", request, "--folder", kept)
    shown = lines("roster", "show", kept)
    standing = quorate(
        "identity", "show", "--home", tmp_path / "south", "--roster", kept / "epoch-000003.roster"
    )

    refused(again, 1, "revoked")
    assert [line["name"] for line in shown if line["kind"] == "revoked"] == ["south"]
    refused(standing, 1, "revoked")
    old = kept / "epoch-000002.roster"
    refused(quorate("roster", "verify", old, "--after", kept / "epoch-000003.roster"), 1, "epoch 2")


def test_a_members_key_is_rotated_and_the_home_needs_no_switch(tmp_path: Path) -> None:
    kept = federation(tmp_path)
    rotated = lines("identity", "rotate", "--home", tmp_path / "h-1")

    lines("roster", "rotate", rotated[-1]["request"], "--folder", kept)

    newest = kept / "epoch-000003.roster"
    shown = lines("identity", "show", "--home", tmp_path / "h-1", "--roster", newest)
    assert sorted(line["standing"] for line in shown[:-1]) == ["in force", "revoked"]
    assert shown[-1]["in_force"] is True
    in_force = next(line["id"] for line in shown[:-1] if line["standing"] == "in force")
    refused(quorate("identity", "rotate", "--home", tmp_path / "h-1"), 2, "--old")
    assert lines("identity", "rotate", "--home", tmp_path / "h-1", "--old", in_force)


def test_a_lost_key_is_replaced_only_when_that_is_said(tmp_path: Path) -> None:
    kept = federation(tmp_path)
    anew = identity(tmp_path / "again", "south", "trainer")

    refused(quorate("roster", "rotate", anew, "--folder", kept), 1, "--lost")

    assert lines("roster", "rotate", anew, "--folder", kept, "--lost")


def test_the_authority_hands_over_and_members_follow_in_order(tmp_path: Path) -> None:
    kept = federation(tmp_path)
    lines("roster", "rotate-authority", "--folder", kept)
    lines("roster", "renew", "--folder", kept, "--days", "10")
    second, third, fourth = (kept / f"epoch-00000{number}.roster" for number in (2, 3, 4))

    skipped = quorate("roster", "verify", fourth, "--after", second)

    assert lines("roster", "verify", third, "--after", second)
    assert lines("roster", "verify", fourth, "--after", third)
    refused(skipped, 1, "in between")


def test_a_validity_is_kept_until_it_is_changed(tmp_path: Path) -> None:
    kept = federation(tmp_path)
    first = lines("roster", "show", kept / "epoch-000001.roster")[-1]
    second = lines("roster", "show", kept)[-1]
    endless = lines("roster", "renew", "--folder", kept, "--days", "0")[-1]

    assert first["valid_until"] == first["valid_from"] + 397 * 24 * 3600
    assert second["valid_until"] == first["valid_until"]
    assert endless["valid_until"] is None


def test_keys_with_a_passphrase_ask_for_it(tmp_path: Path) -> None:
    words, kept = tmp_path / "words", tmp_path / "kept"
    words.touch(0o600)
    words.write_text("a long enough passphrase\n")
    lines("roster", "new", "trial", "--folder", kept, "--passphrase-file", words)
    request = identity(tmp_path, "north", "trainer", "--passphrase-file", words)

    refused(quorate("roster", "add", request, "--folder", kept), 2, "QUORATE_AUTHORITY_PASSPHRASE")
    refused(
        quorate("identity", "rotate", "--home", tmp_path / "north"),
        2,
        "QUORATE_IDENTITY_PASSPHRASE",
    )

    assert lines("roster", "add", request, "--folder", kept, "--passphrase-file", words)
    rotated = lines("identity", "rotate", "--home", tmp_path / "north", "--passphrase-file", words)
    assert rotated[0]["encrypted"] is True


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("identity", "new", "North", "--federation", "t", "--role", "trainer"), "can't name"),
        (("identity", "new", "n", "--federation", "T t", "--role", "trainer"), "can't name"),
        (("identity", "new", "n", "--federation", "t", "--role", "boss"), "Invalid value"),
        (("identity", "new", "n", "--federation", "t", "--role", "holder", "--encrypt"),
         "no terminal"),
        (("identity", "show"), "no identity"),
        (("identity", "rotate"), "no identity"),
    ],
)  # fmt: skip
def test_wrong_usage_is_told_and_makes_nothing(
    tmp_path: Path, words: tuple[str, ...], text: str
) -> None:
    ended = quorate(*words, "--home", tmp_path / "home")

    refused(ended, 2, text)
    assert not (tmp_path / "home").exists()


def test_rosters_that_can_not_be_are_refused(tmp_path: Path) -> None:
    kept = federation(tmp_path)
    newest = kept / "epoch-000002.roster"
    key = lines("roster", "show", kept)[-1]["authorities"][0]
    verify = ("roster", "verify", newest)

    refused(quorate("roster", "new", "trial", "--folder", kept), 2, "kept here already")
    refused(quorate("roster", "remove", "nobody", "--folder", kept), 1, "no member")
    refused(quorate("roster", "add", newest, "--folder", kept), 2, "signing request")
    refused(quorate(*verify), 2, "whom you trust")
    refused(quorate(*verify, "--authority", key), 2, "--federation")
    refused(quorate(*verify, "--authority", "ab", "--federation", "trial"), 2, "64 hex")
    refused(quorate(*verify, "--authority", "00" * 32, "--federation", "trial"), 2, "small order")
    refused(quorate(*verify, "--authority", key, "--federation", "other"), 1, "ours is")
    other = "58" + "66" * 31
    refused(quorate(*verify, "--authority", other, "--federation", "trial"), 1, "we trust")
    newest.write_text(newest.read_text().replace("A", "B", 1))
    refused(quorate(*verify, "--authority", key, "--federation", "trial"), 1, "roster")


def job_file(folder: Path, broker: str) -> Path:
    job = folder / "trial.toml"
    job.write_text(
        '[job]\nname = "trial"\nalgorithm = "logistic"\nmax_rounds = 9\n'
        '[data]\ntarget = "y"\nfeatures = ["x"]\n'
        f'[federation]\nbroker = "{broker}"\nholders = 2\nthreshold = 2\nminimum = 3\n'
        '[[owner]]\nname = "north"\n[[owner]]\nname = "middle"\n[[owner]]\nname = "south"\n'
    )
    return job


def test_a_trial_gets_all_identities_and_a_roster_with_its_homes(tmp_path: Path) -> None:
    job, kept = job_file(tmp_path, "amqp://localhost/trial"), tmp_path / "kept"
    provision = ("provision", job, "--out", tmp_path / "homes", "--trial-roster", kept)

    homes = [line for line in lines(*provision) if line["kind"] == "home"]

    assert len(homes) == 6
    for home in homes:
        roster = Path(home["path"]) / "roster"
        assert lines("identity", "show", "--home", home["path"], "--roster", roster)
        assert lines(
            "roster", "verify", roster, "--after", kept / "epoch-000001.roster", "--job", job
        )
    keys = {file: file.read_bytes() for file in (tmp_path / "homes").glob("*/identity/*.key")}
    assert lines(*provision)[-1]["homes"] == 6
    assert len(keys) == 6
    assert {file: file.read_bytes() for file in keys} == keys
    elsewhere = ("provision", job, "--out", tmp_path / "more", "--trial-roster", kept)
    refused(quorate(*elsewhere), 2, "never replaced")
    assert not (tmp_path / "more").exists()


def test_a_roster_is_compared_with_a_job(tmp_path: Path) -> None:
    job = job_file(tmp_path, "memory")
    holders = (("holder-2", "holder"), ("holder-1", "holder"))
    kept = federation(tmp_path, members=(("coordinator", "coordinator"), *holders, *MEMBERS[3:]))
    check = ("roster", "verify", kept, "--after", kept / "epoch-000001.roster", "--job", job)

    same = quorate(*check)
    one_more = identity(tmp_path, "west", "trainer")
    lines("roster", "add", one_more, "--folder", kept)

    assert same.exit_code == 0, same.output
    refused(quorate(*check), 1, "west, a trainer of the roster")
    lines("roster", "remove", "west", "middle", "--folder", kept)
    swapped = identity(tmp_path / "other", "middle", "holder")
    third = identity(tmp_path, "third", "trainer")
    lines("roster", "add", swapped, third, "--folder", kept)
    refused(quorate(*check), 1, "middle, a trainer of the job")
    refused(quorate(*check[:-1], tmp_path / "nothing.toml"), 2, "nothing.toml")


def test_a_private_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    kept = federation(tmp_path)
    (key,) = kept.glob("*.key")
    key.chmod(0o640)

    refused(quorate("roster", "renew", "--folder", kept), 2, "lets others at it")

    (own,) = (tmp_path / "north" / "identity").glob("*.key")
    own.chmod(0o604)
    refused(quorate("identity", "show", "--home", tmp_path / "north"), 2, "lets others at it")


def test_errors_have_a_form_for_programs(tmp_path: Path) -> None:
    ended = quorate("identity", "show", "--home", tmp_path, "--json")

    assert ended.exit_code == 2
    kinds = [json.loads(line)["kind"] for line in ended.stdout.splitlines()]
    assert kinds == ["error", "summary"]
