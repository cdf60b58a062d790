"""What a scenario can do to whom: its words for the simulator's classes of fault."""

from __future__ import annotations

from dataclasses import dataclass

from infra.chaos.cells import Party
from infra.simulation.faults import Kind
from infra.simulation.liars.moments import MOMENTS

ACTORS = (Party.TRAINER, Party.HOLDER, Party.COORDINATOR)
_TRAINERS = (Party.TRAINER,)
_FOLLOWERS = (Party.TRAINER, Party.HOLDER)
_BROKER = (Party.BROKER,)


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do.

    Attributes:
        parties: to whom it can be done; empty where it takes everybody by itself.
        for_s: how long it lasts if nothing is said; None where it has no duration.
        amount: how strong it is if nothing is said; None where it has no strength.
    """

    kind: Kind
    parties: tuple[Party, ...] = ACTORS
    for_s: float | None = None
    amount: float | None = None


ACTIONS: dict[str, Action] = {
    "kill": Action(Kind.CRASH, for_s=5.0),
    "die": Action(Kind.DEATH, _FOLLOWERS),
    "pause": Action(Kind.PAUSE, for_s=10.0),
    "leave": Action(Kind.LEAVE, _FOLLOWERS, for_s=20.0),
    "slow": Action(Kind.SLOW, for_s=30.0, amount=10.0),
    "cut": Action(Kind.CONNECTION_LOST),
    "end-link": Action(Kind.LINK_ENDED),
    "cancel-consumer": Action(Kind.CONSUMER_CANCELLED, for_s=5.0),
    "partition": Action(Kind.PARTITION, for_s=15.0),
    "partition-in": Action(Kind.PARTITION_IN, for_s=15.0),
    "partition-out": Action(Kind.PARTITION_OUT, for_s=15.0),
    "flap": Action(Kind.FLAPPING, for_s=20.0, amount=4.0),
    "clog": Action(Kind.CLOG, for_s=10.0),
    "silence": Action(Kind.SILENT, for_s=10.0),
    "full-disk": Action(Kind.DISK_FULL, for_s=10.0),
    "slow-disk": Action(Kind.DISK_SLOW, for_s=10.0, amount=0.5),
    "lying-disk": Action(Kind.FSYNC_LIES, _FOLLOWERS, for_s=2.0, amount=3.0),
    "old-backup": Action(Kind.OLD_BACKUP, _FOLLOWERS, for_s=2.0, amount=10.0),
    "damage-journal": Action(Kind.JOURNAL_DAMAGED, for_s=10.0),
    "damage-shares": Action(Kind.SPOOL_DAMAGED, amount=1.0),
    "jump-clock": Action(Kind.CLOCK_JUMP, amount=60.0),
    "drift-clock": Action(Kind.CLOCK_DRIFT, amount=1.5),
    "fail-training": Action(Kind.TRAINING_FAILS, _TRAINERS, for_s=20.0),
    "hang-training": Action(Kind.TRAINING_HANGS, _TRAINERS, for_s=20.0),
    "garbage-training": Action(Kind.TRAINING_GARBAGE, _TRAINERS, for_s=20.0),
    "false-mask": Action(Kind.FALSE_MASK, _TRAINERS, for_s=20.0, amount=1.0),
    "babble": Action(Kind.BABBLE, amount=20.0),
    "other-roster": Action(Kind.OTHER_ROSTER, _FOLLOWERS, for_s=20.0),
    "restart": Action(Kind.BROKER_RESTART, _BROKER, for_s=3.0),
    "lose-unconfirmed": Action(Kind.BROKER_LOSES_UNCONFIRMED, _BROKER, for_s=3.0),
    "wipe": Action(Kind.BROKER_WIPED, _BROKER, for_s=3.0),
    "block": Action(Kind.BROKER_BLOCKED, _BROKER, for_s=10.0),
    "slow-states": Action(Kind.BLOBS_SLOW, _BROKER, for_s=20.0, amount=4.0),
    "blackout": Action(Kind.BLACKOUT, (), for_s=3.0),
    "swizzle": Action(Kind.SWIZZLE, (), for_s=10.0, amount=0.7),
}
_TELLERS = {
    "coordinator": (Party.COORDINATOR,),
    "holder": (Party.HOLDER,),
    "trainer": (Party.TRAINER,),
    "anybody": _FOLLOWERS,
}
ACTIONS["replay"] = Action(Kind.REPLAY, amount=10.0)
ACTIONS |= {
    kind.value.replace(": ", "-").replace(" ", "-"): Action(
        kind, _TELLERS[moments.party], amount=0.5
    )
    for kind, moments in MOMENTS.items()
}
WORDS = {action.kind: word for word, action in ACTIONS.items()}
