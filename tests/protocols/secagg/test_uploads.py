"""Uploads with credit between the real machines: resumed after crashes, healed after losses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest
from fakes.round_rig import TIMING, Rig, Shape

from protocols import messages
from protocols.messages import Grant, Have, ShareChunk, Wire
from protocols.reports import RoundComplete, TookPart

CHUNKS = 30
CREDIT = 4
LONG = Shape(dimension=128 * CHUNKS, credit_chunks=CREDIT)
TRAINER, HOLDER = "trainer-03", "holder-2"


@cache
def read(body: bytes) -> tuple[str, Wire]:
    return messages.read(body)


def sent_chunks(rig: Rig, *, since: int = 0) -> dict[tuple[str, str], Counter[int]]:
    """Count what each trainer sent to each holder, by chunk."""
    counts: dict[tuple[str, str], Counter[int]] = {}
    for sender, to, message in rig.sent[since:]:
        if isinstance(message, ShareChunk):
            counts.setdefault((sender, to), Counter())[message.index] += 1
    return counts


def stored(rig: Rig, trainer: str, holder: str) -> set[int]:
    spool = rig.nodes[holder].spool
    return {index for name in spool if name.endswith(f"/share/{trainer}") for index in spool[name]}


def there(rig: Rig, chunks: int) -> bool:
    return len(stored(rig, TRAINER, HOLDER)) >= chunks


def deliver_until(rig: Rig, done: Callable[[], bool]) -> None:
    while not done():
        rig.deliver(rig.random.choice(rig.deliverable()))


def take_out(rig: Rig, wanted: Callable[[str, str, Any], bool]) -> list[tuple[str, bytes]]:
    """Take messages out of the network and return them."""
    taken = [(to, body) for to, body in rig.flying if wanted(read(body)[0], to, read(body)[1])]
    rig.flying = [flying for flying in rig.flying if flying not in taken]
    return taken


def complete(rig: Rig) -> RoundComplete:
    (event,) = [event for event in rig.events if isinstance(event, RoundComplete)]
    return event


def test_without_faults_each_chunk_is_sent_once_and_never_more_than_was_granted() -> None:
    rig = Rig(LONG)
    rig.start()
    most: Counter[tuple[str, str]] = Counter()

    while rig.coordinator.ended is None:
        rig.deliver(rig.random.choice(rig.deliverable()))
        on_the_way = Counter(
            (read(body)[0], to) for to, body in rig.flying if isinstance(read(body)[1], ShareChunk)
        )
        most |= on_the_way

    rig.check()
    assert set(most.values()) == {CREDIT}
    counts = sent_chunks(rig)
    assert len(counts) == 25
    assert all(count == Counter(range(CHUNKS)) for count in counts.values())
    assert complete(rig).seconds == 0
    grants = sum(isinstance(message, Grant) for _, _, message in rig.sent)
    assert grants <= 25 * (CHUNKS // (CREDIT // 2))


def test_a_share_of_one_chunk_is_sent_without_any_grant() -> None:
    rig = Rig(Shape())
    rig.start()

    rig.run()

    assert not [message for _, _, message in rig.sent if isinstance(message, Grant)]
    assert all(count == Counter([0]) for count in sent_chunks(rig).values())


def test_a_restarted_trainer_sends_only_the_offer_and_what_is_missing() -> None:
    for seed in range(10):
        rig = Rig(LONG, seed)
        rig.start()
        deliver_until(rig, partial(there, rig, 10))
        # Its grants are lost with it, its chunks arrive before it is back.
        take_out(rig, lambda _, to, m: to == TRAINER and isinstance(m, Grant))
        for to, body in take_out(rig, lambda s, _, m: s == TRAINER and isinstance(m, ShareChunk)):
            rig.flying.append((to, body))
            rig.deliver(len(rig.flying) - 1)
        take_out(rig, lambda _, to, m: to == TRAINER and isinstance(m, Grant))
        before = {holder: stored(rig, TRAINER, holder) for holder in rig.roster.holders}
        since = len(rig.sent)
        rig.crash(TRAINER)

        rig.run()

        rig.check()
        counts = sent_chunks(rig, since=since)
        for holder, had in before.items():
            missing = set(range(CHUNKS)) - had
            assert counts[TRAINER, holder] == Counter({0} | missing), (seed, holder)
        assert TRAINER in complete(rig).survivors


def test_a_restart_at_any_moment_repeats_little() -> None:
    for seed in range(20):
        rig = Rig(LONG, seed)
        rig.start()
        deliver_until(rig, partial(there, rig, seed))

        rig.crash(TRAINER)
        rig.run()

        rig.check()
        for holder in rig.roster.holders:
            # The offer, and what the old grants and the new one both name.
            assert sent_chunks(rig)[TRAINER, holder].total() <= CHUNKS + 1 + 3 * CREDIT


def test_a_restarted_holder_is_sent_nothing_again() -> None:
    for seed in range(10):
        rig = Rig(LONG, seed)
        rig.start()
        deliver_until(rig, partial(there, rig, 5 + seed))

        rig.crash(HOLDER)
        rig.run()

        rig.check()
        assert complete(rig).seconds == 0
        counts = sent_chunks(rig)
        assert all(counts[name, HOLDER] == Counter(range(CHUNKS)) for name in rig.roster.trainers)


@pytest.mark.parametrize("what", ["offers", "grants", "chunks", "receipts"])
def test_whatever_is_lost_is_made_up_for_after_the_next_announcements(what: str) -> None:
    lost: dict[str, Callable[[Any], bool]] = {
        "offers": lambda m: isinstance(m, ShareChunk) and m.index == 0,
        "grants": lambda m: isinstance(m, Grant),
        "chunks": lambda m: isinstance(m, ShareChunk) and m.index % 3 == 1,
        "receipts": lambda m: isinstance(m, Have),
    }
    rig = Rig(LONG)
    rig.start()
    budget = 40

    while rig.coordinator.ended is None:
        gone = take_out(rig, lambda _s, _t, m: lost[what](m)) if budget > 0 else []
        budget -= len(gone)
        places = rig.deliverable()
        if places:
            rig.deliver(rig.random.choice(places))
        else:
            assert rig.let_time_pass()

    rig.check()
    assert budget <= 0
    assert len(complete(rig).survivors) == 5
    assert complete(rig).number == 1
    assert 0 < complete(rig).seconds < 2 * TIMING.patience_s


def test_a_doubled_grant_doubles_no_chunk() -> None:
    rig = Rig(LONG)
    rig.start()

    while rig.coordinator.ended is None:
        place = rig.random.choice(rig.deliverable())
        _, message = read(rig.flying[place][1])
        if isinstance(message, Grant) and rig.random.random() < 0.3:
            rig.flying.append(rig.flying[place])
        rig.deliver(place)

    assert all(count == Counter(range(CHUNKS)) for count in sent_chunks(rig).values())


def test_everybody_tells_once_how_its_part_ended() -> None:
    rig = Rig(Shape(rounds=2))
    rig.start()
    rig.kill("trainer-04")

    rig.run()

    parts = Counter((e.actor, e.number) for e in rig.events if isinstance(e, TookPart))
    outcomes = Counter(e.outcome for e in rig.events if isinstance(e, TookPart))
    assert set(parts.values()) == {1}
    assert outcomes["contributed"] == 8
    assert outcomes["answered"] + outcomes["closed"] == 10
    assert outcomes["answered"] >= 6
