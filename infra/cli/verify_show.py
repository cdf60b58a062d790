"""How `quorate verify` tells what it found."""

from __future__ import annotations

from pathlib import Path

from protocols.trust.auditing import Audited
from protocols.trust.evidence import Evidence
from protocols.trust.transcript import FIRST

from .display import print_json
from .trust_outcome import say

_MINE = {
    "in the sum": "{name} is in the sum",
    "left out": "{name} was left out of the sum",
    "not asked": "the round did not ask {name}",
    "no contribution": "nothing of {name} is in the sum",
    "unknown": "{name} is in the sum, and its records do not reach back to say whether rightly",
    "nothing was opened": "nothing was opened, and nothing of {name}",
}


class Told:
    """Tells of one file after the other, and keeps a few numbers for the end."""

    def __init__(self, name: str | None, *, json: bool) -> None:
        self._name = name
        self._json = json
        self._first: Audited | None = None
        self._last: Audited | None = None
        self._rounds = 0
        self._mine = 0
        self._evidence = 0

    def say(self, file: Path, taken: Audited | Evidence) -> None:
        """Tell of one file that is to be believed."""
        if isinstance(taken, Evidence):
            self._evidence += 1
            self._tell_evidence(taken)
            return
        self._first, self._last = self._first or taken, taken
        self._rounds += 1
        self._mine += taken.mine == "in the sum"
        if self._json:
            print_json({"kind": "round", "file": str(file), **_facts(taken)})
        else:
            self._tell_round(taken)
        for evidence in taken.transcript.evidence:
            self._tell_evidence(evidence)

    def end(self, unshown: int, *, authority: str | None) -> None:
        """Tell what all files together show."""
        if self._json:
            self._print_end(unshown, authority)
            return
        if self._last is not None and self._first is not None:
            first, last = self._first.transcript, self._last.transcript
            begins = "the job's first" if first.previous == FIRST else "others came before"
            say(
                f"Verified {self._rounds} transcripts of {last.config.job}, from round "
                f"{first.config.number} ({begins}) to round {last.config.number}."
            )
            say(f"Compare with others: all rounds up to this one are {self._last.digest.hex()}")
        if unshown:
            say(f"{self._name} contributed to {unshown} more rounds that were not given.")
        if authority is None:
            say("Rosters were taken as they were given: quorate roster verify says whether to.")

    def _print_end(self, unshown: int, authority: str | None) -> None:
        first, last = self._first, self._last
        print_json(
            {
                "kind": "summary",
                "outcome": "verified",
                "rounds": self._rounds,
                "from_first": first is not None and first.transcript.previous == FIRST,
                "trainer": self._name,
                "in_the_sum": self._mine if self._name else None,
                "not_given": unshown,
                "evidence": self._evidence,
                "authority": authority,
                "hash": last.digest.hex() if last else None,
            }
        )

    def _tell_round(self, audited: Audited) -> None:
        transcript = audited.transcript
        config = transcript.config
        say(f"round {config.number} of {config.job}: {_outcome(audited)}")
        say(f"  model {config.state.hex()}")
        say(
            f"  agreed to by {len(transcript.opened)} of {config.holders} holders, "
            f"{len(transcript.votes)} votes, {len(transcript.answers)} answers"
        )
        if audited.mine is not None:
            say(f"  {_MINE[audited.mine].format(name=self._name)}")

    def _tell_evidence(self, evidence: Evidence) -> None:
        if self._json:
            line = {"offender": evidence.offender, "type": evidence.type_name}
            print_json({"kind": "evidence", **line, "cid": evidence.round_id.hex()})
        else:
            say(f"  evidence: {evidence}, and signed both")


def _outcome(audited: Audited) -> str:
    transcript = audited.transcript
    # The coordinator's own words, and a terminal obeys some characters.
    reason = "".join(c if c.isprintable() else "?" for c in transcript.reason)
    if transcript.outcome == "abandoned":
        return f"abandoned, {reason}"
    judged = transcript.judged
    found = "" if judged is None else f"; the answers are {judged.status}"
    if judged is not None and judged.liars:
        found += f", those of {', '.join(judged.liars)} are false"
    minimum = transcript.config.minimum
    if reason:
        found += f"; the job failed with it, {reason}"
    return f"the sum of {len(transcript.chosen)} trainers, at least {minimum}{found}"


def _facts(audited: Audited) -> dict[str, object]:
    transcript = audited.transcript
    config, judged = transcript.config, transcript.judged
    return {
        "job": config.job,
        "number": config.number,
        "cid": config.cid().hex(),
        "outcome": transcript.outcome,
        "reason": transcript.reason,
        "epoch": transcript.epoch,
        "trainers": [contribution.trainer for contribution in transcript.chosen],
        "minimum": config.minimum,
        "opened": [opened.holder for opened in transcript.opened],
        "votes": [vote.holder for vote in transcript.votes],
        "answers": [answer.holder for answer in transcript.answers],
        "status": None if judged is None else judged.status,
        "liars": [] if judged is None else list(judged.liars),
        "model": config.state.hex(),
        "next_model": transcript.next_state.hex() if transcript.next_state else None,
        "sum": transcript.sum_digest.hex() if transcript.sum_digest else None,
        "hash": audited.digest.hex(),
        "mine": audited.mine,
    }
