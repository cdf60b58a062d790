"""Trainers that deal shares of no polynomial: one value of each holder shows it.

Every trainer deals, with its vector, one uniform mask for each repetition. After all shares
are fixed the holders toss a public coin and tell, for all trainers together, the sum over u of
lambda_u · (<rho, share_u> + mask_u) (secure-aggregation design, section 3.5). If the honest
holders' shares of some trainer lie on no polynomial with t coefficients, neither do these
values, but with probability 2 / p for each repetition: (2 / p)^r, 2^-120 for p31 and for p61.
Liars that keep back their openings choose among 2^f coins, which costs f bits of that.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from protocols.errors import Misuse

from .coin import Coin, Values, digest_of
from .field import PrimeField, Residues
from .judging import Committee, Judgement, judge

OPENING_BYTES = 32
_COMMITMENT = b"quorate coin opening\x00"


def commitment(context: bytes, place: int, opening: bytes) -> bytes:
    """Return what a holder says when the contributions are frozen.

    Args:
        context: the digest of the frozen set, 32 bytes.
        place: of the holder, so that nobody can repeat another's commitment as its own.
        opening: 32 bytes that the holder drew for this round.

    Raises:
        Misuse: context or opening of another length.
    """
    if len(opening) != OPENING_BYTES or len(context) != OPENING_BYTES:
        raise Misuse(f"openings and contexts have {OPENING_BYTES} bytes")
    place_bytes = place.to_bytes(8, "big")
    return hashlib.sha256(_COMMITMENT + context + place_bytes + opening).digest()


def opens(committed: bytes, context: bytes, place: int, opening: bytes) -> bool:
    """Say whether this opening, from anybody, is the one that was committed to."""
    if len(opening) != OPENING_BYTES:
        return False
    return hmac.compare_digest(commitment(context, place, opening), committed)


def public_coin(field: PrimeField, context: bytes, openings: Mapping[int, bytes]) -> Coin:
    """Return the coin of all openings; one honest holder among them makes it uniform.

    A holder tosses one coin in a round, whatever it is asked: two coins under the same masks
    would show their difference, a combination of a single vector.

    Args:
        field: of the shares.
        context: the digest of the frozen set.
        openings: by place, each one checked with `opens`; who did not open is out.

    Raises:
        Misuse: nobody opened, or an opening has another length.
    """
    if not openings or any(len(opening) != OPENING_BYTES for opening in openings.values()):
        raise Misuse(f"a coin needs openings, of {OPENING_BYTES} bytes each")
    bound = digest_of(b"quorate public coin", openings, context)
    return Coin(field=field, seed=hashlib.shake_256(bound).digest(32), context=context)


def masked(coin: Coin, combination: Values, masks: Residues) -> Values:
    """Return a holder's values for one trainer: <rho, share> + mask.

    Alone they say nothing about the vector: the mask is uniform. It is not part of the vector
    that `combination` was made of, and never added to the sum that is opened.

    Args:
        coin: the public one.
        combination: of the trainer's share, `coin.combine` over all of its chunks.
        masks: shape (repetitions,), the holder's shares of the trainer's masks.

    Raises:
        Misuse: another number of masks.
    """
    if masks.shape != (coin.repetitions,):
        raise Misuse(f"{masks.shape} masks for {coin.repetitions} repetitions")
    return coin.plus(combination, tuple(int(mask) for mask in masks))


class Weights:
    """The lambdas of one coin: uniform, one for each trainer, repetition and word."""

    def __init__(self, coin: Coin, trainers: Sequence[str], words: int = 1) -> None:
        """Draw them for the frozen set.

        Args:
            coin: the public one.
            trainers: all of the frozen set, sorted.
            words: of how many polynomials each holder tells values; one after the other.

        Raises:
            Misuse: not sorted, or a name twice.
        """
        if any(one >= other for one, other in pairwise(trainers)):
            raise Misuse("the trainers are not sorted by distinct names")
        rows = [coin.rows("lambda", word, len(trainers)) for word in range(words)]
        columns = np.concatenate(rows).T.tolist()
        self._modulus, self._none = coin.field.modulus, (0,) * (words * coin.repetitions)
        self._of = {name: tuple(column) for name, column in zip(trainers, columns, strict=True)}

    def summed(self, values: Mapping[str, Values], trainers: Iterable[str]) -> Values:
        """Return a holder's values for some trainers together: Σ lambda_u · values_u.

        Raises:
            Misuse: a trainer is not of the frozen set, or has no values.
        """
        total = list(self._none)
        for trainer in trainers:
            if trainer not in self._of or trainer not in values:
                raise Misuse(f"there are no values of {trainer}")
            pairs = zip(self._of[trainer], values[trainer], strict=True)
            for k, (weight, value) in enumerate(pairs):
                total[k] += weight * value
        return tuple(sum_ % self._modulus for sum_ in total)


def check_degrees(committee: Committee, words: Mapping[int, Values]) -> Judgement:
    """Judge the holders' values for all trainers together.

    VERIFIED: the shares of every trainer lie on a polynomial at all honest holders that
    spoke. DETECTED with n >= t + 2 · f values: some trainer's do not, as up to f lies would
    have been corrected. CORRECTED: the named holders lie, or some trainer dealt false shares
    to just them, and these values can't tell which; `inquiry` asks on.

    Args:
        committee: the threshold, and how many may lie.
        words: `Weights.summed` over the frozen set, by place.

    Raises:
        Misuse: fewer values than the threshold, or not one for each repetition.
    """
    return judge(committee, words)
