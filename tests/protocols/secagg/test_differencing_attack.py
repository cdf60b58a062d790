"""A coordinator that has a state summed twice, to subtract: the attack, and what stops it.

In the first round it has the set of all voted, shows the certificate to as many holders as it
needs answers from, and gives the round up. In the second, over the same state, it asks everybody
for the set without its victim. The difference of the two sums is the victim's vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from fakes.round_rig import Node, Rig, Shape
from numpy.typing import NDArray

from protocols.codec import Envelope
from protocols.effects import Effect, Prepare
from protocols.messages import (
    AnswerChunk,
    Contribution,
    Endorsement,
    Have,
    Propose,
    Refused,
    Release,
    Vote,
    Wire,
    received,
)
from protocols.reports import RoundAbandoned, RoundComplete
from protocols.round_config import RoundConfig
from protocols.secagg.contributing import Contributing
from protocols.secagg.holding import Holding
from protocols.secagg.pledges import HeldPledges
from protocols.secagg.sets import set_digest
from protocols.secagg.suites import SUITES

VICTIM = "trainer-02"

pytestmark = pytest.mark.attack


class SameVectors(Rig):
    """Trainers whose vector follows from their name and the state, as that of a model does."""

    def vector(self, name: str, state: bytes) -> NDArray[np.int64]:
        seed = int.from_bytes(hashlib.sha256(name.encode() + state).digest()[:8], "little")
        return np.random.default_rng(seed).integers(-1000, 1000, self.shape.dimension)

    def _prepare(self, name: str, node: Node, effect: Prepare) -> None:
        config = effect.announce.config
        values = self.values[name, config.cid()] = self.vector(name, config.state)
        header = self.protect(name, node, config, values)
        assert isinstance(node.machine, Contributing)
        self.perform(name, node.machine.prepared(header))


class Attacker:
    """Runs the coordinator's own program, reads and holds back what it sends, and adds to it."""

    def __init__(self, threshold: int) -> None:
        self.rig = SameVectors(Shape(threshold=threshold, abandoned_rounds=5))
        self.holders = self.rig.roster.holders
        self.first_answerers = self.holders[:threshold]
        self.configs: dict[int, RoundConfig] = {}
        self.held: dict[str, dict[str, Contribution]] = {holder: {} for holder in self.holders}
        self.answers: dict[bytes, dict[str, AnswerChunk]] = {}
        self.votes: dict[str, bytes] = {}
        self.refused: dict[str, str] = {}
        self.attacking = True
        self.target: tuple[Contribution, ...] = ()

    def run(self) -> None:
        self.rig.start()
        for _ in range(5000):
            places = self.rig.deliverable()
            if self.rig.coordinator.ended is not None and not places:
                return
            if not places:
                self.attack_or_let_time_pass()
            elif self.passes(*self.rig.flying[places[0]]):
                self.rig.deliver(places[0])
            else:
                del self.rig.flying[places[0]]
        raise AssertionError("the job did not end")

    def attack_or_let_time_pass(self) -> None:
        if self.attacking and 2 in self.configs and all(len(h) == 5 for h in self.held.values()):
            self.attacking = False
            self.ask()
        assert self.rig.deliverable() or self.rig.let_time_pass()

    def passes(self, to: str, body: bytes) -> bool:
        envelope, message = received(body)
        config = getattr(message, "config", None)
        if isinstance(config, RoundConfig):
            self.configs[config.number] = config
        if to == self.rig.roster.coordinator:
            return self.coordinator_hears(envelope, message)
        first = 2 not in self.configs
        if isinstance(message, Release) and first:
            return to in self.first_answerers
        return not (isinstance(message, Propose) and not first and self.attacking)

    def coordinator_hears(self, envelope: Envelope, message: Wire) -> bool:
        """Keep what the attack needs; the first sum must not end the round."""
        sender = envelope.sender
        match message:
            case AnswerChunk():
                self.answers.setdefault(message.header.set_digest, {})[sender] = message
                return 2 in self.configs
            case Have() if message.cid == self.cid(2):
                for one in message.contributions:
                    self.held[sender][one.trainer] = one
                # Its own program would propose the honest set at once.
                return not self.attacking
            case Vote() if self.target and message.set_digest == self.digest():
                self.votes[sender] = envelope.signature
                self.ask_for_answers()
                return False
            case Refused():
                self.refused.setdefault(sender, message.reason)
        return True

    def cid(self, number: int) -> bytes:
        return self.configs[number].cid() if number in self.configs else b""

    def digest(self) -> bytes:
        return set_digest(self.cid(2), self.target)

    def ask(self) -> None:
        held = self.held[self.holders[0]]
        self.target = tuple(held[name] for name in sorted(held) if name != VICTIM)
        for holder in self.holders:
            self.say(holder, Propose(cid=self.cid(2), chosen=self.target))

    def ask_for_answers(self) -> None:
        if len(self.votes) == 3:
            votes = tuple(Endorsement(holder=h, signature=s) for h, s in self.votes.items())
            for holder in self.holders:
                self.say(holder, Release(cid=self.cid(2), chosen=self.target, votes=votes))

    def say(self, holder: str, message: Wire) -> None:
        self.rig.send(self.rig.roster.coordinator, holder, message)

    def stolen(self) -> NDArray[np.int64] | None:
        """Subtract the two sums, if there are answers enough for both."""
        sums = []
        for answers in self.answers.values():
            if len(answers) >= self.rig.shape.threshold:
                config = self.configs[1]
                payloads = {self.holders.index(h): c.payload for h, c in answers.items()}
                sums.append(SUITES[config.suite].open(config, payloads))
        return sums[0] - sums[1] if len(sums) >= 2 else None

    def secret(self) -> NDArray[np.int64]:
        return self.rig.vector(VICTIM, self.configs[1].state)


@pytest.mark.parametrize("threshold", [2, 3])
def test_all_honest_holders_refuse_and_the_honest_sum_is_right(threshold: int) -> None:
    attacker = Attacker(threshold)

    attacker.run()

    said = "the set differs by 1 trainer from one of a set that this holder went along with"
    assert set(attacker.refused) == set(attacker.holders)
    assert all(reason.startswith(said) for reason in attacker.refused.values())
    assert attacker.votes == {}
    stolen = attacker.stolen()
    assert stolen is None or not stolen.any(), "two sums differ by what was to be hidden"
    rig = attacker.rig
    rig.check()
    assert [e.number for e in rig.events if isinstance(e, RoundAbandoned)] == [1]
    (complete,) = [event for event in rig.events if isinstance(event, RoundComplete)]
    assert complete.survivors == rig.roster.trainers


def without_a_guard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HeldPledges, "refusal", lambda *_: None)


def bound_by_answers_only(patch: pytest.MonkeyPatch) -> None:
    whole = Holding._on_propose

    def on_propose(self: Holding, sender: str, message: Propose, signature: bytes) -> list[Effect]:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(self._pledges, "keep", lambda *_: [])
            return whole(self, sender, message, signature)

    patch.setattr(Holding, "_on_propose", on_propose)


@pytest.mark.parametrize(
    ("weaken", "threshold"),
    [(without_a_guard, 2), (without_a_guard, 3), (bound_by_answers_only, 2)],
)
def test_without_the_guard_the_attack_gives_the_victims_vector(
    weaken: Callable[[pytest.MonkeyPatch], None], threshold: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guard over answers only is none where 2t ≤ n: others answer for the second set."""
    weaken(monkeypatch)
    attacker = Attacker(threshold)

    attacker.run()

    stolen = attacker.stolen()
    assert stolen is not None
    assert np.array_equal(np.abs(stolen), np.abs(attacker.secret()))
