"""A search over rounds for the trainers whose masks do not belong to their secrets.

A garbled sum says that somebody in its set garbled it, and not who. So the next rounds sum a part
of the set, until a part is clean; the others are suspects, and take part again in turns, a half
of a group at a time. Suspicion decides who is asked, and nothing else: a sum that is opened is
right, whoever is in it, and what is lawful beside earlier sums is lawful whatever is suspected.

No part is ever smaller than `minimum`, nor is what can be computed from all sums that were
opened over one model state: see `Invited.settled`. Docs: adr/0015-suspects.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from protocols.messages import MAX_PLEDGED
from protocols.records import SuspectGroup, Suspicion
from protocols.reports import TrainersSuspected
from protocols.round_config import Roster

from .differencing import Names, bitmap, members

MOST_SUMS = 32
"""Sums over one model state after which a search ends; holders allow twice as many."""
FIRST_PAUSE, LONGEST_PAUSE = 8, 64
"""Rounds that are completed without a group that can't be split, before it is asked again."""
_LABEL = b"quorate suspects\x00"

Groups = tuple[SuspectGroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """Who is asked to contribute to a round: `clear` trainers, and the suspects of a `probe`.

    `sums` are those over the same model state of which one, at least, was garbled.
    """

    clear: Names
    probe: Names = frozenset()
    sums: tuple[Names, ...] = ()
    minimum: int = 0

    @property
    def names(self) -> Names:
        """Return all of them."""
        return self.clear | self.probe

    def settled(self, names: Names) -> Names:
        """Return as many of these as may be summed; the same facts give the same set.

        Of a probe `minimum` trainers or none: it is what the next sum may have to do without.
        Of each part that the sums over this state are made of, and of those who are in none,
        `minimum` or none, and all but `minimum` or all: so whatever follows from all of these
        sums is a sum of that many, too. Beside a single sum it is enough to differ by so many.
        """
        taken = names & self.names
        if len(taken & self.probe) < self.minimum:
            taken -= self.probe
        if not self.sums or taken in self.sums:
            return taken
        whole = self._of_parts(taken)
        if not whole and len(self.sums) == 1 and len(taken ^ self.sums[0]) >= self.minimum:
            return taken
        return whole

    def _of_parts(self, taken: Names) -> Names:
        parts = parts_of(self.sums)
        if min(map(len, parts)) < self.minimum:
            # Any other set would tell of this part: one that was summed before tells nothing.
            again = (each for each in self.sums if each <= taken)
            return max(again, key=len, default=frozenset[str]())
        others = taken.difference(*parts)
        kept = others if len(others) >= self.minimum else frozenset[str]()
        for part in parts:
            kept |= self._of_part(part, taken & part)
        return kept

    def _of_part(self, part: Names, inside: Names) -> Names:
        if inside == part:
            return inside
        most = min(len(inside), len(part) - self.minimum)
        return frozenset(sorted(inside)[:most]) if most >= self.minimum else frozenset()


def parts_of(sums: Sequence[Names]) -> tuple[Names, ...]:
    """Return the smallest sets that these are made of: who is in the same of them, together."""
    alike: dict[tuple[bool, ...], list[str]] = {}
    for name in sorted(frozenset[str]().union(*sums)):
        alike.setdefault(tuple(name in each for each in sums), []).append(name)
    return tuple(frozenset(names) for names in alike.values())


@dataclass(frozen=True, slots=True)
class Search:
    """Decides for one roster; what it has found out is in the `Suspicion` that it is given.

    `completed` is always how many rounds of the job were completed.
    """

    roster: Roster
    minimum: int
    _order: dict[str, bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Neither a trainer nor the coordinator of a round chooses who is in whose half.
        salt = _LABEL + self.roster.digest()
        names = self.roster.trainers
        order = {name: hashlib.sha256(salt + name.encode()).digest() for name in names}
        object.__setattr__(self, "_order", order)

    def invited(self, now: Suspicion | None, completed: int) -> Invited:
        """Return who is asked next; everybody where nobody is suspected.

        Over a state with a garbled sum no suspect is, as long as the others are enough.
        """
        known = self._known(now)
        clear = self._clear(known.groups)
        sums = self._sums(known)
        alone = len(clear) < self.minimum
        due = -1 if alone else completed
        probe = () if sums and not alone else self._probe(known, due)
        if alone and probe:
            clear = frozenset()
        elif alone:
            clear = frozenset(self.roster.trainers)
        return Invited(clear=clear, probe=frozenset(probe), sums=sums, minimum=self.minimum)

    def garbled(self, now: Suspicion | None, chosen: Sequence[str], completed: int) -> Suspicion:
        """Return what is known after a garbled sum; no groups where nothing can be searched."""
        before, names = self._known(now), frozenset(chosen)
        bits = bitmap(chosen, self.roster.trainers)
        sums = tuple(dict.fromkeys((*before.sums, bits)))
        nothing = Suspicion(roster=self.roster.digest(), groups=(), sums=sums[-MAX_PLEDGED:])
        if len(sums) > MOST_SUMS:
            return nothing
        groups, tried = list[SuspectGroup](), list[SuspectGroup]()
        for group in before.groups:
            if names & frozenset(group.trainers):
                tried += self._shown(group, names, completed)
            else:
                groups.append(group)
        if not tried:
            new = SuspectGroup(trainers=self._ordered(names), shown=True)
            tried = [self._paused(new, completed)]
        groups += tried  # the others come first now
        after = replace(nothing, groups=tuple(groups))
        alone = len(self._clear(after.groups)) < self.minimum
        return nothing if alone and not self._probe(after, -1) else after

    def clean(
        self, now: Suspicion, chosen: Sequence[str], completed: int, *, same_state: bool
    ) -> Suspicion | None:
        """Return what is known after a sum that was opened; None if nobody is suspected.

        Who was in it is cleared. `same_state` says that the next sum is over the same state.
        """
        before, names = self._known(now), frozenset(chosen)
        groups = []
        for group in before.groups:
            left = tuple(name for name in group.trainers if name not in names)
            if len(left) >= self.minimum:
                some = replace(group, trainers=left)
                groups.append(group if left == group.trainers else self._paused(some, completed))
        sums: tuple[bytes, ...] = ()
        if same_state and before.sums:
            new = bitmap(chosen, self.roster.trainers)
            sums = tuple(dict.fromkeys((*before.sums, new)))[-MAX_PLEDGED:]
        if not groups and not sums:
            return None
        return Suspicion(roster=self.roster.digest(), groups=tuple(groups), sums=sums)

    def untried(
        self, now: Suspicion, chosen: Sequence[str], came: Iterable[str], completed: int
    ) -> Suspicion:
        """Return what is known where a sum went on without the probe, as too few of it `came`.

        Where none did, other groups come first now. Where some did, they could never be tried:
        so they count as clear, and if they are not, a search begins among those who are there.
        """
        known, probe = self._known(now), self.invited(now, completed).probe
        if not probe or probe & frozenset(chosen):
            return known
        others = [g for g in known.groups if not probe & frozenset(g.trainers)]
        for group in known.groups:
            if group in others:
                continue
            left = tuple(name for name in group.trainers if name not in probe)
            if not probe & frozenset(came):
                others.append(group)
            elif len(left) >= self.minimum:
                others.append(replace(group, trainers=left, shown=False))
        return replace(known, groups=tuple(others))

    def forgotten(self, now: Suspicion | None) -> Suspicion | None:
        """Return what remains when the others are too few for a sum: everybody is asked again."""
        known = self._known(now)
        return replace(known, groups=()) if known.sums else None

    def left_out(self, now: Suspicion | None) -> tuple[str, ...]:
        """Name those who stay out for a while: groups with a garbler, too small to be split."""
        out = {n for g in self._known(now).groups if g.asked_at for n in g.trainers}
        return tuple(name for name in self.roster.trainers if name in out)

    def told(self, now: Suspicion | None, job: str, number: int) -> TrainersSuspected:
        """Return what people are told."""
        groups = self._known(now).groups
        return TrainersSuspected(
            job=job,
            number=number,
            groups=tuple(tuple(sorted(group.trainers)) for group in groups),
            left_out=self.left_out(now),
            asked_at=min((group.asked_at for group in groups if group.asked_at), default=0),
        )

    def outlook(self, now: Suspicion, completed: int) -> str:
        """Say what follows from a garbled sum that has just been taken note of."""
        everybody, minimum = len(self.roster.trainers), self.minimum
        if now.groups:
            asked = len(self.invited(now, completed).names)
            return f"the next round is over {asked} of {everybody} trainers, to find out whose"
        if len(now.sums) > 1:
            return (
                f"{len(now.sums)} sums over this model state were garbled, and no other part of "
                f"{minimum} trainers is left to try: a holder may have answered falsely, too"
            )
        return (
            f"whose it was can't be found out, as {everybody} trainers are too few for two sums "
            f"of {minimum}"
        )

    # --- groups -----------------------------------------------------------------------

    def _known(self, now: Suspicion | None) -> Suspicion:
        """Return what still holds: names of another roster say nothing."""
        digest = self.roster.digest()
        if now is None or now.roster != digest:
            return Suspicion(roster=digest, groups=(), sums=())
        groups = tuple(group for group in now.groups if len(group.trainers) >= self.minimum)
        return now if groups == now.groups else replace(now, groups=groups)

    def _clear(self, groups: Groups) -> Names:
        suspected = {name for group in groups for name in group.trainers}
        return frozenset(name for name in self.roster.trainers if name not in suspected)

    def _ordered(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(names, key=self._order.__getitem__))

    def _probe(self, known: Suspicion, completed: int) -> tuple[str, ...]:
        """Return whom to try next: a group never tried, half of a larger one, or one that is due.

        With `completed` below 0 nothing but suspects can be summed. None is due, but a group of
        which no sum over this state was: perhaps it is there for what another one did.
        """
        alone = completed < 0
        groups = sorted(known.groups, key=lambda group: alone and group.shown)
        for group in groups:
            if group.shown and self._splits(group.trainers):
                return group.trainers[: len(group.trainers) // 2]
            if not group.shown or group.asked_at <= completed:
                return group.trainers
        sums = self._sums(known)
        untried = (g for g in groups if not any(each <= frozenset(g.trainers) for each in sums))
        return next((group.trainers for group in untried if alone), ())

    def _splits(self, trainers: Sequence[str]) -> bool:
        return len(trainers) >= 2 * self.minimum

    def _shown(self, group: SuspectGroup, names: Names, completed: int) -> list[SuspectGroup]:
        """Split a group after a garbled sum with a part of it: that part is to blame, so far."""
        part = tuple(name for name in group.trainers if name in names)
        rest = tuple(name for name in group.trainers if name not in names)
        if min(len(part), len(rest)) < self.minimum:
            return [self._paused(replace(group, shown=True), completed)]
        shown = SuspectGroup(trainers=part, shown=True)
        return [SuspectGroup(trainers=rest, shown=False), self._paused(shown, completed)]

    def _paused(self, group: SuspectGroup, completed: int) -> SuspectGroup:
        """Let a group that can't be split stay out, longer each time that it garbles again."""
        if not group.shown or self._splits(group.trainers):
            return group
        if group.asked_at > completed:
            return group
        pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * group.pause))
        return replace(group, pause=pause, asked_at=completed + pause)

    def _sums(self, known: Suspicion) -> tuple[Names, ...]:
        return tuple(members(bits, self.roster.trainers) or frozenset() for bits in known.sums)
