"""The staging files: what they name is there, agrees with the rest, and does what it says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from brokers import broker_root

from infra.config import load_job
from infra.homes import open_home
from infra.homes.access import topology_of
from infra.rabbitmq.definitions import user
from infra.rabbitmq.ports import free_port
from infra.rabbitmq.private_node import PrivateNode

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = ROOT / "docker-compose.yml"

check_compose = runpy.run_path(str(ROOT / "tools" / "check_compose.py"))["findings"]


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return loaded


def settings(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}


# --- the compose file -------------------------------------------------------------------


def test_the_compose_file_is_in_order() -> None:
    assert list(check_compose(COMPOSE)) == []


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda c: c["services"]["rmq1"].update(image="rabbitmq:latest"), "not pinned"),
        (lambda c: c["services"]["rmq1"].update(user="0:0"), "runs as root"),
        (lambda c: c["services"]["holder-1"].pop("mem_limit"), "no mem_limit"),
        (lambda c: c["services"]["holder-1"].pop("read_only"), "not read-only"),
        (lambda c: c["services"]["grafana"].update(ports=["3000:3000"]), "open to the network"),
        (lambda c: c["services"]["rmq2"].pop("healthcheck"), "no health check"),
        (lambda c: c["services"]["setup"].update(restart="always"), "which is restarted"),
        (lambda c: c["services"]["rmq3"]["volumes"].append("./no:/no:ro"), "is not there"),
        (lambda c: c["services"]["rmq3"]["volumes"].append("more:/more"), "not declared"),
        (lambda c: c["services"]["trainer"].update(build={"target": "gpu"}), "no stage gpu"),
        (
            lambda c: c["services"]["grafana"]["environment"].update(GF_ADMIN_PASSWORD="x"),  # noqa: S106
            "secret into the environment",
        ),
    ],
)
def test_what_is_wrong_with_a_compose_file_is_found(
    tmp_path: Path, change: Change, found: str
) -> None:
    document = compose()
    change(document)
    for name in ("deploy", "Dockerfile"):
        (tmp_path / name).symlink_to(ROOT / name)
    file = tmp_path / "docker-compose.yml"
    file.write_text(yaml.safe_dump(document))

    assert any(found in finding for finding in check_compose(file))


def test_the_brokers_are_those_of_the_configuration_and_of_the_job() -> None:
    services, conf = compose()["services"], settings(DEPLOY / "rabbitmq" / "rabbitmq.conf")

    hosts = [name for name, s in services.items() if s["image"].startswith("rabbitmq:")]

    nodes = [value for key, value in conf.items() if ".nodes." in key]
    assert nodes == [f"rabbit@{host}" for host in hosts]
    assert [services[host]["hostname"] for host in hosts] == hosts
    assert conf["cluster_formation.target_cluster_size_hint"] == str(len(hosts))
    urls = load_job(DEPLOY / "job.toml").federation.urls
    assert urls == tuple(f"amqps://{host}/staging" for host in hosts)


def test_every_holder_of_the_job_has_a_container_and_a_home_of_its_own() -> None:
    services, roster = compose()["services"], load_job(DEPLOY / "job.toml").roster()

    for name in (roster.coordinator, *roster.holders):
        assert services[name]["volumes"] == [f"{name}:/home/actor"]
    assert services["trainer"]["scale"] <= len(roster.trainers)
    assert not [n for n in services if n.startswith("holder-") and n not in roster.holders]


def test_an_actor_sees_no_home_but_its_own() -> None:
    for name, service in compose()["services"].items():
        homes = [v for v in service.get("volumes", []) if v.split(":")[1] == "/home/actor"]
        assert homes in ([], [f"{name}:/home/actor"])
        if name != "setup":
            assert not any(v.startswith("material:") for v in service.get("volumes", []))


# --- what is watched --------------------------------------------------------------------


def expressions() -> Iterator[str]:
    board = json.loads((DEPLOY / "grafana" / "boards" / "quorate.json").read_text())
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    alerts = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
    for group in alerts["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def test_the_board_and_the_alerts_ask_for_metrics_that_there_are() -> None:
    documented = set(re.findall(r"`(quorate_\w+)`", (ROOT / "docs" / "observing.md").read_text()))

    asked = {name for text in expressions() for name in re.findall(r"\bquorate_\w+", text)}

    assert asked
    assert {re.sub(r"_bucket$", "", name) for name in asked} <= documented


class StagingNode(PrivateNode):
    """A single node with the configuration, the plugins and the definitions of staging."""

    def __init__(self, folder: Path, material: Path) -> None:
        self.metrics_port = free_port()
        seen = Path("/mnt") if broker_root() else folder
        self._material = material
        # This node is no cluster, and has its own ways to be reached.
        conf = {
            key: value.replace("/run/broker", str(seen / "broker"))
            for key, value in settings(DEPLOY / "rabbitmq" / "rabbitmq.conf").items()
            if not key.startswith(("cluster_formation", "listeners", "management.ssl"))
            and (key != "anonymous_login_user" or broker_root())  # unknown before RabbitMQ 4
        }
        conf |= {
            "prometheus.tcp.ip": "127.0.0.1",
            "prometheus.tcp.port": str(self.metrics_port),
            "listeners.ssl.1": f"127.0.0.1:{free_port()}",
        }
        super().__init__(folder, root=broker_root(), management=True, config=conf)

    def _write_files(self) -> None:
        super()._write_files()
        shutil.copytree(self._material, self.folder / "broker", dirs_exist_ok=True)
        shutil.copy(DEPLOY / "rabbitmq" / "enabled_plugins", self.folder / "enabled_plugins")


def set_up(folder: Path) -> None:
    """Run the script of the setup container, twice: it can be repeated."""
    for name in ("material", "broker", "console", "trainers", "homes/coordinator"):
        (folder / name).mkdir(parents=True)
    for number in range(1, 6):
        (folder / "homes" / f"holder-{number}").mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for _ in range(2):
        done = subprocess.run(
            ["sh", str(DEPLOY / "setup.sh"), str(DEPLOY / "job.toml"), str(folder)],
            env=os.environ | {"PATH": path, "PYTHONSAFEPATH": "1"},
            capture_output=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()


def metrics(port: int, path: str) -> set[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return set(re.findall(r"^(rabbitmq_\w+)", answer.read().decode(), re.MULTILINE))


@pytest.mark.slow
async def test_the_brokers_configuration_the_homes_and_the_board_fit_together(
    tmp_path: Path,
) -> None:
    await asyncio.to_thread(set_up, tmp_path)
    # The operator's account takes the place of guest, whom the definitions don't know.
    add_guest(tmp_path / "broker" / "definitions.json")

    async with StagingNode(tmp_path / "node", tmp_path / "broker") as node:
        queues = {
            queue["name"]: queue["type"] for queue in await node.api("GET", "/queues/staging")
        }
        told = metrics(node.metrics_port, "/metrics") | metrics(
            node.metrics_port, "/metrics/detailed?vhost=staging&family=queue_coarse_metrics"
        )

    wanted = topology_of(load_job(DEPLOY / "job.toml")).queues()
    assert queues == {queue.name: queue.kind for queue in wanted}
    asked = {name for text in expressions() for name in re.findall(r"\brabbitmq_\w+", text)}
    assert asked - told == set()
    for home in [*(tmp_path / "homes").iterdir(), *(tmp_path / "trainers").iterdir()]:
        assert open_home(home).telemetry.listen == "0.0.0.0:9464"


def add_guest(file: Path) -> None:
    definitions = json.loads(file.read_text())
    definitions["users"].append(user("guest", "guest") | {"tags": ["administrator"]})
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    definitions["vhosts"].append({"name": "/"})
    definitions["permissions"] += [
        {"user": "guest", "vhost": vhost, **everything} for vhost in ("/", "staging")
    ]
    file.write_text(json.dumps(definitions))


# --- the trainers' homes ----------------------------------------------------------------


@pytest.fixture
def taking(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start trainers that print their home and stay until they are told to go."""
    program = tmp_path / "bin" / "quorate"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$3"\nexec cat > /dev/null\n')
    program.chmod(0o755)
    for name in ("site-01", "site-02"):
        (tmp_path / "homes" / name).mkdir(parents=True)
        (tmp_path / "homes" / name / "actor.toml").touch()
    started: list[subprocess.Popen[str]] = []

    def take() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["sh", str(DEPLOY / "take-home.sh"), str(tmp_path / "homes")],
            env={"PATH": f"{program.parent}:{os.environ['PATH']}"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield take
    for process in started:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip()).name


def test_each_trainer_takes_a_home_that_is_free(
    taking: Callable[[], subprocess.Popen[str]],
) -> None:
    homes = [said(taking()) for _ in range(2)]

    assert homes == ["site-01", "site-02"]


def test_a_home_is_free_again_when_its_trainer_was_killed(
    taking: Callable[[], subprocess.Popen[str]],
) -> None:
    first = taking()
    assert said(first) == "site-01"
    first.kill()
    first.wait()

    assert said(taking()) == "site-01"


def test_without_a_free_home_a_trainer_says_so_and_ends(
    taking: Callable[[], subprocess.Popen[str]],
) -> None:
    for _ in range(2):
        said(taking())

    late = taking()
    _, complaint = late.communicate(timeout=10)

    assert late.returncode == 1
    assert "every home" in complaint
