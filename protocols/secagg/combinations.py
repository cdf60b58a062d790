"""What a holder tells of one trainer in a check, from its share chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.round_config import RoundConfig

from .chunks import chunk_count
from .coin import Coin, Values
from .degree_check import masked
from .field import FIELDS
from .norm_word import NormWord, Relations
from .suites import SUITES
from .tails import bound_of, read_tail


def relations_of(config: RoundConfig, coin: Coin) -> Relations | None:
    """Return what all trainers' norms are checked with, None where none are bound."""
    bound = bound_of(config)
    return None if bound is None else Relations(bound, coin)


class Combination:
    """The values for one trainer: of degrees, and where norms are bound those of its squares.

    The degree check is of the vector and of the bits beside it. Its masks, and those of the
    norm bound, whose degree is doubled, stay out of it.
    """

    def __init__(
        self, config: RoundConfig, coin: Coin, relations: Relations | None, seed: bytes
    ) -> None:
        """Begin; where norms are bound, with `relations_of` and the seed of the trainer's tests."""
        self._config, self._coin = config, coin
        self._total: Values = (0,) * coin.repetitions
        self._word = None if relations is None else NormWord(relations, seed)

    def add(self, chunk: int, combined: Values, payload: bytes) -> None:
        """Take one chunk of the share, and what `Suite.combine` made of it; each once.

        Time O(tests · length) where norms are bound.
        """
        self._total = self._coin.plus(self._total, combined)
        if self._word is not None:
            self._word.add(chunk, FIELDS[self._config.field].from_bytes(payload))

    def masked(self, tail: Sequence[bytes]) -> Values:
        """Return the values, masked, once all chunks are in.

        Args:
            tail: all chunks of the share's tail.

        Raises:
            Undecodable: they are not of this round.
        """
        config, coin = self._config, self._coin
        if self._word is None:
            masks = SUITES[config.suite].masks(config, b"".join(tail))
            return masked(coin, self._total, masks)
        dealt = read_tail(config, tail)
        (bits,) = coin.combine(chunk_count(config), [dealt.witness])
        degrees = masked(coin, coin.plus(self._total, bits), dealt.masks)
        return degrees + masked(coin, self._word.values(dealt.witness), dealt.vanishing)
