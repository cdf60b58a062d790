"""Targets under atheris, for `python -m tests.fuzz`: SECONDS JOBS FOLDER-FOR-FINDINGS TARGET..."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sys
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]

with atheris.instrument_imports(include=["protocols", "infra", "actors"]):
    from fuzz.target import Target
    from fuzz.targets import TARGETS

_MOST_BYTES = 1 << 16
_TIMEOUT_S = 60
_MOST_MB = 2048
_EXECUTED = re.compile(rb"stat::number_of_executed_units:\s*(\d+)")


class Hunt:
    """Keeps the first bytes that bring each error to light, and goes on."""

    def __init__(self, target: Target, found: Path) -> None:
        self._target = target
        self._found = found
        self._known: set[str] = set()

    def __call__(self, data: bytes) -> None:
        try:
            self._target.takes(data)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what is looked for
            self._keep(data, error)

    def _keep(self, data: bytes, error: Exception) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} {last.filename}:{last.lineno}"
        if place in self._known:
            return
        self._known.add(place)
        file = self._found / f"{type(error).__name__}-{hashlib.sha256(data).hexdigest()[:12]}"
        file.write_bytes(data)
        file.with_suffix(".txt").write_text("".join(traceback.format_exception(error)))


@dataclass
class Campaign:
    """Fuzzes targets in processes that are forked, as instrumenting the code takes its time."""

    seconds: int
    found: Path
    failed: bool = False
    _running: dict[int, str] = field(default_factory=dict)

    def begin(self, name: str) -> None:
        """Fuzz a target in a process of its own, which atheris ends."""
        folder = self.found / name
        folder.mkdir(parents=True, exist_ok=True)
        pid = os.fork()
        if pid == 0:
            self._hunt(name, folder)
        self._running[pid] = name

    def wait(self, most: int) -> None:
        """Return when fewer than so many processes are left; tell what the others came to."""
        while len(self._running) >= max(1, most):
            pid, status = os.wait()
            self._tell(self._running.pop(pid), os.waitstatus_to_exitcode(status))

    @property
    def idle(self) -> bool:
        """Whether no process is left."""
        return not self._running

    def _tell(self, name: str, code: int) -> None:
        said = self._log(name).read_bytes()
        executed = _EXECUTED.search(said)
        kept = [f.name for f in (self.found / name).iterdir() if f.suffix not in (".txt", ".log")]
        count = int(executed[1]) if executed else 0
        print(f"{name}: {count} executions, {len(kept)} findings", flush=True)
        if code or kept:
            self.failed = True
            print(*[f"  {self.found / name / each}" for each in sorted(kept)], sep="\n", flush=True)
        if code:
            print(said[-2000:].decode(errors="replace"), file=sys.stderr, flush=True)

    def _log(self, name: str) -> Path:
        return self.found / name / "atheris.log"

    def _hunt(self, name: str, folder: Path) -> None:
        log = os.open(self._log(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        corpus = HERE / "corpus" / name
        with tempfile.TemporaryDirectory(prefix="quorate-corpus-") as fresh:
            options = [
                f"-max_total_time={self.seconds}",
                f"-max_len={_MOST_BYTES}",
                f"-timeout={_TIMEOUT_S}",
                f"-rss_limit_mb={_MOST_MB}",
                f"-artifact_prefix={folder}/",
                "-print_final_stats=1",
            ]
            atheris.Setup([sys.argv[0], *options, fresh, str(corpus)], Hunt(TARGETS[name], folder))
            atheris.Fuzz()
        os._exit(70)  # atheris ends the process itself


def main() -> int:
    """Fuzz all that was asked for; return 1 where anything was found."""
    seconds, jobs, found, *names = sys.argv[1:]
    logging.disable()
    campaign = Campaign(int(seconds), Path(found))
    for name in names:
        campaign.wait(int(jobs))
        campaign.begin(name)
    while not campaign.idle:
        campaign.wait(1)
    return int(campaign.failed)


if __name__ == "__main__":
    sys.exit(main())
