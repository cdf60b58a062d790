"""The share-holder's side: keep shares, vote for one set a round, answer for that set only.

The rules and their order follow the state machine of a holder in the design of secure
aggregation: whatever binds the holder is a `Record`, and an actor makes records durable
before anything of the same decision leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from protocols.batches import Asked
from protocols.codec import canonical, parse
from protocols.effects import (
    Answer,
    CancelWork,
    CheckStream,
    Effect,
    Erase,
    Forget,
    Record,
    Report,
    Send,
    StoreChunk,
    SumShares,
)
from protocols.errors import PeerViolation
from protocols.messages import (
    AnswerHeader,
    Ask,
    CloseRound,
    Contribution,
    Excluded,
    Freeze,
    Goodbye,
    Grant,
    OpenRound,
    Propose,
    Refused,
    Release,
    Reveal,
    RoundOpened,
    ShareChunk,
    Toss,
    Vote,
    Welcome,
    Wire,
    Working,
)
from protocols.records import (
    HeldAnswer,
    HeldConfig,
    HeldExclusion,
    HeldKey,
    HeldShare,
    HeldVote,
    LastRound,
)
from protocols.reports import PeerFault, Refusal, TookPart
from protocols.round_config import Roster, RoundConfig
from protocols.trust.errors import Untrusted
from protocols.trust.sealing import ENTROPY_BYTES, BoxKey, BoxSeed, suites
from protocols.trust.signing import Verifier, require_said

from .bundling import receipts
from .chunks import answer_stream, header_fault, share_chunk_count, share_fault, share_stream
from .claims import two_contributions
from .coin import Values
from .credit import fair_share
from .freezing import WHAT, Check, Freezing
from .greeting import greeting
from .held_round import HeldRound, Partial, restore_rounds
from .pledges import HeldPledges
from .proposals import Proposals
from .pulse import Pulse
from .sealed import key_fault
from .sets import contribution_digest, set_digest, set_fault
from .tails import tails_fault
from .terms import Terms


class Holding:
    """Feed it messages and the results of its effects; perform what it returns.

    `credit` bounds what honest trainers put into this holder's queue; the queue's own limit
    holds back the others.

    Shares come in opened, with the `box_key` of their round. It is made of `entropy` when the
    round is opened, and gone with it.
    """

    def __init__(
        self,
        name: str,
        roster: Roster,
        verifier: Verifier,
        *,
        entropy: Callable[[int], bytes],
        terms: Terms = Terms(),  # noqa: B008 - it is frozen
    ) -> None:
        self._name = name
        self._roster = roster
        self._verifier = verifier
        self._roster_digest = roster.digest()
        self._entropy = entropy
        self._terms = terms
        self._rounds: dict[bytes, HeldRound] = {}
        self._last: dict[str, LastRound] = {}
        self._pledges = HeldPledges(roster)
        self._proposals = Proposals(name, roster.federation, verifier)
        self._pulse = Pulse()
        self._freezing = Freezing(name, roster, verifier, entropy)

    def restore(self, records: Mapping[str, bytes], stored: Mapping[str, frozenset[int]]) -> None:
        """Take up what the journal and the spool remember."""
        for key, value in records.items():
            if key.startswith("last/"):
                self._last[key.removeprefix("last/")] = parse(value, LastRound)
        self._pledges.restore(records)
        self._proposals.restore(records)
        self._rounds = restore_rounds(records, stored)

    def start(self, software: str = "") -> list[Effect]:
        """Greet the coordinator; go on with uploads, checks and sums that a crash cut short."""
        effects = self._proposals.again()
        effects.append(Send(self._roster.coordinator, greeting("holder", software)))
        for held in self._rounds.values():
            for trainer, partial in held.partial.items():
                effects += self._check_or_grant(held, trainer, partial, offered=True)
            if held.answered_set is not None and held.answer is None:
                effects += self._sum(held, held.answered_set)
        return effects

    def leave(self) -> list[Effect]:
        """Say goodbye: this holder was asked to stop."""
        return [Send(self._roster.coordinator, Goodbye())]

    def live_rounds(self) -> tuple[bytes, ...]:
        """Return the ids of the rounds whose shares are still kept."""
        return tuple(self._rounds)

    def box_key(self, cid: bytes) -> BoxKey | None:
        """Return what opens the shares of a round, None unless it is open here."""
        held = self._rounds.get(cid)
        return None if held is None else held.box_key

    def next_wake_s(self) -> float | None:
        """Return when to call `advance`, None while there is no long work."""
        for held in self._rounds.values():  # asked in every turn: without a generator
            if held.at_work:
                return self._pulse.next_s
        return None

    def advance(self, now_s: float) -> list[Effect]:
        """Tell the coordinator of long work that goes on."""
        effects: list[Effect] = []
        for held in self._rounds.values():
            if held.at_work:
                self._pulse.beaten(now_s, held.config)
                effects.append(Send(self._roster.coordinator, Working(cid=held.cid)))
        return effects

    def receive(self, sender: str, message: Wire, signature: bytes = b"") -> list[Effect]:
        """Decide on one message, and the signature that its sender gave it.

        Raises `PeerViolation` if its sender broke a rule.
        """
        role = self._roster.role(sender)
        match message:
            case OpenRound() if role == "coordinator":
                return self._on_open(sender, message)
            case ShareChunk() if role == "trainer":
                return self._on_chunk(sender, message)
            case Freeze() | Reveal() | Toss() | Ask() | Propose() | Release() if (
                role == "coordinator"
            ):
                return self._on_set(sender, message, signature)
            case CloseRound() if role == "coordinator":
                return self._on_close(message)
            case Welcome() | Refused() if role == "coordinator":
                return self._told(sender, message) if isinstance(message, Refused) else []
        raise PeerViolation(sender, f"a {role or 'stranger'} may not send {type(message).__name__}")

    def _told(self, sender: str, message: Refused) -> list[Effect]:
        what, reason = message.what, message.reason
        return [Report(Refusal(actor=sender, peer=self._name, what=what, reason=reason))]

    # --- open and close ---------------------------------------------------------------

    def _on_open(self, sender: str, message: OpenRound) -> list[Effect]:
        config = message.config
        cid = config.cid()
        if cid in self._rounds:
            return self._open_again(sender, self._rounds[cid], message)
        if config.roster != self._roster_digest or config.holders != len(self._roster.holders):
            raise PeerViolation(sender, "opened a round for another roster")
        if (fault := self._terms.fault(config)) is not None:
            return self._refuse(sender, cid, "open", fault)
        if config.sealing not in suites():
            return self._refuse(sender, cid, "open", f"{config.sealing} is not to be had here")
        if (fault := key_fault(config, message.sealing_key)) is not None:
            raise PeerViolation(sender, f"opened a round with {fault}")
        if (foreign := self._pledges.foreign(config)) is not None:
            return self._refuse(sender, cid, "open", foreign)
        last = self._last.get(config.job)
        if last is not None and config.number <= last.number:
            reason = f"round {last.number} was opened here already"
            return self._refuse(sender, cid, "open", reason)
        effects: list[Effect] = []
        for held in [h for h in self._rounds.values() if h.config.job == config.job]:
            effects += self._drop(held)  # rounds of a job follow each other; the older is over
        seed = BoxSeed(entropy=self._entropy(ENTROPY_BYTES))
        held = HeldRound(config, message.sealing_key, seed.key(config.sealing))
        self._rounds[cid] = held
        return [
            *effects,
            self._mark_last(config.job, config.number, cid),
            held.record("config", HeldConfig(config=config, sealing_key=held.sealing_key)),
            held.record("key", HeldKey(seed=seed)),
            *self._tell_opened(held),
        ]

    def _open_again(self, sender: str, held: HeldRound, message: OpenRound) -> list[Effect]:
        if message.sealing_key != held.sealing_key:
            raise PeerViolation(sender, "opened a round with two keys")
        return self._tell_opened(held)

    def _tell_opened(self, held: HeldRound) -> list[Effect]:
        coordinator = self._roster.coordinator
        opened = RoundOpened(cid=held.cid, sealing_key=held.box_key.sealing_key)
        # First what the coordinator must know to choose, as it may go on once this is open.
        pledged = self._pledges.told(held.config)
        effects: list[Effect] = [] if pledged is None else [Send(coordinator, pledged)]
        effects.append(Send(coordinator, opened))
        effects += [
            Send(coordinator, _excluded(held.cid, trainer, exclusion))
            for trainer, exclusion in held.excluded.items()
        ]
        told = receipts(held.cid, held.complete, held.signatures)
        return effects + [Send(coordinator, have) for have in told]

    def _mark_last(self, job: str, number: int, cid: bytes) -> Record:
        last = self._last[job] = LastRound(number=number, cid=cid)
        return Record(f"last/{job}", canonical(last))

    def _on_close(self, message: CloseRound) -> list[Effect]:
        effects: list[Effect] = []
        last = self._last.get(message.job)
        if last is None or last.number < message.number:
            # Closed before it was opened here: the queue promises no order. Never open it now.
            effects.append(self._mark_last(message.job, message.number, message.cid))
        held = self._rounds.get(message.cid)
        return effects if held is None else effects + self._drop(held)

    def _drop(self, held: HeldRound) -> list[Effect]:
        del self._rounds[held.cid]
        config = held.config
        took_part = TookPart(
            actor=self._name,
            job=config.job,
            number=config.number,
            outcome="closed" if held.answer is None else "answered",
            accused=self._proposals.accused(held.cid),
        )
        return [
            CancelWork(held.cid.hex()),
            Forget(held.prefix),
            Erase(held.cid.hex()),
            Report(took_part),
        ]

    # --- collect ----------------------------------------------------------------------

    def _on_chunk(self, sender: str, message: ShareChunk) -> list[Effect]:
        header = message.header
        held = self._rounds.get(header.cid)
        if header.trainer != sender:
            raise PeerViolation(sender, f"sent a share in the name of {header.trainer}")
        if held is None:
            return self._refuse(sender, header.cid, "share", "the round is not open here")
        if sender not in self._asked(held):
            raise PeerViolation(sender, "sent a share to a round that does not ask it")
        if sender in held.excluded:
            return self._refuse(sender, header.cid, "share", "excluded from the round")
        self._check_shape(sender, held, message)
        digest = contribution_digest(header)
        known = held.digest_of(sender)
        if known is not None and known != digest:
            evidence = self._evidence(held, message, known)
            return self._exclude(held, sender, "sent two different contributions", evidence)
        if sender in held.complete:
            # Once for each offer, not once for each chunk.
            return self._receipts(held, sender) if message.index == 0 else []
        if held.fixed:
            return self._refuse(sender, header.cid, "share", "the set of the round is fixed")
        return self._store(held, message, digest)

    def _asked(self, held: HeldRound) -> Asked:
        """Return whom a round asks; one from before a change of the roster asks by names of old."""
        if held.asked is None:
            ours = held.config.roster == self._roster_digest
            held.asked = Asked.of(held.config, self._roster) if ours else Asked()
        return held.asked

    def _check_shape(self, sender: str, held: HeldRound, message: ShareChunk) -> None:
        header = message.header
        fault = share_fault(held.config, header.share_bytes, message.index, message.payload)
        fault = header_fault(held.config, header) or tails_fault(held.config, header) or fault
        if fault is not None:
            raise PeerViolation(sender, f"sent a share of the wrong shape: {fault}")

    def _store(self, held: HeldRound, message: ShareChunk, digest: bytes) -> list[Effect]:
        header = message.header
        effects: list[Effect] = []
        partial = held.partial.get(header.trainer)
        if partial is None:
            signature = held.signatures[header.trainer] = message.header_signature
            partial = held.partial[header.trainer] = Partial(header, digest, signature)
            share = HeldShare(header=header, complete=False, signature=signature)
            effects.append(held.record(f"share/{header.trainer}", share))
        offered = message.index == 0
        if partial.chunks.store(message.index):
            stream = share_stream(held.cid, header.trainer)
            effects.append(StoreChunk(held.config, stream, message.index, message.payload))
        elif partial.chunks.whole(share_chunk_count(held.config)):
            return effects  # it is being checked
        return effects + self._check_or_grant(held, header.trainer, partial, offered=offered)

    def _check_or_grant(
        self, held: HeldRound, trainer: str, partial: Partial, *, offered: bool
    ) -> list[Effect]:
        chunks = share_chunk_count(held.config)
        if partial.chunks.whole(chunks):
            place = self._roster.holders.index(self._name)
            digest, tails = partial.header.share_digests[place], partial.header.tails
            stream, masks = share_stream(held.cid, trainer), held.config.checks
            tail = b"" if tails is None else tails.digests[place]
            return [CheckStream(held.config, stream, digest, masks=masks, tail=tail)]
        if held.fixed:
            return []
        spans = partial.chunks.grant(chunks, self._credit(), offered=offered)
        return [Send(trainer, Grant(cid=held.cid, spans=spans))] if spans else []

    def _credit(self) -> int:
        uploads = sum(len(held.partial) for held in self._rounds.values())
        credit = self._terms.credit
        return fair_share(credit.pool, uploads, most=credit.chunks)

    def checked(self, stream: str, *, ok: bool) -> list[Effect]:
        """Take the result of a `CheckStream`: complete, or not what the trainer announced."""
        cid, _, trainer = stream.split("/")
        held = self._rounds.get(bytes.fromhex(cid))
        partial = held.partial.get(trainer) if held is not None else None
        if held is None or partial is None:
            return []
        if not ok:
            return self._exclude(held, trainer, "the share does not have the announced digest")
        del held.partial[trainer]
        held.completed(partial.header)
        share = HeldShare(header=partial.header, complete=True, signature=partial.signature)
        return [held.record(f"share/{trainer}", share), *self._receipts(held, trainer)]

    def _receipts(self, held: HeldRound, trainer: str) -> list[Effect]:
        mine = {trainer: held.complete[trainer]}
        (have,) = receipts(held.cid, mine, held.signatures)
        return [Send(self._roster.coordinator, have), Send(trainer, have)]

    def _evidence(self, held: HeldRound, message: ShareChunk, known: bytes) -> bytes:
        """Return what shows to all that a trainer sent another contribution before this one."""
        told = held.signatures.get(message.header.trainer, b"")
        evidence = two_contributions(self._roster.federation, known, told, message)
        return b"" if evidence is None else canonical(evidence)

    def _exclude(
        self, held: HeldRound, trainer: str, reason: str, evidence: bytes = b""
    ) -> list[Effect]:
        if held.fixed:
            # Too late to leave anybody out: the set is fixed by digests, not by names.
            return self._refuse(trainer, held.cid, "share", reason)
        held.excluded[trainer] = exclusion = HeldExclusion(reason=reason, evidence=evidence)
        held.complete.pop(trainer, None)
        held.partial.pop(trainer, None)
        coordinator = self._roster.coordinator
        return [
            held.record(f"excluded/{trainer}", exclusion),
            Record(f"{held.prefix}share/{trainer}", None),
            Send(coordinator, _excluded(held.cid, trainer, exclusion)),
            *self._refuse(trainer, held.cid, "share", reason),
            CancelWork(share_stream(held.cid, trainer)),
            Erase(share_stream(held.cid, trainer)),
        ]

    def _on_set(
        self, sender: str, message: Check | Propose | Release, signature: bytes
    ) -> list[Effect]:
        match message:
            case Propose():
                return self._on_propose(sender, message, signature)
            case Release():
                return self._on_release(sender, message)
        return self._on_check(sender, message)

    # --- check -----------------------------------------------------------------------

    def _on_check(self, sender: str, message: Check) -> list[Effect]:
        what = WHAT[type(message)]
        held = self._rounds.get(message.cid)
        if held is None:
            return self._refuse(sender, message.cid, what, "the round is not open here")
        effects = self._freezing.receive(held, message)
        if isinstance(effects, str):
            return self._refuse(sender, held.cid, what, effects)
        return effects

    def combined(self, cid: bytes, values: dict[str, Values] | None) -> list[Effect]:
        """Take the result of a `CombineShares`, None where the shares can't be read."""
        held = self._rounds.get(cid)
        if held is None:
            return []
        if values is None:
            held.check.combining, held.check.unable = False, True
            return []
        return self._freezing.combined(held, values)

    # --- vote and release -------------------------------------------------------------

    def _on_propose(self, sender: str, message: Propose, signature: bytes) -> list[Effect]:
        held = self._rounds.get(message.cid)
        if held is None:
            return self._refuse(sender, message.cid, "proposal", "the round is not open here")
        noted = self._proposals.hear(held, sender, message, signature)
        try:
            return noted + self._on_set_to_vote_for(sender, held, message)
        except PeerViolation as violation:
            if not noted:
                raise
            fault = PeerFault(actor=self._name, peer=sender, reason=violation.reason)
            return [*noted, Report(fault)]

    def _on_set_to_vote_for(self, sender: str, held: HeldRound, message: Propose) -> list[Effect]:
        refusal = self._refusal(sender, held, message.chosen)
        if refusal is not None:
            return self._refuse(sender, held.cid, "proposal", refusal)
        effects: list[Effect] = []
        if held.vote is None:
            held.vote = message.chosen
            effects.append(held.record("vote", HeldVote(chosen=message.chosen)))
            effects += self._pledges.keep(held.config, message.chosen)
        if not held.config.vote:
            return effects + self._answer(held, message.chosen)
        vote = Vote(cid=held.cid, set_digest=set_digest(held.cid, message.chosen))
        return [*effects, Send(sender, vote)]

    def _on_release(self, sender: str, message: Release) -> list[Effect]:
        held = self._rounds.get(message.cid)
        if held is None:
            return self._refuse(sender, message.cid, "release", "the round is not open here")
        if not held.config.vote:
            raise PeerViolation(sender, "asked for a release in a round without votes")
        refusal = self._refusal(sender, held, message.chosen)
        self._require_certificate(sender, held.config, message)
        if refusal is not None:
            return self._refuse(sender, held.cid, "release", refusal)
        return self._answer(held, message.chosen)

    def _require_certificate(self, sender: str, config: RoundConfig, message: Release) -> None:
        vote = Vote(cid=message.cid, set_digest=set_digest(message.cid, message.chosen))
        signed = {vote.holder: vote.signature for vote in message.votes}
        voters = [name for name in self._roster.holders if name in signed]
        if len(voters) < config.quorum:
            reason = f"asked for a release with {len(voters)} votes of {config.quorum}"
            raise PeerViolation(sender, reason)
        for name in voters:
            try:
                require_said(self._verifier, self._roster.federation, name, vote, signed[name])
            except Untrusted:
                reason = f"asked for a release with a vote that {name} did not sign"
                raise PeerViolation(sender, reason) from None

    def _refusal(
        self, sender: str, held: HeldRound, chosen: tuple[Contribution, ...]
    ) -> str | None:
        """Say why this holder can't go along with a set now; raise if nobody ever should."""
        if held.config.roster != self._roster_digest:
            # What it goes along with is kept in the bits of its own roster, which others lack.
            return "this holder has another roster than the round"
        fault = set_fault(held.config, self._roster, chosen)
        if fault is not None:
            raise PeerViolation(sender, fault)
        if held.vote is not None and held.vote != chosen:
            raise PeerViolation(sender, "proposed a second set in one round")
        if held.answered_set is not None and held.answered_set != chosen:
            raise PeerViolation(sender, "asked for a second set in one round")
        if held.check.frozen is not None and not set(chosen) <= set(held.check.frozen):
            raise PeerViolation(sender, "proposed what is not in the set that was frozen")
        return held.lack(chosen) or self._pledges.refusal(held.config, chosen)

    def _answer(self, held: HeldRound, chosen: tuple[Contribution, ...]) -> list[Effect]:
        if held.answer is not None:
            return [Answer(held.config, held.answer, held.sealing_key)]
        if held.answered_set is not None:
            return []  # the sum is on its way
        held.answered_set = chosen
        mark = held.record("answer", HeldAnswer(chosen=chosen, header=None))
        return [mark, *self._pledges.keep(held.config, chosen), *self._sum(held, chosen)]

    def _sum(self, held: HeldRound, chosen: tuple[Contribution, ...]) -> list[Effect]:
        return [SumShares(held.config, chosen, answer_stream(held.cid, self._name))]

    def unable(self, cid: bytes) -> list[Effect]:
        """Take note that the sum can't be computed here; others will answer, or nobody."""
        if (held := self._rounds.get(cid)) is not None:
            held.unable = True
        return []

    def summed(self, header: AnswerHeader) -> list[Effect]:
        """Take the finished share of the sum and send it; the same bytes whenever asked again."""
        held = self._rounds.get(header.cid)
        if held is None or held.answered_set is None:
            return [Erase(header.cid.hex())]
        held.answer = header
        record = HeldAnswer(chosen=held.answered_set, header=header)
        return [
            held.record("answer", record),
            Answer(held.config, header, held.sealing_key),
        ]

    def _refuse(self, to: str, cid: bytes, what: str, reason: str) -> list[Effect]:
        refused = Refusal(actor=self._name, peer=to, what=what, reason=reason)
        return [Send(to, Refused(cid=cid, what=what, reason=reason)), Report(refused)]


def _excluded(cid: bytes, trainer: str, exclusion: HeldExclusion) -> Excluded:
    return Excluded(cid=cid, trainer=trainer, reason=exclusion.reason, evidence=exclusion.evidence)
