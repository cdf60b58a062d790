"""What a coordinator knows of the contributions of one round: who has what, who is out, and why."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_

from protocols.messages import Contribution

from .differencing import Apart, choose_releasable, releasable
from .sets import choose

_NAMED = 5  # of those whose return would help


class Collected:
    """Receipts by holder and trainer, and who is out of the round for all or for one.

    With `bulk` a contribution also needs what the coordinator gets of it: see `arrived`.
    """

    def __init__(self, trainers: tuple[str, ...], *, need: int, bulk: bool = False) -> None:
        self.accepted: dict[str, None] = {}
        self.declined: dict[str, str] = {}
        self.excluded: dict[str, str] = {}
        self._trainers = trainers
        self.earlier = Apart()  # what earlier rounds over the same state ask of the set
        self._need = need
        self._bulk: dict[str, bytes] | None = {} if bulk else None
        self._pledged: dict[str, Apart] = {}
        self._spared: dict[str, str] = {}
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
        self._survivors -= self._survives(trainer)
        self._all_receipts -= self._receipts.pop(trainer, 0)
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
        self._survivors -= self._survives(trainer)
        self._receipts[trainer] -= 1
        self._all_receipts -= 1
        self._survivors += self._survives(trainer)

    def receive(self, holder: str, contribution: Contribution) -> bool:
        """Add a receipt; say whether anything changed."""
        trainer, digest = contribution.trainer, contribution.digest
        held = self._have.setdefault(holder, {})
        if trainer in self.excluded or held.get(trainer) == digest:
            return False
        if held.get(trainer) is not None or holder in self._refused.get(trainer, {}):
            return False  # it said otherwise before
        held[trainer] = digest
        self._survivors -= self._survives(trainer)
        self._receipts[trainer] = self._receipts.get(trainer, 0) + 1
        self._all_receipts += 1
        self._survivors += self._survives(trainer)
        return True

    def arrived(self, trainer: str, digest: bytes) -> None:
        """Take note that the coordinator has its own part of a contribution."""
        if self._bulk is None or trainer in self.excluded or trainer in self._bulk:
            return
        self._bulk[trainer] = digest
        self._survivors += self._survives(trainer)

    def _survives(self, trainer: str) -> bool:
        return self._receipts.get(trainer, 0) >= self._need and not self._lacks_bulk(trainer)

    def _lacks_bulk(self, trainer: str) -> bool:
        return self._bulk is not None and trainer not in self._bulk

    def _usable(self) -> dict[str, dict[str, bytes]]:
        """Return what holders have of the contributions whose bulk is here, where there is any."""
        bulk = self._bulk
        if bulk is None:
            return self._have
        return {
            holder: {name: digest for name, digest in held.items() if bulk.get(name) == digest}
            for holder, held in self._have.items()
        }

    def receipts(self) -> int:
        """Count all pairs of a trainer and a holder, or the coordinator, that has its part."""
        return self._all_receipts + len(self._bulk or ())

    def behind(self, holders: Iterable[str]) -> list[str]:
        """Name the holders that told of fewer contributions than there are."""
        return [name for name in holders if len(self._have.get(name, ())) < len(self._receipts)]

    def candidates(self) -> list[str]:
        """Name the trainers that neither declined nor broke a rule."""
        declined, excluded = self.declined, self.excluded
        return [name for name in self._trainers if name not in declined and name not in excluded]

    def incomplete(self, names: Iterable[str], *, at: int) -> tuple[str, ...]:
        """Name those whose contribution is complete at fewer than `at` holders, or lacks bulk."""
        return tuple(
            name for name in names if self._receipts.get(name, 0) < at or self._lacks_bulk(name)
        )

    def unsettled(self, names: Iterable[str], *, holders: int) -> tuple[str, ...]:
        """Name those of which fewer than all of so many holders said that they have it or won't."""
        receipts, refused, bulk = self._receipts, self._refused, self._bulk
        # Asked several times for each message, of every trainer: without calls of our own.
        return tuple(
            [
                name
                for name in names
                if receipts.get(name, 0) + (len(refused[name]) if name in refused else 0) < holders
                or (bulk is not None and name not in bulk)
            ]
        )

    def survivors(self) -> int:
        """Count the trainers that are complete at enough holders."""
        return self._survivors

    def choose(self) -> tuple[Contribution, ...]:
        """Choose the largest set that enough holders hold in full."""
        return choose(self._usable(), need=self._need)

    def pledged(self, holder: str, apart: Apart) -> bool:
        """Take note of what a holder is bound to; say whether that is new."""
        new = self._pledged.get(holder) != apart
        self._pledged[holder] = apart
        return new

    def releasable(self, minimum: int, *, recall: bool = True) -> tuple[Contribution, ...]:
        """Choose the largest set that enough holders hold in full and may release.

        With `recall` it also obeys what was proposed in earlier rounds, so that whoever voted
        then can go along; without, only what these holders say of themselves.
        """
        own = self.earlier if recall else Apart()
        bound = {holder: self._pledged.get(holder, Apart()) | own for holder in self._have}
        return choose_releasable(self._usable(), bound, need=self._need, minimum=minimum)

    def apart(
        self, contributions: tuple[Contribution, ...], minimum: int
    ) -> tuple[Contribution, ...]:
        """Choose the most of these, all of which enough holders hold, that may be released.

        They were a set that may be; without those who were left out since they may be none.
        """
        digests = {contribution.trainer: contribution.digest for contribution in contributions}
        pledged = reduce(or_, self._pledged.values(), Apart())
        for bound in (self.earlier | pledged, pledged):
            if found := releasable(frozenset(digests), bound, minimum=minimum):
                return tuple(Contribution(trainer=n, digest=digests[n]) for n in sorted(found))
        return ()

    def spare(self, chosen: tuple[Contribution, ...], minimum: int) -> None:
        """Take note of who is not chosen only because of the sets of earlier rounds."""
        inside = {contribution.trainer for contribution in chosen}
        could = [c.trainer for c in self.choose() if c.trainer not in inside]
        reason = (
            "complete, and left out: with it the sum would differ by fewer than "
            f"{self._least(minimum)} trainers from that of an earlier round over the same state"
        )
        self._spared = dict.fromkeys(could if self._all_earlier().sets else (), reason)

    def held_back(self, minimum: int) -> str | None:
        """Say which earlier set forbids to sum what could be opened; None if none does."""
        could = frozenset(contribution.trainer for contribution in self.choose())
        earlier = self._all_earlier()
        if len(could) < minimum or not earlier.sets:
            return None
        nearest = min(earlier.sets, key=lambda names: (len(names - could), sorted(names)))
        missing = ", ".join(sorted(nearest - could)[:_NAMED])
        help_ = (
            f"{len(nearest - could)} of that set are missing ({missing}): the job goes on when "
            "they are back"
            if missing
            else "All of that set are here, but holders are bound to others that exclude it: only "
            "other holders can help"
        )
        return (
            f"{len(could)} contributions are complete, but any sum of {minimum} or more of them "
            f"would differ by fewer than {self._least(minimum)} trainers from one that holders "
            "went along with in an earlier round over the same model state, and give those "
            f"trainers away. {help_}"
        )

    def _all_earlier(self) -> Apart:
        return reduce(or_, self._pledged.values(), self.earlier)

    def _least(self, minimum: int) -> int:
        return max(minimum, self._all_earlier().least)

    def left_out(
        self, expected: Iterable[str], chosen: tuple[Contribution, ...], *, full: bool = False
    ) -> dict[str, str]:
        """Name the trainers that took part or were expected and are not chosen, with why.

        Where nothing is chosen, those whose contribution could have been opened are not to blame,
        and where a `full` buffer is, nobody is who only needs longer.
        """
        known = {} if full else {**dict.fromkeys(expected), **self.accepted}
        late = [name for name in self._trainers if name in known]
        if not chosen:
            late = list(self.incomplete(late, at=self._need))
        reasons = dict.fromkeys(late, "no complete contribution in time")
        reasons |= {name: next(iter(why.values())) for name, why in self._refused.items()}
        reasons |= self._spared | self.declined | self.excluded
        inside = {contribution.trainer for contribution in chosen}
        return {name: reason for name, reason in reasons.items() if name not in inside}

    def silent(self, holders: Iterable[str]) -> list[str]:
        """Name the holders that acknowledged nothing while others did."""
        heard = any(self._have.values())
        return [name for name in holders if heard and not self._have.get(name)]
