"""The transcripts of a job at its coordinator: each names the one before, whatever crashes.

A transcript becomes part of the journal with the end of its round, in one commit; then its file
is made, and then the end is told. After a crash the file is made again from the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from protocols.codec import canonical, parse
from protocols.effects import Effect, KeepTranscript, Record
from protocols.round_config import Roster
from protocols.trust.transcript import FIRST, Answered, Transcript

from .gathering import Gathering
from .sets import set_digest

_KEY = "transcript"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What became of a round."""

    outcome: Literal["complete", "abandoned", "failed"]
    reason: str = ""
    sum_digest: bytes | None = None
    next_state: bytes | None = None


class Chronicle:
    """Adds a transcript for every round that trainers were told of.

    With `epoch` 0 there is no signed roster, so nobody can sign, and nothing is kept.
    """

    def __init__(self, roster: Roster, epoch: int) -> None:
        self._roster = roster
        self._epoch = epoch
        self._last: Transcript | None = None

    def restore(self, records: Mapping[str, bytes]) -> None:
        """Take up what the journal remembers."""
        if self._epoch and _KEY in records:
            self._last = parse(records[_KEY], Transcript)

    def again(self) -> list[Effect]:
        """Keep the last transcript once more: a crash may have come before its file."""
        return [] if self._last is None else [KeepTranscript(self._last)]

    def add(self, gathering: Gathering, ending: Ending) -> list[Effect]:
        """Leave the transcript of a round that has ended; its effects come before the telling."""
        if not self._epoch or not gathering.announced:
            return []
        previous = FIRST if self._last is None else self._last.digest()
        self._last = self._transcript(gathering, ending, previous)
        return [Record(_KEY, canonical(self._last)), KeepTranscript(self._last)]

    def _transcript(self, gathering: Gathering, ending: Ending, previous: bytes) -> Transcript:
        cid, chosen = gathering.cid, gathering.chosen
        return Transcript(
            federation=self._roster.federation,
            coordinator=self._roster.coordinator,
            previous=previous,
            epoch=self._epoch,
            config=gathering.config,
            opened=tuple(sorted(gathering.announcement(), key=lambda opened: opened.holder)),
            chosen=chosen,
            set_digest=set_digest(cid, chosen) if chosen else None,
            votes=gathering.certificate(),
            answers=_answers(gathering),
            judged=gathering.judgement(),
            sum_digest=ending.sum_digest,
            next_state=ending.next_state,
            evidence=gathering.receipts.contradictions.evidence(),
            outcome=ending.outcome,
            reason=ending.reason[:500],
        )


def _answers(gathering: Gathering) -> tuple[Answered, ...]:
    """Return the complete answers with their holders' signatures, sorted by holder."""
    signed = gathering.signed_answers()
    return tuple(
        Answered(holder=holder, header=header, signature=signature)
        for holder, (header, signature) in sorted(signed.items())
    )
