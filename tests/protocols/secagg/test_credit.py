"""Credit by itself: spans there and back, what a holder asks for, what a trainer sends."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.messages import MAX_CREDIT
from protocols.secagg.credit import (
    Incoming,
    Outgoing,
    fair_share,
    indices_of,
    span_fault,
    spans_of,
)


def with_stored(*indices: int) -> Incoming:
    return Incoming(dict.fromkeys(indices))


# --- spans ----------------------------------------------------------------------------


@given(indices=st.sets(st.integers(0, 400), min_size=1, max_size=MAX_CREDIT))
def test_spans_hold_the_indices_in_the_fewest_runs(indices: set[int]) -> None:
    spans = spans_of(sorted(indices))

    assert list(indices_of(spans)) == sorted(indices)
    assert span_fault(spans, max(indices) + 1) is None
    assert len(spans) == sum(index - 1 not in indices for index in indices)


@pytest.mark.parametrize(
    ("spans", "fault"),
    [
        (((8, 2),), "chunk 9 of 9"),
        (((0, 1), (9, 1)), "chunk 9 of 9"),
        (((3, 1), (1, 1)), "ascending"),
        (((1, 3), (2, 1)), "ascending"),
        (((1, 1), (1, 1)), "ascending"),
        (((1, 2), (3, 1)), "ascending"),
    ],
)
def test_spans_out_of_range_or_order_have_a_fault(
    spans: tuple[tuple[int, int], ...], fault: str
) -> None:
    text = span_fault(spans, 9)

    assert text is not None
    assert fault in text


def test_a_grant_of_more_than_is_ever_granted_has_a_fault() -> None:
    spans = ((0, MAX_CREDIT), (MAX_CREDIT + 1, 1))

    assert span_fault(spans[:1], 1000) is None
    assert "more than 256" in str(span_fault(spans, 1000))


@pytest.mark.parametrize(
    ("uploads", "share"), [(0, 8), (1, 8), (32, 8), (33, 7), (64, 4), (256, 1), (9999, 1)]
)
def test_the_pool_is_shared_by_the_uploads_and_each_gets_something(
    uploads: int, share: int
) -> None:
    assert fair_share(256, uploads, most=8) == share


# --- the holder -----------------------------------------------------------------------


def test_an_offer_is_granted_the_lowest_missing_chunks() -> None:
    assert with_stored(0, 2, 5).grant(20, 6, offered=True) == ((1, 1), (3, 2), (6, 3))
    assert with_stored(0).grant(4, 8, offered=True) == ((1, 3),)


@pytest.mark.parametrize("credit", [1, 2, 3, 8])
def test_the_next_grant_comes_when_half_of_the_credit_has_arrived(credit: int) -> None:
    upload = with_stored(0)
    upload.grant(100, credit, offered=True)
    grants = []

    for index in range(1, credit + 1):
        upload.store(index)
        grants.append(upload.grant(100, credit, offered=False))
        if grants[-1]:
            break

    assert len(grants) == credit - credit // 2
    assert grants[-1] == ((len(grants) + 1, credit),)


def test_nothing_more_is_asked_for_once_all_that_is_missing_is_on_its_way() -> None:
    upload = with_stored(0)
    upload.grant(7, 8, offered=True)

    for index in range(1, 6):
        upload.store(index)
        assert upload.grant(7, 8, offered=False) == ()


def test_a_grant_repeats_what_a_lost_one_had_named() -> None:
    upload = with_stored(0)
    upload.grant(100, 4, offered=True)

    for index in (2, 4):
        upload.store(index)

    assert upload.grant(100, 4, offered=False) == ((1, 1), (3, 1), (5, 2))


def test_a_repeated_offer_is_answered_however_much_is_on_its_way() -> None:
    upload = with_stored(0)
    first = upload.grant(100, 4, offered=True)

    assert upload.grant(100, 4, offered=False) == ()
    assert upload.grant(100, 4, offered=True) == first


def test_chunks_beyond_the_grant_are_counted_as_stored_and_not_asked_for() -> None:
    upload = with_stored(0)
    upload.grant(12, 4, offered=True)

    new = [upload.store(index) for index in (9, 9, 5)]
    upload.store(1)
    upload.store(2)

    assert new == [True, False, True]
    assert upload.grant(12, 4, offered=False) == ((3, 2), (6, 2))


def test_less_credit_takes_nothing_back() -> None:
    upload = with_stored(0)
    upload.grant(100, 8, offered=True)

    upload.store(1)
    early = upload.grant(100, 2, offered=False)
    for index in range(2, 8):
        upload.store(index)

    assert early == ()
    assert upload.grant(100, 2, offered=False) == ((8, 2),)


# --- the trainer ----------------------------------------------------------------------


def test_an_upload_begins_with_its_first_chunk_alone() -> None:
    upload = Outgoing()

    assert upload.offer() == (0,)
    assert upload.busy
    assert upload.went_out() == ()
    assert not upload.busy


def test_what_is_granted_while_a_piece_is_on_its_way_follows_it() -> None:
    upload = Outgoing()
    upload.offer()

    during = [upload.granted([1, 2]), upload.granted([2, 3])]

    assert during == [(), ()]
    assert upload.went_out() == (1, 2, 3)
    assert upload.went_out() == ()
    assert upload.granted([4]) == (4,)


def test_a_doubled_or_an_old_grant_sends_nothing_again() -> None:
    upload = Outgoing()
    upload.offer()
    upload.went_out()
    upload.granted([1, 2, 3])
    upload.went_out()

    assert upload.granted([1, 2, 3]) == ()
    assert upload.granted([0, 2]) == ()
    assert not upload.busy
    assert upload.granted([3, 4]) == (4,)


def test_an_upload_without_a_grant_since_the_last_announcement_is_offered_again() -> None:
    upload = Outgoing()
    upload.offer()
    under_way = upload.offer_again()
    upload.went_out()
    upload.granted([1, 2])
    upload.went_out()

    moving, stuck = upload.offer_again(), upload.offer_again()
    upload.went_out()

    assert (under_way, moving, stuck) == ((), (), (0,))
    assert upload.granted([1, 2]) == (1, 2)


@given(
    seed=st.integers(0, 2**32),
    chunks=st.integers(1, 40),
    credit=st.integers(1, 9),
    loss=st.sampled_from([0.0, 0.1, 0.5]),
    double=st.sampled_from([0.0, 0.2]),
)
def test_any_upload_over_any_network_gets_there(
    seed: int, chunks: int, credit: int, loss: float, double: float
) -> None:
    network = Network(seed, chunks, credit)

    turns = network.play(loss, double)

    assert network.incoming.whole(chunks)
    if loss == double == 0:
        assert sorted(network.chunks_sent) == list(range(chunks)), "something was sent twice"
        assert turns == 0, "somebody waited although nothing was lost"
        assert network.most_on_the_way <= credit


class Network:
    """One upload between the two views, over a list that loses and doubles what it carries."""

    def __init__(self, seed: int, chunks: int, credit: int) -> None:
        self.random = random.Random(seed)
        self.chunks, self.credit = chunks, credit
        self.incoming, self.outgoing = Incoming(), Outgoing()
        self.flying: list[int | tuple[int, ...]] = []
        self.chunks_sent: list[int] = []
        self.most_on_the_way = 0

    def play(self, loss: float, double: float) -> int:
        """Return how often the coordinator had to announce the round again."""
        self._send(self.outgoing.offer())
        for announcements in range(3000):
            while self.flying:
                self._deliver(loss, double)
            if self.incoming.whole(self.chunks):
                return announcements
            self._send(self.outgoing.offer_again())
        raise AssertionError("it never got there")

    def _send(self, piece: tuple[int, ...]) -> None:
        while piece:
            self.flying += piece
            self.chunks_sent += piece
            piece = self.outgoing.went_out()
        on_the_way = sum(isinstance(message, int) for message in self.flying)
        self.most_on_the_way = max(self.most_on_the_way, on_the_way)

    def _deliver(self, loss: float, double: float) -> None:
        message = self.flying.pop(self.random.randrange(len(self.flying)))
        if self.random.random() < double:
            self.flying.append(message)
        if self.random.random() < loss:
            return
        if isinstance(message, tuple):
            self._send(self.outgoing.granted(message))
            return
        offered = message == 0
        self.incoming.store(message)
        if spans := self.incoming.grant(self.chunks, self.credit, offered=offered):
            self.flying.append(tuple(indices_of(spans)))
