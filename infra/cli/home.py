"""The folder of a run: begun once, resumed, used by one process at a time, never overwritten."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from infra.config import ConfigError
from infra.durable_files import replace_file
from infra.folder_lock import FolderInUse, locked

_NOT_OURS = "not empty, and no run of ours; choose another folder with --home"


class HomeRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a home remembers of its job besides the actors' journals: `run.json`."""

    job: str
    fingerprint: str
    over: bool = False


class Home:
    """The folder of a run."""

    def __init__(self, path: Path, job: str, fingerprint: str) -> None:
        self.path = path
        self._record = HomeRecord(job=job, fingerprint=fingerprint)

    @contextmanager
    def prepared(self, *, resume: bool) -> Iterator[str]:
        """Make the folder ready; give a line about it, empty when there is nothing to say.

        Raises `ConfigError` where going on could lose or mix up what is there.
        """
        with ExitStack() as held:
            try:
                line = self._prepare(resume=resume)
                held.enter_context(self._locked())
            except OSError as error:
                place = error.filename or self.path
                raise ConfigError(
                    [f"{place}: {error.strerror}; correct that or choose another with --home"]
                ) from None
            yield line

    def finish(self) -> None:
        """Remember that the run is over."""
        self._write(msgspec.structs.replace(self._record, over=True))

    def _prepare(self, *, resume: bool) -> str:
        known = self._known()
        if known is None:
            if resume:
                raise ConfigError([f"{self.path}: no run to resume; leave --resume out"])
            return self._begin()
        if resume:
            return self._resume(known)
        if not known.over:
            raise ConfigError(
                [
                    f"{self.path}: a run of this job was begun and is not over; go on with "
                    f"--resume, move the folder away, or choose another with --home"
                ]
            )
        with self._locked():
            pass  # nobody is in it
        return self._begin(old=self._set_aside())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with locked(self.path, name="run.lock"):
                yield
        except FolderInUse as error:
            raise ConfigError(
                [f"{error}; wait for its end or choose another folder with --home"]
            ) from None

    def _known(self) -> HomeRecord | None:
        file = self.path / "run.json"
        if not file.exists():
            if self.path.exists() and any(self.path.iterdir()):
                raise ConfigError([f"{self.path}: {_NOT_OURS}"])
            return None
        try:
            return msgspec.json.decode(file.read_bytes(), type=HomeRecord)
        except (ValueError, RecursionError) as error:
            raise ConfigError(
                [f"{file}: damaged ({error}); restore it or choose another folder with --home"]
            ) from None

    def _resume(self, known: HomeRecord) -> str:
        if known.job != self._record.job or known.fingerprint != self._record.fingerprint:
            raise ConfigError(
                [
                    f"{self.path}: the job file has changed since this run began; only [limits], "
                    f"max_rounds, tolerance and the broker may. Undo the change, or begin anew "
                    f"with --home"
                ]
            )
        return f"resuming the run in {self.path}"

    def _set_aside(self) -> Path:
        old = self.path.with_name(self.path.name + ".old")
        if old.exists():
            shutil.rmtree(old)
        self.path.rename(old)
        return old

    def _begin(self, old: Path | None = None) -> str:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(self._record)
        return "" if old is None else f"the run before was moved to {old}"

    def _write(self, record: HomeRecord) -> None:
        replace_file(self.path / "run.json", msgspec.json.encode(record))
