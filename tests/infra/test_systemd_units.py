"""The units that are shipped: what they allow, and that they fit what the program does."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
ROLES = ("coordinator", "holder", "trainer")

HARDENED = {
    "Type": "notify",
    "NotifyAccess": "main",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "CapabilityBoundingSet": "",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "UMask": "0077",
    "ReadWritePaths": "/var/lib/quorate/%i",
    "LoadCredential": "broker-password:/etc/quorate/%i.password",
    "RestartPreventExitStatus": "2",
    "SuccessExitStatus": "130",
}


def settings(role: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in (UNITS / f"quorate-{role}@.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


@pytest.mark.parametrize("role", ROLES)
def test_units_are_hardened(role: str) -> None:
    unit = settings(role)

    assert {key: unit[key] for key in HARDENED} == {k: [v] for k, v in HARDENED.items()}
    assert "@system-service" in unit["SystemCallFilter"]
    assert unit["MemoryMax"]
    assert unit["TasksMax"]
    assert float(unit["WatchdogSec"][0]) >= 10


@pytest.mark.parametrize("role", ROLES)
def test_no_secret_stands_in_a_unit(role: str) -> None:
    text = (UNITS / f"quorate-{role}@.service").read_text()

    assert "amqp" not in text
    assert not any("PASSWORD" in value for value in settings(role)["Environment"])


@pytest.mark.parametrize(
    ("role", "restart"),
    [("coordinator", "on-failure"), ("holder", "always"), ("trainer", "always")],
)
def test_a_unit_starts_its_role_and_starts_it_again(role: str, restart: str) -> None:
    unit = settings(role)

    assert unit["Restart"] == [restart]
    (start,) = unit["ExecStart"]
    assert f"quorate {role} --home /var/lib/quorate/%i" in start


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_unit(role: str, tmp_path: Path) -> None:
    text = (UNITS / f"quorate-{role}@.service").read_text()
    unit = tmp_path / f"quorate-{role}@north.service"
    unit.write_text(text.replace("/opt/quorate/bin/quorate", "/bin/true"))

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
