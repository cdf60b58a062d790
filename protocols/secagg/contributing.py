"""The trainer's side of rounds: contribute once, and the same bytes when asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from protocols.batches import not_asked
from protocols.codec import canonical, parse
from protocols.effects import (
    CancelWork,
    Compute,
    Effect,
    Erase,
    Prepare,
    Record,
    Report,
    Send,
    Upload,
    carried_by,
)
from protocols.errors import Misuse, PeerViolation
from protocols.messages import (
    Accepted,
    Announce,
    CloseRound,
    ContributionHeader,
    Declined,
    Goodbye,
    Grant,
    Have,
    Opened,
    Refused,
    RoundOpened,
    Welcome,
    Wire,
    Working,
)
from protocols.records import Contributed, Sent
from protocols.reports import Outcome, OwnerTrouble, Refusal, TookPart
from protocols.round_config import Roster, RoundConfig
from protocols.trust.errors import Untrusted
from protocols.trust.sealing import SealingKey, suites
from protocols.trust.signing import Verifier, require_said

from .carrying import Carrying, Course, Given
from .chunks import bulk_chunk_count, has_bulk, share_chunk_count, upload_stream
from .credit import Outgoing, indices_of, span_fault
from .greeting import greeting
from .pulse import Pulse
from .sealed import key_fault
from .sets import contribution_digest
from .terms import Terms


@dataclass(slots=True)
class _Attempt:
    """One round on its way: being prepared while `header` is None, then going out."""

    config: RoundConfig
    opened: dict[str, Opened]
    keys: dict[str, SealingKey]  # of all who get a part, by name
    header: ContributionHeader | None = None
    declined: str | None = None
    announce: Announce | None = None  # as long as nothing is recorded of it
    given: Given | None = None  # in a buffered round: what is contributed
    cid: bytes = field(init=False)
    uploads: dict[str, Outgoing] = field(default_factory=dict)
    held: dict[str, None] = field(default_factory=dict)
    refused: dict[str, None] = field(default_factory=dict)
    moved: bool = True  # a chunk went out since the last beat, or there was none yet

    def __post_init__(self) -> None:
        self.cid = self.config.cid()

    @property
    def at_work(self) -> bool:
        """Computing, or uploading with something out since the last beat.

        To a holder that is dead an offer is repeated for ever, and what its full queue does not
        take is tried for ever: nobody should wait for that.
        """
        if self.header is None:
            return self.declined is None
        return self.moved and any(
            upload.busy and not upload.repeats for upload in self.uploads.values()
        )

    @property
    def missing(self) -> list[str]:
        return [n for n in self.keys if n not in self.held and n not in self.refused]

    @property
    def contributed(self) -> bool:
        """Whether a sum with this contribution can be opened."""
        others = [name for name in self.keys if name not in self.opened]
        enough = sum(name in self.held for name in self.opened) >= self.config.threshold
        return enough and all(name in self.held for name in others)


class Contributing:
    """Feed it messages and the results of its effects; perform what it returns.

    It computes for one round of a job at a time, always the newest. A contribution is
    recorded before its first byte leaves, and the record outlives a crash: the same round
    never gets a second, different contribution from this trainer.

    Where rounds are buffered, what is computed may outlive its round: see `Carrying`.

    A share begins with its chunk 0, the offer; of the rest a holder grants what it wants next.
    Where the suite has a lane to the coordinator, that is one more recipient of the same kind.
    No clock drives this: when the coordinator repeats its announcement, every upload in which
    nothing has moved since the last time is offered again, and goes on where it stood.
    """

    def __init__(
        self,
        name: str,
        roster: Roster,
        verifier: Verifier,
        *,
        terms: Terms = Terms(),  # noqa: B008 - it is frozen
    ) -> None:
        self._name = name
        self._roster = roster
        self._verifier = verifier
        self._roster_digest = roster.digest()
        self._terms = terms
        self._attempts: dict[str, _Attempt] = {}
        # Rounds of a job below its floor are over for us; unwelcomed, we can't know which are.
        self._floors: dict[str, int] = {}
        self._welcomed: dict[str, None] = {}
        self._waiting: dict[str, Announce] = {}
        self._carried: dict[str, Carrying] = {}
        self._software = ""
        self._pulse = Pulse()

    def restore(self, records: Mapping[str, bytes]) -> None:
        """Take up what the journal remembers."""
        for key, value in records.items():
            if not key.startswith("job/"):
                continue
            record = parse(value, Contributed)
            config = record.config
            self._floors[config.job] = config.number + (not record.open)
            given = Given(base=record.base, staleness=record.staleness) if record.base else None
            self._carried[config.job] = Carrying(given, config)
            if record.open:
                keys = self._keys(record.opened, record.sealing_key)
                self._attempts[config.job] = _Attempt(
                    config, _by_holder(record.opened), keys, record.header, given=given
                )

    def start(self, software: str = "") -> list[Effect]:
        """Greet the coordinator and go on with uploads that a crash cut short."""
        self._software = software
        effects = self._greet()
        for attempt in self._attempts.values():
            effects += self._upload_missing(attempt, Outgoing.offer)
        return effects

    def _greet(self) -> list[Effect]:
        return [Send(self._roster.coordinator, greeting("trainer", self._software))]

    def leave(self) -> list[Effect]:
        """Say goodbye: this trainer was asked to stop."""
        return [Send(self._roster.coordinator, Goodbye())]

    def live_rounds(self) -> tuple[bytes, ...]:
        """Return the ids of rounds whose spooled uploads are still needed."""
        return tuple(attempt.cid for attempt in self._attempts.values())

    def keeps(self, stream: str) -> bool:
        """Return whether a spooled stream is a result that may be contributed again."""
        return any(stream.startswith(f"{carried_by(job)}/") for job in self._carried)

    def next_wake_s(self) -> float | None:
        """Return when to call `advance`, None while there is no long work."""
        for attempt in self._attempts.values():  # asked in every turn: without a generator
            if attempt.at_work:
                return self._pulse.next_s
        return None

    def advance(self, now_s: float) -> list[Effect]:
        """Tell the coordinator of long work that goes on."""
        effects: list[Effect] = []
        for attempt in self._attempts.values():
            if attempt.at_work:
                self._pulse.beaten(now_s, attempt.config)
                attempt.moved = False
                effects.append(Send(self._roster.coordinator, Working(cid=attempt.cid)))
        return effects

    def receive(self, sender: str, message: Wire, _signature: bytes = b"") -> list[Effect]:
        """Decide on one message, and the signature that its sender gave it.

        Raises `PeerViolation` if its sender broke a rule.
        """
        role = self._roster.role(sender)
        match message:
            case Welcome() if role == "coordinator":
                return self._on_welcome(message)
            case Announce() if role == "coordinator":
                return self._on_announce(sender, message)
            case CloseRound() if role == "coordinator":
                return self._on_close(message)
            case Grant() if role == "holder" or self._gets_a_part(sender, message.cid):
                return self._on_grant(sender, message)
            case Have() if role == "holder" or self._gets_a_part(sender, message.cid):
                return self._on_have(sender, message)
            case Refused():
                return self._on_refused(sender, message)
        raise PeerViolation(sender, f"a {role or 'stranger'} may not send {type(message).__name__}")

    def _gets_a_part(self, sender: str, cid: bytes) -> bool:
        """Return whether the coordinator is a recipient of a round, or was, for all we know."""
        attempt = self._by_cid(cid)
        return sender == self._roster.coordinator and (attempt is None or sender in attempt.keys)

    def _on_welcome(self, message: Welcome) -> list[Effect]:
        self._raise_floor(message.job, message.number)
        self._welcomed[message.job] = None
        attempt = self._attempts.get(message.job)
        over = attempt is not None and attempt.config.number < message.number
        effects = self._drop(attempt, "late") if over and attempt is not None else []
        waiting = self._waiting.pop(message.job, None)
        return effects + (self._consider(waiting) if waiting else [])

    def _raise_floor(self, job: str, number: int) -> None:
        self._floors[job] = max(self._floors.get(job, 0), number)

    def _on_announce(self, sender: str, announce: Announce) -> list[Effect]:
        config = announce.config
        if config.roster != self._roster_digest or config.holders != len(self._roster.holders):
            raise PeerViolation(sender, "announced a round for another roster")
        opened = _by_holder(announce.opened)
        if any(self._roster.role(name) != "holder" for name in opened):
            raise PeerViolation(sender, "announced a round with strangers as holders")
        if len(opened) < config.holders_needed():
            reason = f"announced a round that {len(opened)} of {config.holders_needed()} holders"
            raise PeerViolation(sender, f"{reason} have opened")
        if len(opened) < len(announce.opened):
            raise PeerViolation(sender, "announced a round with one holder twice")
        if config.job not in self._welcomed:
            return self._wait(announce)
        return self._consider(announce)

    def _wait(self, announce: Announce) -> list[Effect]:
        """Keep an announcement until we are welcome; if it comes again, ask for the welcome again.

        Back from the dead, the queue may hold many old rounds; only the newest matters. And a
        coordinator that died after it had heard our greeting does not know that it owes a word.
        """
        config = announce.config
        known = self._waiting.get(config.job)
        if known is None or known.config.number < config.number:
            self._require_usable(announce)  # later, what the welcome decides would be lost
            self._waiting[config.job] = announce
            return []
        return self._greet() if known.config.number == config.number else []

    def _consider(self, announce: Announce) -> list[Effect]:
        config = announce.config
        attempt = self._attempts.get(config.job)
        if attempt is not None and attempt.config.number == config.number:
            return self._repeat(attempt, config)
        current = -1 if attempt is None else attempt.config.number
        if config.number < max(current, self._floors.get(config.job, 0)):
            return []
        self._require_usable(announce)
        effects = self._drop(attempt, "late") if attempt is not None else []
        keys = self._keys(announce.opened, announce.sealing_key)
        attempt = _Attempt(config, _by_holder(announce.opened), keys, announce=announce)
        self._attempts[config.job] = attempt
        if (fault := self._terms.fault(config)) is not None:
            return effects + self._decline(attempt, fault)
        if (fault := not_asked(config, self._roster, self._name)) is not None:
            return effects + self._decline(attempt, fault)
        if config.sealing not in suites():
            return effects + self._decline(attempt, f"{config.sealing} is not to be had here")
        return effects + self._take_part(attempt)

    def _take_part(self, attempt: _Attempt) -> list[Effect]:
        """Say so, and compute or contribute; in a buffered round perhaps what is older."""
        config, announce = attempt.config, attempt.announce
        if announce is None:
            raise Misuse("what is recorded already is not prepared again")
        accepted = Send(self._roster.coordinator, Accepted(cid=attempt.cid))
        if not config.buffered:
            return [accepted, Prepare(announce)]
        carried = self._carried.setdefault(config.job, Carrying())
        match carried.course(config):
            case Given() as given:
                attempt.given = given
                return [accepted, Prepare(announce, given)]
            case Course.COMPUTE:
                told = self._too_slow(config) if carried.is_in_vain(config) else []
                carried.begin(config)
                before = carried_by(config.job)
                return [accepted, *told, CancelWork(before), Erase(before), Compute(config)]
            case Course.SIT_OUT:
                return self._decline(attempt, "nothing of this owner may be summed over this state")
            case Course.GO_ON:
                return [accepted]

    def _too_slow(self, config: RoundConfig) -> list[Effect]:
        text = (
            f"this owner needs longer than {config.max_staleness} rounds and begins anew: with "
            "max_staleness so low it may never be in a sum"
        )
        return [Report(OwnerTrouble(actor=self._name, kind="warning", text=text))]

    def wants(self, config: RoundConfig) -> bool:
        """Return whether the work of a `Compute` is still wanted."""
        carried = self._carried.get(config.job)
        return carried is not None and carried.is_under_way(config)

    def fetched(self, config: RoundConfig) -> list[Effect]:
        """Take note that the state of a `Compute` is here."""
        self._carried[config.job].fetched(config)
        return []

    def computed(self, config: RoundConfig) -> list[Effect]:
        """Contribute the result of a `Compute` to the round under way, if there is one."""
        self._carried[config.job].computed(config)
        attempt = self._in_need(config.job)
        return [] if attempt is None else self._take_part(attempt)

    def not_computed(self, config: RoundConfig, kind: str) -> list[Effect]:
        """Take note that a `Compute` failed; the next round is another try."""
        self._carried[config.job].failed(config)
        attempt = self._in_need(config.job)
        return [] if attempt is None else self._decline(attempt, kind)

    def _in_need(self, job: str) -> _Attempt | None:
        """Return the buffered round under way that has no contribution yet."""
        attempt = self._attempts.get(job)
        if attempt is None or not attempt.config.buffered or attempt.declined is not None:
            return None
        return attempt if attempt.header is None and attempt.given is None else None

    def _keys(
        self, opened: tuple[Opened, ...], sealing_key: SealingKey | None
    ) -> dict[str, SealingKey]:
        """Return what is sealed to by recipient: the coordinator is one where it gets a part."""
        keys = {one.holder: one.sealing_key for one in opened}
        return keys if sealing_key is None else {**keys, self._roster.coordinator: sealing_key}

    def _require_own_key(self, announce: Announce) -> None:
        """Raise `PeerViolation` unless there is a key of the coordinator where it is needed."""
        config, coordinator, key = announce.config, self._roster.coordinator, announce.sealing_key
        if has_bulk(config) != (key is not None):
            word = "no" if key is None else "a"
            reason = f"announced a round of {config.suite} with {word} key of its own"
            raise PeerViolation(coordinator, reason)
        fault = None
        if key is not None and config.sealing in suites():
            fault = key_fault(config, key)
        if fault is not None:
            raise PeerViolation(coordinator, f"announced itself with {fault}")

    def _require_usable(self, announce: Announce) -> None:
        """Raise `PeerViolation` unless each holder has signed the round and a usable key."""
        self._require_own_key(announce)
        config, coordinator = announce.config, self._roster.coordinator
        for one in announce.opened:
            said = RoundOpened(cid=config.cid(), sealing_key=one.sealing_key)
            federation, signature = self._roster.federation, one.signature
            try:
                require_said(self._verifier, federation, one.holder, said, signature)
            except Untrusted:
                reason = f"announced a round that {one.holder} did not sign"
                raise PeerViolation(coordinator, reason) from None
            fault = key_fault(config, one.sealing_key) if config.sealing in suites() else None
            if fault is not None:
                raise PeerViolation(coordinator, f"announced {one.holder} with {fault}")

    def _repeat(self, attempt: _Attempt, config: RoundConfig) -> list[Effect]:
        if attempt.config != config:
            raise PeerViolation(
                self._roster.coordinator, f"announced round {config.number} a second time, changed"
            )
        if attempt.declined is not None:
            return self._decline(attempt, attempt.declined)
        if attempt.header is None:
            return [Send(self._roster.coordinator, Accepted(cid=attempt.cid))]
        return self._upload_missing(attempt, Outgoing.offer_again)

    def _upload_missing(
        self, attempt: _Attempt, next_piece: Callable[[Outgoing], tuple[int, ...]]
    ) -> list[Effect]:
        effects: list[Effect] = []
        for name in attempt.missing:
            upload = attempt.uploads.setdefault(name, Outgoing())
            effects += self._upload(attempt, name, next_piece(upload))
        return effects

    def _upload(self, attempt: _Attempt, to: str, piece: tuple[int, ...]) -> list[Effect]:
        if attempt.header is None or not piece:
            return []
        return [Upload(attempt.config, attempt.header, to, attempt.keys[to], piece)]

    def _decline(self, attempt: _Attempt, kind: str) -> list[Effect]:
        message = Declined(cid=attempt.cid, kind=kind[:500])
        told = [] if attempt.declined is not None else [self._took_part(attempt, "declined")]
        attempt.declined = kind
        return [Send(self._roster.coordinator, message), *told]

    def prepared(self, header: ContributionHeader) -> list[Effect]:
        """Take the finished upload; from here on this round has its one contribution."""
        attempt = self._by_cid(header.cid)
        if attempt is None:
            return [Erase(header.cid.hex())]
        attempt.header, attempt.moved, attempt.announce = header, True, None
        if attempt.given is not None:
            config = attempt.config
            self._carried[config.job].given(attempt.given, config)
        record = self._record(attempt, header, still_open=True)
        sent = _sent(attempt.config, header)
        return [record, sent, *self._upload_missing(attempt, Outgoing.offer)]

    def failed(self, cid: bytes, kind: str) -> list[Effect]:
        """Take note that this owner can't contribute to the round, and say so."""
        attempt = self._by_cid(cid)
        if attempt is None:
            return []
        if attempt.given is not None:
            self._carried[attempt.config.job].discard()
        return [Erase(cid.hex()), *self._decline(attempt, kind)]

    def moves(self, cid: bytes) -> bool:
        """Return whether the next beat tells of this round's upload: `sent` adds nothing then."""
        attempt = self._by_cid(cid)
        return attempt is None or attempt.moved

    def sent(self, cid: bytes, holder: str) -> list[Effect]:
        """Take note that a chunk of the piece on its way is in one holder's queue."""
        attempt = self._by_cid(cid)
        upload = None if attempt is None else attempt.uploads.get(holder)
        if attempt is not None and upload is not None and not upload.repeats:
            attempt.moved = True
        return []

    def uploaded(self, cid: bytes, holder: str) -> list[Effect]:
        """Take note that the chunks asked for are in one holder's queue; go on with the next."""
        attempt = self._by_cid(cid)
        upload = None if attempt is None else attempt.uploads.get(holder)
        if attempt is None or upload is None:
            return []
        return self._upload(attempt, holder, upload.went_out())

    def unreadable(self, cid: bytes, holder: str) -> list[Effect]:
        """Give up the upload to one holder: its share can't be read again, and no other is made."""
        attempt = self._by_cid(cid)
        if attempt is None or holder not in attempt.uploads:
            return []
        del attempt.uploads[holder]
        attempt.refused[holder] = None
        return [] if attempt.missing else self._drop(attempt, "refused")

    def _on_grant(self, sender: str, message: Grant) -> list[Effect]:
        attempt = self._by_cid(message.cid)
        if attempt is None or attempt.header is None:
            return []  # of a round that is over, or from before a crash that lost the round
        if sender not in attempt.keys:
            raise PeerViolation(sender, "granted chunks of a share that it was never offered")
        bulk = sender == self._roster.coordinator
        count = bulk_chunk_count if bulk else share_chunk_count
        fault = span_fault(message.spans, count(attempt.config))
        if fault is not None:
            raise PeerViolation(sender, f"granted {fault}")
        upload = attempt.uploads.get(sender)
        if upload is None:
            return []  # this share is there already, or was refused
        return self._upload(attempt, sender, upload.granted(indices_of(message.spans)))

    def _on_have(self, sender: str, message: Have) -> list[Effect]:
        attempt = self._by_cid(message.cid)
        if attempt is None or attempt.header is None:
            return []
        mine = contribution_digest(attempt.header)
        if sender in attempt.keys and any(
            c.trainer == self._name and c.digest == mine for c in message.contributions
        ):
            attempt.held[sender] = None
            return self._settled(attempt, sender)
        return []

    def _on_refused(self, sender: str, message: Refused) -> list[Effect]:
        attempt = self._by_cid(message.cid)
        upload = attempt is not None and sender in attempt.uploads and message.what == "share"
        if sender == self._roster.coordinator and not upload:
            what, reason = message.what, message.reason
            return [Report(Refusal(actor=sender, peer=self._name, what=what, reason=reason))]
        if attempt is None or sender not in attempt.keys:
            return []
        attempt.refused[sender] = None
        return self._settled(attempt, sender)

    def _settled(self, attempt: _Attempt, holder: str) -> list[Effect]:
        """End the upload to a holder that wants nothing more, and the round with the last."""
        upload = attempt.uploads.pop(holder, None)
        if not attempt.missing:
            return self._drop(attempt, "refused")
        busy = upload is not None and upload.busy
        return [CancelWork(upload_stream(attempt.cid, holder))] if busy else []

    def _on_close(self, message: CloseRound) -> list[Effect]:
        self._raise_floor(message.job, message.number + 1)
        carried = self._carried.get(message.job)
        done = message.complete and carried is not None and carried.is_done_with(message.number)
        effects: list[Effect] = [Erase(carried_by(message.job))] if done else []
        attempt = self._by_cid(message.cid)
        if attempt is None:
            return effects
        return effects + self._drop(attempt, "late" if message.complete else "closed")

    def _drop(self, attempt: _Attempt, otherwise: Outcome) -> list[Effect]:
        """Forget a round that is over here; tell how it ended if it did not end well."""
        goes_on = attempt.config.buffered and attempt.header is None
        outcome: Outcome = "carried" if goes_on else otherwise
        outcome = "contributed" if attempt.contributed else outcome
        told = [] if attempt.declined is not None else [self._took_part(attempt, outcome)]
        return [CancelWork(attempt.cid.hex()), *self._finish(attempt), *told]

    def _took_part(self, attempt: _Attempt, outcome: Outcome) -> Report:
        config = attempt.config
        return Report(
            TookPart(actor=self._name, job=config.job, number=config.number, outcome=outcome)
        )

    def _finish(self, attempt: _Attempt) -> list[Effect]:
        config = attempt.config
        self._attempts.pop(config.job, None)
        self._raise_floor(config.job, config.number + 1)
        effects: list[Effect] = [Erase(attempt.cid.hex())]
        if attempt.header is not None:
            effects.insert(0, self._record(attempt, attempt.header, still_open=False))
        return effects

    def _record(self, attempt: _Attempt, header: ContributionHeader, *, still_open: bool) -> Record:
        record = Contributed(
            config=attempt.config,
            opened=tuple(attempt.opened.values()),
            header=header,
            open=still_open,
            sealing_key=attempt.keys.get(self._roster.coordinator),
            base=b"" if attempt.given is None else attempt.given.base,
            staleness=0 if attempt.given is None else attempt.given.staleness,
        )
        return Record(f"job/{attempt.config.job}", canonical(record))

    def _by_cid(self, cid: bytes) -> _Attempt | None:
        for attempt in self._attempts.values():
            if attempt.cid == cid:
                return attempt
        return None


def _by_holder(opened: tuple[Opened, ...]) -> dict[str, Opened]:
    return {one.holder: one for one in opened}


def _sent(config: RoundConfig, header: ContributionHeader) -> Record:
    """Keep what a transcript of the round is compared with later."""
    sent = Sent(number=config.number, cid=header.cid, digest=contribution_digest(header))
    return Record(sent.key(config.job), canonical(sent))
