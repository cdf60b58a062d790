"""The canary of a campaign: a history that must break a rule, to see that the alarm works.

Its coordinator is started from an old backup, which no design with one coordinator survives and
which no seed draws: it uses the number of a round again. All else that befalls it is harmless.
"""

from __future__ import annotations

from infra.simulation.faults import Aim, Fault, Kind, Plan, Point, Rates, Size

SEED = 1
# Copied when the first round is about to begin, and put back six seconds later.
LIE = Fault(
    kind=Kind.OLD_BACKUP,
    at_s=0.0,
    target="coordinator",
    duration_s=2.0,
    amount=6.0,
    aim=Aim(point=Point.AFTER_COMMIT, what="run"),
)
HARMLESS = (
    Fault(kind=Kind.CRASH, at_s=1.0, target="h2", duration_s=2.0),
    Fault(kind=Kind.PARTITION, at_s=2.0, target="t03", duration_s=3.0),
    Fault(kind=Kind.BROKER_RESTART, at_s=3.0, duration_s=1.0),
    Fault(kind=Kind.PAUSE, at_s=4.0, target="t01", duration_s=2.0),
)


def canary_plan() -> Plan:
    """Return what happens to it. It follows from nothing that a seed draws."""
    return Plan(
        size=Size(holders=4, trainers=5, threshold=2, minimum=3, training_s=0.2),
        rates=Rates(doubled=0.1, delayed=0.02, overtaken=0.5),
        faults=(LIE, *HARMLESS),
        healed_s=240.0,
    )
