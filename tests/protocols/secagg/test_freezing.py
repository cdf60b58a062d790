"""A share-holder in a check: one set, one coin, and values once a quorum agreed to it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from fakes.round_parts import (
    COORDINATOR,
    HOLDERS,
    ROSTER,
    TRAINERS,
    Disk,
    chunks_of,
    config_of,
    entropy_of,
    header_of,
    messages_of,
    only,
    opening,
    seed_of,
    set_of,
)
from fakes.signatures import ANYBODY, signature_of
from msgspec.structs import replace

from protocols.effects import CheckStream, CombineShares, Effect, Record
from protocols.errors import PeerViolation
from protocols.messages import (
    Ask,
    CheckValues,
    CoinOpening,
    CoinShare,
    Committed,
    Contribution,
    Endorsement,
    Freeze,
    Frozen,
    Propose,
    Refused,
    Reveal,
    TailDigests,
    Toss,
    Tossed,
    Vote,
    Wire,
    Working,
)
from protocols.round_config import RoundConfig
from protocols.secagg.agreed import coin_of, name_of
from protocols.secagg.coin import Coin
from protocols.secagg.degree_check import Weights, commitment
from protocols.secagg.holding import Holding
from protocols.secagg.sets import set_digest
from protocols.secagg.tails import seed_of_tests

CONFIG = config_of(checks=True, dimension=200)
CID = CONFIG.cid()
SET = set_of(CONFIG, *TRAINERS)
OTHER = set_of(CONFIG, *TRAINERS[:4])
DIGEST = set_digest(CID, SET)
NEED = 4
OWN = seed_of("coin").entropy
PARTS = {name: hashlib.sha256(name.encode()).digest() for name in HOLDERS} | {"holder-1": OWN}
COMMITTED = tuple(
    Committed(
        holder=name,
        commitment=commitment(DIGEST, place, PARTS[name]),
        signature=signature_of(
            "test",
            name,
            Frozen(cid=CID, set_digest=DIGEST, commitment=commitment(DIGEST, place, PARTS[name])),
        ),
    )
    for place, name in enumerate(HOLDERS)
)
SHARES = tuple(CoinShare(holder=name, opening=PARTS[name]) for name in HOLDERS)
REVEAL = Reveal(cid=CID, set_digest=DIGEST, committed=COMMITTED)


class One:
    """holder-1, with the shares of all trainers."""

    def __init__(self, *trainers: str) -> None:
        self.disk = Disk()
        self.machine = Holding("holder-1", ROSTER, ANYBODY, entropy=entropy_of("holder-1", "coin"))
        self.told(opening(CONFIG))
        for trainer in trainers or TRAINERS:
            for chunk in chunks_of(CONFIG, trainer):
                self.told(chunk, trainer)

    def told(self, message: Wire, sender: str = COORDINATOR) -> list[Effect]:
        effects = self.disk.keep(self.machine.receive(sender, message))
        for check in only(effects, CheckStream):
            assert check.masks
            self.disk.keep(self.machine.checked(check.stream, ok=True))
        return effects

    def crash(self) -> None:
        self.machine = Holding("holder-1", ROSTER, ANYBODY, entropy=entropy_of("after a crash"))
        self.machine.restore(self.disk.journal, self.disk.stored())
        self.machine.start()

    def tossed(self, shares: Sequence[CoinShare] = SHARES) -> list[Effect]:
        self.told(Freeze(cid=CID, chosen=SET))
        self.told(REVEAL)
        return self.told(Toss(cid=CID, shares=tuple(shares)))


def coin(shares: Sequence[CoinShare] = SHARES) -> Coin:
    return coin_of(CONFIG, DIGEST, shares, HOLDERS)


def ask(
    *names: str, about: tuple[tuple[int, int], ...] = ((0, 5),), made: Coin | None = None
) -> Ask:
    name = name_of(coin() if made is None else made)
    said = Tossed(cid=CID, coin=name)
    signed = (
        Endorsement(holder=holder, signature=signature_of("test", holder, said))
        for holder in names or HOLDERS[:NEED]
    )
    return Ask(cid=CID, coin=name, tossed=tuple(signed), about=about)


def refusals(effects: list[Effect]) -> list[str]:
    return [message.reason for message in messages_of(effects, Refused)]


def first_records(effects: list[Effect]) -> bool:
    places = [isinstance(effect, Record) for effect in effects]
    return places == sorted(places, reverse=True) and any(places)


# --- freeze ---------------------------------------------------------------------------


def test_it_freezes_a_set_that_it_has_records_it_first_and_commits_to_its_bytes() -> None:
    one = One()

    effects = one.told(Freeze(cid=CID, chosen=SET))

    assert first_records(effects)
    assert messages_of(effects, Frozen) == [
        Frozen(cid=CID, set_digest=DIGEST, commitment=COMMITTED[0].commitment)
    ]


def test_the_same_commitment_is_told_again_after_a_crash() -> None:
    one = One()
    before = messages_of(one.told(Freeze(cid=CID, chosen=SET)), Frozen)

    one.crash()

    again = one.told(Freeze(cid=CID, chosen=SET))
    assert messages_of(again, Frozen) == before
    assert not only(again, Record)


def test_a_second_set_is_never_frozen() -> None:
    one = One()
    one.told(Freeze(cid=CID, chosen=SET))

    one.crash()

    with pytest.raises(PeerViolation, match="a second set"):
        one.told(Freeze(cid=CID, chosen=OTHER))


def test_what_it_lacks_is_not_frozen() -> None:
    one = One(*TRAINERS[:4])

    effects = one.told(Freeze(cid=CID, chosen=SET))

    assert refusals(effects) == ["1 of 5 contributions are not complete here"]
    assert not only(effects, Record)


def test_a_set_below_the_minimum_is_a_violation() -> None:
    with pytest.raises(PeerViolation, match="below the minimum"):
        One().told(Freeze(cid=CID, chosen=SET[:2]))


def test_no_other_contribution_comes_in_once_a_set_is_frozen() -> None:
    one = One(*TRAINERS[:4])
    one.told(Freeze(cid=CID, chosen=OTHER))

    effects = one.told(chunks_of(CONFIG, "eve")[0], "eve")

    assert refusals(effects) == ["the set of the round is fixed"]


def test_it_votes_for_what_is_left_of_the_frozen_set_and_nothing_else() -> None:
    one = One()
    one.told(Freeze(cid=CID, chosen=OTHER))

    with pytest.raises(PeerViolation, match="not in the set that was frozen"):
        one.told(Propose(cid=CID, chosen=SET))
    effects = one.told(Propose(cid=CID, chosen=OTHER[1:]))

    assert messages_of(effects, Vote)


def test_nothing_is_frozen_after_its_vote() -> None:
    one = One()
    one.told(Propose(cid=CID, chosen=OTHER))

    assert refusals(one.told(Freeze(cid=CID, chosen=SET))) == ["the set of the round is fixed"]


def test_a_round_without_checks_has_none() -> None:
    plain = config_of()
    one = One()
    one.told(opening(config_of(number=2)))

    with pytest.raises(PeerViolation, match="without checks"):
        one.told(Freeze(cid=config_of(number=2).cid(), chosen=set_of(plain, *TRAINERS)))


# --- the coin -------------------------------------------------------------------------


def test_it_opens_its_part_once_the_commitments_are_recorded() -> None:
    one = One()
    one.told(Freeze(cid=CID, chosen=SET))

    effects = one.told(REVEAL)

    assert first_records(effects)
    assert messages_of(effects, CoinOpening) == [CoinOpening(cid=CID, opening=OWN)]


def changed(**fields: object) -> Reveal:
    other = Committed(
        **({"holder": "holder-5", "commitment": DIGEST, "signature": bytes(64)} | fields)
    )  # type: ignore[arg-type]
    return Reveal(cid=CID, set_digest=DIGEST, committed=(*COMMITTED[:4], other))


@pytest.mark.parametrize(
    ("reveal", "words"),
    [
        (Reveal(cid=CID, set_digest=DIGEST, committed=COMMITTED[:3]), "3 of 4"),
        (Reveal(cid=CID, set_digest=DIGEST, committed=COMMITTED[::-1]), "sorted"),
        (Reveal(cid=CID, set_digest=DIGEST, committed=COMMITTED[:1] * 4), "sorted"),
        (Reveal(cid=CID, set_digest=CID, committed=COMMITTED), "second set"),
        (changed(), "did not sign"),
        (changed(holder="mallory"), "no holder"),
    ],
)  # fmt: skip
def test_commitments_that_are_not_the_holders_are_a_violation(reveal: Reveal, words: str) -> None:
    one = One()
    one.told(Freeze(cid=CID, chosen=SET))

    with pytest.raises(PeerViolation, match=words):
        one.told(reveal)
    assert not [key for key in one.disk.journal if key.endswith("committed")]


def test_it_opens_nothing_for_a_list_that_it_is_not_in_nor_before_it_froze() -> None:
    one = One()
    without = Reveal(cid=CID, set_digest=DIGEST, committed=COMMITTED[1:])

    assert refusals(one.told(REVEAL)) == ["nothing is frozen here"]
    one.told(Freeze(cid=CID, chosen=SET))
    effects = one.told(without)

    assert refusals(effects) == ["the commitment of this holder is not there"]
    assert not messages_of(effects, CoinOpening)


def test_a_second_list_of_commitments_is_a_violation_after_a_crash_too() -> None:
    one = One()
    one.told(Freeze(cid=CID, chosen=SET))
    one.told(REVEAL)

    one.crash()

    with pytest.raises(PeerViolation, match="two lists"):
        one.told(Reveal(cid=CID, set_digest=DIGEST, committed=COMMITTED[:4]))


def test_it_agrees_to_the_coin_of_openings_that_were_committed_to_and_records_it_first() -> None:
    one = One()

    effects = one.tossed()

    assert first_records(effects)
    assert messages_of(effects, Tossed) == [Tossed(cid=CID, coin=name_of(coin()))]


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        (SHARES[:3], "3 of 4"),
        (SHARES[::-1], "sorted"),
        ((*SHARES[:4], CoinShare(holder="holder-5", opening=CID)), "not holder-5's"),
    ],
)
def test_openings_that_nobody_committed_to_make_no_coin(
    shares: tuple[CoinShare, ...], words: str
) -> None:
    one = One()

    with pytest.raises(PeerViolation, match=words):
        one.tossed(shares)
    assert not [key for key in one.disk.journal if key.endswith("coin")]


def test_a_coin_that_it_has_no_part_in_is_not_agreed_to() -> None:
    assert refusals(One().tossed(SHARES[1:])) == ["the opening of this holder is not there"]


def test_a_crash_never_leads_to_a_second_coin() -> None:
    one = One()
    one.tossed()

    one.crash()

    with pytest.raises(PeerViolation, match="a second coin"):
        one.told(Toss(cid=CID, shares=SHARES[:4]))
    assert messages_of(one.told(Toss(cid=CID, shares=SHARES)), Tossed) == [
        Tossed(cid=CID, coin=name_of(coin()))
    ]


# --- values ---------------------------------------------------------------------------

VALUES = {name: (place, 7 * place) for place, name in enumerate(TRAINERS)}


def told_values(effects: list[Effect]) -> list[tuple[tuple[int, ...], ...]]:
    return [message.values for message in messages_of(effects, CheckValues)]


def test_it_combines_once_a_quorum_agreed_says_that_it_is_at_work_and_tells_the_sums() -> None:
    one = One()
    one.tossed()

    begun = one.told(ask())
    again = one.told(ask(about=((0, 2), (4, 1))))

    assert only(begun, CombineShares) == [CombineShares(CONFIG, SET, coin())]
    assert not only(again, CombineShares)
    assert messages_of(one.machine.advance(0.0), Working) == [Working(cid=CID)]
    weights = Weights(coin(), TRAINERS)
    assert told_values(one.machine.combined(CID, VALUES)) == [
        (weights.summed(VALUES, TRAINERS[:2]), weights.summed(VALUES, TRAINERS[4:]))
    ]
    assert told_values(one.told(ask())) == [(weights.summed(VALUES, TRAINERS),)]
    assert one.machine.next_wake_s() is None


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (ask(*HOLDERS[:3]), "3 of 4"),
        (ask(*HOLDERS[:3], HOLDERS[2]), "sorted"),
        (ask(*HOLDERS[:3], "mallory"), "no holder"),
        (
            Ask(
                cid=CID,
                coin=ask().coin,
                tossed=(*ask().tossed[:3], Endorsement(holder="holder-5", signature=bytes(64))),
                about=((0, 5),),
            ),
            "holder-5 did not sign",
        ),
        (ask(made=coin(SHARES[:4])), "a second coin"),
        (ask(about=((3, 3),)), "not in the set"),
    ],
)
def test_without_a_quorum_for_this_very_coin_nothing_is_told(question: Ask, words: str) -> None:
    one = One()
    one.tossed()

    with pytest.raises(PeerViolation, match=words):
        one.told(question)


def test_without_a_coin_there_is_nothing_to_tell() -> None:
    one = One()
    one.told(Freeze(cid=CID, chosen=SET))

    assert refusals(one.told(ask())) == ["no coin was tossed here"]


def test_after_a_crash_the_same_is_combined_again_for_the_next_question() -> None:
    one = One()
    one.tossed()
    one.told(ask())

    one.crash()

    assert only(one.told(ask()), CombineShares) == [CombineShares(CONFIG, SET, coin())]


def test_who_cannot_read_its_shares_says_so_and_no_more() -> None:
    one = One()
    one.tossed()
    one.told(ask())

    assert one.machine.combined(CID, None) == []

    assert refusals(one.told(ask())) == ["the shares can't be read here"]
    assert one.machine.next_wake_s() is None


def test_values_of_a_round_that_is_over_are_dropped() -> None:
    one = One()
    one.tossed()
    one.told(ask())
    one.told(opening(config_of(number=2)))

    assert one.machine.combined(CID, VALUES) == []


def test_a_set_is_frozen_by_its_digests_not_by_names() -> None:
    one = One()
    other = (*SET[:4], Contribution(trainer="eve", digest=bytes(32)))

    assert refusals(one.told(Freeze(cid=CID, chosen=other))) == [
        "1 of 5 contributions are not complete here"
    ]


# --- where norms are bound --------------------------------------------------------------

BOUND = config_of(checks=True, threshold=2, norm_bound=1000, dimension=10)
BOUND_SET = set_of(BOUND, *TRAINERS)


def asked_with_a_bound(machine: Holding, disk: Disk) -> list[Effect]:
    """Go through a whole check, up to the question."""
    digest = set_digest(BOUND.cid(), BOUND_SET)
    said = [
        Frozen(
            cid=BOUND.cid(), set_digest=digest, commitment=commitment(digest, place, PARTS[name])
        )
        for place, name in enumerate(HOLDERS)
    ]
    committed = tuple(
        Committed(holder=name, commitment=one.commitment, signature=signature_of("test", name, one))
        for name, one in zip(HOLDERS, said, strict=True)
    )
    made = coin_of(BOUND, digest, SHARES, HOLDERS)
    tossed = Tossed(cid=BOUND.cid(), coin=name_of(made))
    signed = (
        Endorsement(holder=name, signature=signature_of("test", name, tossed))
        for name in HOLDERS[:NEED]
    )
    question = Ask(cid=BOUND.cid(), coin=name_of(made), tossed=tuple(signed), about=((1, 3),))
    messages = (
        Freeze(cid=BOUND.cid(), chosen=BOUND_SET),
        Reveal(cid=BOUND.cid(), set_digest=digest, committed=committed),
        Toss(cid=BOUND.cid(), shares=SHARES),
        question,
    )
    return [disk.keep(machine.receive(COORDINATOR, message)) for message in messages][-1]


def test_both_words_are_told_under_weights_of_their_own_and_the_tests_survive_a_crash() -> None:
    disk = Disk()
    machine = Holding("holder-1", ROSTER, ANYBODY, entropy=entropy_of("holder-1", "coin"))
    disk.keep(machine.receive(COORDINATOR, opening(BOUND)))
    for trainer in TRAINERS:
        for chunk in chunks_of(BOUND, trainer):
            for check in only(disk.keep(machine.receive(trainer, chunk)), CheckStream):
                header = chunk.header
                assert header.tails is not None
                assert (check.digest, check.tail) == (
                    header.share_digests[0],
                    header.tails.digests[0],
                )
                disk.keep(machine.checked(check.stream, ok=True))
    again = Holding("holder-1", ROSTER, ANYBODY, entropy=entropy_of("coin"))
    again.restore(disk.journal, disk.stored())
    (effect,) = only(asked_with_a_bound(again, disk), CombineShares)
    assert effect.seeds == tuple(seed_of_tests(header_of(BOUND, name)) for name in TRAINERS)

    values = {name: (place, 1, 5 * place, 7) for place, name in enumerate(TRAINERS)}
    (told,) = messages_of(again.combined(BOUND.cid(), values), CheckValues)

    rows = [effect.coin.rows("lambda", word, 5).tolist() for word in range(2)]
    weights = [*rows[0], *rows[1]]
    expected = tuple(
        sum(weight[place] * values[TRAINERS[place]][k] for place in (1, 2, 3)) % (2**61 - 1)
        for k, weight in enumerate(weights)
    )
    assert told.values == (expected,)
    assert len({row[0] for row in weights}) == 4


@pytest.mark.parametrize("config", [BOUND, CONFIG])
def test_a_header_without_the_tails_of_its_round_is_of_the_wrong_shape(
    config: RoundConfig,
) -> None:
    machine = Holding("holder-1", ROSTER, ANYBODY, entropy=entropy_of("holder-1"))
    machine.receive(COORDINATOR, opening(config))
    chunk = chunks_of(config, "ann")[0]
    tails = TailDigests(salt=bytes(32), digests=(bytes(32),) * 5)
    header = replace(chunk.header, tails=None if config.norm_bound else tails)

    with pytest.raises(PeerViolation, match="digests of tails"):
        machine.receive("ann", replace(chunk, header=header))
