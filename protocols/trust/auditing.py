"""Whether to believe the transcripts of a job: offline, by whoever has the roster.

What this shows, and what not, is in docs/transcript.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from protocols.batches import Asked
from protocols.round_config import RoundConfig

from .errors import Untrusted
from .members import Members
from .policy import LEAST, Policy
from .roster import RosterBody
from .round_rules import require_round
from .transcript import FIRST, SignedTranscript, Transcript

Mine = Literal[
    "in the sum", "left out", "no contribution", "unknown", "not asked", "nothing was opened"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What a trainer knows of itself.

    Attributes:
        name: the trainer.
        sent: the digests of its contributions, by round id.
        rounds: the ids of those rounds, by number.
        since: rounds from this number on are all in `sent`; of older ones it knows nothing more.
        may_miss: a sum of which it is not known that its contribution is in it is no reason to
            refuse.
    """

    name: str
    sent: Mapping[bytes, bytes]
    rounds: Mapping[int, bytes] = field(default_factory=dict)
    since: int = 0
    may_miss: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A round whose transcript is to be believed; `mine` only where somebody asked for itself."""

    transcript: Transcript
    digest: bytes
    mine: Mine | None = None


@dataclass(slots=True)
class _Before:
    """What the transcript before leaves to compare with."""

    job: str
    number: int
    digest: bytes
    state: bytes


@dataclass(slots=True)
class Audit:
    """Takes the transcripts of a job in their order; keeps nothing of them but the last link.

    Attributes:
        rosters: those under which the rounds were held, as accepted by the reader.
        policy: what the reader demands.
        own: whose contributions are looked for, None for nobody's.
        whole: the first transcript must be the first of the job.
    """

    rosters: Sequence[RosterBody]
    policy: Policy = LEAST
    own: Own | None = None
    whole: bool = False
    _members: dict[bytes, Members] = field(init=False)
    _before: _Before | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._members = {body.names().digest(): Members(body) for body in self.rosters}

    def take(self, signed: SignedTranscript) -> Audited:
        """Check the next transcript, and that it follows the one before.

        Raises:
            Untrusted: with the round, what is wrong, and what to do about it.
        """
        transcript = signed.transcript
        config = transcript.config
        try:
            members = self._under(transcript)
            _require_signed(signed, members)
            _require_policy(self.policy, config)
            self._require_next(transcript)
            require_round(transcript, members, faults=self.policy.faults)
            mine = None if self.own is None else _standing(self.own, transcript, members)
        except Untrusted as error:
            where = f"round {config.number} of {config.job}"
            raise Untrusted(error.doubt, f"{where}: {error}") from None
        digest = transcript.digest()
        complete = transcript.next_state
        self._before = _Before(config.job, config.number, digest, complete or config.state)
        return Audited(transcript=transcript, digest=digest, mine=mine)

    def _under(self, transcript: Transcript) -> Members:
        """Return the members of the roster that the round was held under."""
        members = self._members.get(transcript.config.roster)
        if members is None:
            given = ", ".join(f"epoch {body.epoch}" for body in self.rosters)
            raise Untrusted(
                "epoch",
                f"held under another roster than those given ({given}); by its own word that of "
                f"epoch {transcript.epoch}: give that one, too, if you accepted it",
            )
        body = members.body
        names = body.names()
        for wrong, text in (
            (transcript.epoch != body.epoch, f"names epoch {transcript.epoch} of its roster"),
            (transcript.federation != body.federation, f"of {transcript.federation!r}"),
            (transcript.coordinator != names.coordinator, f"of {transcript.coordinator!r}"),
        ):
            if wrong:
                raise Untrusted(
                    "federation",
                    f"{text}, and its roster is epoch {body.epoch} of {body.federation!r} with "
                    f"the coordinator {names.coordinator!r}: no coordinator of ours wrote this",
                )
        return members

    def _require_next(self, transcript: Transcript) -> None:
        config, before = transcript.config, self._before
        if before is None:
            if self.whole and transcript.previous != FIRST:
                raise Untrusted(
                    "chain", "is not the first of its job: the transcripts before it are missing"
                )
            return
        follows = f"does not follow round {before.number} of {before.job}"
        if config.job != before.job:
            raise Untrusted("chain", f"{follows}: transcripts of one job are to be given at a time")
        if config.number <= before.number:
            raise Untrusted("chain", f"{follows}: give each round once, in the order of rounds")
        if transcript.previous != before.digest:
            raise Untrusted(
                "chain",
                f"{follows}: one between them is missing, or one of both was replaced after it "
                f"was signed. Ask the coordinator for all; if it gives these, show them to others",
            )
        if config.state != before.state:
            raise Untrusted(
                "chain",
                f"{follows}: the model state {config.state.hex()[:16]} went out, and the one "
                f"before had left {before.state.hex()[:16]}",
            )


def _require_signed(signed: SignedTranscript, members: Members) -> None:
    coordinator = signed.transcript.coordinator
    try:
        members.require(coordinator, signed.transcript.statement(), signed.signature)
    except Untrusted as error:
        raise Untrusted(
            "signature",
            f"{error}, which is {coordinator}'s: it was changed, or somebody else wrote it; ask "
            f"{coordinator} for it again",
        ) from None


def _require_policy(policy: Policy, config: RoundConfig) -> None:
    if fault := policy.fault(config):
        raise Untrusted(
            "policy",
            f"{fault}; ask whoever set the job up, or demand less if it was agreed on so",
        )


def _standing(own: Own, transcript: Transcript, members: Members) -> Mine:
    """Say whether a trainer's own contribution is in the sum that was opened."""
    entry = members.body.entry(own.name)
    if entry is None or entry.role != "trainer":
        raise Untrusted("contribution", f"{own.name} is no trainer of epoch {members.body.epoch}")
    cid = transcript.config.cid()
    if own.rounds.get(transcript.config.number, cid) != cid:
        raise Untrusted(
            "contribution",
            f"{own.name} contributed to another round of this number, of another model or other "
            f"rules: the coordinator held two. Keep this file, and show both to the holders",
        )
    if transcript.outcome == "abandoned":
        return "nothing was opened"
    mine = own.sent.get(cid)
    found = next((c.digest for c in transcript.chosen if c.trainer == own.name), None)
    if found is None and own.name not in Asked.of(transcript.config, members.body.names()):
        return "not asked"
    if found is None:
        return _missed(own, "left out" if mine else "no contribution")
    if mine is None and transcript.config.number < own.since:
        return _missed(own, "unknown")
    if found != mine:
        ours = "we have no record of one" if mine is None else f"ours is {mine.hex()[:16]}"
        raise Untrusted(
            "contribution",
            f"a contribution of {own.name} is in the sum, and {ours}: either these are not its "
            f"own records, or somebody else has its key; then have that revoked",
        )
    return "in the sum"


_MISSED: Mapping[Mine, str] = {
    "left out": "was sent and is not in the sum: it came too late, or was left out",
    "no contribution": "is not in the sum, and we have no record of one",
    "unknown": "is in the sum, and our records do not reach back to it",
}


def _missed(own: Own, mine: Mine) -> Mine:
    if own.may_miss:
        return mine
    raise Untrusted(
        "contribution",
        f"the contribution of {own.name} {_MISSED[mine]}. All else is right; where that was to be "
        f"expected, say so with --may-miss",
    )
