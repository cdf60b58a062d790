"""The coordinator's side of a check: which trainers' shares lie on no polynomial.

Four exchanges with the holders, each told of to those who took part in the one before: freeze
the set, open the commitments, agree on the coin they make, tell values under it. The last is
repeated, under the same coin, while a `Sifting` asks on.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from protocols.errors import PeerViolation
from protocols.messages import (
    Ask,
    CheckValues,
    CoinOpening,
    CoinShare,
    Committed,
    Contribution,
    Freeze,
    Frozen,
    Message,
    Reveal,
    Stretches,
    Toss,
    Tossed,
)
from protocols.records import CheckRecord, Suspect
from protocols.round_config import Roster, RoundConfig

from .agreed import coin_of, name_of, trainers_of, words_of
from .asking import certificate_of
from .coin import REPETITIONS, Coin, Values
from .degree_check import opens
from .field import FIELDS
from .judging import Status
from .sets import set_digest
from .sifting import Sifting


class Phase(enum.Enum):
    """What the holders are asked for."""

    FREEZING = "freeze"
    REVEALING = "reveal"
    TOSSING = "toss"
    ASKING = "ask"


class Tossing:
    """The check of one frozen set.

    Feed it messages; when `ready`, call `go_on`, which leads to another `request`, to
    `suspects`, or to a `fault`: why there is no outcome. `record` is what holders are told, so
    it must be durable before the next request leaves.
    """

    def __init__(self, config: RoundConfig, roster: Roster, record: CheckRecord) -> None:
        """Begin with `CheckRecord(frozen=...)`, or go on from what was recorded."""
        self.record = record
        self.fault: str | None = None
        self.status: Status | None = None
        self._config = config
        self._roster = roster
        self._sifting = Sifting(config, trainers_of(record.frozen), roster.holders)
        self._context = set_digest(config.cid(), record.frozen)
        self._commitments: dict[str, Committed] = {}
        self._openings: dict[str, bytes] = {}
        self._votes: dict[str, bytes] = {}  # by holder: its signature
        self._asked: tuple[str, ...] = ()
        self._values: dict[str, tuple[Values, ...]] = {}
        self._coin: Coin | None = None
        self.phase = Phase.FREEZING
        if record.shares:
            self._toss()
        elif record.committed:
            self.phase = Phase.REVEALING

    def _toss(self) -> None:
        shares, holders = self.record.shares, self._roster.holders
        self._coin = coin_of(self._config, self._context, shares, holders)
        self.phase = Phase.TOSSING

    @property
    def _coin_name(self) -> bytes:
        return b"" if self._coin is None else name_of(self._coin)

    @property
    def suspects(self) -> tuple[Suspect, ...] | None:
        """Return who is to be left out, None before that is known."""
        return None if self.status is None else self.record.suspects

    @property
    def chosen(self) -> tuple[Contribution, ...]:
        """Return the frozen set without the suspects."""
        out = {suspect.trainer for suspect in self.record.suspects}
        return tuple(one for one in self.record.frozen if one.trainer not in out)

    @property
    def stage(self) -> tuple[Phase, Stretches]:
        """Return what is asked for now; another one follows `go_on`."""
        return self.phase, self._sifting.about

    @property
    def need(self) -> int:
        """Return how many holders must take part in this phase."""
        return self._sifting.need

    @property
    def heard(self) -> tuple[str, ...]:
        """Name who has done what is asked for."""
        return tuple(self._heard())

    def _heard(self) -> Mapping[str, object]:
        match self.phase:
            case Phase.FREEZING:
                return self._commitments
            case Phase.REVEALING:
                return self._openings
            case Phase.TOSSING:
                return self._votes
            case Phase.ASKING:
                return self._values

    @property
    def ready(self) -> bool:
        """Whether enough holders have done what is asked for."""
        return len(self._heard()) >= self.need

    def waiting_for(self, announced: tuple[str, ...]) -> tuple[str, ...]:
        """Name who has not, of the holders that were asked."""
        heard = self._heard()
        return tuple(name for name in self._asked_of(announced) if name not in heard)

    def _asked_of(self, announced: tuple[str, ...]) -> tuple[str, ...]:
        match self.phase:
            case Phase.FREEZING:
                return announced
            case Phase.REVEALING:
                return tuple(one.holder for one in self.record.committed)
            case Phase.TOSSING:
                return tuple(one.holder for one in self.record.shares)
            case Phase.ASKING:
                return self._asked

    def request(self) -> Message:
        """Return what the holders are asked for now."""
        cid, record = self._config.cid(), self.record
        match self.phase:
            case Phase.FREEZING:
                return Freeze(cid=cid, chosen=record.frozen)
            case Phase.REVEALING:
                return Reveal(cid=cid, set_digest=self._context, committed=record.committed)
            case Phase.TOSSING:
                return Toss(cid=cid, shares=record.shares)
            case Phase.ASKING:
                tossed = certificate_of(self._votes)
                return Ask(cid=cid, coin=self._coin_name, tossed=tossed, about=self._sifting.about)

    # --- what comes in ----------------------------------------------------------------

    def receive(self, sender: str, message: Message, signature: bytes) -> bool:
        """Take in what a holder says; say whether that is news. Raises `PeerViolation`."""
        match message:
            case Frozen():
                return self._on_frozen(sender, message, signature)
            case CoinOpening():
                return self._on_opening(sender, message)
            case Tossed():
                return self._on_tossed(sender, message, signature)
            case CheckValues():
                return self._on_values(sender, message)
        return False

    def _on_frozen(self, sender: str, message: Frozen, signature: bytes) -> bool:
        if message.set_digest != self._context:
            raise PeerViolation(sender, "froze a set that was never proposed")
        said = Committed(holder=sender, commitment=message.commitment, signature=signature)
        known = self._commitments.get(sender)
        if known is not None and known.commitment != said.commitment:
            raise PeerViolation(sender, "committed to two openings")
        if self.phase is not Phase.FREEZING or known is not None:
            return False
        self._commitments[sender] = said
        return True

    def _on_opening(self, sender: str, message: CoinOpening) -> bool:
        committed = {one.holder: one.commitment for one in self.record.committed}
        if self.phase is not Phase.REVEALING or sender in self._openings:
            return False
        known, place = committed.get(sender), self._roster.holders.index(sender)
        if known is None or not opens(known, self._context, place, message.opening):
            raise PeerViolation(sender, "opened what it never committed to")
        self._openings[sender] = message.opening
        return True

    def _on_tossed(self, sender: str, message: Tossed, signature: bytes) -> bool:
        if self._coin is None or message.coin != self._coin_name:
            raise PeerViolation(sender, "tossed a coin that was never shown")
        if self.phase is not Phase.TOSSING or sender in self._votes:
            return False
        if sender not in {share.holder for share in self.record.shares}:
            return False
        self._votes[sender] = signature
        return True

    def _on_values(self, sender: str, message: CheckValues) -> bool:
        if self._coin is None or message.coin != self._coin_name:
            raise PeerViolation(sender, "told values under a coin that was never shown")
        if self.phase is not Phase.ASKING or message.about != self._sifting.about:
            return False  # said again of an earlier question
        if sender not in self._asked:
            return False
        field = FIELDS[self._config.field]
        count = REPETITIONS[field.name] * words_of(self._config)
        right = all(
            len(values) == count and max(values) < field.modulus for values in message.values
        )
        if not right or len(message.values) != len(message.about):
            raise PeerViolation(sender, "told values that are no residues, or not one each")
        known = self._values.setdefault(sender, message.values)
        if known is not message.values and known != message.values:
            raise PeerViolation(sender, "told two sets of values for one question")
        return known is message.values

    # --- on to what is next -----------------------------------------------------------

    def go_on(self) -> None:
        """Take what is there as all there is: find the next request, or the end."""
        match self.phase:
            case Phase.FREEZING:
                names = sorted(self._commitments)
                self._keep(committed=tuple(self._commitments[name] for name in names))
                self.phase = Phase.REVEALING
            case Phase.REVEALING:
                shares = (
                    CoinShare(holder=name, opening=self._openings[name])
                    for name in sorted(self._openings)
                )
                self._keep(shares=tuple(shares))
                self._toss()
            case Phase.TOSSING:
                self._asked, self.phase = tuple(self._votes), Phase.ASKING
            case Phase.ASKING:
                self._judge()

    def _keep(
        self,
        *,
        committed: tuple[Committed, ...] | None = None,
        shares: tuple[CoinShare, ...] | None = None,
        suspects: tuple[Suspect, ...] = (),
    ) -> None:
        record = self.record
        self.record = CheckRecord(
            frozen=record.frozen,
            committed=record.committed if committed is None else committed,
            shares=record.shares if shares is None else shares,
            suspects=suspects,
        )

    def _judge(self) -> None:
        answers = {
            self._roster.holders.index(name): values for name, values in self._values.items()
        }
        sifting = self._sifting
        sifting.receive(answers)
        if sifting.fault is not None:
            self.fault = sifting.fault
        elif sifting.over:
            self._keep(suspects=sifting.suspects)
            self.status = sifting.status
        else:
            self._asked, self._values = tuple(self._values), {}


def reason_of(suspect: Suspect) -> str:
    """Say why a trainer was left out."""
    if suspect.too_long:
        return "its vector is longer than the bound, or what it dealt to show its length is false"
    if not suspect.disputed:
        return "its shares belong to no vector"
    return f"its shares do not fit those of {', '.join(suspect.disputed)}, or these lie"
