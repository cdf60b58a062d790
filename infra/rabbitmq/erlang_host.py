"""What the private RabbitMQ nodes of one folder share: a cookie, an epmd, the way to run a tool.

Everything listens on loopback only and dies with this process, even when it is killed.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .ports import free_port

_PACKAGED = "usr/lib/rabbitmq/bin"  # beside the wrappers in sbin, which insist on another user
_MOUNTED = Path("/mnt")  # where a chroot sees the folder
_TOOL_TIMEOUT_S = 60.0

_living: set[subprocess.Popen[bytes]] = set()


class BrokerMissing(RuntimeError):
    """There is no RabbitMQ to run; the text says how to install one."""


class NodeFailed(RuntimeError):
    """A private node did not start, or one of its tools failed; the text holds its output."""


class ErlangHost:
    """A folder with a cookie and an epmd of its own; `root` is a chroot with another RabbitMQ."""

    def __init__(self, folder: Path, *, root: Path | None = None) -> None:
        self.folder = folder
        self.root = root.absolute() if root else None
        self._epmd_port = free_port()
        self._epmd: subprocess.Popen[bytes] | None = None

    @property
    def epmd_pid(self) -> int | None:
        """The process id of the epmd, None if it does not run."""
        return self._epmd.pid if self._epmd else None

    def open(self) -> None:
        """Write the cookie unless it is there, and start epmd unless it runs.

        Raises:
            NodeFailed: there is a chroot, and this process may not enter one.
        """
        if self.root and os.geteuid() != 0:
            raise NodeFailed(f"Only root may run the RabbitMQ in {self.root}.")
        self.folder.mkdir(parents=True, exist_ok=True)
        cookie = self.folder / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(secrets.token_hex(16))
            cookie.chmod(0o400)
        if self.root:
            # RabbitMQ 4 keeps clients waiting for 5 s now and then if it can't resolve this name.
            names = f"127.0.0.1 localhost {socket.gethostname()}\n"
            (self.folder / "hosts").write_text(names)
        if self._epmd is None or self._epmd.poll() is not None:
            listen = ["epmd", "-address", "127.0.0.1", "-port", str(self._epmd_port)]
            self._epmd = self.spawn(listen, {}, self.folder / "epmd.log")

    def close(self) -> None:
        """End epmd."""
        if self._epmd:
            reap(self._epmd)
            self._epmd = None

    def seen(self, path: Path) -> str:
        """Return the path of a file in the folder as the nodes see it."""
        return str(_MOUNTED / path.relative_to(self.folder) if self.root else path)

    def script(self, name: str) -> str:
        """Return the path of one of RabbitMQ's scripts as the nodes see it.

        Raises:
            BrokerMissing: RabbitMQ is not installed where it is looked for.
        """
        place = (self.root or Path("/")) / _PACKAGED / name
        if os.path.lexists(place):
            return f"/{_PACKAGED}/{name}"
        found = shutil.which(name)
        if self.root is None and found:
            return found
        where = f"in {self.root}" if self.root else "on this machine"
        raise BrokerMissing(
            f"There is no {name} {where}. On Debian and Ubuntu `tools/install_broker.sh` installs "
            "it without starting a server; elsewhere see https://www.rabbitmq.com/docs/download."
        )

    def spawn(
        self, command: Sequence[str], extra: Mapping[str, str], log: Path
    ) -> subprocess.Popen[bytes]:
        """Start a process that ends with this one; its process id is the command's own."""
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603
                self._wrapped(command, for_life=True),
                env=self._environment(extra),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _living.add(process)
        return process

    async def run(self, command: Sequence[str], extra: Mapping[str, str]) -> str:
        """Return what a tool prints.

        Raises:
            NodeFailed: it ended with an error, with its output, or not within 60 s.
        """
        process = await asyncio.create_subprocess_exec(
            *self._wrapped(command, for_life=False),
            env=self._environment(extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            printed, _ = await asyncio.wait_for(process.communicate(), _TOOL_TIMEOUT_S)
        except BaseException as error:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            if isinstance(error, TimeoutError):
                said = f"{Path(command[0]).name} did not end within {_TOOL_TIMEOUT_S:.0f} s"
                raise NodeFailed(said) from None
            raise
        text = printed.decode(errors="replace").strip()
        if process.returncode:
            raise NodeFailed(f"{Path(command[0]).name} failed ({process.returncode}):\n{text}")
        return text

    def _wrapped(self, command: Sequence[str], *, for_life: bool) -> list[str]:
        line = list(command)
        if self.root:
            line = self._in_chroot(line)
        if for_life and shutil.which("setpriv"):
            line = ["setpriv", "--pdeathsig", "KILL", "--", *line]
        return line

    def _in_chroot(self, command: list[str]) -> list[str]:
        """Enter the chroot in mounts of its own, so that nothing is left mounted afterwards."""
        root, folder = shlex.quote(str(self.root)), shlex.quote(str(self.folder.resolve()))
        steps = (
            f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev"
            f" && mount --bind {folder} {root}{_MOUNTED}"
            f" && mount --bind {folder}/hosts {root}/etc/hosts"
            f" && exec chroot {root} {shlex.join(command)}"
        )
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", steps]

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            if self.root
            else os.environ.get("PATH", os.defpath),
            "HOME": self.seen(self.folder),
            "LANG": "C.UTF-8",
            "ERL_CRASH_DUMP_SECONDS": "0",
            "ERL_EPMD_PORT": str(self._epmd_port),
            # For the tools and what the server starts for a moment as much as for the server.
            "ERL_AFLAGS": "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
            **extra,
        }


def reap(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that `spawn` started, with -9, and wait for its end."""
    process.kill()
    process.wait()
    _living.discard(process)


@atexit.register
def _reap_all() -> None:
    for process in tuple(_living):
        reap(process)
