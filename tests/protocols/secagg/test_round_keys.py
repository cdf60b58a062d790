"""The keys of one round: whose they are, when they are made, and that they go with it."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.round_parts import (
    COORDINATOR,
    HOLDERS,
    ROSTER,
    TIMING,
    Disk,
    config_of,
    entropy_of,
    first,
    header_of,
    hello,
    key_of,
    messages_of,
    only,
    opened,
    opening,
    said_open,
    seed_of,
    sent,
)
from fakes.signatures import ANYBODY, MEANS, Means, signature_of

from protocols.codec import parse
from protocols.effects import Effect, Prepare, Record, Upload
from protocols.errors import PeerViolation
from protocols.messages import (
    Announce,
    CloseRound,
    Declined,
    OpenRound,
    Refused,
    RoundOpened,
    Welcome,
)
from protocols.records import HeldKey, RoundRecord
from protocols.reports import Step
from protocols.round_config import RoundConfig
from protocols.secagg import contributing, holding
from protocols.secagg.contributing import Contributing
from protocols.secagg.coordinating import Coordinating, JobStep, Plan
from protocols.secagg.gathering import Gathering
from protocols.secagg.greeting import lacking
from protocols.secagg.holding import Holding
from protocols.secagg.patience import Patience
from protocols.trust.sealing import CLASSICAL, HYBRID, SealingKey

CONFIG = config_of()
NOBODYS = SealingKey(suite=CLASSICAL, key=bytes(32))
HYBRIDS = SealingKey(suite=HYBRID, key=bytes(1216))


# --- the share-holder -----------------------------------------------------------------


class Desk:
    """A share-holder whose first two rounds get keys of their own."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.entropy = entropy_of("holder-1", "holder-2")
        self.machine = Holding("holder-1", ROSTER, ANYBODY, entropy=self.entropy)

    def crash(self) -> None:
        self.machine = Holding("holder-1", ROSTER, ANYBODY, entropy=self.entropy)
        self.machine.restore(self.disk.journal, self.disk.stored())

    def hear(self, message: Any) -> list[Effect]:
        return self.disk.keep(self.machine.receive(COORDINATOR, message))


def test_a_holder_records_what_makes_its_key_before_it_tells_the_key() -> None:
    effects = Desk().hear(opening(CONFIG))

    record = next(r for r in only(effects, Record) if r.key.endswith("/key"))
    assert record.key.startswith(f"round/{CONFIG.cid().hex()}/")
    assert parse(record.value or b"", HeldKey).seed == seed_of("holder-1")
    assert messages_of(effects, RoundOpened) == [said_open(CONFIG, "holder-1")]
    assert first(effects, Record, key="key") < first(effects, RoundOpened)


def test_each_round_gets_a_key_of_its_own() -> None:
    desk, newer = Desk(), config_of(number=2)
    (one,) = messages_of(desk.hear(opening(CONFIG)), RoundOpened)
    (other,) = messages_of(desk.hear(opening(newer)), RoundOpened)

    assert one.sealing_key != other.sealing_key
    key = desk.machine.box_key(newer.cid())
    assert key is not None
    assert key.sealing_key == other.sealing_key


def test_after_a_crash_a_holder_has_the_same_key_and_tells_it_again() -> None:
    desk = Desk()
    desk.hear(opening(CONFIG))
    desk.crash()

    effects = desk.hear(opening(CONFIG))

    assert sent(effects) == [(COORDINATOR, said_open(CONFIG, "holder-1"))]
    assert not only(effects, Record)


@pytest.mark.parametrize("crash", [False, True])
def test_the_key_is_gone_with_its_round(*, crash: bool) -> None:
    desk, cid = Desk(), CONFIG.cid()
    desk.hear(opening(CONFIG))
    secret = seed_of("holder-1").entropy
    assert any(secret in value for value in desk.disk.journal.values())

    desk.hear(CloseRound(cid=cid, job="sum", number=1, complete=True, reason=""))
    if crash:
        desk.crash()

    assert desk.machine.box_key(cid) is None
    assert not any(secret in value for value in desk.disk.journal.values())


def test_a_coordinator_with_two_keys_in_one_round_is_a_violation() -> None:
    desk = Desk()
    desk.hear(opening(CONFIG))

    with pytest.raises(PeerViolation, match="with two keys"):
        desk.hear(opening(CONFIG, salt=1))
    desk.crash()
    with pytest.raises(PeerViolation, match="with two keys"):
        desk.hear(opening(CONFIG, salt=1))


@pytest.mark.parametrize("key", [NOBODYS, HYBRIDS], ids=["small order", "another suite"])
def test_a_round_whose_answers_nobody_could_seal_is_a_violation(key: SealingKey) -> None:
    desk = Desk()

    with pytest.raises(PeerViolation, match="opened a round with a "):
        desk.hear(OpenRound(config=CONFIG, sealing_key=key))

    assert desk.disk.journal == {}


def test_a_round_in_a_suite_that_a_holder_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "suites", lambda: (CLASSICAL,))
    config = config_of(sealing=HYBRID)

    effects = Desk().hear(OpenRound(config=config, sealing_key=HYBRIDS))

    (refused,) = messages_of(effects, Refused)
    assert refused.reason == "mlkem768-x25519 is not to be had here"


# --- the coordinator ------------------------------------------------------------------


def gathering_of(config: RoundConfig) -> Gathering:
    patience = Patience(TIMING, 0.0)
    return Gathering(opening(config), ROSTER, patience, expected=HOLDERS, means=MEANS)


def test_what_holders_said_is_announced_with_their_signatures() -> None:
    gathering = gathering_of(CONFIG)
    effects: list[Effect] = []
    for place, holder in enumerate(HOLDERS):
        said = said_open(CONFIG, holder)
        effects += gathering.receive(0.0, holder, said, bytes([place]) * 64)

    assert gathering.step is Step.COLLECTING
    announced = messages_of(effects, Announce)[0].opened
    assert [one.holder for one in announced] == list(HOLDERS)
    assert [one.sealing_key for one in announced] == [key_of(holder) for holder in HOLDERS]
    assert [one.signature for one in announced] == [bytes([i]) * 64 for i in range(5)]
    assert gathering.announcement() == announced


def test_a_holder_with_two_keys_in_one_round_is_a_violation_in_every_step() -> None:
    gathering = gathering_of(CONFIG)
    for holder in HOLDERS:
        gathering.receive(0.0, holder, said_open(CONFIG, holder))
        with pytest.raises(PeerViolation, match="with two keys") as refused:
            gathering.receive(0.0, "holder-1", said_open(CONFIG, "holder-1", salt=1))
        assert refused.value.peer == "holder-1"
        assert gathering.receive(0.0, holder, said_open(CONFIG, holder)) == []

    assert gathering.opened["holder-1"].sealing_key == key_of("holder-1")


@pytest.mark.parametrize("key", [NOBODYS, HYBRIDS], ids=["small order", "another suite"])
def test_a_key_that_nobody_could_seal_to_is_not_announced(key: SealingKey) -> None:
    gathering = gathering_of(CONFIG)

    with pytest.raises(PeerViolation, match="opened the round with a "):
        gathering.receive(0.0, "holder-1", RoundOpened(cid=CONFIG.cid(), sealing_key=key))

    assert gathering.opened == {}


class Head:
    """A coordinator whose first two rounds get keys of their own."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.entropy = entropy_of("round 1", "round 2")
        self.build()

    def build(self) -> None:
        plan = Plan(
            job="sum",
            suite="shamir",
            field="p61",
            fraction_bits=0,
            threshold=3,
            faults=0,
            vote=True,
            quorum=3,
            minimum=3,
            chunk_bytes=1024,
            sealing=CLASSICAL,
            abandoned_rounds=3,
            timing=TIMING,
        )
        self.machine = Coordinating(ROSTER, plan, Means(self.entropy, ANYBODY))

    def start(self, initial: JobStep | None) -> list[Effect]:
        return self.disk.keep(self.machine.start(0.0, initial))

    def record(self) -> RoundRecord:
        return parse(self.disk.journal["round"], RoundRecord)


FIRST = JobStep(state=bytes(32), dimension=200, over=False, reason="", metrics={})


def keys_asked(effects: list[Effect]) -> set[bytes]:
    return {message.sealing_key.key for message in messages_of(effects, OpenRound)}


def test_a_round_is_opened_with_a_key_that_is_in_its_record_and_the_same_after_a_crash() -> None:
    head = Head()
    effects = head.start(FIRST)
    key = key_of("round 1")
    assert keys_asked(effects) == {key.key}
    assert head.record().seed == seed_of("round 1")
    assert first(effects, Record, key="round") < first(effects, OpenRound)

    head.build()
    head.machine.restore(head.disk.journal)
    again = head.start(None)

    assert keys_asked(again) == {key.key}
    box_key = head.machine.box_key(head.record().config.cid())
    assert box_key is not None
    assert box_key.sealing_key == key


def test_the_next_round_has_another_key_and_the_old_one_is_gone() -> None:
    head = Head()
    head.start(FIRST)
    cid = head.record().config.cid()
    effects = head.disk.keep(head.machine.advance(1e6))  # nobody opened it

    assert keys_asked(effects) == {key_of("round 2").key}
    assert head.machine.box_key(cid) is None
    secret = seed_of("round 1").entropy
    assert not any(secret in value for value in head.disk.journal.values())


# --- the trainer ----------------------------------------------------------------------


def welcomed() -> Contributing:
    trainer = Contributing("ann", ROSTER, ANYBODY)
    trainer.receive(COORDINATOR, Welcome(job="sum", number=1))
    return trainer


@pytest.mark.parametrize("key", [NOBODYS, HYBRIDS], ids=["small order", "another suite"])
def test_a_round_with_a_key_that_nobody_has_is_a_violation_and_begins_nothing(
    key: SealingKey,
) -> None:
    trainer = welcomed()
    one, *others = opened(*HOLDERS)
    said = RoundOpened(cid=CONFIG.cid(), sealing_key=key)
    signature = signature_of(ROSTER.federation, one.holder, said)
    wrong = type(one)(holder=one.holder, sealing_key=key, signature=signature)

    with pytest.raises(PeerViolation, match="announced holder-1 with a "):
        trainer.receive(COORDINATOR, Announce(config=CONFIG, opened=(wrong, *others)))

    assert trainer.live_rounds() == ()
    again = trainer.receive(COORDINATOR, Announce(config=CONFIG, opened=opened(*HOLDERS)))
    assert only(again, Prepare)


def test_a_holder_that_is_announced_twice_is_a_violation() -> None:
    twice = (*opened(*HOLDERS), *opened("holder-1", salt=1))

    with pytest.raises(PeerViolation, match="one holder twice"):
        welcomed().receive(COORDINATOR, Announce(config=CONFIG, opened=twice))


def test_a_round_in_a_suite_that_a_trainer_lacks_is_declined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contributing, "suites", lambda: (CLASSICAL,))
    config = config_of(sealing=HYBRID)
    announce = Announce(config=config, opened=opened(*HOLDERS, config=config))

    effects = welcomed().receive(COORDINATOR, announce)

    assert [m.kind for m in messages_of(effects, Declined)] == [
        "mlkem768-x25519 is not to be had here"
    ]
    assert not only(effects, Prepare)


def test_shares_go_to_the_keys_that_were_announced_first_even_after_a_crash() -> None:
    disk, trainer = Disk(), welcomed()
    disk.keep(trainer.receive(COORDINATOR, Announce(config=CONFIG, opened=opened(*HOLDERS))))
    uploads = only(disk.keep(trainer.prepared(header_of(CONFIG, "ann"))), Upload)
    first = [(one.holder, one.sealing_key) for one in opened(*HOLDERS)]
    assert [(u.to, u.sealing_key) for u in uploads] == first

    other = Announce(config=CONFIG, opened=opened(*HOLDERS, salt=1))
    trainer.receive(COORDINATOR, other)
    again = Contributing("ann", ROSTER, ANYBODY)
    again.restore(disk.journal)

    assert [(u.to, u.sealing_key) for u in only(again.start(), Upload)] == first


# --- who can do what ------------------------------------------------------------------


def test_who_lacks_the_sealing_of_a_round_is_told_what_to_do() -> None:
    config, old = config_of(sealing=HYBRID), hello("trainer", sealing=(CLASSICAL,), software="q 1")

    assert lacking(hello("trainer", sealing=(HYBRID, CLASSICAL)), config) is None
    assert lacking(old, config_of()) is None
    told = lacking(old, config)
    assert told is not None
    assert told.startswith("the round seals with mlkem768-x25519, which q 1 can't")
    assert "secure_sum.sealing" in told


def test_what_makes_a_key_is_never_shown() -> None:
    seed = seed_of("holder-1")
    shown = repr(HeldKey(seed=seed)) + repr(
        RoundRecord(config=CONFIG, seed=seed, announced=(), chosen=())
    )

    assert "BoxSeed()" in shown
    assert seed.entropy[:4].hex() not in shown
