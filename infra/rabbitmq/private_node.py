"""A RabbitMQ server of our own on loopback, for tests and trials: started, killed, paused, filled.

It has its own data, ports, cookie and epmd, and leaves nothing behind when this process ends. A
server of the machine is neither used nor disturbed.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import aiormq

from .erlang_host import ErlangHost, NodeFailed, reap
from .management import Management, ManagementError, Object
from .ports import free_port

_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 30.0
_POLL_S = 0.05
_FIRST_ERRORS = 15
_LAST_LINES = 25
_STOP_S = 2.0  # at most, for all threads of a node to stop
_DEFAULT_MEMORY = "0.4"
_DEFAULT_DISK = "50MB"

Resource = Literal["memory", "disk"]


@dataclass(frozen=True, slots=True)
class NodeTls:
    """PEM files of a second listener for `amqps`; `clients` demands certificates of clients too."""

    ca_file: Path
    cert_file: Path
    key_file: Path
    clients: bool = False


class PrivateNode:
    """One RabbitMQ node; `folder` keeps its data from one start to the next.

    `root` names a chroot with another RabbitMQ (root only), `management` adds the HTTP interface
    (half a second more to start), `config` adds lines to rabbitmq.conf. The ports stay the same as
    long as the object lives. It belongs to no event loop, but start it in a thread that stays: the
    server ends with that thread.
    """

    def __init__(
        self,
        folder: Path,
        *,
        root: Path | None = None,
        tls: NodeTls | None = None,
        management: bool = False,
        config: Mapping[str, str] | None = None,
    ) -> None:
        self.name = "rabbit@localhost"
        self.folder = folder.absolute()
        self.port = free_port()
        self.tls_port = free_port() if tls else None
        self.management_port = free_port() if management else None
        self.version = ""
        self._dist_port = free_port()
        self._tls = tls
        self._config = dict(config or {})
        self._host = ErlangHost(self.folder, root=root)
        self._shared = False
        self._logs = (self.folder / "console.log", self.folder / "log" / "node.log")
        self._old_log_bytes: dict[Path, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """The AMQP address with the account `guest`, which may do everything."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        """The process id of the Erlang machine itself.

        Raises:
            NodeFailed: the node does not run.
        """
        return self._running().pid

    @property
    def epmd_pid(self) -> int | None:
        """The process id of the epmd, None if it does not run."""
        return self._host.epmd_pid

    @property
    def runs(self) -> bool:
        """Whether the process lives, paused or not."""
        return self._process is not None and self._process.poll() is None

    def share(self, host: ErlangHost, short_name: str) -> None:
        """Before the first start: take a name of its own on a host that others are on as well."""
        self.name = f"{short_name}@localhost"
        self._host = host
        self._shared = True

    async def start(self) -> None:
        """Start and wait until a client can log in, which takes 2 to 5 s.

        Raises:
            BrokerMissing: RabbitMQ is not installed.
            NodeFailed: it ended or was not ready after 120 s, with the end of its log.
        """
        if self.runs:
            return
        server = self._host.script("rabbitmq-server")
        self._write_files()
        self._host.open()
        self._old_log_bytes = {path: path.stat().st_size for path in self._logs if path.exists()}
        self._process = self._host.spawn([server], self._environment(), self._logs[0])
        try:
            self.version = await asyncio.wait_for(self._ready(), _START_TIMEOUT_S)
        except BaseException as error:
            await self.close()
            if isinstance(error, TimeoutError):
                said = f"RabbitMQ was not ready after {_START_TIMEOUT_S:.0f} s"
                raise NodeFailed(f"{said}:\n{self.log_tail()}") from None
            raise

    async def stop(self) -> None:
        """Stop in good order, in 1 s (RabbitMQ 3.10 with `management`: 6 s); with -9 after 30 s."""
        try:
            if self.runs:
                process = self._running()
                self.resume()
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    await asyncio.to_thread(process.wait, _STOP_TIMEOUT_S)
        finally:
            await self.close()

    async def close(self) -> None:
        """End at once all that runs, in whatever state: for a node that nobody needs any more."""
        await self.kill()
        if not self._shared:
            self._host.close()

    async def kill(self) -> None:
        """Kill the Erlang machine with -9, as a power cut would, and wait for its end."""
        if self._process:
            reap(self._process)
            self._process = None

    async def restart(self) -> None:
        """Stop in good order and start again, on the same ports and data."""
        await self.stop()
        await self.start()

    async def settle(self) -> None:
        """Have new quorum queues written down, in half a second, before a `kill` that may follow.

        RabbitMQ writes a part of what makes a new queue up to a second later. If the only member
        is killed meanwhile, the queue is there afterwards and answers nobody for ever.
        """
        await self.ctl("eval", "[ok = dets:sync(Table) || Table <- dets:all()].")

    def pause(self) -> None:
        """Freeze the node, now: connections stay open and nothing answers."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        tasks, until_s = Path(f"/proc/{process.pid}/task"), time.monotonic() + _STOP_S
        while time.monotonic() < until_s and not all(map(_stopped, tasks.glob("*/stat"))):
            time.sleep(0.001)

    def resume(self) -> None:
        """Let a frozen node go on."""
        self._running().send_signal(signal.SIGCONT)

    async def fill(self, resource: Resource = "memory") -> None:
        """Raise the alarm for memory or disk: publishers are blocked until `relieve`."""
        await self._limit(resource, "0.00001" if resource == "memory" else "1000000GB")

    async def relieve(self, resource: Resource = "memory") -> None:
        """Take the alarm back."""
        await self._limit(resource, _DEFAULT_MEMORY if resource == "memory" else _DEFAULT_DISK)

    async def ctl(self, *arguments: str) -> str:
        """Return what `rabbitmqctl` prints, in half a second or more.

        Raises:
            NodeFailed: it ended with an error, with its output.
        """
        return await self.tool("rabbitmqctl", "--quiet", *arguments)

    async def tool(self, name: str, *arguments: str) -> str:
        """Return what another of RabbitMQ's tools prints, such as `rabbitmq-queues`."""
        command = [self._host.script(name), "--node", self.name, *arguments]
        return await self._host.run(command, self._environment())

    async def api(self, method: str, path: str, body: Object | None = None) -> Any:
        """Ask the management interface, in milliseconds; `path` follows `/api` and is quoted.

        Raises:
            NodeFailed: it refused, with its words, can't be reached, or `management` is off.
        """
        return await asyncio.to_thread(self._ask, method, path, body)

    def log_tail(self) -> str:
        """Return the first errors and the last lines that the node wrote since its start."""
        written = b"\n".join(
            path.read_bytes()[self._old_log_bytes.get(path, 0) :]
            for path in self._logs
            if path.exists()
        )
        lines = written.decode(errors="replace").splitlines()
        errors = [line for line in lines[:-_LAST_LINES] if "[error]" in line][:_FIRST_ERRORS]
        return "\n".join([*errors, *lines[-_LAST_LINES:]]) or "(its log is empty)"

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise NodeFailed(f"the RabbitMQ node {self.name} does not run")
        return self._process

    async def _ready(self) -> str:
        while self.runs:
            if await _listening(self.port):
                with contextlib.suppress(OSError, aiormq.AMQPError):
                    return await self._log_in()
            await asyncio.sleep(_POLL_S)
        raise NodeFailed(f"RabbitMQ ended while it was starting:\n{self.log_tail()}")

    async def _log_in(self) -> str:
        connection = await aiormq.connect(self.url)
        try:
            version = connection.server_properties["version"]
            return version.decode() if isinstance(version, bytes) else str(version)
        finally:
            await connection.close()

    async def _limit(self, resource: Resource, limit: str) -> None:
        command = "set_vm_memory_high_watermark" if resource == "memory" else "set_disk_free_limit"
        await self.ctl(command, limit)

    def _ask(self, method: str, path: str, body: Object | None) -> Any:
        if self.management_port is None:
            raise NodeFailed("the node has no management interface: make it with management=True")
        url = f"http://127.0.0.1:{self.management_port}"
        try:
            return Management(url, "guest", "guest").call(method, path, body)
        except ManagementError as error:
            raise NodeFailed(str(error)) from None

    def _environment(self) -> dict[str, str]:
        def inside(name: str) -> str:
            return self._host.seen(self.folder / name)

        return {
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": inside("data"),
            "RABBITMQ_GENERATED_CONFIG_DIR": inside("generated"),
            "RABBITMQ_SCHEMA_DIR": inside("schema"),
            "RABBITMQ_LOG_BASE": inside("log"),
            "RABBITMQ_LOGS": inside("log/node.log"),
            "RABBITMQ_CONF_ENV_FILE": inside("rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": inside("rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": inside("advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": inside("enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2",
            "RABBITMQ_CTL_ERL_ARGS": "+S 1:1",
            "RABBITMQ_CTL_DIST_PORT_MIN": "0",
            "RABBITMQ_CTL_DIST_PORT_MAX": "0",
            # The script then becomes the Erlang machine instead of watching over it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _write_files(self) -> None:
        for name in ("data", "generated", "schema", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        plugins = "rabbitmq_management" if self.management_port else ""
        (self.folder / "enabled_plugins").write_text(f"[{plugins}].\n")
        (self.folder / "rabbitmq-env.conf").touch()
        settings = {
            "listeners.tcp.1": f"127.0.0.1:{self.port}",
            "disk_free_limit.absolute": _DEFAULT_DISK,
            "vm_memory_high_watermark.relative": _DEFAULT_MEMORY,
            **self._management_settings(),
            **self._tls_settings(),
            **self._config,
        }
        lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
        (self.folder / "rabbitmq.conf").write_text(lines)

    def _management_settings(self) -> dict[str, str]:
        if self.management_port is None:
            return {}
        return {
            "management.tcp.ip": "127.0.0.1",
            "management.tcp.port": str(self.management_port),
        }

    def _tls_settings(self) -> dict[str, str]:
        if self._tls is None:
            return {}
        copies = self.folder / "tls"
        copies.mkdir(mode=0o700, exist_ok=True)
        files = {
            "cacertfile": self._tls.ca_file,
            "certfile": self._tls.cert_file,
            "keyfile": self._tls.key_file,
        }
        for name, path in files.items():
            shutil.copyfile(path, copies / name)
        return {
            "listeners.ssl.1": f"127.0.0.1:{self.tls_port}",
            **{f"ssl_options.{name}": self._host.seen(copies / name) for name in files},
            "ssl_options.verify": "verify_peer" if self._tls.clients else "verify_none",
            "ssl_options.fail_if_no_peer_cert": str(self._tls.clients).lower(),
        }


async def _listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _stopped(stat: Path) -> bool:
    """Return whether a thread does not run, by the kernel's word; one that is gone does not."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] in "TtXZ"
    except OSError:
        return True
