"""`quorate verify`: what is accepted, what is refused, and with which words and exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes.transcribed import (
    ROSTER,
    abandoned,
    chain,
    changed,
    complete,
    config_of,
    contributed,
    digest_of,
    evidence_of,
    signed,
)
from fakes.trusting import AUTHORITY, VALIDITY, key_of
from typer.testing import CliRunner, Result

from infra.cli.main import app
from infra.sqlite_journal import SqliteJournal
from protocols.codec import canonical
from protocols.records import SENT_KEPT, Sent
from protocols.round_config import RoundConfig
from protocols.trust.changes import renewed
from protocols.trust.roster import RosterBody
from protocols.trust.transcript import SignedTranscript

TRUE = complete()
MINE = contributed(TRUE.config, "ann").digest
JOB = """
[job]
name = "sum"
algorithm = "probe"
max_rounds = 4
[federation]
broker = "memory"
holders = 5
threshold = {threshold}
minimum = {minimum}
[probe]
"""


def quorate(*words: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(word) for word in words])


def lines(*words: object) -> list[dict[str, Any]]:
    ended = quorate(*words, "--json")
    assert ended.exit_code == 0, ended.output
    return [json.loads(line) for line in ended.stdout.splitlines()]


def refused(ended: Result, text: str, *, code: int = 1) -> None:
    assert ended.exit_code == code, ended.output
    assert text in ended.output
    assert "Traceback" not in ended.output


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    return written_roster(tmp_path, ROSTER)


def written_roster(folder: Path, body: RosterBody) -> Path:
    file = folder / f"epoch-{body.epoch:06}.roster"
    file.write_text(body.signed_by([AUTHORITY]).to_text())
    return file


def written(folder: Path, transcript: SignedTranscript) -> Path:
    file = folder / f"round-{transcript.transcript.config.number:06}.transcript"
    file.write_text(transcript.to_text())
    return file


def written_chain(folder: Path) -> list[Path]:
    folder.mkdir()
    return [written(folder, transcript) for transcript in chain()]


def sent(config: RoundConfig, name: str = "ann") -> Sent:
    digest = contributed(config, name).digest
    return Sent(number=config.number, cid=config.cid(), digest=digest)


async def journal_of(home: Path, records: Sequence[Sent]) -> SqliteJournal:
    journal = await SqliteJournal.open(home / "journal.sqlite")
    await journal.commit([("job/sum", b"something else")])
    await journal.commit([(one.key("sum"), canonical(one)) for one in records])
    return journal


def lives_there(home: Path, roster: Path) -> None:
    """Put the roster where provisioning puts it."""
    (home / "roster").write_bytes(roster.read_bytes())


def test_a_true_transcript_is_verified_with_the_digest_of_a_contribution(
    tmp_path: Path, roster: Path
) -> None:
    file = written(tmp_path, signed(TRUE))

    told = lines("verify", file, "--as", "ann", "--contribution", MINE.hex(), "--roster", roster)
    shown = quorate("verify", file, "--as", "ann", "--contribution", MINE.hex(), "--roster", roster)

    assert told[0]["kind"] == "round"
    assert told[0]["mine"] == "in the sum"
    assert told[0]["trainers"] == ["ann", "bob", "cat", "dan"]
    assert told[-1] == {
        "kind": "summary", "outcome": "verified", "rounds": 1, "from_first": True,
        "trainer": "ann", "in_the_sum": 1, "not_given": 0, "evidence": 0, "authority": None,
        "hash": TRUE.digest().hex(),
    }  # fmt: skip
    assert "ann is in the sum" in shown.output
    assert TRUE.config.state.hex() in shown.output
    assert TRUE.digest().hex() in shown.output
    assert "the answers are verified" in shown.output


async def test_a_trainers_home_knows_what_it_contributed_also_while_it_works(
    tmp_path: Path, roster: Path
) -> None:
    home, later = tmp_path / "home", config_of(number=7)
    files = written_chain(tmp_path / "transcripts")
    third = chain()[2].transcript.config
    journal = await journal_of(home, [sent(TRUE.config), sent(third), sent(later)])
    lives_there(home, roster)
    try:
        told = lines("verify", *files, "--as", "ann", "--home", home)
        shown = quorate("verify", *files, "--as", "ann", "--home", home)
    finally:
        await journal.close()

    rounds = [line["mine"] for line in told if line["kind"] == "round"]
    assert rounds == ["in the sum", "nothing was opened", "in the sum"]
    assert told[-1]["in_the_sum"] == 2
    assert told[-1]["not_given"] == 1
    assert "ann contributed to 1 more rounds that were not given" in shown.output


async def test_records_of_another_contribution_are_a_reason_to_refuse(
    tmp_path: Path, roster: Path
) -> None:
    file = written(tmp_path, signed(TRUE))
    journal = await journal_of(tmp_path, [sent(TRUE.config, "bob")])
    await journal.close()
    known = ("--home", tmp_path, "--roster", roster)

    refused(quorate("verify", file, "--as", "ann", *known), "somebody else has its key")
    ended = quorate("verify", file, "--as", "ann", *known, "--may-miss")
    refused(ended, "somebody else has its key")


async def test_a_trainer_that_was_in_another_round_of_the_number_is_told(
    tmp_path: Path, roster: Path
) -> None:
    file = written(tmp_path, signed(TRUE))
    journal = await journal_of(tmp_path, [sent(config_of(state=digest_of("another model")))])
    await journal.close()
    known = ("--as", "ann", "--home", tmp_path, "--roster", roster, "--may-miss")

    refused(quorate("verify", file, *known), "the coordinator held two")


async def test_a_home_whose_records_made_room_for_others_says_so(
    tmp_path: Path, roster: Path
) -> None:
    file = written(tmp_path, signed(TRUE))
    journal = await journal_of(tmp_path, [sent(config_of(number=1 + SENT_KEPT))])
    await journal.close()
    known = ("--as", "ann", "--home", tmp_path, "--roster", roster)

    refused(quorate("verify", file, *known), "do not reach back")

    assert lines("verify", file, *known, "--may-miss")[0]["mine"] == "unknown"


async def test_a_damaged_or_missing_journal_can_not_be_used(tmp_path: Path, roster: Path) -> None:
    file = written(tmp_path, signed(TRUE))
    known = ("--as", "ann", "--home", tmp_path, "--roster", roster)

    refused(quorate("verify", file, *known), "is that the trainer's home?", code=2)

    (tmp_path / "journal.sqlite").write_bytes(b"no database" * 1000)
    refused(quorate("verify", file, *known), "can't be read", code=2)
    (tmp_path / "journal.sqlite").unlink()
    journal = await SqliteJournal.open(tmp_path / "journal.sqlite")
    await journal.commit([("sent/sum/0001", b"\xc1")])
    await journal.close()
    refused(quorate("verify", file, *known), "not msgpack", code=2)


def test_a_trainer_that_was_left_out_is_told_and_may_allow_it(tmp_path: Path, roster: Path) -> None:
    file = written(tmp_path, signed(complete(trainers=("bob", "cat", "dan"))))
    known = ("--as", "ann", "--contribution", MINE.hex(), "--roster", roster)

    refused(quorate("verify", file, *known), "round 1 of sum: the contribution of ann was sent and")

    assert lines("verify", file, *known, "--may-miss")[0]["mine"] == "left out"


def test_a_folder_is_a_whole_job_in_the_order_of_rounds(tmp_path: Path, roster: Path) -> None:
    files = written_chain(tmp_path / "transcripts")
    folder, key = tmp_path / "transcripts", AUTHORITY.public.hex()
    (folder / "notes.txt").write_text("not a transcript")

    told = lines("verify", folder, "--roster", roster, "--authority", key, "--whole")
    shown = quorate("verify", folder, "--roster", roster, "--whole")

    assert [line["number"] for line in told[:-1]] == [1, 2, 4]
    assert told[-1]["from_first"] is True
    assert "from round 1 (the job's first) to round 4" in shown.output
    assert "quorate roster verify" in shown.output
    refused(quorate("verify", *reversed(files), "--roster", roster), "in the order of rounds")
    refused(quorate("verify", *files[1:], "--roster", roster, "--whole"), "is not the first")
    refused(quorate("verify", files[0], files[2], "--roster", roster), "is missing")


@pytest.mark.parametrize("place", [40, 400, 4000, -40])
def test_a_changed_file_is_refused_and_named(tmp_path: Path, roster: Path, place: int) -> None:
    file = written(tmp_path, signed(TRUE))
    text = bytearray(file.read_bytes())
    text[place] ^= 1
    file.write_bytes(text)

    refused(quorate("verify", file, "--roster", roster), f"{file}: ")


def test_a_forged_transcript_is_refused_as_json_too(tmp_path: Path, roster: Path) -> None:
    file = written(tmp_path, signed(TRUE, by="mallory"))

    ended = quorate("verify", file, "--roster", roster, "--json")

    assert ended.exit_code == 1
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert told[-1]["outcome"] == "refused"
    assert "not signed by the key" in told[-1]["reason"]


def test_rosters_are_followed_from_the_authority_that_was_told(
    tmp_path: Path, roster: Path
) -> None:
    first = signed(TRUE)
    body = renewed(ROSTER, VALIDITY)
    config = config_of(number=2, state=digest_of("state", 1), roster=body.names().digest())
    second = changed(complete(config, previous=TRUE.digest()), epoch=body.epoch)
    files = [written(tmp_path, one) for one in (first, signed(second))]
    newer = written_roster(tmp_path, body)
    both = ("--roster", newer, "--roster", roster)

    assert lines("verify", *files, *both, "--authority", AUTHORITY.public.hex())
    refused(quorate("verify", *files, "--roster", roster), "by its own word that of epoch 3")
    mallory = key_of("mallory").public.hex()
    refused(quorate("verify", *files, *both, "--authority", mallory), "and we trust")


@pytest.mark.parametrize(
    ("demand", "text"),
    [
        (("--minimum", "4"), "minimum of 3 trainers is below the 4 demanded"),
        (("--faults", "1"), "where 1 holders are malicious; 4 are needed"),
    ],
)
def test_weaker_rules_than_are_demanded_are_refused(
    tmp_path: Path, roster: Path, demand: tuple[str, ...], text: str
) -> None:
    file = written(tmp_path, signed(TRUE))

    refused(quorate("verify", file, "--roster", roster, *demand), text)


@pytest.mark.parametrize(
    ("threshold", "minimum", "text"), [(3, 3, ""), (4, 3, "threshold of 3"), (3, 4, "minimum of 3")]
)
def test_a_job_says_what_is_demanded(
    tmp_path: Path, roster: Path, threshold: int, minimum: int, text: str
) -> None:
    file, job = written(tmp_path, signed(TRUE)), tmp_path / "job.toml"
    owners = "".join(
        f'[[owner]]\nname = "{name}"\n' for name in ("ann", "bob", "cat", "dan", "eve")
    )
    job.write_text(JOB.format(threshold=threshold, minimum=minimum) + owners)
    words = ("verify", file, "--roster", roster, "--job", job)

    if text:
        refused(quorate(*words), text)
    else:
        assert lines(*words)[-1]["outcome"] == "verified"


def test_evidence_is_verified_in_a_file_and_in_a_transcript(tmp_path: Path, roster: Path) -> None:
    file = tmp_path / "holder-2.evidence"
    file.write_text(evidence_of().to_text())
    holding = written(tmp_path, signed(changed(TRUE, evidence=(evidence_of(),))))

    told = lines("verify", file, "--roster", roster)
    shown = quorate("verify", holding, "--roster", roster)

    assert (told[0]["offender"], told[0]["type"]) == ("holder-2", "Vote")
    assert told[-1]["evidence"] == 1
    assert "holder-2 voted for two different sets" in shown.output
    file.write_text(evidence_of(by="mallory").to_text())
    refused(quorate("verify", file, "--roster", roster), "shows nothing against it")


def test_what_a_coordinator_writes_as_a_reason_does_not_steer_a_terminal(
    tmp_path: Path, roster: Path
) -> None:
    file = written(tmp_path, signed(changed(abandoned(config_of()), reason="\x1b[2Jall is well")))

    shown = quorate("verify", file, "--roster", roster)

    assert shown.exit_code == 0
    assert "\x1b" not in shown.output
    assert "?[2Jall is well" in shown.output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--as", "ann"), "--as needs the trainer's own records"),
        (("--contribution", MINE.hex()), "Say so with --as"),
        (("--may-miss",), "Say so with --as"),
        (("--as", "ann", "--contribution", "abc"), "64 hex digits"),
        (("--as", "ann", "--contribution", MINE.hex(), "--home", "."), "exclude each other"),
        (("--authority", "abc"), "64 hex digits"),
    ],
)
def test_options_that_say_nothing_together_are_wrong_usage(
    tmp_path: Path, roster: Path, words: tuple[str, ...], text: str
) -> None:
    file = written(tmp_path, signed(TRUE))

    refused(quorate("verify", file, "--roster", roster, *words), text, code=2)


def test_files_that_can_not_be_used_are_wrong_usage(tmp_path: Path, roster: Path) -> None:
    file, empty = written(tmp_path, signed(TRUE)), tmp_path / "empty"
    empty.mkdir()

    refused(quorate("verify", tmp_path / "none", "--roster", roster), "can't be read", code=2)
    refused(quorate("verify", empty, "--roster", roster), "no transcript is here", code=2)
    refused(quorate("verify", file), "Give it with --roster", code=2)
    known = ("--as", "ann", "--contribution", MINE.hex(), "--roster", roster)
    refused(quorate("verify", file, file, *known), "give one transcript", code=2)


def test_help_says_how_and_what_is_checked() -> None:
    text = quorate("verify", "--help").output

    for word in ("--as", "--home", "--whole", "--may-miss", "evidence", "minimum", "Exit codes"):
        assert word in text


def test_a_run_leaves_transcripts_in_which_every_owner_finds_itself(tmp_path: Path) -> None:
    job, home = tmp_path / "job.toml", tmp_path / "home"
    owners = "".join(f'[[owner]]\nname = "{name}"\n' for name in ("north", "middle", "south"))
    job.write_text(JOB.format(threshold=3, minimum=3) + "values = 50\n" + owners)
    words = ["run", job, "--home", home, "--quiet"]
    subprocess.run([sys.executable, "-m", "infra.cli.main", *words], check=True, timeout=120)
    transcripts = home / "coordinator" / "transcripts"

    for name in ("north", "middle", "south"):
        known = ("--as", name, "--home", home / name, "--job", job)
        told = lines("verify", transcripts, "--whole", *known)
        assert told[-1]["in_the_sum"] == told[-1]["rounds"] == 4

    other = ("--as", "north", "--home", home / "south", "--job", job)
    refused(quorate("verify", transcripts, *other), "somebody else has its key")
