"""An actor's home is written once, read as a whole, and used by one process at a time."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from infra.casting import fingerprint, first_state, resolved, work_spec
from infra.config import ConfigError, Job, load_job
from infra.homes import ActorHome, open_home
from infra.homes.access import Sources, access_of, on_broker, without_account
from infra.homes.actor_home import PASSWORD_VARIABLE, USER_VARIABLE
from infra.homes.provisioning import Access, Provisioned, Provisioning, accounts_for_all
from infra.identity.trial import TrialIdentities
from infra.rabbitmq.passwords import PasswordFolder

URL = "amqp://localhost:5673/tiny"
GUEST = Access(user="guest", password="hunter2")  # noqa: S106
OTHER = Access(user="other", password="word")  # noqa: S106
TABLES = {"north": "a,b,y\n1,2,0\n3,4,1\n", "middle": "a,b,y\n1,2,0\n", "south": "a,b,y\n5,6,1\n"}

JOB = f"""
[job]
name = "tiny"
algorithm = "logistic"
max_rounds = 5
tolerance = 1e-8
[data]
target = "y"
[federation]
broker = "{URL}"
holders = 3
threshold = 2
minimum = 3
[limits]
patience_s = 7.5
model_mb = 3
"""

FEDAVG = JOB.replace("logistic", "fedavg").replace(
    '[data]\ntarget = "y"', '[model]\ntask = "code/task.py"\n[secure_sum]\nlargest_weight = 999'
)


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(USER_VARIABLE, raising=False)
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)


def job_in(folder: Path, text: str = JOB, *, owners: tuple[str, ...] = tuple(TABLES)) -> Job:
    folder.mkdir(exist_ok=True)
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "task.py").write_text("# a task\n")
    for name, table in TABLES.items():
        (folder / f"{name}.csv").write_text(table)
        text += f'[[owner]]\nname = "{name}"\n'
        text += f'data = "{name}.csv"\n' if name in owners else ""
    (folder / "job.toml").write_text(text)
    return resolved(load_job(folder / "job.toml", files=False))


def provisioned(
    tmp_path: Path, job: Job | None = None, *, access: Access = GUEST, renew: bool = False
) -> list[Provisioned]:
    job = job or job_in(tmp_path / "job")
    like = job if job.algorithm == "logistic" else job_in(tmp_path / "like")
    initial = asyncio.run(first_state(like))
    trial = TrialIdentities(tmp_path / "authority")
    writing = Provisioning(job, initial, accounts_for_all(job, access), trial)
    return writing.write(tmp_path / "out", renew=renew)


def problems_of(path: Path, **wanted: str) -> str:
    with pytest.raises(ConfigError) as caught:
        open_home(path, **wanted)  # type: ignore[arg-type]
    return "\n".join(caught.value.problems)


def edited(home: Path, old: str, new: str, *, file: str = "actor.toml") -> Path:
    text = (home / file).read_text()
    assert old in text
    (home / file).write_text(text.replace(old, new, 1))
    return home


# --- what is written ------------------------------------------------------------------


def test_every_actor_gets_a_home_that_can_be_opened(tmp_path: Path) -> None:
    written = provisioned(tmp_path)

    homes = {home.name: open_home(home.path) for home in written}

    assert {name: home.role for name, home in homes.items()} == {
        "coordinator": "coordinator",
        **{f"holder-{n}": "holder" for n in (1, 2, 3)},
        **dict.fromkeys(TABLES, "trainer"),
    }
    assert all(
        home.address.shown() == "amqp://guest@localhost:5673/tiny" for home in homes.values()
    )
    assert homes["north"].data == tmp_path / "job" / "north.csv"


@pytest.mark.parametrize("text", [JOB, FEDAVG])
def test_the_job_of_a_home_is_the_job_without_a_word_about_data(tmp_path: Path, text: str) -> None:
    job = job_in(tmp_path / "job", text)
    provisioned(tmp_path, job)

    copy = open_home(tmp_path / "out" / "north").job

    assert fingerprint(copy) == fingerprint(job)
    assert copy.limits == job.limits
    assert copy.roster() == job.roster()
    assert all(owner.data is None for owner in copy.owners)
    assert "csv" not in (tmp_path / "out" / "north" / "job.toml").read_text()


def test_a_trainer_works_with_the_columns_and_the_data_that_the_run_has(tmp_path: Path) -> None:
    job = job_in(tmp_path / "job")
    provisioned(tmp_path, job)

    home = open_home(tmp_path / "out" / "middle", role="trainer")

    assert work_spec(home.job, home.owner) == work_spec(job, job.owners[1])


def test_only_the_coordinator_has_the_first_state_and_only_trainers_the_task(
    tmp_path: Path,
) -> None:
    written = provisioned(tmp_path, job_in(tmp_path / "job", FEDAVG))

    having = {
        file: {home.role for home in written if (home.path / file).exists()}
        for file in ("initial.safetensors", "task.py", "job.toml")
    }

    assert having == {
        "initial.safetensors": {"coordinator"},
        "task.py": {"trainer"},
        "job.toml": {"coordinator", "holder", "trainer"},
    }
    assert open_home(tmp_path / "out" / "coordinator").initial().facts


def test_homes_are_for_the_eyes_of_their_user_only(tmp_path: Path) -> None:
    os.umask(0o022)

    for home in provisioned(tmp_path):
        request = f"{home.name}-*.request"  # what everybody may see
        files = {path for path in home.path.rglob("*") if path.is_file()}
        secret = files - set(home.path.glob(f"identity/{request}"))
        assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
        assert len(files) == len(secret) + 1
        assert stat.S_IMODE(home.path.stat().st_mode) == 0o700


def test_the_password_stands_in_its_own_file_and_nowhere_else(tmp_path: Path) -> None:
    for home in provisioned(tmp_path):
        files = [file for file in home.path.rglob("*") if file.is_file()]
        holding = [file.name for file in files if b"hunter2" in file.read_bytes()]
        assert holding == ["password"]
        assert "hunter2" not in repr(open_home(home.path))


def test_what_is_known_only_on_the_owners_machine_is_left_open(tmp_path: Path) -> None:
    text = JOB.replace('target = "y"', 'target = "y"\nfeatures = ["a", "b"]')
    job = job_in(tmp_path / "job", text, owners=("north", "south"))
    (tmp_path / "job" / "south.csv").unlink()

    written = {
        home.name: home.open for home in provisioned(tmp_path, job, access=Access(user="me"))
    }

    assert written["holder-1"] == ("user and password_file below [broker]",)
    assert "data below [trainer]: the owner's table" in written["middle"]
    assert "\n[trainer]\n# data = " in (tmp_path / "out" / "middle" / "actor.toml").read_text()
    assert "the owner's data at south.csv" in written["south"]
    assert problems_of(tmp_path / "out" / "south").endswith(
        "south.csv is not there; create it or correct the path"
    )


# --- what is never overwritten --------------------------------------------------------


@pytest.mark.parametrize("lived", ["journal.sqlite", "spool", "checkpoints"])
def test_a_home_that_has_lived_is_never_overwritten(tmp_path: Path, lived: str) -> None:
    provisioned(tmp_path)
    home = tmp_path / "out" / "holder-2"
    (home / lived).mkdir()
    before = (home / "actor.toml").stat().st_mtime_ns

    with pytest.raises(ConfigError, match=rf"holder-2: an actor has lived here \({lived}\)"):
        provisioned(tmp_path)

    assert (home / "actor.toml").stat().st_mtime_ns == before
    # None is written where one can't be.
    (tmp_path / "out" / "north" / "job.toml").unlink()
    with pytest.raises(ConfigError):
        provisioned(tmp_path)
    assert not (tmp_path / "out" / "north" / "job.toml").exists()


def test_a_fresh_home_may_be_written_again(tmp_path: Path) -> None:
    provisioned(tmp_path)

    provisioned(tmp_path, access=OTHER)

    assert open_home(tmp_path / "out" / "north").address.user == "other"


def test_a_run_that_goes_on_gets_new_settings_and_keeps_what_its_actors_have(
    tmp_path: Path,
) -> None:
    provisioned(tmp_path)
    (tmp_path / "out" / "north" / "spool").mkdir()

    provisioned(tmp_path, access=OTHER, renew=True)

    assert open_home(tmp_path / "out" / "north").address.user == "other"
    assert (tmp_path / "out" / "north" / "spool").is_dir()


def test_a_foreign_folder_is_refused_and_all_of_them_are_named(tmp_path: Path) -> None:
    for name in ("north", "holder-1"):
        (tmp_path / "out" / name).mkdir(parents=True)
        (tmp_path / "out" / name / "thesis.txt").touch()

    with pytest.raises(ConfigError) as caught:
        provisioned(tmp_path, renew=True)

    assert len(caught.value.problems) == 2
    assert all("no home of ours" in problem for problem in caught.value.problems)


def test_a_first_state_above_the_largest_model_is_refused(tmp_path: Path) -> None:
    job = job_in(tmp_path / "job")
    limits = job.limits.model_copy(update={"model_mb": 0})

    with pytest.raises(ConfigError, match=r"limits.model_mb: the first model state has 1 MiB"):
        provisioned(tmp_path, job.model_copy(update={"limits": limits}))


def test_a_task_that_is_not_there_is_named_before_anything_is_written(tmp_path: Path) -> None:
    job = job_in(tmp_path / "job", FEDAVG)
    (tmp_path / "job" / "code" / "task.py").unlink()

    with pytest.raises(ConfigError, match=r"model.task: .*task.py is not there"):
        provisioned(tmp_path, job)

    assert not (tmp_path / "out").exists()


def test_trainers_get_the_modules_that_the_task_imports_and_run_with_them(tmp_path: Path) -> None:
    job = job_in(tmp_path / "job", FEDAVG)
    code = tmp_path / "job" / "code"
    (code / "task.py").write_text("import layers\nfrom net import deep\n")
    (code / "layers.py").write_text("WIDTH = 3\n")
    (code / "net").mkdir()
    (code / "net" / "deep.py").write_text("import layers\n")

    provisioned(tmp_path, job)

    home = tmp_path / "out" / "north"
    task = "import sys; sys.path.insert(0, '.'); import task; print(task.layers.WIDTH)"
    ran = subprocess.run([sys.executable, "-c", task], cwd=home, capture_output=True, check=True)
    assert ran.stdout == b"3\n"
    assert stat.S_IMODE((home / "net").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "net" / "deep.py").stat().st_mode) == 0o600
    assert not (tmp_path / "out" / "holder-1" / "layers.py").exists()


def test_a_task_that_is_no_python_is_named_before_anything_is_written(tmp_path: Path) -> None:
    job = job_in(tmp_path / "job", FEDAVG)
    (tmp_path / "job" / "code" / "task.py").write_text("def model(:\n")

    with pytest.raises(ConfigError, match=r"task.py, line 1: no valid Python"):
        provisioned(tmp_path, job)

    assert not (tmp_path / "out").exists()


# --- what is wrong with a home --------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ('role = "trainer"', 'role = "holder"', "[trainer] is for trainers only"),
        ('role = "trainer"', 'role = "judge"', 'role: "judge" is not known'),
        ('name = "north"', 'name = "nort"', 'name: "nort" is no trainer of the job'),
        ('name = "north"', "", 'name: missing; add name = "north"'),
        ('name = "north"', 'name = "north"\ncolour = 3', "colour: unknown at the top"),
        ('user = "guest"', 'usr = "guest"', 'broker.usr: unknown key; did you mean "user"?'),
        ('user = "guest"', "user = 3", "broker.user: 3 is not text in quotes"),
        ('"password"', '"gone"', "broker.password_file: "),
        ('user = "guest"', "", "broker address names no user"),
        ("localhost:5673", "far:5673", "unencrypted"),
        (URL, "http://localhost", "must begin with amqps://"),
        ("north.csv", "gone.csv", "trainer.data: "),
        ("/north.csv", "", "is a folder; name a CSV file"),
        ("[telemetry]", "[telemetri]", 'did you mean "telemetry"?'),
        ('# listen = "127.0.0.1:9464"', 'listen = "here"', "telemetry.listen"),
        ("[broker]", "[broker]\nca_file = 'password'", "certificates are given for the unencr"),
    ],
)
def test_one_mistake_in_a_home_is_named_with_its_file_and_key(
    tmp_path: Path, old: str, new: str, hint: str
) -> None:
    provisioned(tmp_path)

    problems = problems_of(edited(tmp_path / "out" / "north", old, new))

    assert hint in problems
    assert str(tmp_path / "out" / "north" / "actor.toml") in problems
    assert "hunter2" not in problems


def test_all_mistakes_of_the_settings_are_named_at_once(tmp_path: Path) -> None:
    provisioned(tmp_path)
    home = edited(tmp_path / "out" / "north", 'role = "trainer"', 'role = "judge"')

    problems = problems_of(edited(home, 'user = "guest"', "user = 3\nport = 4")).splitlines()

    assert len(problems) == 3


def test_data_are_no_affair_of_a_holder(tmp_path: Path) -> None:
    provisioned(tmp_path)
    home = tmp_path / "out" / "holder-1"

    problems = problems_of(edited(home, "[telemetry]", "[trainer]\n[telemetry]"))

    assert "the section [trainer] is for trainers only" in problems


def test_a_name_that_is_no_actor_of_this_role_is_told_who_is(tmp_path: Path) -> None:
    provisioned(tmp_path)
    home = edited(tmp_path / "out" / "holder-1", 'name = "holder-1"', 'name = "holder-9"')

    assert "no holder of the job in job.toml; its holder is named: holder-1, holder-2" in (
        problems_of(home)
    )


def test_the_wrong_command_is_told_the_right_one(tmp_path: Path) -> None:
    provisioned(tmp_path)

    problems = problems_of(tmp_path / "out" / "holder-1", role="trainer")

    assert "start it with quorate holder" in problems


def test_a_folder_that_is_no_home_says_how_to_make_one(tmp_path: Path) -> None:
    assert "quorate provision" in problems_of(tmp_path)
    assert "quorate provision" in problems_of(tmp_path / "nowhere")


def test_a_damaged_job_is_named_with_its_file(tmp_path: Path) -> None:
    provisioned(tmp_path)
    home = edited(tmp_path / "out" / "holder-1", "threshold = 2", "threshold = 9", file="job.toml")

    assert f"{home / 'job.toml'}: federation.threshold: " in problems_of(home)


def test_a_first_state_that_is_gone_or_damaged_is_named(tmp_path: Path) -> None:
    provisioned(tmp_path)
    home = open_home(tmp_path / "out" / "coordinator")
    (home.path / "initial.safetensors").write_bytes(b"rotten")

    with pytest.raises(ConfigError, match=r"initial.safetensors: not a state"):
        home.initial()

    (home.path / "initial.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"initial.safetensors: can't be read"):
        home.initial()


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 5000])
def test_a_password_file_without_a_password_is_refused(tmp_path: Path, content: bytes) -> None:
    provisioned(tmp_path)
    (tmp_path / "out" / "north" / "password").write_bytes(content)

    assert "password: no password; write" in problems_of(tmp_path / "out" / "north")


def test_an_account_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provisioned(tmp_path, access=Access())
    home = tmp_path / "out" / "holder-1"
    refused = problems_of(home)

    monkeypatch.setenv(USER_VARIABLE, "me")
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")

    assert USER_VARIABLE in refused
    assert (open_home(home).address.user, open_home(home).address.password) == ("me", "secret")


def test_nothing_of_other_actors_needs_to_be_there(tmp_path: Path) -> None:
    written = provisioned(tmp_path, job_in(tmp_path / "job", FEDAVG))
    apart = tmp_path / "apart"
    (tmp_path / "out").rename(apart)
    for table in (tmp_path / "job").glob("*.csv"):
        if table.stem != "north":
            table.unlink()
    for home in written:
        if home.name not in ("north", "holder-1", "coordinator"):
            shutil.rmtree(apart / home.name)

    for name in ("north", "holder-1", "coordinator"):
        open_home(apart / name)

    (apart / "north" / "task.py").unlink()
    assert "model.task" in problems_of(apart / "north")


def test_opening_a_home_loads_neither_torch_nor_sklearn(tmp_path: Path) -> None:
    provisioned(tmp_path, job_in(tmp_path / "job", FEDAVG))
    code = (
        "import sys; from pathlib import Path; import infra.process; "
        "from infra.homes import open_home; open_home(Path(sys.argv[1])).initial(); "
        "print({'torch', 'sklearn'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "out" / "coordinator"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "set()"


# --- one process at a time ------------------------------------------------------------


def test_a_home_in_use_is_refused_and_free_again_afterwards(tmp_path: Path) -> None:
    provisioned(tmp_path)
    home: ActorHome = open_home(tmp_path / "out" / "north")

    with home.locked(), pytest.raises(ConfigError, match="another process"), home.locked():
        pass

    with home.locked():
        pass


# --- where accounts come from ---------------------------------------------------------


def test_accounts_come_from_the_folder_that_the_broker_was_given(tmp_path: Path) -> None:
    job = job_in(tmp_path / "job")
    folder = PasswordFolder(tmp_path / "passwords")
    names = ("coordinator", "holder-1", "holder-2", "holder-3", *TABLES)
    passwords = {name: folder.renew(name) for name in names}

    access = access_of(job, Sources(credentials=folder.folder))

    assert {name: access[name].password for name in names} == passwords
    assert access["north"].user == "tiny.north"
    folder.file("middle").unlink()
    with pytest.raises(ConfigError, match=r"middle.password: no password"):
        access_of(job, Sources(credentials=folder.folder))


def test_certificates_come_from_their_folder_where_an_actor_has_one(tmp_path: Path) -> None:
    job = job_in(tmp_path / "job")
    for name in ("ca.pem", "north.pem", "north.key"):
        (tmp_path / name).write_text("x")

    access = access_of(job, Sources(tls=tmp_path))

    assert access["north"].key_file == tmp_path / "north.key"
    assert (access["middle"].ca_file, access["middle"].cert_file) == (tmp_path / "ca.pem", None)


def test_a_broker_of_the_command_line_wins_and_its_account_goes_to_nobodys_job(
    tmp_path: Path,
) -> None:
    job = job_in(tmp_path / "job")
    urls = ("amqp://me:se%40cret@127.0.0.1:9999/other",)

    moved = on_broker(job, urls)

    assert moved.federation.urls == ("amqp://127.0.0.1:9999/other",)
    assert access_of(moved, Sources(urls=urls))["north"].password == "se@cret"  # noqa: S105
    without_password = access_of(moved, Sources(urls=("amqp://me@127.0.0.1:9999/other",)))["north"]
    assert (without_password.user, without_password.password) == ("me", None)


def test_a_job_in_memory_has_no_homes_without_a_broker(tmp_path: Path) -> None:
    job = job_in(tmp_path / "job", JOB.replace(URL, "memory"))

    with pytest.raises(ConfigError, match="--broker"):
        on_broker(job, ())
    with pytest.raises(ConfigError, match="unencrypted"):
        on_broker(job, ("amqp://far/x",))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqps://u:p@h:1/v", "amqps://h:1/v"),
        ("amqps://u:p%40@h/v", "amqps://h/v"),
        ("amqps://h/v", "amqps://h/v"),
        ("amqps://u:p@[::1]:1/v", "amqps://[::1]:1/v"),
    ],
)
def test_an_address_without_its_account(url: str, shown: str) -> None:
    assert without_account(url) == shown
