"""What a share-holder may say, and what it must have written down before it says it."""

from __future__ import annotations

from protocols.codec import digest_of
from protocols.messages import (
    AnswerChunk,
    AnswerHeader,
    CheckValues,
    CloseRound,
    CoinOpening,
    Contribution,
    Excluded,
    Frozen,
    Have,
    OpenRound,
    Propose,
    RoundOpened,
    Tossed,
    Vote,
    Wire,
)
from protocols.records import (
    HeldAnswer,
    HeldExclusion,
    HeldProposal,
    HeldShare,
    HeldVote,
    LastRound,
)
from protocols.round_config import RoundConfig
from protocols.secagg.sets import contribution_digest, set_digest
from protocols.trust.evidence import Evidence

from .apart_checks import ApartChecks
from .ghost import Ghost, Rule
from .share_checks import ShareChecks
from .turn_checks import turn_fault
from .watch import Writes

# Once these are acknowledged, a holder is bound by their round's number, or knows of a set.
BINDING = ("OpenRound", "CloseRound", "Propose")

_ROUNDS = 64
_RECEIPTS = 5000


class HolderChecks:
    """Looks at the messages and records of share-holders."""

    def __init__(self, ghost: Ghost, shares: ShareChecks) -> None:
        self._ghost = ghost
        self._apart = ApartChecks(ghost)
        self._shares = shares
        self._answered: dict[tuple[str, bytes], AnswerHeader] = {}
        self._last: dict[str, int] = {}
        self._receipted: dict[tuple[str, bytes, str], bytes] = {}
        self._voted: dict[tuple[str, str], bytes] = {}
        self._said: dict[bytes, dict[bytes, dict[str, None]]] = {}

    def sending(self, host: str, message: Wire) -> None:
        """Look at a message before it leaves."""
        match message:
            case RoundOpened():
                self._on_opened(host, message.cid)
            case Have():
                self._on_have(host, message)
            case Excluded():
                self._on_excluded(host, message)
            case Vote():
                self._on_vote(host, message)
            case AnswerChunk():
                self._on_answer(host, message)
            case Frozen() | CoinOpening() | Tossed() | CheckValues():
                self._shares.saying(host, message, over=self._over(host, message.cid))
            case _:
                pass

    def _config(self, host: str, cid: bytes) -> RoundConfig | None:
        return self._ghost.config_at(host, cid)

    def _on_opened(self, host: str, cid: bytes) -> None:
        if self._config(host, cid) is None and not self._over(host, cid):
            self._ghost.violated(Rule.DURABLE, host, "said that a round is open")
        disk = self._ghost.disks[host]
        kept = dict.fromkeys(stream.split("/")[0] for stream in disk.chunks)
        if len(kept) > 2:
            self._ghost.violated(Rule.BOUNDED, host, f"keeps shares of {len(kept)} rounds")

    def _on_have(self, host: str, message: Have) -> None:
        receipts = self._ghost.receipts.setdefault(message.cid, {})
        for contribution in message.contributions:
            receipts.setdefault(contribution.trainer, {})[host] = None
            key = f"round/{message.cid.hex()}/share/{contribution.trainer}"
            share = self._ghost.durable(host, key, HeldShare)
            # A receipt that was decided on may leave after the share was erased.
            erased = self._over(host, message.cid) or self._excluded(
                host, message.cid, contribution.trainer
            )
            if share is None and erased:
                continue
            whole = share is not None and share.complete
            if (
                not whole
                or share is None
                or contribution_digest(share.header) != (contribution.digest)
            ):
                text = f"has a contribution of {contribution.trainer}"
                self._ghost.violated(Rule.DURABLE, host, text)
                continue
            self._check_only(host, message.cid, contribution)

    def _check_only(self, host: str, cid: bytes, contribution: Contribution) -> None:
        """See that a holder takes one contribution of a trainer a round, and never another."""
        key, digest = (host, cid, contribution.trainer), contribution.digest
        known = self._receipted.setdefault(key, digest)
        if known != digest and host not in self._ghost.forgetful:
            text = f"has two contributions of {contribution.trainer} in one round"
            self._ghost.violated(Rule.ONE_CONTRIBUTION, host, text)
        while len(self._receipted) > _RECEIPTS:
            del self._receipted[next(iter(self._receipted))]

    def _over(self, host: str, cid: bytes) -> bool:
        """Return whether a round has ended here, so that its records are rightly gone.

        What was decided on before may still wait for its turn to leave.
        """
        if self._config(host, cid) is not None:
            return False
        number = self._ghost.numbers.get(cid)
        lasts = [k for k in self._ghost.disks[host].records if k.startswith("last/")]
        last = self._ghost.durable(host, lasts[0], LastRound) if lasts else None
        return number is not None and last is not None and last.number >= number

    def _excluded(self, host: str, cid: bytes, trainer: str) -> bool:
        key = f"round/{cid.hex()}/excluded/{trainer}"
        return self._ghost.durable(host, key, HeldExclusion) is not None

    def _on_excluded(self, host: str, message: Excluded) -> None:
        known = self._excluded(host, message.cid, message.trainer)
        if "two different" in message.reason:
            self._check_guilt(host, message)
        if not known and not self._over(host, message.cid):
            self._ghost.violated(Rule.DURABLE, host, f"excluded {message.trainer}")

    def _check_guilt(self, host: str, message: Excluded) -> None:
        """See that one who is left out for two contributions has sent two."""
        ghost = self._ghost
        sent = {**ghost.contributed.get(message.cid, {})}
        sent |= ghost.lies.headers.get(message.cid, {})
        if sum(trainer == message.trainer for trainer, _ in sent) < 2:
            text = f"excluded {message.trainer}, who sent one contribution"
            ghost.violated(Rule.HONEST, host, text)

    def _on_vote(self, host: str, message: Vote) -> None:
        ghost, cid = self._ghost, message.cid
        known = ghost.votes.setdefault(cid, {}).setdefault(host, {})
        if known and message.set_digest not in known and not self._misled(host, cid):
            ghost.violated(Rule.ONE_VOTE, host, "voted for a second set")
        known[message.set_digest] = None
        if self._over(host, cid):
            return
        vote = ghost.durable(host, f"round/{cid.hex()}/vote", HeldVote)
        if vote is None or set_digest(cid, vote.chosen) != message.set_digest:
            ghost.violated(Rule.DURABLE, host, "voted")
            return
        config = self._config(host, cid)
        if config is not None:
            self._check_members(host, config, vote.chosen, "voted")
            self._apart.agreed(host, config, vote.chosen, "voted")

    def _misled(self, host: str, cid: bytes) -> bool:
        """Return whether a holder that forgot was asked for another set than before."""
        return host in self._ghost.forgetful and cid in self._ghost.lies.sets

    def _on_answer(self, host: str, message: AnswerChunk) -> None:
        ghost, header = self._ghost, message.header
        before = self._answered.setdefault((host, header.cid), header)
        if before != header and not self._misled(host, header.cid):
            ghost.violated(Rule.ONE_ANSWER, host, "answered a second time, with something else")
        config = self._config(host, header.cid)
        if config is None:
            if not self._over(host, header.cid):
                ghost.violated(Rule.DURABLE, host, "answered in a round that is not open")
            return
        answer = ghost.durable(host, f"round/{header.cid.hex()}/answer", HeldAnswer)
        if answer is None or answer.header != header:
            ghost.violated(Rule.DURABLE, host, "answered")
            return
        self._check_set(host, config, header, answer.chosen)
        while len(self._answered) > _ROUNDS * len(ghost.roster.holders):
            del self._answered[next(iter(self._answered))]

    def _check_set(
        self,
        host: str,
        config: RoundConfig,
        header: AnswerHeader,
        chosen: tuple[Contribution, ...],
    ) -> None:
        ghost, cid = self._ghost, header.cid
        if set_digest(cid, chosen) != header.set_digest:
            ghost.violated(Rule.ONE_ANSWER, host, "answered for another set than it recorded")
        voted = ghost.votes.get(cid, {}).get(host)
        if voted and header.set_digest not in voted and not self._misled(host, cid):
            ghost.violated(Rule.ONE_ANSWER, host, "answered for another set than it voted for")
        self._check_members(host, config, chosen, "answered")
        self._apart.agreed(host, config, chosen, "answered")
        self._apart.answered(host, config, chosen)
        if config.vote:
            self._check_votes(host, config, header)
        self._check_one_sum(host, config, header)

    def _check_members(
        self, host: str, config: RoundConfig, chosen: tuple[Contribution, ...], did: str
    ) -> None:
        """See that a set may be opened, whoever asked for it."""
        ghost = self._ghost
        trainers = {contribution.trainer for contribution in chosen}
        if len(trainers) != len(chosen):
            ghost.violated(Rule.DISTINCT, host, f"{did} for a set with a trainer twice")
        if len(trainers) < config.minimum:
            ghost.violated(Rule.MINIMUM, host, f"{did} for a set of {len(trainers)}")
        if fault := turn_fault(config, ghost.roster, trainers):
            ghost.violated(Rule.TURN, host, f"{did} for a set in which {fault}")
        check_genuine(ghost, host, config.cid(), chosen)

    def _check_votes(self, host: str, config: RoundConfig, header: AnswerHeader) -> None:
        """See that there were enough votes."""
        ghost, cid, digest = self._ghost, header.cid, header.set_digest
        voters = sum(ghost.voted(cid, name, digest) for name in ghost.roster.holders)
        if voters < config.quorum:
            ghost.violated(Rule.CERTIFICATE, host, f"answered after {voters} votes")

    def _check_one_sum(self, host: str, config: RoundConfig, header: AnswerHeader) -> None:
        """See that no two sets have answers enough, where the model says that it can't be.

        `f` counts those who lied in this round or may have forgotten it (docs/model.md).
        """
        ghost, cid, n, t = self._ghost, header.cid, config.holders, config.threshold
        said = self._said.setdefault(cid, {})
        said.setdefault(header.set_digest, {})[host] = None
        enough = [digest for digest, holders in said.items() if len(holders) >= t]
        if len(enough) > 1:
            forgetful = (name for name in ghost.forgetful if name in ghost.roster.holders)
            f = len(dict.fromkeys((*forgetful, *ghost.lies.liars(cid))))
            if 2 * t > n + f or (config.vote and 2 * config.quorum > n + f):
                ghost.violated(Rule.ONE_SUM, host, f"the answer number {t} for a second set")
        while len(self._said) > _ROUNDS:
            del self._said[next(iter(self._said))]

    def acked(self, host: str, message: Wire) -> None:
        """Look at one of the `BINDING` messages when it is acknowledged."""
        match message:
            case OpenRound():
                job, number = message.config.job, message.config.number
                if message.config.roster != self._ghost.roster.digest():
                    return  # of another federation
            case CloseRound():
                job, number = message.job, message.number
            case Propose():
                self._check_evidence(host, message)
                return
            case _:
                return
        last = self._ghost.durable(host, f"last/{job}", LastRound)
        if last is None or last.number < number:
            text = f"acknowledged {type(message).__name__} of round {number}"
            self._ghost.violated(Rule.DURABLE, host, text)

    def _check_evidence(self, host: str, message: Propose) -> None:
        """See that a holder can show two proposals of a round, whatever it thinks of each."""
        if self._config(host, message.cid) is None:
            return
        cid = message.cid.hex()
        first = self._ghost.durable(host, f"round/{cid}/proposed", HeldProposal)
        evidence = self._ghost.durable(host, f"evidence/{cid}", Evidence)
        if first is None:
            text = "acknowledged a proposal that it does not remember"
            self._ghost.violated(Rule.DURABLE, host, text)
        elif first.body_digest != digest_of(message) and evidence is None:
            text = "acknowledged a second proposal and keeps no evidence"
            self._ghost.violated(Rule.DURABLE, host, text)

    def committed(self, host: str, writes: Writes) -> None:
        """Look at what has just become durable."""
        for key, value in writes:
            if value is None:
                self._voted.pop((host, key), None)
            elif key.startswith("last/"):
                self._on_last(host, self._ghost.parsed(value, LastRound).number)
            elif key.endswith("/vote"):
                before = self._voted.setdefault((host, key), value)
                if before != value and host not in self._ghost.forgetful:
                    self._ghost.violated(Rule.ONE_VOTE, host, "recorded a second vote")

    def _on_last(self, host: str, number: int) -> None:
        if number <= self._last.get(host, -1) and host not in self._ghost.forgetful:
            self._ghost.violated(Rule.MONOTONE, host, f"opened or closed round {number} again")
        self._last[host] = number


def check_genuine(ghost: Ghost, host: str, cid: bytes, chosen: tuple[Contribution, ...]) -> None:
    """Take note if anything in a set was never contributed."""
    real, made_up = ghost.contributed.get(cid, {}), ghost.lies.contributions.get(cid, {})
    for contribution in chosen:
        key = (contribution.trainer, contribution.digest)
        if key not in real and key not in made_up:
            ghost.violated(Rule.GENUINE, host, f"{contribution.trainer} never contributed this")
