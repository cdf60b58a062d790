"""The folder of a holder's evidence: files that `quorate verify` checks for anybody."""

from __future__ import annotations

import hashlib
from pathlib import Path

from actors.ports import StorageFailed
from protocols.trust.evidence import Evidence

from .durable_files import make_folder
from .identity.new_files import IdentityError, write_new
from .system import ThreadOffload


class FileEvidence:
    """Keeps evidence in a folder, a file each; the `EvidenceKeeper` port.

    The name has the offender, the round, and a hash of the content: what was found with an older
    journal brought back may be another pair of statements, and stays beside the first.
    """

    def __init__(self, folder: Path, offload: ThreadOffload) -> None:
        self._folder = folder
        self._offload = offload

    async def keep(self, evidence: Evidence) -> None:
        """Write its file, unless it is there."""
        await self._offload.run_to_end(self._keep, evidence)

    def _keep(self, evidence: Evidence) -> None:
        content = evidence.to_text().encode()
        target = self._folder / file_name(evidence)
        try:
            if target.exists() and target.read_bytes() == content:
                return
            make_folder(self._folder)
            write_new(target, content, mode=0o644)
        except IdentityError as error:
            raise StorageFailed(f"{error}: it was changed; move it away") from error
        except OSError as error:
            raise StorageFailed(f"writing {target}: {error.strerror}") from error


def file_name(evidence: Evidence) -> str:
    """Return how its file is called."""
    content = hashlib.sha256(evidence.to_text().encode()).hexdigest()[:8]
    return f"{evidence.offender}-{evidence.round_id.hex()[:16]}-{content}.evidence"
