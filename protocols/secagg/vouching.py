"""Share-holders that lie in their answers: who they are, without opening the sum twice.

An honest answer y_i is the value at i + 1 of a polynomial with t vector coefficients, so its
combination <rho, y_i> is the value of a polynomial with t coefficients (secure-aggregation
design, section 3.4). A false answer keeps a right combination with probability 1 / p for each
repetition: p^-r, 2^-124 for p31 and 2^-122 for p61, provided that rho is drawn after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from protocols.errors import Misuse

from .coin import Coin, Values, digest_of
from .field import PrimeField, Residues
from .judging import Committee, Judgement, Status, judge
from .shamir import reconstruct

_CHUNK = 2**18  # values at a time where the whole answers are at hand


def answers_coin(
    field: PrimeField, seed: bytes, digests: Mapping[int, bytes], context: bytes
) -> Coin:
    """Return the coin for answers that are fixed by their digests.

    Args:
        field: of the answers.
        seed: 32 bytes, drawn once all these digests were in, and known to the coordinator
            alone until its judgement stands. One more answer needs a fresh seed.
        digests: of the whole answers, by place.
        context: the digest of the set that was summed.
    """
    bound = digest_of(b"quorate answers coin", digests, context)
    return Coin(field=field, seed=seed, context=bound)


class Vouching:
    """Combinations of answers whose chunks come in any order; each chunk counts once.

    The loops may run elsewhere: `receive` takes what `coin.combine` returned for a chunk.
    Memory is a few numbers for each place and a mark for each of its chunks.
    """

    def __init__(self, coin: Coin, places: Sequence[int], chunks: int) -> None:
        """Begin for these places, each with so many chunks.

        Raises:
            Misuse: a place is given twice, or there are no chunks.
        """
        if len(set(places)) != len(places) or chunks < 1:
            raise Misuse(f"{len(places)} places, not all different, or {chunks} chunks")
        self._coin, self._chunks = coin, chunks
        self._totals: dict[int, Values] = dict.fromkeys(sorted(places), (0,) * coin.repetitions)
        self._missing = {place: dict.fromkeys(range(chunks)) for place in self._totals}

    def receive(self, place: int, chunk: int, values: Values) -> None:
        """Add the combination of one chunk of one answer.

        Raises:
            Misuse: the chunk has been added, or is none of this round.
        """
        if chunk not in self._missing.get(place, {}):
            raise Misuse(f"chunk {chunk} of place {place} is not waited for")
        del self._missing[place][chunk]
        self._totals[place] = self._coin.plus(self._totals[place], values)

    def judgement(self, committee: Committee) -> Judgement:
        """Say who lied, once all chunks are in.

        With n answers and at most f liars: n >= t + 2 · f names them all, n >= t + f notices
        that there are some, n = t shows nothing. An honest holder is never named, if the
        shares that it was dealt are consistent (`degree_check`).

        Raises:
            Misuse: a chunk is missing, or fewer answers than the threshold.
        """
        if incomplete := [place for place, missing in self._missing.items() if missing]:
            raise Misuse(f"chunks of the answers of places {incomplete} are missing")
        return judge(committee, self._totals)


def check_answers(committee: Committee, answers: Mapping[int, Residues], seed: bytes) -> Judgement:
    """Say who lied among answers that are all at hand.

    Args:
        committee: the threshold, and how many may lie.
        answers: by place, shape (d,), residues; none may change any more.
        seed: 32 bytes drawn after the last answer came in.

    Raises:
        Misuse: fewer answers than the threshold, or of different lengths.

    Time O(n·r·d): memory-bound; no copy of the answers.
    """
    if len({answer.size for answer in answers.values()}) != 1:
        raise Misuse("the answers have different lengths")
    places = sorted(answers)
    size = answers[places[0]].size
    coin = Coin(field=committee.field, seed=seed, context=b"answers at hand")
    totals: dict[int, Values] = dict.fromkeys(places, (0,) * coin.repetitions)
    for chunk, start in enumerate(range(0, size, _CHUNK)):
        pieces = [answers[place][start : start + _CHUNK] for place in places]
        for place, values in zip(places, coin.combine(chunk, pieces), strict=True):
            totals[place] = coin.plus(totals[place], values)
    return judge(committee, totals)


def open_fitting(
    committee: Committee, answers: Mapping[int, Residues], judgement: Judgement
) -> Residues:
    """Open the sum, or one chunk of it, from t answers that fit.

    Args:
        committee: the one that was judged.
        answers: by place; at least those of the first t fitting places.
        judgement: anything but DETECTED. After UNVERIFIED the result is as good as the
            holders' word.

    Returns:
        Shape (d,), residues of the sum.

    Raises:
        Misuse: nobody fits, or an answer is not there.
    """
    if judgement.status is Status.DETECTED:
        raise Misuse("answers that do not fit together open nothing")
    places = judgement.fitting[: committee.threshold]
    if missing := [place for place in places if place not in answers]:
        raise Misuse(f"the answers of places {missing} are not there")
    rows = np.stack([answers[place] for place in places])
    return reconstruct(committee.field, [place + 1 for place in places], rows)
