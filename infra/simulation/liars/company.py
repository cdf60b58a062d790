"""All liars of a history."""

from __future__ import annotations

from infra.simulation.crew import Crew, Strikes
from infra.simulation.faults import Kind, Plan

from .differences import LiesAboutDifferences
from .holders import LyingHolders
from .memory import Memory
from .replays import Replays
from .rounds import LiesAboutRounds
from .sets import LiesAboutSets
from .tongue import Tongue
from .trainers import LyingTrainers
from .usurpers import Usurpers

_REMEMBER = (Kind.REPLAY, Kind.LIE_OLD_SHARE)


class Liars:
    """Brings lies and replays about."""

    def __init__(self, crew: Crew, plan: Plan) -> None:
        tongue, memory = Tongue(crew), Memory()
        self._all = (
            LiesAboutSets(tongue),
            LiesAboutDifferences(tongue),
            LiesAboutRounds(tongue),
            LyingTrainers(tongue, memory),
            LyingHolders(tongue),
            Usurpers(tongue),
            Replays(tongue, memory),
        )
        if any(fault.kind in _REMEMBER for fault in plan.faults):
            crew.world.broker.overheard = memory.overhear

    def strikes(self) -> Strikes:
        """Return what to do for each kind."""
        return {kind: strike for liar in self._all for kind, strike in liar.strikes().items()}
