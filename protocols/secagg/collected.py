"""What a coordinator knows of the contributions of one round: who has what, who is out, and why."""

from __future__ import annotations

from collections.abc import Iterable

from protocols.messages import Contribution

from .sets import choose


class Collected:
    """Receipts by holder and trainer, and who is out of the round for all or for one."""

    def __init__(self, trainers: tuple[str, ...], *, need: int) -> None:
        self.accepted: dict[str, None] = {}
        self.declined: dict[str, str] = {}
        self.excluded: dict[str, str] = {}
        self._trainers = trainers
        self._need = need
        self._have: dict[str, dict[str, bytes]] = {}
        self._receipts: dict[str, int] = {}
        self._refused: dict[str, dict[str, str]] = {}  # by trainer and holder: why
        self._all_receipts = 0
        self._survivors = 0

    def accept(self, trainer: str) -> bool:
        """Take note that a trainer takes part; say whether that is new."""
        new = trainer not in self.accepted
        self.declined.pop(trainer, None)
        self.accepted[trainer] = None
        return new

    def decline(self, trainer: str, reason: str) -> bool:
        """Take note that a trainer can't contribute; say whether that is new."""
        new = trainer not in self.declined
        self.accepted.pop(trainer, None)
        self.declined[trainer] = reason
        return new

    def exclude(self, trainer: str, reason: str) -> bool:
        """Leave a trainer out for the rest of the round; say whether that is new."""
        if trainer in self.excluded:
            return False
        self.excluded[trainer] = reason
        receipts = self._receipts.pop(trainer, 0)
        self._all_receipts -= receipts
        self._survivors -= receipts >= self._need
        for held in self._have.values():
            held.pop(trainer, None)
        return True

    def refuse(self, holder: str, trainer: str, reason: str) -> bool:
        """Take note that a holder leaves a trainer out, by its word alone; say if that is new.

        It counts as lacking the contribution: what the others have may be enough.
        """
        if trainer in self.excluded or holder in self._refused.get(trainer, {}):
            return False
        self._refused.setdefault(trainer, {})[holder] = reason
        self.disbelieve(holder, trainer)
        return True

    def disbelieve(self, holder: str, trainer: str) -> None:
        """Take back a receipt of a holder."""
        if self._have.get(holder, {}).pop(trainer, None) is None:
            return
        receipts = self._receipts[trainer] = self._receipts[trainer] - 1
        self._all_receipts -= 1
        self._survivors -= receipts == self._need - 1

    def receive(self, holder: str, contribution: Contribution) -> bool:
        """Add a receipt; say whether anything changed."""
        trainer, digest = contribution.trainer, contribution.digest
        held = self._have.setdefault(holder, {})
        if trainer in self.excluded or held.get(trainer) == digest:
            return False
        if held.get(trainer) is not None or holder in self._refused.get(trainer, {}):
            return False  # it said otherwise before
        held[trainer] = digest
        receipts = self._receipts[trainer] = self._receipts.get(trainer, 0) + 1
        self._all_receipts += 1
        self._survivors += receipts == self._need
        return True

    def receipts(self) -> int:
        """Count all pairs of a trainer and a holder that has its contribution."""
        return self._all_receipts

    def behind(self, holders: Iterable[str]) -> list[str]:
        """Name the holders that told of fewer contributions than there are."""
        return [name for name in holders if len(self._have.get(name, ())) < len(self._receipts)]

    def candidates(self) -> list[str]:
        """Name the trainers that neither declined nor broke a rule."""
        out = {**self.declined, **self.excluded}
        return [name for name in self._trainers if name not in out]

    def incomplete(self, names: Iterable[str], *, at: int) -> tuple[str, ...]:
        """Name those whose contribution is complete at fewer than `at` holders."""
        return tuple(name for name in names if self._receipts.get(name, 0) < at)

    def unsettled(self, names: Iterable[str], *, holders: int) -> tuple[str, ...]:
        """Name those of which fewer than all of so many holders said that they have it or won't."""
        return tuple(
            name
            for name in names
            if self._receipts.get(name, 0) + len(self._refused.get(name, ())) < holders
        )

    def survivors(self) -> int:
        """Count the trainers that are complete at enough holders."""
        return self._survivors

    def choose(self) -> tuple[Contribution, ...]:
        """Choose the largest set that enough holders hold in full."""
        return choose(self._have, need=self._need)

    def left_out(self, expected: Iterable[str], chosen: tuple[Contribution, ...]) -> dict[str, str]:
        """Name the trainers that took part or were expected and are not chosen, with why.

        Where nothing is chosen, those whose contribution could have been opened are not to blame.
        """
        known = {**dict.fromkeys(expected), **self.accepted}
        late = [name for name in self._trainers if name in known]
        if not chosen:
            late = list(self.incomplete(late, at=self._need))
        reasons = dict.fromkeys(late, "no complete contribution in time")
        reasons |= {name: next(iter(why.values())) for name, why in self._refused.items()}
        reasons |= self.declined | self.excluded
        inside = {contribution.trainer for contribution in chosen}
        return {name: reason for name, reason in reasons.items() if name not in inside}

    def silent(self, holders: Iterable[str]) -> list[str]:
        """Name the holders that acknowledged nothing while others did."""
        heard = any(self._have.values())
        return [name for name in holders if heard and not self._have.get(name)]
