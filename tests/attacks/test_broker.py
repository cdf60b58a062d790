"""Whoever runs the broker can stop rounds, and read, change or make up nothing in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from random import Random

import numpy as np
import pytest
from attacks.hostile_broker import HostileStage, Passing
from fakes.actor_rig import Stage, in_virtual_time, vector_of
from fakes.signatures import signed
from msgspec.structs import replace

from infra.hpke_sealing import HpkeSealing
from protocols.codec import opened, seal
from protocols.learning.state import State
from protocols.messages import (
    Announce,
    AnswerChunk,
    CloseRound,
    Have,
    Message,
    OpenRound,
    Propose,
    Release,
    RoundOpened,
    ShareChunk,
    Vote,
    Wire,
    read,
)
from protocols.reports import PeerFault, RoundComplete
from protocols.trust.sealing import CLASSICAL, BoxKey

pytestmark = pytest.mark.attack

ROUNDS = 2


def played(meddle: Callable[[Passing], Iterable[Passing]]) -> HostileStage:
    stage = HostileStage(meddle, rounds=ROUNDS)
    in_virtual_time(stage.run())
    return stage


def honest_sums(stage: Stage) -> int:
    """Return how many sums were opened; each is exactly that of its survivors, at least three."""
    complete = [e for e in stage.events if isinstance(e, RoundComplete)]
    states = [State.from_bytes(data) for data in stage.checkpoints.saved.values()]
    totals = [s.floats("total") for s in states if s.arrays]
    for event in complete:
        places = [stage.roster.trainers.index(name) for name in event.survivors]
        wanted = sum(vector_of(place, event.number) for place in places)
        assert len(places) >= 3
        assert any(np.array_equal(total, wanted) for total in totals)
    assert len(totals) == len(complete)
    return len(complete)


def accused(stage: Stage) -> set[str]:
    return {fault.reason.split(":")[0] for fault in stage.events_of(PeerFault)}


# --- messages that are changed --------------------------------------------------------

KINDS: tuple[type[Message], ...] = (
    OpenRound,
    RoundOpened,
    Announce,
    ShareChunk,
    Have,
    Propose,
    Vote,
    Release,
    AnswerChunk,
    CloseRound,
)


def flipped(body: bytes, draw: Random) -> bytes:
    place = draw.randrange(len(body))
    return body[:place] + bytes([body[place] ^ (1 << draw.randrange(8))]) + body[place + 1 :]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_flipped_bit_in_any_kind_of_message_is_refused(kind: type[Message]) -> None:
    draw, hurt = Random(1), [0]

    def meddle(passing: Passing) -> list[Passing]:
        if type(read(passing.body)[1]) is not kind or hurt[0] >= 3:
            return [passing]
        hurt[0] += 1
        changed = Passing(passing.sender, passing.recipient, flipped(passing.body, draw))
        return [changed, passing]

    stage = played(meddle)

    assert hurt == [3]
    assert stage.events_of(PeerFault), "nobody noticed"
    stage.check(rounds=ROUNDS)


def test_of_messages_of_which_every_fifth_is_garbled_all_others_do() -> None:
    draw, count = Random(2), [0]

    def meddle(passing: Passing) -> list[Passing]:
        count[0] += 1
        if count[0] % 5:
            return [passing]
        return [Passing(passing.sender, passing.recipient, flipped(passing.body, draw))]

    stage = played(meddle)

    assert stage.events_of(PeerFault)
    assert honest_sums(stage) == ROUNDS


@pytest.mark.parametrize("how", ["unsigned", "own key", "another federation"])
def test_a_message_that_is_signed_anew_or_not_at_all_is_refused(how: str) -> None:
    def forged(passing: Passing) -> bytes:
        _, message = read(passing.body)
        if how == "unsigned":
            return seal(passing.sender, message)
        if how == "own key":
            return signed("test", "mallory", message, name=passing.sender)
        return signed("elsewhere", passing.sender, message)

    def meddle(passing: Passing) -> list[Passing]:
        return [Passing(passing.sender, passing.recipient, forged(passing)), passing]

    stage = played(meddle)

    assert all(reason.startswith("did not sign this") for reason in accused(stage))
    assert len(stage.events_of(PeerFault)) > 50
    stage.check(rounds=ROUNDS)


def test_the_signature_of_one_message_is_that_of_no_other() -> None:
    last: dict[tuple[str, str], bytes] = {}

    def meddle(passing: Passing) -> list[Passing]:
        envelope, ends = opened(passing.body), (passing.sender, passing.recipient)
        before, last[ends] = last.get(ends, bytes(64)), envelope.signature
        _, message = read(passing.body)
        forged = seal(passing.sender, message, signature=before)
        known = forged == passing.body  # the same message again
        return [passing] if known else [Passing(*ends, forged), passing]

    stage = played(meddle)

    assert accused(stage)
    assert all(reason.startswith("did not sign this") for reason in accused(stage))
    stage.check(rounds=ROUNDS)


def test_a_message_in_another_members_name_is_refused() -> None:
    def meddle(passing: Passing) -> list[Passing]:
        if not passing.sender.startswith("holder-"):
            return [passing]
        other = "holder-1" if passing.sender != "holder-1" else "holder-2"
        _, message = read(passing.body)
        signature = opened(passing.body).signature
        forged = seal(other, message, signature=signature)
        return [Passing(other, passing.recipient, forged), passing]

    stage = played(meddle)

    assert all(reason.startswith("did not sign this") for reason in accused(stage))
    assert len(stage.events_of(PeerFault)) > 20
    stage.check(rounds=ROUNDS)


# --- keys that are swapped ------------------------------------------------------------


def test_keys_in_the_holders_place_are_refused_and_no_share_is_sealed_to_them() -> None:
    """The broker would open all shares that are sealed to its own keys."""
    mine = BoxKey.from_entropy(CLASSICAL, bytes(range(32)))
    shares: list[ShareChunk] = []

    def meddle(passing: Passing) -> list[Passing]:
        _, message = read(passing.body)
        if isinstance(message, ShareChunk):
            shares.append(message)
        if not isinstance(message, Announce):
            return [passing]
        ours = tuple(replace(one, sealing_key=mine.sealing_key) for one in message.opened)
        forged = replace(message, opened=ours)
        signature = opened(passing.body).signature
        body = seal(passing.sender, forged, signature=signature)
        return [Passing(passing.sender, passing.recipient, body), passing]

    stage = played(meddle)

    assert "did not sign this Announce" in accused(stage)
    assert shares
    for share in shares:
        with pytest.raises(Exception, match="does not open"):
            HpkeSealing().open(mine, b"", share.payload)
    stage.check(rounds=ROUNDS)


# --- messages that are moved ----------------------------------------------------------


def test_a_share_that_is_given_to_another_holder_does_not_open_there() -> None:
    others = {f"holder-{i}": f"holder-{i % 5 + 1}" for i in range(1, 6)}
    kept: dict[str, list[Passing]] = defaultdict(list)

    def meddle(passing: Passing) -> list[Passing]:
        if not isinstance(read(passing.body)[1], ShareChunk):
            return [passing]
        kept[others[passing.recipient]].append(passing)
        moved = kept.pop(passing.recipient, [])
        return [*(Passing(p.sender, passing.recipient, p.body) for p in moved), passing]

    stage = played(meddle)

    assert accused(stage) == {"a sealed box does not open"}
    stage.check(rounds=ROUNDS)


def test_what_was_said_in_one_round_means_nothing_in_the_next() -> None:
    said: dict[str, list[Passing]] = defaultdict(list)
    again: list[int] = []

    def meddle(passing: Passing) -> list[Passing]:
        _, message = read(passing.body)
        said[passing.recipient].append(passing)
        second = isinstance(message, OpenRound) and message.config.number == 2
        if not second or passing.recipient in again:
            return [passing]
        again.append(passing.recipient)  # type: ignore[arg-type]
        return [*said[passing.recipient], passing]

    stage = played(meddle)

    assert len(again) == 5
    stage.check(rounds=ROUNDS)


def test_shares_of_another_round_are_refused() -> None:
    first: dict[str, Passing] = {}

    def meddle(passing: Passing) -> list[Passing]:
        _, message = read(passing.body)
        if not isinstance(message, ShareChunk):
            return [passing]
        old = first.setdefault(f"{passing.sender} {passing.recipient} {message.index}", passing)
        return [old, passing] if old is not passing else [passing]

    stage = played(meddle)

    assert accused(stage) == set()  # honest trainers are not blamed for it
    stage.check(rounds=ROUNDS)


def test_everything_twice_counts_once() -> None:
    stage = played(lambda passing: [passing, passing])

    assert accused(stage) == set()
    stage.check(rounds=ROUNDS)


def test_messages_in_another_order_change_nothing() -> None:
    kept: dict[str, Passing] = {}

    def meddle(passing: Passing) -> list[Passing]:
        before = kept.pop(passing.recipient, None)
        if before is not None:
            return [passing, before]
        if len(passing.body) % 3:
            return [passing]
        kept[passing.recipient] = passing
        return []

    stage = played(meddle)

    assert accused(stage) == set()
    assert honest_sums(stage) == ROUNDS


@pytest.mark.parametrize("rate", [0.05, 0.1])
def test_messages_that_are_lost_cost_time_only(rate: float) -> None:
    draw = Random(4)

    stage = played(lambda passing: [] if draw.random() < rate else [passing])

    assert accused(stage) == set()
    assert honest_sums(stage) == ROUNDS


def test_a_broker_that_loses_half_of_all_gets_no_sum_or_an_exact_one() -> None:
    draw = Random(5)

    stage = played(lambda passing: [] if draw.random() < 0.5 else [passing])

    assert accused(stage) == set()
    honest_sums(stage)


# --- messages that are made up --------------------------------------------------------


def made_up(passing: Passing) -> list[Passing]:
    """Add to a message what the broker would like its sender to have said next."""
    _, message = read(passing.body)
    forged: list[Wire] = []
    match message:
        case OpenRound(config=config):
            end = {"job": config.job, "number": config.number, "complete": True, "reason": ""}
            forged.append(CloseRound(cid=config.cid(), **end))
        case Propose() | Release():
            forged.append(replace(message, chosen=message.chosen[:3]))
        case Vote():
            forged.append(replace(message, set_digest=bytes(32)))
        case Have():
            forged.append(replace(message, contributions=()))
        case _:
            pass
    bodies = [seal(passing.sender, one, signature=bytes(64)) for one in forged]
    return [*(Passing(passing.sender, passing.recipient, b) for b in bodies), passing]


def test_what_the_broker_says_in_members_names_is_not_believed() -> None:
    stage = played(made_up)

    kinds = {f"did not sign this {kind}" for kind in ("CloseRound", "Propose", "Release", "Vote")}
    assert kinds <= accused(stage)
    stage.check(rounds=ROUNDS)


def test_garbage_of_all_sizes_is_dropped() -> None:
    draw = Random(3)

    def meddle(passing: Passing) -> list[Passing]:
        body = draw.randbytes(draw.choice((0, 1, 7, 64, 300, 5000)))
        return [Passing(passing.sender, passing.recipient, body), passing]

    stage = played(meddle)

    assert len(stage.events_of(PeerFault)) > 100
    stage.check(rounds=ROUNDS)


def test_whoever_reads_everything_sees_no_share_no_answer_and_no_vector() -> None:
    seen: list[bytes] = []

    def meddle(passing: Passing) -> list[Passing]:
        seen.append(passing.body)
        return [passing]

    stage = played(meddle)

    kept = [chunk for home in stage.homes.values() for _, _, chunk in home.spool.ever]
    pieces = {chunk[at : at + 16] for chunk in kept for at in range(0, len(chunk) - 16, 64)}
    vectors = [vector_of(place, 1).astype("<f8").tobytes() for place in range(4)]
    assert len(pieces) > 500
    whole = b"".join(seen)
    assert not [piece for piece in pieces if piece in whole]
    assert not [vector for vector in vectors if vector[8:32] in whole]
