from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from fakes.dealt import dealing, plus
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import Misuse
from protocols.secagg.coin import REPETITIONS
from protocols.secagg.degree_check import Weights, public_coin
from protocols.secagg.field import FIELDS, P31, P61
from protocols.secagg.inquiry import Findings, Inquiry, enough
from protocols.secagg.judging import Committee

OPENINGS = {place: bytes([place]) * 32 for place in range(4)}


class Scene:
    """Trainers that dealt, holders that answer what an inquiry asks."""

    def __init__(self, field, *, t: int, faults: int, trainers: int, n: int | None = None) -> None:
        self.committee = Committee(field=field, threshold=t, faults=faults)
        self.n = n or t + max(2 * faults, 1)
        self.names = [f"t{number:03}" for number in range(trainers)]
        draw, repetitions = np.random.default_rng(t), REPETITIONS[field.name]
        self.dealings = {
            name: dealing(field, draw, t=t, n=self.n, size=6, repetitions=repetitions)
            for name in self.names
        }
        self.lies: dict[int, Callable[[tuple[str, ...]], int]] = {}
        self.asked: list[tuple[str, ...]] = []
        self.steps = 0

    def spoil(self, trainer: str, places) -> None:
        for place in places:
            # Errors of no polynomial: the places' squares are no multiple of anything here.
            self.dealings[trainer].spoil(self.committee.field, place, place % 6, 7 + place**3)

    def prepared(self) -> Scene:
        coin = public_coin(self.committee.field, bytes(32), OPENINGS)
        self._weights = Weights(coin, self.names)
        of = {name: self.dealings[name].values(coin) for name in self.names}
        self._values = {
            place: {name: of[name][place] for name in self.names} for place in range(self.n)
        }
        return self

    def say(self, place: int, trainers: tuple[str, ...]):
        values = self._weights.summed(self._values[place], trainers)
        lie = self.lies.get(place, lambda _: 0)(trainers)
        return tuple(plus(self.committee.field, value, lie) for value in values)

    def begin(self) -> Inquiry:
        words = {place: self.say(place, tuple(self.names)) for place in range(self.n)}
        return Inquiry(self.committee, self.names, words)

    def run(self) -> Findings:
        inquiry = self.prepared().begin()
        while questions := inquiry.questions:
            self.steps += 1
            self.asked += questions
            inquiry.receive(
                {place: [self.say(place, q) for q in questions] for place in range(self.n)}
            )
        return inquiry.findings


def test_when_all_fits_nothing_is_asked():
    findings = Scene(P31, t=3, faults=1, trainers=9).run()

    assert findings == Findings(inconsistent=(), disputes=())


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
@pytest.mark.parametrize("trainers", [1, 2, 3, 64, 100])
def test_each_bad_trainer_is_named_with_log2_n_questions(field, trainers):
    scene = Scene(field, t=3, faults=1, trainers=trainers)
    bad = sorted({scene.names[0], scene.names[trainers // 2], scene.names[-1]})
    for name in bad:
        scene.spoil(name, range(5))

    findings = scene.run()

    assert findings == Findings(inconsistent=tuple(bad), disputes=())
    assert scene.steps == math.ceil(math.log2(trainers))
    assert len(scene.asked) <= len(bad) * scene.steps


def test_without_liars_one_spare_holder_is_enough():
    scene = Scene(P61, t=3, faults=0, trainers=10)
    scene.spoil("t004", [2])

    assert scene.run().inconsistent == ("t004",)


def test_false_shares_for_few_holders_are_a_dispute_that_the_shares_decide():
    scene = Scene(P31, t=3, faults=2, trainers=8)
    scene.spoil("t005", [1, 6])

    findings = scene.run()

    (dispute,) = findings.disputes
    assert (findings.inconsistent, dispute.trainer) == ((), "t005")
    # The claims are what follows from the shares, so the trainer is at fault.
    assert dispute.claims == {place: scene.say(place, ("t005",)) for place in (1, 6)}


def test_a_liar_that_spares_the_rest_disputes_one_trainer_and_its_claim_is_false():
    scene = Scene(P31, t=3, faults=2, trainers=8)
    scene.lies[4] = lambda trainers: 1000 * ("t002" in trainers)

    findings = scene.run()

    (dispute,) = findings.disputes
    assert (findings.inconsistent, dispute.trainer) == ((), "t002")
    assert list(dispute.claims) == [4]
    del scene.lies[4]
    assert dispute.claims[4] != scene.say(4, ("t002",))


def test_a_holder_that_lies_once_can_not_take_it_back():
    # It lies about all, and tells the truth about every half: the rest does not fit then.
    scene = Scene(P31, t=3, faults=1, trainers=8)
    scene.lies[0] = lambda trainers: 5 * (len(trainers) == 8)

    findings = scene.run()

    assert [list(dispute.claims) for dispute in findings.disputes] == [[0]]
    assert findings.inconsistent == ()


@st.composite
def scenes(draw):
    field = draw(st.sampled_from(list(FIELDS.values())))
    t, faults = draw(st.integers(2, 3)), draw(st.integers(0, 2))
    scene = Scene(field, t=t, faults=faults, trainers=draw(st.integers(1, 9)))
    places = st.integers(0, scene.n - 1)
    liars = draw(st.lists(places, max_size=faults, unique=True))
    for liar in liars:
        seed = draw(st.integers(0, 2**16))
        # A lie depends on the question, as if made up on the spot; sometimes it is none.
        scene.lies[liar] = lambda trainers, seed=seed: (
            (seed * len(trainers) * (1 + sum(map(ord, "".join(trainers))))) % 3
        )
    false = draw(
        st.dictionaries(
            st.sampled_from(scene.names),
            st.lists(places, min_size=1, max_size=scene.n, unique=True),
            max_size=3,
        )
    )
    for trainer, spoilt in false.items():
        scene.spoil(trainer, spoilt)
    return scene, liars, false


@settings(max_examples=200, deadline=None)
@given(scenes())
def test_no_honest_trainer_is_called_inconsistent_and_no_dispute_is_between_honest_ones(case):
    scene, liars, false = case

    findings = scene.run()

    assert set(findings.inconsistent) <= set(false)
    for dispute in findings.disputes:
        assert dispute.trainer in false or set(dispute.claims) <= set(liars)
        assert 1 <= len(dispute.claims) <= scene.committee.faults
    # Whoever dealt honest holders shares of no polynomial is named in one way or the other.
    named = {*findings.inconsistent, *(dispute.trainer for dispute in findings.disputes)}
    t = scene.committee.threshold
    for trainer, spoilt in false.items():
        honest = set(range(scene.n)) - set(liars)
        if len(honest - set(spoilt)) >= t and honest & set(spoilt):
            assert trainer in named
    assert len(scene.asked) < len(scene.names)
    assert scene.steps <= math.ceil(math.log2(len(scene.names)))


def test_who_stops_answering_is_left_out_and_the_others_go_on():
    scene = Scene(P31, t=3, faults=1, trainers=8, n=6)
    scene.spoil("t006", range(6))
    inquiry = scene.prepared().begin()

    for staying in ((0, 1, 2, 3, 4, 5), (0, 1, 3, 4, 5), (0, 1, 3, 4, 5)):
        questions = inquiry.questions
        inquiry.receive({place: [scene.say(place, q) for q in questions] for place in staying})

    assert inquiry.findings.inconsistent == ("t006",)


def test_too_few_holders_name_nobody():
    scene = Scene(P31, t=3, faults=1, trainers=8)
    scene.spoil("t006", range(5))
    inquiry = scene.prepared().begin()
    (question,) = inquiry.questions

    with pytest.raises(Misuse, match="too few"):
        inquiry.receive({place: [scene.say(place, question)] for place in range(4)})
    with pytest.raises(Misuse, match="too few"):
        Inquiry(scene.committee, scene.names, dict.fromkeys(range(4), (0,) * 4))


def test_enough_is_t_plus_2f_and_one_more_than_t_at_least():
    for faults, needed in ((0, 4), (1, 5), (3, 9)):
        committee = Committee(field=P31, threshold=3, faults=faults)

        assert not enough(committee, needed - 1)
        assert enough(committee, needed)


def test_what_makes_no_sense_is_refused():
    scene = Scene(P31, t=3, faults=1, trainers=8)
    scene.spoil("t006", range(5))
    inquiry = scene.prepared().begin()
    (question,) = inquiry.questions
    answers = {place: [scene.say(place, question)] for place in range(5)}

    with pytest.raises(Misuse, match="not over"):
        _ = inquiry.findings
    with pytest.raises(Misuse, match="not asked"):
        inquiry.receive({**answers, 5: answers[0]})
    with pytest.raises(Misuse, match="each question"):
        inquiry.receive({**answers, 0: []})
    with pytest.raises(Misuse, match="nobody to ask about"):
        Inquiry(scene.committee, [], answers)
    assert inquiry.questions == (question,)
