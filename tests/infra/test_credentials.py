"""What a home needs for its actor to be believed, and what is said where it lacks that."""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from infra.casting import first_state, resolved
from infra.config import ConfigError, Job, load_job
from infra.doctor.finding import Level
from infra.doctor.identity import identity_findings
from infra.homes import ActorHome, open_home
from infra.homes.provisioning import Access, Provisioning, accounts_for_all
from infra.identity.passphrases import AUTHORITY_VARIABLE, Passphrases
from infra.identity.roster_folder import RosterFolder
from infra.identity.trial import SharedRoster, TrialIdentities, trial_credentials
from protocols.round_config import Roster
from protocols.trust.changes import Validity, removed, renewed
from protocols.trust.errors import Untrusted

NAMES = Roster(
    federation="trial",
    coordinator="coordinator",
    holders=("holder-1", "holder-2", "holder-3"),
    trainers=("north", "middle", "south"),
)
JOB = """
[job]
name = "trial"
algorithm = "logistic"
max_rounds = 9
[data]
target = "y"
features = ["x"]
[federation]
broker = "amqp://localhost/trial"
holders = 3
threshold = 2
minimum = 3
"""


def job_in(folder: Path, *owners: str) -> Job:
    folder.mkdir(parents=True, exist_ok=True)
    text = JOB
    for name in owners:
        text += f'[[owner]]\nname = "{name}"\ndata = "{name}.csv"\n'
        (folder / f"{name}.csv").write_text("x,y\n1,0\n2,1\n")
    (folder / "job.toml").write_text(text)
    return resolved(load_job(folder / "job.toml", files=False))


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    job = job_in(tmp_path, *NAMES.trainers)
    access = accounts_for_all(job, Access(user="u", password="p"))  # noqa: S106
    trial = TrialIdentities(tmp_path / "authority")
    initial = asyncio.run(first_state(job))
    Provisioning(job, initial, access, trial).write(tmp_path / "homes")
    return tmp_path / "homes"


def keeper(homes: Path) -> RosterFolder:
    return RosterFolder(homes.parent / "authority")


def next_epoch(homes: Path, **validity: int) -> Path:
    """Let the roster's keeper sign the next epoch; return its file."""
    body = renewed(keeper(homes).newest().body, Validity(**validity))
    return keeper(homes).add(body, Passphrases(AUTHORITY_VARIABLE))


def refusal(home: ActorHome) -> str:
    """Return what a start says, which the doctor says, too, without writing anything."""
    before = {path: path.stat().st_mtime_ns for path in home.path.rglob("*")}
    (finding,) = identity_findings(home)
    assert {path: path.stat().st_mtime_ns for path in home.path.rglob("*")} == before
    with pytest.raises(ConfigError) as refused:
        home.credentials()
    (problem,) = refused.value.problems
    assert finding.level is Level.ERROR
    assert finding.what == problem
    return problem


def test_members_believe_each_other_and_nobody_else(homes: Path) -> None:
    north, south = (open_home(homes / name).credentials() for name in ("north", "south"))
    signature = north.ring.sign(b"a statement")

    assert north.roster == south.roster
    assert north.roster.keys == north.body.digest()
    south.ring.require("north", b"a statement", signature)
    for member, statement in (("south", b"a statement"), ("north", b"another"), ("x", b"")):
        with pytest.raises(Untrusted):
            south.ring.require(member, statement, signature)


@pytest.mark.parametrize(
    ("hurt", "says"),
    [
        (lambda home: (home / "roster").unlink(), "roster: missing"),
        (lambda home: (home / "roster").write_text("no roster"), "roster"),
        (lambda home: shutil.rmtree(home / "identity"), "is not here; bring it back"),
        (lambda home: next(home.glob("identity/*.key")).chmod(0o644), "lets others at it"),
        (lambda home: next(home.glob("identity/*.key")).unlink(), "missing; bring it back"),
        (lambda home: (home / "identity" / "accepted").write_bytes(b"?"), "restore it"),
    ],
    ids=["no roster", "garbage", "no identity", "open to others", "no key", "damaged"],
)
def test_a_home_that_lacks_something_says_what_and_what_to_do(
    homes: Path, hurt: object, says: str
) -> None:
    home = open_home(homes / "north")
    home.credentials()

    assert callable(hurt)
    hurt(home.path)

    assert says in refusal(home)


def test_a_roster_of_another_authority_is_refused(homes: Path, tmp_path: Path) -> None:
    other = TrialIdentities(tmp_path / "other")
    folders = {name: tmp_path / "others" / name for name in ("coordinator", *NAMES.holders)}
    folders |= {name: tmp_path / "others" / name for name in NAMES.trainers}
    other.install(NAMES, folders)
    home = open_home(homes / "north")
    shutil.copy(folders["north"] / "roster", home.path / "roster")

    assert "and we trust" in refusal(home)


def test_an_older_epoch_is_never_taken_again(homes: Path) -> None:
    home = open_home(homes / "north")
    shutil.copy(home.path / "roster", homes.parent / "older")
    shutil.copy(next_epoch(homes), home.path / "roster")
    newer = home.credentials()
    shutil.copy(homes.parent / "older", home.path / "roster")

    assert newer.body.epoch == 3
    assert "3 was accepted before" in refusal(home)


def test_an_expired_roster_stops_a_start_and_one_that_soon_will_is_told(homes: Path) -> None:
    home = open_home(homes / "north")
    shutil.copy(next_epoch(homes, valid_until=2_000_000_000), home.path / "roster")
    (well,) = identity_findings(home)
    shutil.copy(next_epoch(homes, valid_until=1_000_000_000), home.path / "roster")

    assert (well.level, well.check) == (Level.OK, "identity")
    assert "has expired" in refusal(home)


def test_a_member_that_was_removed_can_not_start(homes: Path) -> None:
    body = removed(keeper(homes).newest().body, ["middle"], Validity())
    file = keeper(homes).add(body, Passphrases(AUTHORITY_VARIABLE))
    gone, left = open_home(homes / "middle"), open_home(homes / "north")
    for home in (gone, left):
        shutil.copy(file, home.path / "roster")

    assert "incomplete" in refusal(gone)  # two trainers are left
    assert "incomplete" in refusal(left)


def test_a_home_for_another_job_than_the_rosters_is_refused(homes: Path) -> None:
    home = open_home(homes / "north")
    other = replace(home, job=job_in(homes.parent / "other", *NAMES.trainers, "west"))

    assert "trainers of the job only: west" in refusal(other)


def test_without_an_authority_a_home_is_not_opened(homes: Path) -> None:
    settings = homes / "north" / "actor.toml"
    text = settings.read_text()
    key = keeper(homes).newest().body.authorities[0].hex()
    settings.write_text(re.sub(r"authorities = \[[^]]*\]", "", text))
    with pytest.raises(ConfigError, match="authorities: missing; write the public key"):
        open_home(homes / "north")
    settings.write_text(text.replace(key, key[:-1]))
    with pytest.raises(ConfigError, match="is no public key"):
        open_home(homes / "north")


def test_a_roster_that_is_kept_elsewhere_goes_to_homes_with_keys_of_their_own(
    homes: Path, tmp_path: Path
) -> None:
    job = job_in(tmp_path, *NAMES.trainers)
    access = accounts_for_all(job, Access(user="u", password="p"))  # noqa: S106
    shared, initial = SharedRoster(keeper(homes).newest()), asyncio.run(first_state(job))
    for name in NAMES.trainers:
        shutil.copytree(homes / name / "identity", tmp_path / "mine" / name / "identity")

    Provisioning(job, initial, access, shared).write(tmp_path / "mine")

    assert open_home(tmp_path / "mine" / "north").credentials().body.epoch == 2
    assert "is not here" in refusal(open_home(tmp_path / "mine" / "holder-1"))
    west = job_in(tmp_path / "w", *NAMES.trainers, "west")
    with pytest.raises(ConfigError, match="is not that of the job: trainers of the job only: west"):
        Provisioning(west, initial, access, shared).write(tmp_path / "more")


def test_keys_of_a_run_are_made_once(tmp_path: Path) -> None:
    first = trial_credentials(NAMES, tmp_path)
    again = trial_credentials(NAMES, tmp_path)

    assert first["north"].roster == again["north"].roster
    again["south"].ring.require("north", b"x", first["north"].ring.sign(b"x"))
    shutil.rmtree(tmp_path / "north")
    with pytest.raises(ConfigError, match="keys are never replaced"):
        trial_credentials(NAMES, tmp_path)
