"""What holders and the coordinator both make of what holders said in a check."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from protocols.messages import CoinShare, Contribution
from protocols.round_config import RoundConfig

from .coin import Coin
from .degree_check import public_coin
from .field import FIELDS


def coin_of(
    config: RoundConfig, context: bytes, shares: Iterable[CoinShare], holders: tuple[str, ...]
) -> Coin:
    """Return the coin that these openings make, each of which was checked.

    Args:
        config: of the round.
        context: the digest of the frozen set.
        shares: who opened, and what; one or more, all holders of the roster.
        holders: the roster's, in the order of their places.
    """
    openings = {holders.index(share.holder): share.opening for share in shares}
    return public_coin(FIELDS[config.field], context, openings)


def name_of(coin: Coin) -> bytes:
    """Return the SHA-256 that holders agree on: one for each coin."""
    return hashlib.sha256(b"quorate coin\x00" + coin.context + coin.seed).digest()


def words_of(config: RoundConfig) -> int:
    """Return of how many polynomials a holder tells values: degrees, and where bound norms."""
    return 2 if config.norm_bound else 1


def trainers_of(chosen: tuple[Contribution, ...]) -> tuple[str, ...]:
    """Name the trainers of a set, in its order."""
    return tuple(contribution.trainer for contribution in chosen)
