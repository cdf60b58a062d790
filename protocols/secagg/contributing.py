"""The trainer's side of rounds: contribute once, and the same bytes when asked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocols.codec import canonical, parse
from protocols.effects import CancelWork, Effect, Erase, Prepare, Record, Send, Upload
from protocols.errors import PeerViolation
from protocols.messages import (
    Accepted,
    Announce,
    CloseRound,
    ContributionHeader,
    Declined,
    Have,
    Hello,
    Refused,
    Welcome,
    Wire,
    Working,
)
from protocols.records import Contributed
from protocols.round_config import MINIMUM_FLOOR, Roster, RoundConfig

from .chunks import upload_stream
from .pulse import Pulse
from .sets import contribution_digest


@dataclass(slots=True)
class _Attempt:
    """One round on its way: being prepared while `header` is None, then going out."""

    config: RoundConfig
    holders: tuple[str, ...]
    header: ContributionHeader | None = None
    declined: str | None = None
    cid: bytes = field(init=False)
    uploading: dict[str, None] = field(default_factory=dict)
    done: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cid = self.config.cid()

    @property
    def at_work(self) -> bool:
        """Computing, or with an upload on its way."""
        return bool(self.uploading) or (self.header is None and self.declined is None)

    @property
    def missing(self) -> list[str]:
        return [name for name in self.holders if name not in self.done]


class Contributing:
    """Feed it messages and the results of its effects; perform what it returns.

    It computes for one round of a job at a time, always the newest. A contribution is
    recorded before its first byte leaves, and the record outlives a crash: the same round
    never gets a second, different contribution from this trainer.
    """

    def __init__(self, name: str, roster: Roster, *, minimum: int = MINIMUM_FLOOR) -> None:
        self._name = name
        self._roster = roster
        self._roster_digest = roster.digest()
        self._minimum = minimum
        self._attempts: dict[str, _Attempt] = {}
        # Rounds of a job below its floor are over for us; unwelcomed, we can't know which are.
        self._floors: dict[str, int] = {}
        self._welcomed: dict[str, None] = {}
        self._waiting: dict[str, Announce] = {}
        self._pulse = Pulse()

    def restore(self, records: Mapping[str, bytes]) -> None:
        """Take up what the journal remembers."""
        for value in records.values():
            record = parse(value, Contributed)
            config = record.config
            self._floors[config.job] = config.number + (not record.open)
            if record.open:
                self._attempts[config.job] = _Attempt(config, record.holders, record.header)

    def start(self) -> list[Effect]:
        """Greet the coordinator and go on with uploads that a crash cut short."""
        effects: list[Effect] = [Send(self._roster.coordinator, Hello(role="trainer"))]
        for attempt in self._attempts.values():
            effects += self._upload_missing(attempt)
        return effects

    def live_rounds(self) -> tuple[bytes, ...]:
        """Return the ids of rounds whose spooled uploads are still needed."""
        return tuple(attempt.cid for attempt in self._attempts.values())

    def next_wake_s(self) -> float | None:
        """Return when to call `advance`, None while there is no long work."""
        return self._pulse.next_s if any(a.at_work for a in self._attempts.values()) else None

    def advance(self, now_s: float) -> list[Effect]:
        """Tell the coordinator of long work that goes on."""
        effects: list[Effect] = []
        for attempt in self._attempts.values():
            if attempt.at_work:
                self._pulse.beaten(now_s, attempt.config)
                effects.append(Send(self._roster.coordinator, Working(cid=attempt.cid)))
        return effects

    def receive(self, sender: str, message: Wire) -> list[Effect]:
        """Decide on one message; raise `PeerViolation` if its sender broke a rule."""
        role = self._roster.role(sender)
        match message:
            case Welcome() if role == "coordinator":
                return self._on_welcome(message)
            case Announce() if role == "coordinator":
                return self._on_announce(sender, message)
            case CloseRound() if role == "coordinator":
                return self._on_close(message)
            case Have() if role == "holder":
                return self._on_have(sender, message)
            case Refused():
                return self._on_refused(sender, message)
        raise PeerViolation(sender, f"a {role or 'stranger'} may not send {type(message).__name__}")

    def _on_welcome(self, message: Welcome) -> list[Effect]:
        self._raise_floor(message.job, message.number)
        self._welcomed[message.job] = None
        attempt = self._attempts.get(message.job)
        over = attempt is not None and attempt.config.number < message.number
        effects = self._drop(attempt) if over and attempt is not None else []
        waiting = self._waiting.pop(message.job, None)
        return effects + (self._consider(waiting) if waiting else [])

    def _raise_floor(self, job: str, number: int) -> None:
        self._floors[job] = max(self._floors.get(job, 0), number)

    def _on_announce(self, sender: str, announce: Announce) -> list[Effect]:
        config = announce.config
        if config.roster != self._roster_digest or config.holders != len(self._roster.holders):
            raise PeerViolation(sender, "announced a round for another roster")
        if len(set(announce.holders)) < config.threshold or any(
            self._roster.role(name) != "holder" for name in announce.holders
        ):
            raise PeerViolation(sender, "announced a round without enough holders of the roster")
        if config.job not in self._welcomed:
            # Back from the dead, the queue may hold many old rounds; only the newest matters.
            known = self._waiting.get(config.job)
            if known is None or known.config.number < config.number:
                self._waiting[config.job] = announce
            return []
        return self._consider(announce)

    def _consider(self, announce: Announce) -> list[Effect]:
        config = announce.config
        attempt = self._attempts.get(config.job)
        if attempt is not None and attempt.config.number == config.number:
            return self._repeat(attempt, config)
        current = -1 if attempt is None else attempt.config.number
        if config.number < max(current, self._floors.get(config.job, 0)):
            return []
        effects = self._drop(attempt) if attempt is not None else []
        attempt = self._attempts[config.job] = _Attempt(config, announce.holders)
        if config.minimum < self._minimum:
            return effects + self._decline(attempt, "minimum too small")
        coordinator = self._roster.coordinator
        return [*effects, Send(coordinator, Accepted(cid=attempt.cid)), Prepare(announce)]

    def _repeat(self, attempt: _Attempt, config: RoundConfig) -> list[Effect]:
        if attempt.config != config:
            raise PeerViolation(
                self._roster.coordinator, f"announced round {config.number} a second time, changed"
            )
        if attempt.declined is not None:
            return self._decline(attempt, attempt.declined)
        if attempt.header is None:
            return [Send(self._roster.coordinator, Accepted(cid=attempt.cid))]
        return self._upload_missing(attempt)

    def _upload_missing(self, attempt: _Attempt) -> list[Effect]:
        if attempt.header is None:
            return []
        idle = [name for name in attempt.missing if name not in attempt.uploading]
        attempt.uploading.update(dict.fromkeys(idle))
        return [Upload(attempt.config, attempt.header, name) for name in idle]

    def _decline(self, attempt: _Attempt, kind: str) -> list[Effect]:
        attempt.declined = kind
        message = Declined(cid=attempt.cid, kind=kind[:500])
        return [Send(self._roster.coordinator, message)]

    def prepared(self, header: ContributionHeader) -> list[Effect]:
        """Take the finished upload; from here on this round has its one contribution."""
        attempt = self._by_cid(header.cid)
        if attempt is None:
            return [Erase(header.cid.hex())]
        attempt.header = header
        return [self._record(attempt, header, still_open=True), *self._upload_missing(attempt)]

    def failed(self, cid: bytes, kind: str) -> list[Effect]:
        """Take note that this owner can't contribute to the round, and say so."""
        attempt = self._by_cid(cid)
        return [] if attempt is None else [Erase(cid.hex()), *self._decline(attempt, kind)]

    def uploaded(self, cid: bytes, holder: str) -> list[Effect]:
        """Take note that every chunk for one holder is in its queue."""
        if (attempt := self._by_cid(cid)) is not None:
            attempt.uploading.pop(holder, None)
        return []

    def _on_have(self, sender: str, message: Have) -> list[Effect]:
        attempt = self._by_cid(message.cid)
        if attempt is None or attempt.header is None:
            return []
        mine = contribution_digest(attempt.header)
        if any(c.trainer == self._name and c.digest == mine for c in message.contributions):
            attempt.done[sender] = None
        # A repeated upload may still be under way: nobody needs it now.
        return [] if attempt.missing else self._drop(attempt)

    def _on_refused(self, sender: str, message: Refused) -> list[Effect]:
        attempt = self._by_cid(message.cid)
        if attempt is None or sender not in attempt.holders:
            return []
        attempt.done[sender] = None
        attempt.uploading.pop(sender, None)
        if not attempt.missing:
            return self._drop(attempt)
        return [CancelWork(upload_stream(message.cid, sender))]

    def _on_close(self, message: CloseRound) -> list[Effect]:
        self._raise_floor(message.job, message.number + 1)
        attempt = self._by_cid(message.cid)
        return [] if attempt is None else self._drop(attempt)

    def _drop(self, attempt: _Attempt) -> list[Effect]:
        return [CancelWork(attempt.cid.hex()), *self._finish(attempt)]

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
            config=attempt.config, holders=attempt.holders, header=header, open=still_open
        )
        return Record(f"job/{attempt.config.job}", canonical(record))

    def _by_cid(self, cid: bytes) -> _Attempt | None:
        return next((a for a in self._attempts.values() if a.cid == cid), None)
