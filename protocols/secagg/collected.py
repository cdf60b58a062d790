"""What a coordinator knows of the contributions of one round: who has what, who is out, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import or_

from protocols.batches import Asked, Names
from protocols.messages import Contribution

from .differencing import Apart, choose_releasable, releasable
from .sets import choose
from .suspects import Invited

_NAMED = 5  # of those whose return would help
_TOO_FEW = "complete, and left out: of its batch there are fewer than the minimum"
SUSPECTED = "under suspicion: a sum that it was in, or its group, was garbled"

Have = Mapping[str, Mapping[str, bytes]]
Choice = Callable[[Have], tuple[Contribution, ...]]
Unfit = Callable[[Names], Names]


class Collected:
    """Receipts by holder and trainer, and who is out of the round for all or for one.

    `trainers` are those whom the round asks. With `bulk` a contribution also needs what the
    coordinator gets of it: see `arrived`. Of the batches that are `asked` a set has enough each.
    """

    def __init__(
        self,
        trainers: tuple[str, ...],
        *,
        need: int,
        bulk: bool = False,
        asked: Asked = Asked(),  # noqa: B008 - it is frozen
    ) -> None:
        self.accepted: dict[str, None] = {}
        self.declined: dict[str, str] = {}
        self.excluded: dict[str, str] = {}
        self._trainers = trainers
        self._asked = asked
        self.earlier = Apart()  # what earlier rounds over the same state ask of the set
        self._invited = Invited(clear=frozenset(trainers))
        self._need = need
        self._bulk: dict[str, bytes] | None = {} if bulk else None
        self._pledged: dict[str, Apart] = {}
        self._spared: dict[str, str] = {}
        self._have: dict[str, dict[str, bytes]] = {}
        self._receipts: dict[str, int] = {}
        self._same: dict[str, Contribution] = {}  # the first that was told: others say the same
        self._refused: dict[str, dict[str, str]] = {}  # by trainer and holder: why
        self._all_receipts = 0
        self._survivors = 0

    def invite(self, invited: Invited) -> None:
        """Leave all others out, and choose no set that these may not be."""
        self._invited = invited
        for name in self._trainers:
            if name not in invited.names:
                self.excluded[name] = SUSPECTED

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
        # So a name and a digest are in memory once, and not once for each holder.
        same = self._same.setdefault(contribution.trainer, contribution)
        known = same if same == contribution else contribution
        trainer, digest = known.trainer, known.digest
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
        """Choose the largest set that enough holders hold in full, with enough of each batch."""
        return self._fitting(lambda have: choose(have, need=self._need), self._asked.shortest)

    def _fitting(self, chosen_of: Choice, unfit: Unfit) -> tuple[Contribution, ...]:
        """Choose without those who are `unfit` to be summed, one choice after another."""
        have: Have = self._usable()
        chosen = chosen_of(have)
        while out := unfit(frozenset(c.trainer for c in chosen)):
            have = {
                holder: {name: held[name] for name in held if name not in out}
                for holder, held in have.items()
            }
            chosen = chosen_of(have)
        return chosen

    def _unfit(self, names: Names) -> Names:
        """Name whom a round of these batches, and of its search, must leave out of such a sum."""
        if batch := self._asked.shortest(names):
            return batch
        settled = self._invited.settled(names)
        return frozenset() if settled == names else frozenset(self._trainers) - settled

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
        return self._fitting(
            lambda have: choose_releasable(have, bound, need=self._need, minimum=minimum),
            self._unfit,
        )

    def apart(
        self, contributions: tuple[Contribution, ...], minimum: int
    ) -> tuple[Contribution, ...]:
        """Choose the most of these, all of which enough holders hold, that may be released.

        They were a set that may be; without those who were left out since they may be none.
        """
        digests = {contribution.trainer: contribution.digest for contribution in contributions}
        pledged = reduce(or_, self._pledged.values(), Apart())
        for bound in (self.earlier | pledged, pledged):
            if found := self._apart(frozenset(digests), bound, minimum):
                return tuple(Contribution(trainer=n, digest=digests[n]) for n in sorted(found))
        return ()

    def _apart(self, names: Names, bound: Apart, minimum: int) -> Names:
        found = releasable(names, bound, minimum=minimum)
        while out := self._unfit(found):
            names -= out
            found = releasable(names, bound, minimum=minimum)
        return found

    def spare(self, chosen: tuple[Contribution, ...], minimum: int) -> None:
        """Take note of who is not chosen only because of the sets of earlier rounds."""
        inside = {contribution.trainer for contribution in chosen}
        could = [c.trainer for c in self.choose() if c.trainer not in inside]
        self._spared = dict.fromkeys(self._too_few_of_batch(inside), _TOO_FEW)
        reason = (
            "complete, and left out: with it the sum would differ by fewer than "
            f"{self._least(minimum)} trainers from that of an earlier round over the same state"
        )
        self._spared |= dict.fromkeys(could if self._all_earlier().sets else (), reason)

    def _too_few_of_batch(self, inside: set[str]) -> list[str]:
        """Name whose contributions could be opened but for their batch, with these in the set."""
        could = {c.trainer for c in choose(self._usable(), need=self._need)} - inside
        return sorted(self._asked.short(could))

    def too_few(self, minimum: int) -> str:
        """Say why no set may be summed, once all that can come has come."""
        if held_back := self.held_back(minimum):
            return held_back
        could = choose(self._usable(), need=self._need)
        if not self._asked.batches or len(could) < minimum:
            return f"{len(could)} survivors are below the minimum of {minimum}{self._uninvited()}"
        return f"{len(could)} survivors are of batches that have fewer than {minimum} each"

    def _uninvited(self) -> str:
        suspects = sum(reason == SUSPECTED for reason in self.excluded.values())
        return f", without {suspects} under suspicion of garbling sums" if suspects else ""

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

        Nobody who was not asked is among them.
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
        asked = self._invited.names
        return {n: reason for n, reason in reasons.items() if n in asked and n not in inside}

    def silent(self, holders: Iterable[str]) -> list[str]:
        """Name the holders that acknowledged nothing while others did."""
        heard = any(self._have.values())
        return [name for name in holders if heard and not self._have.get(name)]
