"""Any history of one share-holder: lies, replays, crashes; never two sets, never one unsafe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as st
from fakes.round_parts import (
    COORDINATOR,
    HOLDERS,
    ROSTER,
    TRAINERS,
    Disk,
    answer_of,
    chunks_of,
    config_of,
    contribution,
    entropy_of,
    only,
    opening,
)
from fakes.signatures import ANYBODY, release_of
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocols.codec import parse
from protocols.effects import Answer, CheckStream, Effect, Record, Send, SumShares
from protocols.errors import PeerViolation
from protocols.messages import (
    CloseRound,
    Contribution,
    Grant,
    Have,
    Propose,
    RoundOpened,
    Vote,
    Wire,
)
from protocols.records import HeldAnswer, HeldShare, HeldVote
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import share_stream
from protocols.secagg.credit import indices_of
from protocols.secagg.holding import Holding
from protocols.secagg.sets import set_digest

NUMBERS = st.sampled_from([1, 1, 1, 1, 2, 3])
RARELY = st.sampled_from([False] * 7 + [True])
TRAINER = st.sampled_from(TRAINERS)
SALT = st.sampled_from([0, 0, 0, 1])
Chosen = tuple[Contribution, ...]


class HolderHistory(RuleBasedStateMachine):
    """A holder, everybody who may lie to it, and a ghost that remembers what it ever said."""

    @initialize(vote=st.booleans())
    def begin(self, vote: bool) -> None:
        self.vote = vote
        self.disk = Disk()
        self.machine = Holding("holder-1", ROSTER, ANYBODY, entropy=entropy_of("holder-1"))
        self.history: list[tuple[str, Wire]] = []
        self.checks: dict[str, CheckStream] = {}
        self.sums: dict[bytes, SumShares] = {}
        # Ghost state: nothing of it is ever lost.
        self.held: dict[bytes, dict[str, set[bytes]]] = defaultdict(lambda: defaultdict(set))
        self.voted: dict[bytes, set[bytes]] = defaultdict(set)
        self.summed: dict[bytes, set[Chosen]] = defaultdict(set)
        self.answers: dict[bytes, set[bytes]] = defaultdict(set)
        self.opened: dict[int, bytes] = {}
        self.ended: set[bytes] = set()
        # Most of what can go wrong needs a round in which there is something to choose from.
        self.say(COORDINATOR, opening(self.config(1)))
        self._upload(self.config(1), TRAINERS[:4])

    # --- helpers ----------------------------------------------------------------------

    def config(self, number: int, changed: bool = False) -> RoundConfig:
        state = b"\x01" * 32 if changed else bytes(32)
        return config_of(number=number, vote=self.vote, dimension=130, state=state)

    def configs(self) -> list[RoundConfig]:
        live = self.machine.live_rounds()
        return [
            config
            for number in (1, 2, 3)
            for config in (self.config(number), self.config(number, changed=True))
            if config.cid() in live
        ]

    def say(self, sender: str, message: Wire, *, crash: bool = False) -> None:
        self.history.append((sender, message))
        try:
            effects = self.machine.receive(sender, message)
        except PeerViolation:
            return
        self.perform(effects, crash=crash)

    def perform(self, effects: list[Effect], *, crash: bool = False) -> None:
        """Do as the actor does, or lose the whole decision to a crash before its commit."""
        if crash:
            self.restart()
            return
        self.disk.keep(effects)
        for effect in effects:
            match effect:
                case CheckStream():
                    self.checks[effect.stream] = effect
                case SumShares():
                    self._summing(effect)
                case Answer():
                    self._answering(effect)
                case Send(to=to, message=message):
                    self._sending(to, message)
                case _:
                    pass

    def record(self, cid: bytes, key: str) -> bytes | None:
        return self.disk.journal.get(f"round/{cid.hex()}/{key}")

    # --- what must be true at the moment that something leaves ------------------------

    def _sending(self, to: str, message: Any) -> None:
        if isinstance(message, Grant):
            share = self.record(message.cid, f"share/{to}")
            assert share is not None, "granted an upload that was not recorded"
            assert not parse(share, HeldShare).complete
            stored = self.disk.streams.get(share_stream(message.cid, to), {})
            assert set(indices_of(message.spans)) <= {0, 1} - set(stored), "granted what is there"
            assert self.record(message.cid, "vote") is None, "granted after the set was fixed"
        if isinstance(message, Vote):
            vote = self.record(message.cid, "vote")
            assert vote is not None, "voted before the vote was recorded"
            chosen = parse(vote, HeldVote).chosen
            assert message.set_digest == set_digest(message.cid, chosen)
            self._safe(message.cid, chosen)
            self.voted[message.cid].add(message.set_digest)
        if isinstance(message, Have):
            for c in message.contributions:
                record = self.record(message.cid, f"share/{c.trainer}")
                assert record is not None, "announced a share that was not recorded"
                assert parse(record, HeldShare).complete
                assert set(self.disk.streams[share_stream(message.cid, c.trainer)]) == {0, 1}
                assert self.held[message.cid][c.trainer] == {c.digest}
        if isinstance(message, RoundOpened):
            assert self.record(message.cid, "config") is not None
            number = next(
                n
                for n in (1, 2, 3)
                for changed in (False, True)
                if self.config(n, changed).cid() == message.cid
            )
            assert self.opened.setdefault(number, message.cid) == message.cid
            assert message.cid not in self.ended, "opened a round that was over"

    def _summing(self, effect: SumShares) -> None:
        cid = effect.config.cid()
        answer = self.record(cid, "answer")
        assert answer is not None, "summed before the release was recorded"
        assert parse(answer, HeldAnswer).chosen == effect.chosen
        self._safe(cid, effect.chosen)
        self.summed[cid].add(effect.chosen)
        self.sums[cid] = effect

    def _answering(self, effect: Answer) -> None:
        cid = effect.header.cid
        answer = self.record(cid, "answer")
        assert answer is not None, "answered before the answer was recorded"
        assert parse(answer, HeldAnswer).header == effect.header
        self.answers[cid].add(effect.header.set_digest)

    def _safe(self, cid: bytes, chosen: Chosen) -> None:
        names = [c.trainer for c in chosen]
        assert len(set(names)) >= 3, "a set below the minimum"
        assert len(set(names)) == len(names), "a trainer twice in a set"
        assert set(names) <= set(TRAINERS)
        for c in chosen:
            assert c.digest in self.held[cid][c.trainer], "a set that is not fully held"

    # --- what may happen --------------------------------------------------------------

    @rule(number=NUMBERS, changed=RARELY, crash=RARELY)
    def open(self, number: int, changed: bool, crash: bool) -> None:
        self.say(COORDINATOR, opening(self.config(number, changed)), crash=crash)

    @precondition(lambda self: self.configs())
    @rule(data=st.data(), trainer=TRAINER, salt=SALT, index=st.integers(0, 1), crash=RARELY)
    def chunk(self, data: st.DataObject, trainer: str, salt: int, index: int, crash: bool) -> None:
        config = data.draw(st.sampled_from(self.configs()))
        self.say(trainer, chunks_of(config, trainer, salt=salt)[index], crash=crash)

    @precondition(lambda self: self.configs())
    @rule(data=st.data(), trainers=st.sets(TRAINER, min_size=2))
    def upload(self, data: st.DataObject, trainers: set[str]) -> None:
        """Whole uploads, honest and checked, so that there is something to vote on."""
        self._upload(data.draw(st.sampled_from(self.configs())), sorted(trainers))

    def _upload(self, config: RoundConfig, trainers: Sequence[str]) -> None:
        for trainer in trainers:
            for chunk in chunks_of(config, trainer):
                self.say(trainer, chunk)
        for stream in sorted(self.checks):
            self._check(stream)

    @precondition(lambda self: self.checks)
    @rule(data=st.data(), crash=RARELY)
    def check(self, data: st.DataObject, crash: bool) -> None:
        self._check(data.draw(st.sampled_from(sorted(self.checks))), crash=crash)

    def _check(self, stream: str, *, crash: bool = False) -> None:
        check = self.checks.pop(stream)
        cid, _, trainer = stream.split("/")
        chunks = self.disk.streams.get(stream, {})
        ok = False
        for salt in (0, 1):
            expected = [c.payload for c in chunks_of(check.config, trainer, salt=salt)]
            whole = [chunks.get(i) for i in range(len(expected))] == expected
            if whole and not crash:
                self.held[bytes.fromhex(cid)][trainer].add(
                    contribution(check.config, trainer, salt).digest
                )
            ok = ok or whole
        self.perform(self.machine.checked(stream, ok=ok), crash=crash)

    @precondition(lambda self: self.configs())
    @rule(data=st.data(), crash=RARELY, release=st.booleans())
    def ask_for_what_it_holds(self, data: st.DataObject, crash: bool, release: bool) -> None:
        """The dangerous lie: a subset of what is really there."""
        config = data.draw(st.sampled_from(self.configs()))
        held = self.held[config.cid()]
        names = sorted(name for name in held if held[name])
        least = data.draw(st.sampled_from([2, min(3, len(names)), min(3, len(names))]))
        subset = (
            data.draw(st.sets(st.sampled_from(names), min_size=least))
            if len(names) >= least > 0
            else set()
        )
        chosen = tuple(
            Contribution(trainer=name, digest=sorted(held[name])[0]) for name in sorted(subset)
        )
        voters = data.draw(st.sampled_from([HOLDERS[:3], HOLDERS[:2], (*HOLDERS[:2], HOLDERS[1])]))
        self._ask(config, chosen, voters, crash=crash, release=release)

    @precondition(lambda self: self.configs())
    @rule(
        data=st.data(),
        names=st.lists(st.sampled_from([*TRAINERS, "mallory", "holder-2"]), max_size=6),
        salt=SALT,
        tidy=st.booleans(),
        voters=st.lists(st.sampled_from([*HOLDERS, "ann", "mallory"]), max_size=5),
        release=st.booleans(),
    )
    def ask_for_anything(
        self,
        data: st.DataObject,
        names: list[str],
        salt: int,
        tidy: bool,
        voters: list[str],
        release: bool,
    ) -> None:
        config = data.draw(st.sampled_from(self.configs()))
        named = sorted(set(names)) if tidy else names
        chosen = tuple(contribution(config, name, salt) for name in named)
        self._ask(config, chosen, tuple(voters), crash=False, release=release)

    def _ask(
        self,
        config: RoundConfig,
        chosen: Chosen,
        voters: tuple[str, ...],
        *,
        crash: bool,
        release: bool,
    ) -> None:
        cid = config.cid()
        message: Wire = (
            release_of(cid, chosen, voters) if release else Propose(cid=cid, chosen=chosen)
        )
        before = len(self.summed[cid])
        self.say(COORDINATOR, message, crash=crash)
        if release and len(set(voters) & set(HOLDERS)) < config.quorum:
            assert len(self.summed[cid]) == before, "released without a quorum"

    @precondition(lambda self: self.sums)
    @rule(data=st.data(), crash=RARELY)
    def sum_done(self, data: st.DataObject, crash: bool) -> None:
        summing = self.sums.pop(data.draw(st.sampled_from(sorted(self.sums))))
        header = answer_of(summing.config, summing.chosen)[0].header
        self.perform(self.machine.summed(header), crash=crash)

    @rule(number=NUMBERS, changed=RARELY, crash=RARELY, really=RARELY)
    def close(self, number: int, changed: bool, crash: bool, really: bool) -> None:
        if not really:
            return
        config = self.config(number, changed)
        message = CloseRound(cid=config.cid(), job="sum", number=number, complete=False, reason="")
        self.say(COORDINATOR, message, crash=crash)
        if not crash:
            self.ended.add(config.cid())

    @precondition(lambda self: self.history)
    @rule(data=st.data(), crash=RARELY)
    def replay(self, data: st.DataObject, crash: bool) -> None:
        sender, message = data.draw(st.sampled_from(self.history))
        self.say(sender, message, crash=crash)

    @rule()
    def restart(self) -> None:
        self.machine = Holding("holder-1", ROSTER, ANYBODY, entropy=entropy_of("holder-1"))
        self.machine.restore(self.disk.journal, self.disk.stored())
        self.checks, self.sums = {}, {}
        self.perform(self.machine.start())

    # --- what must always be true -----------------------------------------------------

    @invariant()
    def at_most_one_set_is_voted_for_and_answered_in_a_round(self) -> None:
        for cid, sets in self.summed.items():
            assert len(sets) <= 1, "two sets of one round were summed"
            assert len(self.voted[cid] | {set_digest(cid, s) for s in sets}) <= 1
        for cid, digests in self.answers.items():
            assert len(digests) <= 1, "two sets of one round were answered"
            assert digests <= {set_digest(cid, s) for s in self.summed[cid]}
        assert all(len(digests) <= 1 for digests in self.voted.values())

    @invariant()
    def nothing_is_kept_of_rounds_that_are_over(self) -> None:
        live = {cid.hex() for cid in self.machine.live_rounds()}
        assert {key.split("/")[1] for key in self.disk.journal if "round/" in key} == live
        assert {stream.split("/")[0] for stream in self.disk.streams} <= live
        assert not live & {cid.hex() for cid in self.ended}

    @invariant()
    def a_restored_holder_knows_the_same_rounds(self) -> None:
        again = Holding("holder-1", ROSTER, ANYBODY, entropy=entropy_of("holder-1"))
        again.restore(self.disk.journal, self.disk.stored())
        assert set(again.live_rounds()) == set(self.machine.live_rounds())


HolderHistory.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestHolderHistory = HolderHistory.TestCase


def test_the_ghost_sees_a_record_only_once_it_is_kept() -> None:
    disk = Disk()

    disk.keep([Record("a", b"1")])

    assert disk.journal == {"a": b"1"}
    assert not only([Record("a", None)], Send)
