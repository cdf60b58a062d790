"""From a seed to a plan: each seed switches some classes of fault on and draws their rates.

What may strike whom follows from what the design says it survives:

* Disks that lose what they said was durable (`FSYNC_LIES`, `OLD_BACKUP`): trainers and holders,
  never the coordinator. A holder that forgot its vote is harmless only while the coordinator,
  which proposes one set a round, remembers it; a coordinator that forgot uses numbers again.
  A trainer that forgot may contribute twice, and is then left out.
* Whoever babbles, or has another roster, may be accused by others, and nobody else.
* `DEATH` takes nobody of the core; the core is the coordinator, as many holders as a round
  needs, and as many trainers as the minimum.
* A clock never goes back: a monotonic clock is what the port promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from protocols.batches import split
from protocols.round_config import Roster, checks_faults, majority, norm_faults

from .draws import stream
from .faults import Aim, Fault, Kind, Plan, Point, Rates, Size
from .job import roster_of
from .liars.moments import MOMENTS

_MESSAGES = {
    "coordinator": ("OpenRound", "Announce", "Propose", "Release", "CloseRound", "Welcome"),
    "holder": ("RoundOpened", "Grant", "Have", "Vote", "AnswerChunk", "Hello"),
    "trainer": ("Accepted", "ShareChunk", "Working", "Hello"),
}
_HEARD = {
    "coordinator": ("RoundOpened", "Accepted", "Have", "Vote", "AnswerChunk", "Hello"),
    "holder": ("OpenRound", "ShareChunk", "Propose", "Release", "CloseRound"),
    "trainer": ("Announce", "Have", "CloseRound", "Welcome"),
}
_RECORDS = {
    "coordinator": ("run", "round"),
    "holder": ("last", "config", "share", "vote", "answer"),
    "trainer": ("job",),
}
_BEFORE_THE_VOTE = {
    "Propose": ("Freeze", "Reveal", "Toss", "Ask"),
    "Vote": ("Frozen", "CoinOpening", "Tossed", "CheckValues"),
    "vote": ("frozen", "committed", "coin"),
}
_AIM_AT_COMMIT = (Point.BEFORE_COMMIT, Point.AFTER_COMMIT)
_AIM_AT_SEND = (Point.BEFORE_SEND, Point.AFTER_SEND)

_BROKER = (
    Kind.BROKER_RESTART,
    Kind.BROKER_LOSES_UNCONFIRMED,
    Kind.BROKER_WIPED,
    Kind.BROKER_BLOCKED,
    Kind.BLOBS_SLOW,
    Kind.SWIZZLE,
    Kind.BLACKOUT,
)
_TRAINERS_ONLY = (
    Kind.TRAINING_FAILS,
    Kind.TRAINING_HANGS,
    Kind.TRAINING_GARBAGE,
    Kind.FALSE_MASK,
)
_NOT_COORDINATOR = (Kind.FSYNC_LIES, Kind.OLD_BACKUP, Kind.LEAVE, Kind.OTHER_ROSTER)
# What each kind's duration and amount are drawn between.
_DURATIONS_S = {
    Kind.CRASH: (0.05, 15.0),
    Kind.CRASH_AT_COMMIT: (0.05, 8.0),
    Kind.CRASH_AT_SEND: (0.05, 8.0),
    Kind.BLACKOUT: (0.5, 8.0),
    Kind.PAUSE: (0.2, 20.0),
    Kind.CONSUMER_CANCELLED: (0.1, 5.0),
    Kind.BROKER_RESTART: (0.3, 8.0),
    Kind.BROKER_LOSES_UNCONFIRMED: (0.3, 8.0),
    Kind.BROKER_WIPED: (0.3, 8.0),
    Kind.FSYNC_LIES: (0.1, 5.0),
    Kind.OLD_BACKUP: (0.1, 5.0),
    Kind.JOURNAL_DAMAGED: (1.0, 15.0),
    Kind.DISK_FULL: (0.5, 10.0),
    Kind.FALSE_MASK: (5.0, 60.0),
}
_OTHERWISE_S = (0.5, 15.0)
_AMOUNTS = {
    Kind.FLAPPING: (2.0, 8.0),
    Kind.SWIZZLE: (0.2, 0.9),
    Kind.BLOBS_SLOW: (0.5, 8.0),
    Kind.DISK_SLOW: (0.05, 1.5),
    Kind.FSYNC_LIES: (0.2, 10.0),
    Kind.OLD_BACKUP: (0.5, 20.0),
    Kind.SPOOL_DAMAGED: (0.05, 1.0),
    Kind.CLOCK_JUMP: (0.5, 600.0),
    Kind.FALSE_MASK: (0.3, 1.0),
    Kind.CLOCK_DRIFT: (0.5, 2.0),
    Kind.SLOW: (2.0, 40.0),
    Kind.BABBLE: (2.0, 40.0),
    Kind.REPLAY: (1.0, 20.0),
}
_TOLD = (0.2, 1.0)  # the share of those who might be told a lie
_LIE_AT_ONCE = 0.2  # of all lies; the others wait for a moment
_HEALED_S = 240.0
_LYING_SEEDS = 1 / 3
_ALLOWING_SEEDS = 1 / 3
_CHECKING_SEEDS = 1 / 2  # of those in which trainers' shares can be checked
_BINDING_SEEDS = 1 / 2  # of those in which norms can be bound
_MASKED_SEEDS = 1 / 6
_BUFFERING_SEEDS = 1 / 6
_SAMPLING_SEEDS = 1 / 6  # of those without buffers
_PACKING_SEEDS = 1 / 4  # of those that neither mask nor bind norms
_MASKED_VALUES = (4, 3000, 9000)  # in one, two and four chunks
_AT_BULK = {
    "Welcome": ("Grant", "Have"),
    "OpenRound": ("Grant", "Have"),
    "AnswerChunk": ("ShareChunk",),
    "run": ("bulk",),
    "round": ("bulk",),
}
_PARTIES = ("coordinator", "holder", "trainer")


def plan_of(seed: int, *, faulty_s: float = 60.0, size: Size | None = None) -> Plan:
    """Return the plan that belongs to a seed; with a `size` of one's own if it is given."""
    size = _drawn(seed) if size is None else size
    roster = roster_of(size)
    core = _core(stream(seed, "core"), roster, size)
    faults = _faults(seed, size, core, faulty_s)
    if size.checks:
        faults = _at_checks(stream(seed, "aims at checks"), faults)
    if size.masked:
        faults = _at_bulk(stream(seed, "aims at bulk"), faults, roster.coordinator)
    return Plan(
        size=size,
        rates=_rates(stream(seed, "rates")),
        faults=faults,
        faulty_s=faulty_s,
        healed_s=_HEALED_S,
        core=core,
    )


def _at_checks(draw: Random, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Let half of what is aimed at the vote strike in the check before it."""
    found = []
    for fault in faults:
        instead = () if fault.aim is None else _BEFORE_THE_VOTE.get(fault.aim.what, ())
        if fault.aim is None or not instead or fault.kind in MOMENTS or draw.random() < 0.5:
            found.append(fault)
        else:
            found.append(replace(fault, aim=replace(fault.aim, what=draw.choice(instead))))
    return tuple(found)


def _at_bulk(draw: Random, faults: tuple[Fault, ...], coordinator: str) -> tuple[Fault, ...]:
    """Let half of what is aimed at the coordinator strike where it receives uploads."""
    found = []
    for fault in faults:
        own = fault.aim is not None and fault.target == coordinator and fault.kind not in MOMENTS
        instead = _AT_BULK.get(fault.aim.what, ()) if fault.aim is not None and own else ()
        if fault.aim is None or not instead or draw.random() < 0.5:
            found.append(fault)
        else:
            found.append(replace(fault, aim=replace(fault.aim, what=draw.choice(instead))))
    return tuple(found)


def _drawn(seed: int) -> Size:
    size = _with_liars(_size(stream(seed, "size")), seed)
    checkable = not checks_faults(
        holders=size.holders, faults=size.faults, threshold=size.threshold, vote=size.vote
    )
    drawn = stream(seed, "checks").random() < _CHECKING_SEEDS
    size = _with_norms(replace(size, checks=True), seed) if checkable and drawn else size
    return _sampled(_buffered(_packed(_masked(size, seed), seed), seed), seed)


def _with_norms(size: Size, seed: int) -> Size:
    """Bind norms in some seeds whose shares are checked; honest vectors of two values all fit."""
    found = norm_faults(holders=size.holders, faults=size.faults, threshold=size.threshold)
    if found or stream(seed, "norms").random() >= _BINDING_SEEDS:
        return size
    return replace(size, norms=True, values=2)


def _masked(size: Size, seed: int) -> Size:
    """Let the vectors of a sixth of the seeds travel under a mask, which binds no norms."""
    draw = stream(seed, "suite")
    if size.norms or draw.random() >= _MASKED_SEEDS:
        return size
    return replace(size, masked=True, values=draw.choice(_MASKED_VALUES))


def _packed(size: Size, seed: int) -> Size:
    """Let numbers share polynomials in a quarter of the seeds that neither mask nor bind norms."""
    draw = stream(seed, "packing")
    if size.masked or size.norms or draw.random() >= _PACKING_SEEDS or size.most_packing < 1:
        return size
    return replace(size, packing=draw.randint(1, size.most_packing))


def _buffered(size: Size, seed: int) -> Size:
    """Let rounds of a sixth of the seeds end when some contributions have come."""
    draw = stream(seed, "buffered")
    if size.norms or draw.random() >= _BUFFERING_SEEDS:
        return size
    return replace(size, buffered=draw.randint(size.minimum, size.trainers))


def _sampled(size: Size, seed: int) -> Size:
    """Let rounds of a sixth of the seeds without buffers ask some of two to four batches."""
    draw = stream(seed, "sampled")
    if size.buffered or draw.random() >= _SAMPLING_SEEDS:
        return size
    batches, minimum = draw.randint(2, 4), min(size.minimum, draw.randint(3, 4))
    return replace(
        size,
        minimum=minimum,
        trainers=max(size.trainers, batches * minimum + draw.randint(0, batches)),
        batches=batches,
        drawn=draw.randint(1, batches - 1),
    )


def _size(draw: Random) -> Size:
    holders, trainers = draw.randint(3, 6), draw.randint(3, 14)
    vote, most = draw.random() < 0.8, majority(holders)
    return Size(
        holders=holders,
        trainers=trainers,
        threshold=draw.randint(2, most) if vote else most,
        minimum=draw.randint(3, max(3, trainers - 2)),
        vote=vote,
        queue_messages=draw.choice((24, 200, 2000)),
        training_s=draw.choice((0.2, 2.0, 5.0)),
    )


def _with_liars(size: Size, seed: int) -> Size:
    """Let rounds allow for lying holders in a third of the seeds: two in some, else one."""
    draw = stream(seed, "committee")
    if draw.random() >= _ALLOWING_SEEDS:
        return size
    faults = 2 if draw.random() < 0.25 else 1
    holders = max(size.holders, 3 * faults + 1)
    vote = size.vote or holders <= 5 * faults
    least = faults + 1 if vote else majority(holders, faults)
    return replace(
        size,
        holders=holders,
        faults=faults,
        vote=vote,
        threshold=draw.randint(least, holders - 2 * faults),
    )


def _core(draw: Random, roster: Roster, size: Size) -> tuple[str, ...]:
    """Choose who is healed: half of the time everybody, else only those without whom none goes."""
    if draw.random() < 0.5:
        return (roster.coordinator, *roster.holders, *roster.trainers)
    holders = sorted(draw.sample(roster.holders, size.needed))
    trainers = sorted(draw.sample(roster.trainers, size.minimum))
    if size.batches:
        batches = (sorted(batch) for batch in split(roster, size.batches))
        trainers = sorted(n for batch in batches for n in draw.sample(batch, size.minimum))
    return (roster.coordinator, *holders, *trainers)


def _rates(draw: Random) -> Rates:
    def rate(most: float) -> float:
        on, value = draw.random() < 0.5, draw.random()
        return round(most * value, 4) if on else 0.0

    return Rates(
        lost=rate(0.1),
        unconfirmed=rate(0.1),
        doubled=rate(0.2),
        delayed=rate(0.05),
        overtaken=rate(1.0),
        unacked=rate(0.1),
        hop_s=draw.choice((0.0005, 0.003, 0.03)),
        delay_s=draw.choice((0.2, 1.0, 5.0)),
    )


def _faults(seed: int, size: Size, core: Sequence[str], faulty_s: float) -> tuple[Fault, ...]:
    roster = roster_of(size)
    faults = _lies(seed, roster, size, faulty_s)
    for kind in Kind:
        if kind in MOMENTS:
            continue
        # A stream for each class: what one draws does not shift the others.
        draw = stream(seed, f"faults {kind.value}")
        spare = any(name not in core for name in (*roster.holders, *roster.trainers))
        if draw.random() < 0.5 and (spare or kind is not Kind.DEATH):
            count = 1 + int(draw.expovariate(0.7))
            faults += [_fault(draw, kind, roster, core, faulty_s) for _ in range(min(count, 8))]
    return tuple(sorted(faults, key=lambda fault: fault.at_s))


def _lies(seed: int, roster: Roster, size: Size, faulty_s: float) -> list[Fault]:
    """Let one, two or all three roles lie in a third of the seeds, each in half of its ways.

    Where the round allows for lying holders there are no more of them.
    """
    draw = stream(seed, "liars")
    if draw.random() >= _LYING_SEEDS:
        return []
    parties = draw.sample(_PARTIES, draw.randint(1, len(_PARTIES)))
    liars = {
        "coordinator": [roster.coordinator],
        "holder": draw.sample(roster.holders, min(draw.randint(1, 2), size.faults or 2)),
        "trainer": draw.sample(roster.trainers, draw.randint(1, 2)),
    }
    liars["anybody"] = [name for party in ("holder", "trainer") for name in liars[party]]
    lies: list[Fault] = []
    for kind, moments in MOMENTS.items():
        own = stream(seed, f"faults {kind.value}")
        told = moments.party in parties or moments.party == "anybody"
        if told and own.random() < 0.5:
            count = min(8, 1 + int(own.expovariate(0.7)))
            lies += [_lie(own, kind, liars[moments.party], faulty_s) for _ in range(count)]
    return lies


def _lie(draw: Random, kind: Kind, liars: Sequence[str], faulty_s: float) -> Fault:
    at_s = round(draw.uniform(0.0, 0.9 * faulty_s), 3)
    target, amount = draw.choice(liars), round(draw.uniform(*_TOLD), 3)
    aim = replace(draw.choice(MOMENTS[kind].aims), nth=1 + int(draw.expovariate(0.5)))
    now = draw.random() < _LIE_AT_ONCE
    return Fault(kind=kind, at_s=at_s, target=target, amount=amount, aim=None if now else aim)


def _fault(draw: Random, kind: Kind, roster: Roster, core: Sequence[str], faulty_s: float) -> Fault:
    least_s, most_s = _DURATIONS_S.get(kind, _OTHERWISE_S)
    least, most = _AMOUNTS.get(kind, (0.0, 0.0))
    target = _target(draw, kind, roster, core)
    at_s = round(draw.uniform(0.0, 0.9 * faulty_s), 3)
    # Short ones are as likely as long ones.
    duration_s = round(least_s * (most_s / least_s) ** draw.random(), 3)
    amount = round(draw.uniform(least, most), 3)
    aim = _aim(draw, kind, roster.role(target) or "")
    return Fault(kind=kind, at_s=at_s, target=target, duration_s=duration_s, amount=amount, aim=aim)


def _target(draw: Random, kind: Kind, roster: Roster, core: Sequence[str]) -> str:
    if kind in _BROKER:
        return ""
    if kind in _TRAINERS_ONLY:
        return draw.choice(roster.trainers)
    if kind is Kind.DEATH:
        spare = [n for n in (*roster.holders, *roster.trainers) if n not in core]
        return draw.choice(spare)
    groups = [roster.holders, roster.trainers]
    if kind not in _NOT_COORDINATOR:
        groups.append((roster.coordinator,))
    return draw.choice(draw.choice(groups))


def _aim(draw: Random, kind: Kind, role: str) -> Aim | None:
    """Aim half of the faults that have a target at a step of a round."""
    if not role:
        return None
    nth = 1 + int(draw.expovariate(1.0))
    if kind is Kind.CRASH_AT_COMMIT:
        return Aim(point=draw.choice(_AIM_AT_COMMIT), what=draw.choice(_RECORDS[role]), nth=nth)
    if kind is Kind.CRASH_AT_SEND:
        return Aim(point=draw.choice(_AIM_AT_SEND), what=draw.choice(_MESSAGES[role]), nth=nth)
    if draw.random() < 0.5:
        return None
    point = draw.choice((*_AIM_AT_SEND, *_AIM_AT_COMMIT, Point.RECEIVED))
    if point in _AIM_AT_COMMIT:
        return Aim(point=point, what=draw.choice(_RECORDS[role]), nth=nth)
    said = _HEARD if point is Point.RECEIVED else _MESSAGES
    return Aim(point=point, what=draw.choice(said[role]), nth=nth)
