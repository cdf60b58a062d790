"""Secrets among the holders: Shamir's scheme modulo 2^31 - 1, once for all primes of Q.

A secret has magnitudes up to 60, so the sum of any round stays below half of 2^31 - 1 and is
the sum of integers; it is reduced modulo the ring's primes only when it is opened.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from protocols.codec import Undecodable
from protocols.errors import Misuse
from protocols.secagg.field import P31
from protocols.secagg.kernels import KERNELS
from protocols.secagg.prg import residues, stream_info
from protocols.secagg.shamir import reconstruct, split

from .masked_round import MaskedRound
from .masking import Secret
from .noise import Garbled, exceeds
from .streams import SUITE

_KERNELS = KERNELS[P31.name]


def share_bytes(degree: int) -> int:
    """Return the bytes of a share, and of a share of a sum, for one span."""
    return degree * P31.word_bytes


def shares_of(
    of: MaskedRound, seed: bytes, span: int, secret: Secret, thresholds: tuple[int, int]
) -> tuple[bytes, ...]:
    """Share a secret: any t holders can open a sum of such, fewer learn nothing.

    Args:
        of: the round.
        seed: of the contribution.
        span: number of the span.
        secret: of the span.
        thresholds: t and n.

    Returns:
        One share for each holder, in the order of their places. Equal arguments give equal
        bytes.

    Raises:
        Misuse: t of n is not possible.
    """
    threshold, holders = thresholds
    if not 2 <= threshold <= holders:
        raise Misuse(f"threshold {threshold} of {holders} holders is not possible")
    degree = secret.values.size
    info = stream_info(suite=SUITE, cid=of.cid, purpose="coefficients", index=span)
    coefficients = residues(P31, seed, info, (threshold - 1) * degree)
    rows = coefficients.reshape(threshold - 1, degree)
    shares = split(P31, P31.encode(secret.values), rows, holders)
    return tuple(P31.to_bytes(share) for share in shares)


def add_share(degree: int, total: NDArray[np.uint64] | None, payload: bytes) -> NDArray[np.uint64]:
    """Add a trainer's share to a holder's sum of the same span.

    Args:
        degree: N.
        total: what `add_share` returned before, changed in place; None at the first.
        payload: from anybody.

    Raises:
        Undecodable: not N residues; the sum is unchanged.
    """
    share = P31.from_bytes(payload, count=degree)
    if total is None:
        return share.astype(np.uint64)
    _KERNELS.add(total, share)
    return total


def answer(total: NDArray[np.uint64]) -> bytes:
    """Return a holder's share of the sum of secrets, fully reduced."""
    return P31.to_bytes(_KERNELS.reduce(total))


def open_secrets(
    degree: int, threshold: int, contributors: int, answers: Mapping[int, bytes]
) -> NDArray[np.int64]:
    """Open the sum of one span's secrets.

    Args:
        degree: N.
        threshold: t; the t lowest places are used.
        contributors: how many secrets were added.
        answers: by the holder's place, from 0.

    Returns:
        The signed sum, shape (N,).

    Raises:
        Misuse: fewer answers than the threshold.
        Undecodable: an answer is not N residues; the text has its place.
        Garbled: no such sum is that large: an answer or a share was false.
    """
    if len(answers) < threshold:
        raise Misuse(f"{len(answers)} answers do not open; {threshold} are needed")
    places = sorted(answers)[:threshold]
    rows = []
    for place in places:
        try:
            rows.append(P31.from_bytes(answers[place], count=degree))
        except Undecodable as error:
            raise Undecodable(f"holder at place {place}: {error}") from None
    total = P31.decode(reconstruct(P31, [place + 1 for place in places], np.stack(rows)))
    if exceeds(int(np.abs(total).max()), contributors):
        raise Garbled(
            f"the answers of places {places} open to no sum of {contributors} secrets: a holder "
            f"or a trainer gave a false share"
        )
    return total
