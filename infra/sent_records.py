"""What a trainer contributed to rounds, read from its journal by somebody else than the trainer."""

from __future__ import annotations

from pathlib import Path

from actors.ports import StorageFailed
from infra.identity.new_files import IdentityError
from protocols.codec import Undecodable, parse
from protocols.records import SENT_KEPT, Sent
from protocols.trust.auditing import Own

from .sqlite_journal import peek

_NEVER = 2**53  # no round has this number


class SentRecords:
    """The records of one home, read once; the trainer may be at work."""

    def __init__(self, journal: Path) -> None:
        """Read them. Raises `IdentityError` where that can't be done."""
        if not journal.exists():
            raise IdentityError(f"{journal}: no journal is there; is that the trainer's home?")
        try:
            found = peek(journal, "sent/")
            self._jobs: dict[str, list[Sent]] = {}
            for key, value in found.items():
                job = key.split("/")[1]
                self._jobs.setdefault(job, []).append(parse(value, Sent))
        except (StorageFailed, Undecodable) as error:
            raise IdentityError(str(error)) from None

    def of(self, job: str, name: str, *, may_miss: bool) -> Own:
        """Return what the trainer of this name knows of its contributions to a job.

        Records of older rounds may have made room for others, or were never kept.
        """
        records = self._jobs.get(job, [])
        numbers = [sent.number for sent in records]
        return Own(
            name=name,
            sent={sent.cid: sent.digest for sent in records},
            rounds={sent.number: sent.cid for sent in records},
            since=max(min(numbers), max(numbers) - SENT_KEPT + 1) if numbers else _NEVER,
            may_miss=may_miss,
        )
