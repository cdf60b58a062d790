"""A broker that answers nothing is told from a queue that has no room."""

from __future__ import annotations

from contextlib import ExitStack

from infra.rabbitmq.stall import Stall


def test_nothing_on_its_way_is_no_stall() -> None:
    stall = Stall()

    assert stall.lasts_s(100.0, is_open=True) == 0.0
    with stall.sending(100.0):
        stall.answered(100.1)
    assert stall.lasts_s(200.0, is_open=True) == 0.0


def test_what_was_sent_last_and_is_not_taken_tells_of_a_stall_until_anything_is() -> None:
    stall = Stall()
    with stall.sending(10.0), stall.sending(12.0):
        before = stall.lasts_s(15.0, is_open=True)
        with stall.sending(14.0):
            stall.answered(16.0)
        after = stall.lasts_s(20.0, is_open=True)

    assert before == 5.0
    assert after == 0.0, "the broker works: the others wait for room in a queue"


def test_an_open_link_is_not_blamed_for_longer_than_its_pulse_needs() -> None:
    stall = Stall()
    with ExitStack() as sending:
        sending.enter_context(stall.sending(0.0))

        assert stall.lasts_s(60.0, is_open=True) == 60.0
        assert stall.lasts_s(60.1, is_open=True) == 0.0
        assert stall.lasts_s(60.2, is_open=False) == 60.2


def test_a_link_that_is_not_open_stalls_from_the_first_look_until_it_is() -> None:
    stall = Stall()

    lasts = [stall.lasts_s(now_s, is_open=False) for now_s in (10.0, 11.0, 500.0)]
    opened = stall.lasts_s(501.0, is_open=True)
    again = stall.lasts_s(600.0, is_open=False)

    assert lasts == [0.0, 1.0, 490.0]
    assert opened == 0.0
    assert again == 0.0


def test_a_send_that_was_given_up_is_no_sign_of_a_stall() -> None:
    stall = Stall()
    with ExitStack() as sending:
        sending.enter_context(stall.sending(0.0))

    assert stall.lasts_s(50.0, is_open=True) == 0.0
