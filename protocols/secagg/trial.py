"""The answers of one round before they are opened: when they are judged, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocols.effects import JudgeAnswers
from protocols.errors import Misuse
from protocols.messages import AnswerHeader
from protocols.round_config import RoundConfig

from .coin import Coin
from .field import FIELDS
from .judging import Judgement, Status
from .means import Entropy
from .prg import SEED_BYTES
from .vouching import answers_coin


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known of the answers that a sum is opened from.

    Attributes:
        status: how far they could be checked.
        answered: whose they are, in the order in which they were complete.
        fitting: the answers that it is opened from, by holder; none with DETECTED.
        liars: holders whose answers are false, in the order of the roster.
        coin: that the judgement rests on; None with UNVERIFIED.
        at_zero: combinations of the sum itself under this coin.
    """

    status: Status
    answered: tuple[str, ...]
    fitting: dict[str, AnswerHeader]
    liars: tuple[str, ...] = ()
    coin: Coin | None = None
    at_zero: tuple[int, ...] = ()


class Trial:
    """Judges the answers that are there, and again when more are and nobody could be named.

    Whoever knew a coin before its answer is fixed could lie so that the coin does not show it.
    So each trial draws its own, when all the answers that it judges are complete; a coin goes
    to nobody, and a crash forgets it.
    """

    def __init__(self, config: RoundConfig, holders: tuple[str, ...], entropy: Entropy) -> None:
        self.verdict: Verdict | None = None
        self._config = config
        self._holders = holders
        self._entropy = entropy
        self._judged: JudgeAnswers | None = None
        self._doubted = 0

    @property
    def under_way(self) -> bool:
        """Whether a judgement is being made."""
        return self._judged is not None

    @property
    def doubted(self) -> int:
        """How many answers did not fit together when they were last judged; 0 if they did."""
        return self._doubted

    def wants(self, complete: Mapping[str, AnswerHeader]) -> bool:
        """Return whether these answers could be opened, for all that is known of them."""
        return len(complete) >= max(self._config.answers_needed(), self._doubted + 1)

    def begin(self, complete: Mapping[str, AnswerHeader], set_digest: bytes) -> JudgeAnswers | None:
        """Judge complete answers; None if there is a verdict at once, as nothing can be compared.

        Raises `Misuse` for answers that are not wanted, or while others are judged.
        """
        if self.under_way or not self.wants(complete):
            raise Misuse(f"{len(complete)} answers are not to be judged now")
        if len(complete) == self._config.threshold:
            self.verdict = Verdict(
                status=Status.UNVERIFIED, answered=tuple(complete), fitting=dict(complete)
            )
            return None
        digests = {self._holders.index(n): header.answer_digest for n, header in complete.items()}
        coin = answers_coin(
            FIELDS[self._config.field], self._entropy(SEED_BYTES), digests, set_digest
        )
        self._judged = JudgeAnswers(self._config, dict(complete), coin)
        return self._judged

    def take(self, judgement: Judgement) -> Verdict:
        """Take the judgement; with DETECTED more answers are wanted.

        Raises `Misuse` where none is under way.
        """
        if self._judged is None:
            raise Misuse("nobody asked for a judgement")
        judged, self._judged = self._judged, None
        fitting = [self._holders[place] for place in judgement.fitting]
        verdict = Verdict(
            status=judgement.status,
            answered=tuple(judged.answers),
            fitting={name: judged.answers[name] for name in fitting},
            liars=tuple(self._holders[place] for place in judgement.wrong),
            coin=judged.coin,
            at_zero=judgement.at_zero,
        )
        if verdict.status is Status.DETECTED:
            self._doubted = len(judged.answers)
        else:
            self.verdict = verdict
        return verdict

    def doubt(self) -> str:
        """Say why the answers that were judged open nothing."""
        config, count = self._config, self._doubted
        if count < config.answers_wanted():
            why = f"whose are is told by {config.answers_wanted()} answers and not by fewer"
        else:
            why = f"more than {config.faults} are, or the shares of a trainer belong to no vector"
        return f"of {count} answers some are false, and {why}"
