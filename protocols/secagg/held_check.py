"""What a share-holder knows of the check of one open round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from protocols.codec import parse
from protocols.messages import CoinShare, Committed, Contribution, Stretches
from protocols.records import HeldCoin, HeldCommitments, HeldFreeze

from .coin import Values


@dataclass(slots=True)
class HeldCheck:
    """`frozen`, `committed` and `shares` are each set once, journalled, and never changed.

    Attributes:
        frozen: the set that is checked.
        opening: this holder's part of the coin, drawn when the set was frozen.
        committed: who committed to their parts, known before this holder's own was told.
        shares: of the one coin of the round.
        asked: what was last asked for under it.
        combined: the masked combinations of the stored shares by trainer, None before. They
            follow from what is durable, so that they may be computed again.
        combining: whether they are being computed.
        unable: whether the shares can't be read.
    """

    frozen: tuple[Contribution, ...] | None = None
    opening: bytes = field(default=b"", repr=False)
    committed: tuple[Committed, ...] | None = None
    shares: tuple[CoinShare, ...] | None = None
    asked: Stretches = ()
    combined: dict[str, Values] | None = None
    combining: bool = False
    unable: bool = False

    def restore(self, kind: str, value: bytes) -> None:
        """Take up one record; other kinds are not of the check."""
        take = _RESTORE.get(kind)
        if take is not None:
            take(self, value)


def _frozen(check: HeldCheck, value: bytes) -> None:
    record = parse(value, HeldFreeze)
    check.frozen, check.opening = record.chosen, record.opening


def _committed(check: HeldCheck, value: bytes) -> None:
    check.committed = parse(value, HeldCommitments).committed


def _coin(check: HeldCheck, value: bytes) -> None:
    check.shares = parse(value, HeldCoin).shares


_RESTORE: dict[str, Callable[[HeldCheck, bytes], None]] = {
    "frozen": _frozen,
    "committed": _committed,
    "coin": _coin,
}
