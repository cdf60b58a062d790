"""What the words of several repetitions say together about those who sent them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from protocols.errors import Misuse

from .coin import REPETITIONS, Values
from .field import PrimeField
from .reed_solomon import Garbled, ReedSolomon, Unverified, evaluated, radius


class Status(enum.Enum):
    """How far values could be checked.

    VERIFIED: all fit one polynomial, and false ones would have been noticed.
    CORRECTED: some do not fit and are named; the others do.
    DETECTED: something is false, and nobody can be named.
    UNVERIFIED: too few values to notice anything.
    """

    VERIFIED = "verified"
    CORRECTED = "corrected"
    DETECTED = "detected"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Committee:
    """What a check must know of the share-holders; the one at place i has the point i + 1.

    Attributes:
        field: of the shares.
        threshold: t; honest values lie on a polynomial with t coefficients.
        faults: f, the most holders that may lie. All that is claimed rests on it.
        secrets_at: the points at which the polynomial has what is opened.
    """

    field: PrimeField
    threshold: int
    faults: int
    secrets_at: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if self.threshold < 1 or self.faults < 0:
            raise Misuse(f"threshold {self.threshold} with {self.faults} faults")

    def code(self, places: tuple[int, ...]) -> ReedSolomon:
        """Return the code in which these places speak."""
        return ReedSolomon(self.field, [place + 1 for place in places], self.threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The common outcome of all repetitions.

    Attributes:
        status: how far the values could be checked.
        fitting: places whose values lie on the polynomials, ascending. With DETECTED none,
            with UNVERIFIED all, of which nothing is known.
        wrong: places whose values do not, in one repetition or more; only with CORRECTED.
        at_zero: the polynomials' values where the committee's secrets are, which is at zero but
            for packed ones: point by point, a value for each repetition; empty with DETECTED.
    """

    status: Status
    fitting: tuple[int, ...]
    wrong: tuple[int, ...] = ()
    at_zero: Values = ()


def most_correctable(received: int, threshold: int) -> int:
    """Return the largest e with received >= threshold + 2 · e."""
    return max((received - threshold) // 2, 0)


def judge(
    committee: Committee, words: Mapping[int, Values], *, code: ReedSolomon | None = None
) -> Judgement:
    """Decode every repetition, and count as wrong who is wrong in any.

    Args:
        committee: who speaks, and how many may lie.
        words: by place; who is missing is no fault.
        code: `committee.code` of the same places in ascending order, to save its building.

    Raises:
        Misuse: fewer values than the threshold, or not one residue for each repetition.
    """
    places = tuple(sorted(words))
    repetitions = REPETITIONS[committee.field.name]
    if len(places) < committee.threshold:
        raise Misuse(f"{len(places)} values for the threshold {committee.threshold}")
    if any(len(values) != repetitions for values in words.values()):
        raise Misuse(f"not every place has {repetitions} values")
    code = code or committee.code(places)
    wrong, polynomials, unverified = dict[int, None](), list[Values](), False
    for k in range(repetitions):
        decoded = code.decode([words[place][k] for place in places], faults=committee.faults)
        if isinstance(decoded, Garbled):
            return Judgement(status=Status.DETECTED, fitting=())
        polynomials.append(decoded.coefficients)
        if isinstance(decoded, Unverified):
            unverified = True
        else:
            wrong.update(dict.fromkeys(places[position] for position in decoded.wrong))
    p = committee.field.modulus
    at_zero = tuple(evaluated(f, x, p) for x in committee.secrets_at for f in polynomials)
    if unverified:
        return Judgement(status=Status.UNVERIFIED, fitting=places, at_zero=at_zero)
    if len(wrong) > radius(len(places), committee.threshold, committee.faults):
        return Judgement(status=Status.DETECTED, fitting=())
    return Judgement(
        status=Status.CORRECTED if wrong else Status.VERIFIED,
        fitting=tuple(place for place in places if place not in wrong),
        wrong=tuple(sorted(wrong)),
        at_zero=at_zero,
    )
