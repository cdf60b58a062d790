"""Where nothing can be summed, rounds are tried now and then, and go on when somebody is back."""

from __future__ import annotations

from infra.simulation.faults import Fault
from infra.simulation.job import TIMING
from infra.simulation.runner import run
from infra.simulation.swarm import plan_of
from protocols.reports import Event, RoundAbandoned, RoundBegan, RoundComplete, RoundPutOff


class Rounds:
    """Takes down when rounds of a history begin and end."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, Event]] = []
        self.put_off: list[RoundPutOff] = []
        self.began_s: list[float] = []

    def told(self, now_s: float, _host: str, event: Event) -> None:
        match event:
            case RoundBegan():
                self.began_s.append(now_s)
            case RoundAbandoned() | RoundComplete():
                self.ends.append((now_s, event))
            case RoundPutOff():
                self.put_off.append(event)
            case _:
                pass

    def struck(self, _now_s: float, _fault: Fault) -> None:
        """Is of no interest."""

    def over(self, _now_s: float) -> None:
        """Is of no interest."""


# Liars bind holders to sets that exclude each other: 596 rounds were abandoned in vain.
SEED = 245


def test_rounds_that_can_not_have_a_sum_are_not_tried_without_a_pause() -> None:
    rounds = Rounds()

    history = run(plan_of(SEED), SEED, onlooker=rounds)

    assert history.violations == ()
    assert history.held_back
    assert 10 <= history.abandoned <= history.simulated_s / TIMING.patience_s
    vain = [told.seconds for told in rounds.put_off if not told.missing]
    assert len(vain) >= 10
    assert max(vain) <= TIMING.patience_s
    # What ended well was followed at once.
    well = [now_s for now_s, event in rounds.ends if isinstance(event, RoundComplete)]
    assert len(well) == history.completed >= 6
    assert all(any(0 <= began - end < 0.1 for began in rounds.began_s) for end in well)
