"""Check what a compose file promises: files are there, names are declared, nobody is root.

Run as `python tools/check_compose.py [FILE]`; prints `service: what` and exits with 1. Its form is
checked by `docker compose config`; this finds what that takes for granted.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

Service = dict[str, Any]

_CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
_PINNED = re.compile(r"[^:@]+(:(?!latest\b)[\w.-]*\d[\w.-]*)(@sha256:[0-9a-f]{64})?")
_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|COOKIE|KEY")


def findings(file: Path) -> Iterator[str]:
    """Yield `service: what` for everything that is not as it should be."""
    document = yaml.safe_load(file.read_text())
    services: dict[str, Service] = document["services"]
    for name, service in services.items():
        for check in _CHECKS:
            for what in check(service):
                yield f"{name}: {what}"
        for what in (*_waits(service, services), *_places(service, document, file.parent)):
            yield f"{name}: {what}"
    yield from _unused(document)


def _pinned(service: Service) -> Iterator[str]:
    image = service.get("image", "")
    if not _PINNED.fullmatch(image):
        yield f"the image {image!r} is not pinned to a version"


def _hardened(service: Service) -> Iterator[str]:
    if service.get("read_only") is not True:
        yield "its root file system is not read-only"
    if service.get("cap_drop") != ["ALL"] or "cap_add" in service:
        yield "it keeps capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "its processes may gain privileges"
    if str(service.get("user", "0")).partition(":")[0] in ("0", "root"):
        yield "it runs as root"
    if service.get("privileged") or service.get("network_mode") == "host":
        yield "it is not separated from the machine"


def _bounded(service: Service) -> Iterator[str]:
    for limit in ("mem_limit", "pids_limit"):
        if limit not in service:
            yield f"it has no {limit}"


def _watched(service: Service) -> Iterator[str]:
    one_shot = service.get("restart") == "no"
    if not one_shot and "test" not in service.get("healthcheck", {}):
        yield "it has no health check"


def _local(service: Service) -> Iterator[str]:
    for port in service.get("ports", []):
        if not str(port).startswith("127.0.0.1:"):
            yield f"the port {port} is open to the network"


def _discreet(service: Service) -> Iterator[str]:
    for name in service.get("environment", {}):
        if _SECRET.search(name) and not name.endswith("_FILE"):
            yield f"{name} puts a secret into the environment; use a file"


def _waits(service: Service, services: dict[str, Service]) -> Iterator[str]:
    for name, wait in service.get("depends_on", {}).items():
        condition = wait.get("condition")
        if name not in services:
            yield f"it waits for {name}, which is no service"
            continue
        if condition not in _CONDITIONS:
            yield f"it waits for {name} with the condition {condition!r}"
        if condition == "service_healthy" and "test" not in services[name].get("healthcheck", {}):
            yield f"it waits for the health of {name}, which has no check"
        finishes = services[name].get("restart") == "no"
        if condition == "service_completed_successfully" and not finishes:
            yield f"it waits for the end of {name}, which is restarted"


def _places(service: Service, document: dict[str, Any], folder: Path) -> Iterator[str]:
    for volume in service.get("volumes", []):
        source = volume.partition(":")[0]
        if source.startswith("."):
            if not (folder / source).exists():
                yield f"{source} is not there"
            if not volume.endswith(":ro"):
                yield f"it may write to {source}"
        elif source not in document.get("volumes", {}):
            yield f"the volume {source} is not declared"
    for network in service.get("networks", []):
        if network not in document.get("networks", {}):
            yield f"the network {network} is not declared"
    target = service.get("build", {}).get("target")
    if target and not re.search(rf"^FROM .* AS {target}$", _dockerfile(folder), re.MULTILINE):
        yield f"the Dockerfile has no stage {target}"


def _dockerfile(folder: Path) -> str:
    return (folder / "Dockerfile").read_text()


def _unused(document: dict[str, Any]) -> Iterator[str]:
    used = {
        volume.partition(":")[0]
        for service in document["services"].values()
        for volume in service.get("volumes", [])
    }
    for name in document.get("volumes", {}).keys() - used:
        yield f"volumes: {name} is used by nobody"


_CHECKS: tuple[Callable[[Service], Iterator[str]], ...] = (
    _pinned,
    _hardened,
    _bounded,
    _watched,
    _local,
    _discreet,
)


def main(arguments: list[str]) -> int:
    """Print the findings of the given file, or of ours; return the exit code."""
    ours = Path(__file__).resolve().parent.parent / "docker-compose.yml"
    found = list(findings(Path(arguments[0]) if arguments else ours))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
