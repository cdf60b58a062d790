"""What the holders' values say about the trainers of a frozen set: who is to be left out.

Degrees come first: only where the shares of a vector and its bits are true is anything known of
its length. Then, where norms are bound, the squares of the others. These are judged run by run
between those who are left out, never as one sum: a holder that sees the coin has a say in who
is left out, and could choose among all sums, but there are few runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from protocols.messages import Stretches
from protocols.records import Suspect
from protocols.round_config import RoundConfig, norm_holders

from .agreed import words_of
from .coin import REPETITIONS, Values
from .degree_check import check_degrees
from .inquiry import Dispute, Inquiry, Words, enough
from .judging import Committee, Status
from .suites import SUITES

_MOST_AT_ONCE = 512  # questions; with more that do not fit the round is hardly worth its halving

Answers = Mapping[int, Sequence[Values]]
"""By place, for each question the values of all words, one after the other."""


@dataclass(frozen=True, slots=True)
class _Test:
    """What is judged: which word of the values, in which code, and what a failure means."""

    word: int
    committee: Committee
    vanishing: bool
    fault: str


class Sifting:
    """Ask about `about`, hand the values to `receive`, until `over` or there is a `fault`."""

    def __init__(
        self, config: RoundConfig, names: tuple[str, ...], holders: tuple[str, ...]
    ) -> None:
        """Begin with the whole set.

        Args:
            config: of a round with checks.
            names: the trainers of the frozen set, in its order.
            holders: the roster's, in the order of their places.
        """
        self.about: Stretches = ((0, len(names)),)
        self.suspects: tuple[Suspect, ...] = ()
        self.fault: str | None = None
        self.over = False
        self._config, self._holders = config, holders
        self._place = {name: index for index, name in enumerate(names)}
        self._tests = _tests_of(config)
        self._inquiries: tuple[Inquiry, ...] | None = None

    @property
    def need(self) -> int:
        """Return how many holders must answer to `about`."""
        config, test = self._config, self._tests[0]
        if self._inquiries is not None:
            least = test.committee.threshold + max(2 * test.committee.faults, 1)
        else:
            least = config.holders_needed() if test.word == 0 else 0
        # Who is gone is not asked again, and the squares need more than the degrees.
        squares = norm_holders(config.threshold, config.faults) if config.norm_bound else 0
        return max(least, squares)

    @property
    def status(self) -> Status:
        """Return what came of it, at the end."""
        if not self.suspects:
            return Status.VERIFIED
        certain = any(not suspect.disputed for suspect in self.suspects)
        return Status.DETECTED if certain else Status.CORRECTED

    def receive(self, answers: Answers) -> None:
        """Take the values of enough holders for all of `about`, in its order."""
        if self._inquiries is None:
            self._judge(answers)
        else:
            self._ask_on(answers)

    def _judge(self, answers: Answers) -> None:
        """Hear the first words of a test, one for each run."""
        test, begun = self._tests[0], list[Inquiry]()
        names = list(self._place)
        for number, (first, count) in enumerate(self.about):
            words = self._words(answers, number)
            judgement = check_degrees(test.committee, words)
            zero = not (test.vanishing and any(judgement.at_zero))
            if judgement.status is Status.VERIFIED and zero:
                continue
            if not enough(test.committee, len(words)):
                self.fault = f"{test.fault}, and {len(words)} holders can't tell of whom"
                return
            run, vanishing = names[first : first + count], test.vanishing
            begun.append(Inquiry(test.committee, run, words, vanishing=vanishing))
        self._inquiries = tuple(begun)
        self._go_on(answers)

    def _ask_on(self, answers: Answers) -> None:
        done = 0
        for inquiry in self._inquiries or ():
            mine = range(done, done + len(inquiry.questions))
            done = mine.stop
            if mine:
                told = {place: self._slices(values, mine) for place, values in answers.items()}
                inquiry.receive(told)
        self._go_on(answers)

    def _go_on(self, answers: Answers) -> None:
        """Ask what the inquiries ask, or end this test and begin the next."""
        questions = [names for one in self._inquiries or () for names in one.questions]
        if len(questions) > _MOST_AT_ONCE:
            many = f"{len(questions)} or more of the trainers"
            self.fault = f"{self._tests[0].fault}, or a holder lies of them: {many}"
        elif questions:
            self.about = tuple((self._place[names[0]], len(names)) for names in questions)
        else:
            self._end_test(answers)

    def _end_test(self, answers: Answers) -> None:
        found = self._found()
        self.suspects = tuple(sorted((*self.suspects, *found), key=lambda one: one.trainer))
        rest = self._rest()
        if len(self._tests) == 1 or not rest:
            self.over = True
            return
        self._tests, self._inquiries = self._tests[1:], None
        told = rest == self.about  # with the degrees all squares were told
        self.about = rest
        if told:
            self._judge(answers)

    def _found(self) -> list[Suspect]:
        long, found = self._tests[0].vanishing, list[Suspect]()
        for inquiry in self._inquiries or ():
            findings = inquiry.findings
            found += [Suspect(trainer=n, disputed=(), too_long=long) for n in findings.inconsistent]
            found += [self._disputed(dispute) for dispute in findings.disputes]
        return found

    def _disputed(self, dispute: Dispute) -> Suspect:
        holders = tuple(self._holders[place] for place in dispute.claims)
        return Suspect(trainer=dispute.trainer, disputed=holders)

    def _rest(self) -> Stretches:
        """Return the runs of the set between those who are left out."""
        out = {suspect.trainer for suspect in self.suspects}
        marked = groupby(self._place, key=lambda name: name not in out)
        runs = [list(names) for inside, names in marked if inside]
        return tuple((self._place[run[0]], len(run)) for run in runs)

    def _words(self, answers: Answers, number: int) -> Words:
        cut = self._cut()
        return {place: cut(values[number]) for place, values in answers.items()}

    def _slices(self, values: Sequence[Values], numbers: range) -> list[Values]:
        cut = self._cut()
        return [cut(values[number]) for number in numbers]

    def _cut(self) -> Callable[[Values], Values]:
        count, word = REPETITIONS[self._config.field], self._tests[0].word
        return lambda values: values[word * count : (word + 1) * count]


def _tests_of(config: RoundConfig) -> tuple[_Test, ...]:
    committee = SUITES[config.suite].committee(config)
    degrees = _Test(0, committee, False, "the shares of some trainer belong to no vector")
    if words_of(config) == 1:
        return (degrees,)
    doubled = replace(committee, threshold=2 * committee.threshold - 1)
    squares = _Test(1, doubled, True, "the vector of some trainer is longer than the bound")
    return degrees, squares
