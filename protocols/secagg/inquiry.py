"""Which trainers dealt shares of no polynomial: halves of halves, log2 N steps.

The holders' values for all trainers together do not fit (`degree_check`). They are asked for
the values of the first half; those of the other half follow by subtraction, so that a holder
can't contradict itself. A half that fits is innocent, the others are halved again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from protocols.errors import Misuse

from .coin import Values
from .judging import Committee, Status, judge
from .reed_solomon import ReedSolomon

Words: TypeAlias = dict[int, Values]
"""What the holders said, by place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A trainer and up to f holders that do not fit: it dealt them false shares, or they lie.

    The share itself decides, as its digest was announced: a holder that shows it, and from
    it the claimed value, is right and the trainer is not; any other holder lied.

    Attributes:
        trainer: who may have dealt.
        claims: what these holders said for the trainer, times its lambdas, by place.
    """

    trainer: str
    claims: Mapping[int, Values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """How an inquiry ended.

    Attributes:
        inconsistent: trainers that dealt shares of no polynomial; more than f holders
            do not fit, so no set of f liars explains it.
        disputes: those that up to f liars could explain.
    """

    inconsistent: tuple[str, ...]
    disputes: tuple[Dispute, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    trainers: tuple[str, ...]
    words: Words


class Inquiry:
    """Ask all holders `questions`, hand their values to `receive`, until there are none.

    Each step halves every part that does not fit: ceil(log2 N) steps, and in all fewer than
    N questions, however many lie; for b bad trainers at most b · ceil(log2 N).
    """

    def __init__(
        self,
        committee: Committee,
        trainers: Sequence[str],
        words: Mapping[int, Values],
        *,
        vanishing: bool = False,
    ) -> None:
        """Begin with the values for all trainers together.

        Args:
            committee: the threshold, and how many may lie.
            trainers: the frozen set, in the order of `Weights`.
            words: by place, of `enough` holders.
            vanishing: the polynomial of an honest trainer is zero at zero (`norm_bound`).

        Raises:
            Misuse: no trainers, or too few holders.
        """
        if not trainers:
            raise Misuse("there is nobody to ask about")
        self._committee, self._places = committee, tuple(sorted(words))
        self._vanishing = vanishing
        self._require_enough(self._places)
        self._code: ReedSolomon = committee.code(self._places)
        self._inconsistent: list[str] = []
        self._disputes: list[Dispute] = []
        self._open: list[_Part] = []
        self._sort_in(_Part(tuple(trainers), dict(words)))

    @property
    def questions(self) -> tuple[tuple[str, ...], ...]:
        """The sets of trainers whose summed values are needed next; empty at the end."""
        return tuple(_first_half(part) for part in self._open)

    @property
    def findings(self) -> Findings:
        """The outcome; `Misuse` while there are questions."""
        if self._open:
            raise Misuse("the inquiry is not over")
        return Findings(
            inconsistent=tuple(sorted(self._inconsistent)),
            disputes=tuple(sorted(self._disputes, key=lambda dispute: dispute.trainer)),
        )

    def receive(self, answers: Mapping[int, Sequence[Values]]) -> None:
        """Take the values for all `questions`, in their order, by place.

        A holder that did not answer, or not all, is left out here and has no say any more.

        Raises:
            Misuse: too few holders are left, t + 2 · f are needed; or an answer has not one
                residue for each repetition and question, or comes from a new place.
        """
        if strangers := [place for place in answers if place not in self._places]:
            raise Misuse(f"places {strangers} were not asked")
        if any(len(values) != len(self._open) for values in answers.values()):
            raise Misuse("not one answer for each question")
        self._keep(tuple(sorted(answers)))
        parts, self._open = self._open, []
        for number, part in enumerate(parts):
            first = {place: answers[place][number] for place in self._places}
            half = _first_half(part)
            self._sort_in(_Part(half, first))
            self._sort_in(_Part(part.trainers[len(half) :], self._rest(part, first)))

    def _keep(self, places: tuple[int, ...]) -> None:
        if places != self._places:
            self._require_enough(places)
            self._places, self._code = places, self._committee.code(places)

    def _require_enough(self, places: Sequence[int]) -> None:
        if not enough(self._committee, len(places)):
            raise Misuse(f"{len(places)} holders are too few to tell bad trainers from liars")

    def _rest(self, part: _Part, first: Words) -> Words:
        p = self._committee.field.modulus
        return {
            place: tuple(
                (whole - half) % p for whole, half in zip(part.words[place], values, strict=True)
            )
            for place, values in first.items()
        }

    def _sort_in(self, part: _Part) -> None:
        judgement = judge(self._committee, part.words, code=self._code)
        nonzero = self._vanishing and any(judgement.at_zero)
        if judgement.status is Status.VERIFIED and not nonzero:
            return
        if len(part.trainers) > 1:
            self._open.append(part)
        elif judgement.status is Status.DETECTED or nonzero:
            self._inconsistent.append(part.trainers[0])
        else:
            claims = {place: part.words[place] for place in judgement.wrong}
            self._disputes.append(Dispute(trainer=part.trainers[0], claims=claims))


def enough(committee: Committee, received: int) -> bool:
    """Say whether so many holders can tell bad trainers from liars: t + 2 · f, above t."""
    return received >= committee.threshold + max(2 * committee.faults, 1)


def _first_half(part: _Part) -> tuple[str, ...]:
    return part.trainers[: (len(part.trainers) + 1) // 2]
