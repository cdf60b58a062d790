"""Buffered rounds: a trainer that goes on from round to round, a coordinator that waits for K."""

from __future__ import annotations

from typing import Any

from fakes.round_parts import (
    COORDINATOR,
    HOLDERS,
    ROSTER,
    TIMING,
    TRAINERS,
    Disk,
    config_of,
    contribution,
    header_of,
    only,
    opened,
    opening,
    said_open,
    sent,
)
from fakes.signatures import ANYBODY, MEANS, by_member, header_signature

from protocols.codec import parse
from protocols.effects import CancelWork, Compute, Effect, Erase, Prepare, Report, Upload
from protocols.messages import Accepted, Announce, CloseRound, Declined, Have, Welcome, Working
from protocols.records import Contributed
from protocols.reports import OwnerTrouble, Step, TookPart
from protocols.round_config import RoundConfig
from protocols.secagg.carrying import Given
from protocols.secagg.contributing import Contributing
from protocols.secagg.gathering import Gathering
from protocols.secagg.patience import Patience

CARRIED = "carried/sum"


def over(state: int, number: int, **changes: Any) -> RoundConfig:
    buffer = {"buffered": 3, "max_staleness": 2, "discounted": 190}
    return config_of(**(buffer | {"number": number, "state": bytes([state] * 32)} | changes))


class Owner:
    """A trainer's machine; all that it records is kept."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.restart()

    def restart(self) -> list[Effect]:
        self.machine = Contributing("ann", ROSTER, ANYBODY)
        self.machine.restore(self.disk.journal)
        effects = self.machine.start()
        self.machine.receive(COORDINATOR, Welcome(job="sum", number=1))
        return effects

    def announce(self, config: RoundConfig) -> list[Effect]:
        announce = Announce(config=config, opened=opened(*HOLDERS, config=config))
        return self.disk.keep(self.machine.receive(COORDINATOR, announce))

    def close(self, config: RoundConfig, *, complete: bool = True) -> list[Effect]:
        close = CloseRound(
            cid=config.cid(), job="sum", number=config.number, complete=complete, reason=""
        )
        return self.disk.keep(self.machine.receive(COORDINATOR, close))

    def fetched(self, config: RoundConfig) -> None:
        assert self.machine.fetched(config) == []

    def computed(self, config: RoundConfig) -> list[Effect]:
        return self.disk.keep(self.machine.computed(config))

    def prepared(self, config: RoundConfig) -> list[Effect]:
        return self.disk.keep(self.machine.prepared(header_of(config, "ann")))

    def recorded(self) -> Contributed:
        return parse(self.disk.journal["job/sum"], Contributed)

    def contributes_late(self) -> None:
        """Contribute to round 2 what was computed on the state of round 1."""
        self.announce(over(1, 1))
        self.fetched(over(1, 1))
        self.close(over(1, 1))
        self.announce(over(2, 2))
        self.computed(over(1, 1))
        self.prepared(over(2, 2))


def given_to(effects: list[Effect]) -> Given | None:
    (prepare,) = only(effects, Prepare)
    return prepare.given


def test_a_buffered_round_is_computed_for_apart_from_it() -> None:
    effects = Owner().announce(over(1, 1))

    assert only(effects, Compute) == [Compute(over(1, 1))]
    assert only(effects, Prepare) == []
    assert sent(effects) == [(COORDINATOR, Accepted(cid=over(1, 1).cid()))]


def test_what_is_computed_in_time_is_contributed_fresh() -> None:
    owner = Owner()
    owner.announce(over(1, 1))
    owner.fetched(over(1, 1))

    effects = owner.computed(over(1, 1))

    assert given_to(effects) == Given(base=over(1, 1).state, staleness=0)


def test_the_end_of_a_round_ends_no_computing() -> None:
    owner = Owner()
    owner.announce(over(1, 1))
    owner.fetched(over(1, 1))

    effects = owner.close(over(1, 1)) + owner.announce(over(2, 2))

    cancelled = [cancel.prefix for cancel in only(effects, CancelWork)]
    assert cancelled == [over(1, 1).cid().hex()]
    assert only(effects, Compute) == []
    (told,) = [r.event for r in only(effects, Report) if isinstance(r.event, TookPart)]
    assert told.outcome == "carried"


def test_who_computes_for_an_older_round_says_so_in_the_open_one() -> None:
    owner = Owner()
    owner.announce(over(1, 1))
    owner.fetched(over(1, 1))
    owner.close(over(1, 1))
    owner.announce(over(2, 2))

    assert sent(owner.machine.advance(10.0)) == [(COORDINATOR, Working(cid=over(2, 2).cid()))]


def test_an_owner_that_begins_anew_is_told_why() -> None:
    owner = Owner()
    owner.announce(over(1, 1))
    owner.fetched(over(1, 1))
    warned = [_warnings(owner.announce(over(n, n))) for n in (2, 3, 4, 5)]

    assert [len(texts) for texts in warned] == [0, 0, 1, 0]
    assert "longer than 2 rounds" in warned[2][0]


def _warnings(effects: list[Effect]) -> list[str]:
    events = [report.event for report in only(effects, Report)]
    return [event.text for event in events if isinstance(event, OwnerTrouble)]


def test_an_older_result_goes_to_the_open_round_and_its_record_says_how_old_it_is() -> None:
    owner = Owner()
    owner.contributes_late()

    record = owner.recorded()
    assert record.config == over(2, 2)
    assert (record.base, record.staleness) == (over(1, 1).state, 1)


def test_a_result_that_comes_between_two_rounds_waits_for_the_next() -> None:
    owner = Owner()
    owner.announce(over(1, 1))
    owner.fetched(over(1, 1))
    owner.close(over(1, 1))

    assert owner.computed(over(1, 1)) == []
    assert given_to(owner.announce(over(2, 2))) == Given(base=over(1, 1).state, staleness=1)


def test_what_was_being_protected_when_its_round_ended_is_protected_for_the_next() -> None:
    owner = Owner()
    owner.announce(over(1, 1))
    owner.fetched(over(1, 1))
    owner.computed(over(1, 1))
    owner.close(over(1, 1))

    assert given_to(owner.announce(over(2, 2))) == Given(base=over(1, 1).state, staleness=1)
    assert owner.machine.prepared(header_of(over(1, 1), "ann")) == [Erase(over(1, 1).cid().hex())]


def test_what_was_contributed_is_never_contributed_to_the_next_sum() -> None:
    owner = Owner()
    owner.contributes_late()
    owner.close(over(2, 2))

    effects = owner.announce(over(3, 3))

    assert only(effects, Compute) == [Compute(over(3, 3))]
    assert only(effects, Erase) == [Erase(CARRIED)]


def test_after_an_abandoned_round_the_same_result_is_contributed_again() -> None:
    owner = Owner()
    owner.contributes_late()
    closed = owner.close(over(2, 2), complete=False)

    again = owner.announce(over(2, 3))

    assert Erase(CARRIED) not in closed
    assert given_to(again) == Given(base=over(1, 1).state, staleness=1)


def test_after_a_restart_too() -> None:
    owner = Owner()
    owner.contributes_late()
    owner.close(over(2, 2), complete=False)
    owner.restart()

    assert owner.machine.keeps(f"{CARRIED}/{over(1, 1).state.hex()}")
    assert given_to(owner.announce(over(2, 3))) == Given(base=over(1, 1).state, staleness=1)


def test_a_restart_after_the_record_goes_on_with_the_same_upload() -> None:
    owner = Owner()
    owner.contributes_late()

    effects = owner.restart()

    assert {one.to for one in only(effects, Upload)} == set(HOLDERS)
    owner.close(over(2, 2), complete=False)
    assert owner.recorded().base == over(1, 1).state


def test_a_restart_before_the_record_computes_on_the_newest_state() -> None:
    owner = Owner()
    owner.announce(over(1, 1))
    owner.fetched(over(1, 1))
    owner.computed(over(1, 1))
    owner.restart()

    assert only(owner.announce(over(2, 2)), Compute) == [Compute(over(2, 2))]


def test_what_is_kept_on_the_disk_goes_with_the_sum_of_its_round() -> None:
    owner = Owner()
    owner.contributes_late()

    assert Erase(CARRIED) in owner.close(over(2, 2))


def test_a_result_that_can_not_be_had_declines_the_round_under_way() -> None:
    owner = Owner()
    owner.announce(over(1, 1))
    owner.fetched(over(1, 1))
    owner.close(over(1, 1))
    owner.announce(over(2, 2))

    effects = owner.machine.not_computed(over(1, 1), "out of memory")

    declined = Declined(cid=over(2, 2).cid(), kind="out of memory")
    assert sent(effects) == [(COORDINATOR, declined)]
    assert only(owner.announce(over(3, 3)), Compute) == [Compute(over(3, 3))]


# --- the coordinator ------------------------------------------------------------------


class Table:
    """A buffered round at the coordinator, with all holders in it."""

    def __init__(self, **changes: Any) -> None:
        self.config = over(1, 1, **changes)
        self.round = Gathering(
            opening(self.config),
            ROSTER,
            Patience(TIMING, 0.0),
            expected=(*HOLDERS, *TRAINERS),
            means=MEANS,
        )
        for holder in HOLDERS:
            self.hear(holder, said_open(self.config, holder))
        for trainer in TRAINERS:
            self.hear(trainer, Accepted(cid=self.config.cid()))

    def hear(self, sender: str, message: Any, now_s: float = 0.0) -> None:
        self.round.receive(now_s, sender, message, by_member(ROSTER, sender, message))

    def have(self, holder: str, *trainers: str) -> None:
        headers = [header_of(self.config, trainer) for trainer in trainers]
        self.hear(
            holder,
            Have(
                cid=self.config.cid(),
                contributions=tuple(contribution(self.config, t) for t in trainers),
                signatures=tuple(
                    header_signature(ROSTER.federation, t, header)
                    for t, header in zip(trainers, headers, strict=True)
                ),
            ),
        )

    @property
    def chosen(self) -> list[str]:
        return [one.trainer for one in self.round.chosen]


def test_a_round_goes_on_as_soon_as_its_buffer_is_full() -> None:
    table = Table()
    for holder in HOLDERS[:-1]:
        table.have(holder, "ann", "bob", "cat")
    assert table.round.step is Step.COLLECTING

    table.have(HOLDERS[-1], "ann", "bob", "cat")

    assert (table.round.step, table.chosen) == (Step.VOTING, ["ann", "bob", "cat"])


def test_a_holder_that_lacks_what_is_enough_is_waited_for_during_the_grace() -> None:
    table = Table()
    for holder in HOLDERS[:-1]:
        table.have(holder, "ann", "bob", "cat")

    table.round.advance(TIMING.grace_s)

    assert (table.round.step, table.chosen) == (Step.VOTING, ["ann", "bob", "cat"])


def test_what_is_not_enough_is_waited_for() -> None:
    table = Table(buffered=4)
    for holder in HOLDERS:
        table.have(holder, "ann", "bob", "cat")

    table.round.advance(TIMING.patience_s - 1.0)

    assert table.round.step is Step.COLLECTING


def test_when_patience_ends_the_minimum_is_enough_and_the_others_are_missing() -> None:
    table = Table(buffered=4)
    for holder in HOLDERS:
        table.have(holder, "ann", "bob", "cat")

    table.round.advance(TIMING.patience_s)

    assert table.chosen == ["ann", "bob", "cat"]
    assert set(table.round.left_out()) == {"dan", "eve"}


def test_who_still_computes_when_the_buffer_is_full_is_not_missing() -> None:
    table = Table()
    table.hear("eve", Declined(cid=table.config.cid(), kind="out of memory"))
    for holder in HOLDERS:
        table.have(holder, "ann", "bob", "cat")

    assert table.chosen == ["ann", "bob", "cat"]
    assert table.round.left_out() == {"eve": "out of memory"}
