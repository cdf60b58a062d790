"""What may be said in a check of trainers' shares: one freeze, one coin, and values under it."""

from __future__ import annotations

from typing import TypeVar

from protocols.messages import (
    Ask,
    CheckValues,
    CoinOpening,
    Freeze,
    Frozen,
    Message,
    Reveal,
    Stretches,
    Toss,
    Tossed,
)
from protocols.records import CheckRecord, HeldCoin, HeldCommitments, HeldFreeze, RoundRecord
from protocols.reports import RoundComplete, SharesChecked
from protocols.secagg.agreed import coin_of, name_of
from protocols.secagg.degree_check import opens
from protocols.secagg.sets import set_digest

from .ghost import Ghost, Rule

Asked = Freeze | Reveal | Toss | Ask
Said = Frozen | CoinOpening | Tossed | CheckValues
T = TypeVar("T")

_KEPT = 20_000


class ShareChecks:
    """Looks at what the coordinator asks and tells, and at what holders say."""

    def __init__(self, ghost: Ghost) -> None:
        self._ghost = ghost
        self._coordinator = ghost.roster.coordinator
        self._shown: dict[tuple[type[Message], bytes], Asked] = {}
        self._said: dict[tuple[str, bytes, type[Message], Stretches], Said] = {}
        self._tossed: dict[tuple[bytes, bytes, str], None] = {}

    # --- the coordinator --------------------------------------------------------------

    def asking(self, message: Asked) -> None:
        """See that what is shown is on the disk, and the same whenever it is shown."""
        ghost, name = self._ghost, self._coordinator
        if not isinstance(message, Ask):
            known = self._shown.setdefault((type(message), message.cid), message)
            if known != message:
                ghost.violated(Rule.ONE_COIN, name, f"sent a second {type(message).__name__}")
        record = ghost.durable(name, "round", RoundRecord)
        if record is None or record.config.cid() != message.cid:
            return  # decided on before the round ended
        if not _recorded(record.check, message):
            ghost.violated(Rule.DURABLE, name, f"sent a {type(message).__name__}")
        if isinstance(message, Ask):
            self._on_ask(message, record)
        _bounded(self._shown)

    def _on_ask(self, message: Ask, record: RoundRecord) -> None:
        named = [one.holder for one in message.tossed]
        true = [name for name in named if (message.cid, message.coin, name) in self._tossed]
        if len(true) < len(named) or len(named) < record.config.holders_needed():
            text = f"asked with {len(true)} holders that have tossed this coin"
            self._ghost.violated(Rule.ONE_COIN, self._coordinator, text)

    def on_checked(self, event: SharesChecked) -> None:
        """See that nobody is called inconsistent without having dealt such shares."""
        told = self._ghost.lies.told
        for name in event.inconsistent:
            if not any(liar == name for liar, _ in told):
                self._ghost.violated(Rule.HONEST, self._coordinator, f"says that {name} is loose")
        for name in event.too_long:
            if not any(liar == name for liar, _ in told):
                text = f"says that the vector of {name} is too long"
                self._ghost.violated(Rule.HONEST, self._coordinator, text)
        for name, holders in event.disputed:
            lied = any(liar in (name, *holders) for liar, _ in told)
            if not lied and not self._ghost.forgetful:
                self._ghost.violated(Rule.HONEST, self._coordinator, f"doubts {name}")

    def on_complete(self, event: RoundComplete, record: RoundRecord | None) -> None:
        """See that a sum that was checked has no shares of no vector in it, and none too long."""
        if record is None or not record.config.checks:
            return
        loose = self._ghost.lies.loose.get(record.config.cid(), {})
        for one in record.chosen:
            if (one.trainer, one.digest) in loose and one.trainer in event.survivors:
                text = f"summed shares of {one.trainer} that belong to no vector"
                self._ghost.violated(Rule.CONSISTENT, self._coordinator, text)
        if not record.config.norm_bound:
            return
        long = self._ghost.lies.long.get(record.config.cid(), {})
        for one in record.chosen:
            if (one.trainer, one.digest) in long and one.trainer in event.survivors:
                text = f"summed the vector of {one.trainer}, which is beyond the bound"
                self._ghost.violated(Rule.SHORT, self._coordinator, text)

    # --- holders ----------------------------------------------------------------------

    def saying(self, host: str, message: Said, *, over: bool) -> None:
        """See that a holder says one thing of each kind, and what binds it is on its disk.

        `over` says that the round has ended here, so that its records are rightly gone.
        """
        about = message.about if isinstance(message, CheckValues) else ()
        known = self._said.setdefault((host, message.cid, type(message), about), message)
        if known != message and host not in self._ghost.forgetful:
            text = f"said a second {type(message).__name__}"
            self._ghost.violated(Rule.ONE_COIN, host, text)
        if isinstance(message, Tossed):
            self._tossed[message.cid, message.coin, host] = None
        if not over and not self._held(host, message):
            self._ghost.violated(Rule.DURABLE, host, f"said {type(message).__name__}")
        _bounded(self._said)
        _bounded(self._tossed)

    def _held(self, host: str, message: Said) -> bool:
        frozen = self._record(host, message, "frozen", HeldFreeze)
        if frozen is None:
            return False
        context = set_digest(message.cid, frozen.chosen)
        holders = self._ghost.roster.holders
        match message:
            case Frozen(set_digest=digest, commitment=said):
                right = opens(said, context, holders.index(host), frozen.opening)
                return digest == context and right
            case CoinOpening(opening=opening):
                committed = self._record(host, message, "committed", HeldCommitments)
                return committed is not None and opening == frozen.opening
        coin = self._record(host, message, "coin", HeldCoin)
        config = self._ghost.config_at(host, message.cid)
        if coin is None or config is None:
            return False
        return message.coin == name_of(coin_of(config, context, coin.shares, holders))

    def _record(self, host: str, message: Said, kind: str, schema: type[T]) -> T | None:
        return self._ghost.durable(host, f"round/{message.cid.hex()}/{kind}", schema)


def _recorded(check: CheckRecord | None, message: Asked) -> bool:
    if check is None:
        return False
    match message:
        case Freeze():
            return check.frozen == message.chosen
        case Reveal():
            return check.committed == message.committed
        case Toss():
            return check.shares == message.shares
    return bool(check.shares)


def _bounded(facts: dict[T, object] | dict[T, Asked] | dict[T, Said] | dict[T, None]) -> None:
    while len(facts) > _KEPT:
        del facts[next(iter(facts))]
