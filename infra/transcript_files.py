"""The folder of a coordinator's transcripts: one file a round, never changed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from actors.coordinator import Assignment
from actors.ports import StorageFailed
from protocols.trust.transcript import Signer, Transcript

from .durable_files import make_folder
from .identity.credentials import Credentials
from .identity.new_files import IdentityError, write_new
from .system import ThreadOffload

_NAME = re.compile(r"round-(\d{6,16})\.transcript\Z")


class FileTranscripts:
    """Signs transcripts and keeps them in a folder; the `Transcripts` port.

    Signatures of Ed25519 are the same each time, so a file that is there already can be compared
    with what would be written.
    """

    def __init__(self, folder: Path, signer: Signer, offload: ThreadOffload) -> None:
        self._folder = folder
        self._signer = signer
        self._offload = offload

    async def keep(self, transcript: Transcript) -> None:
        """Sign it and write its file."""
        await self._offload.run_to_end(self._keep, transcript)

    def _keep(self, transcript: Transcript) -> None:
        content = transcript.signed_by(self._signer).to_text().encode()
        target = self._folder / f"round-{transcript.config.number:06}.transcript"
        try:
            if target.exists():
                _require_same(target, content)
                return
            make_folder(self._folder)
            write_new(target, content, mode=0o644)
        except IdentityError as error:
            raise StorageFailed(str(error)) from error
        except OSError as error:
            raise StorageFailed(f"writing {target}: {error.strerror}") from error


def _require_same(target: Path, content: bytes) -> None:
    if target.read_bytes() != content:
        raise StorageFailed(
            f"{target} is another transcript of the same round than the one to be kept: was an "
            f"older journal brought back? Of one round there are never two; bring back the newest "
            f"journal, or begin another job in another folder"
        )


def with_transcripts(
    assignment: Assignment, credentials: Credentials, folder: Path, offload: ThreadOffload
) -> Assignment:
    """Return the assignment of a coordinator that keeps transcripts under its roster's epoch."""
    return replace(
        assignment,
        plan=replace(assignment.plan, epoch=credentials.body.epoch),
        transcripts=FileTranscripts(folder, credentials.ring, offload),
    )


def transcripts_in(folder: Path) -> list[Path]:
    """Return the files of a folder's transcripts in the order of their rounds."""
    found = [(match, path) for path in folder.iterdir() if (match := _NAME.match(path.name))]
    return [path for _, path in sorted(found, key=lambda one: int(one[0][1]))]
