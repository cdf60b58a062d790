"""Peers of different versions tell each other, once, and never in a loop."""

from __future__ import annotations

import random

import pytest

from protocols.codec import VERSION, canonical, seal
from protocols.effects import Report, Send
from protocols.errors import OtherVersion
from protocols.messages import Goodbye, Unsupported, read
from protocols.reports import Incompatible
from protocols.versions import Versions, advice

NEWER = VERSION + 6


def heard(body: bytes, *, version: int = NEWER, peer: str = "ann") -> OtherVersion:
    return OtherVersion(peer, version, body)


def told(versions: tuple[int, ...] = (NEWER,)) -> Report:
    return Report(Incompatible(actor="holder-1", peer="ann", versions=versions))


def test_a_message_of_another_version_is_answered_in_that_version() -> None:
    effects = Versions("holder-1").other(heard(b"whatever version 7 says"))

    answer = Send("ann", Unsupported(versions=(VERSION,)), NEWER)
    assert effects == [answer, told()]


def test_a_peer_is_answered_once_until_it_says_something_that_is_understood() -> None:
    versions = Versions("holder-1")

    effects = [versions.other(heard(b"1")), versions.other(heard(b"2"))]
    versions.understood("bob")
    effects.append(versions.other(heard(b"3")))
    versions.understood("ann")
    effects.append(versions.other(heard(b"4")))

    assert [len(e) for e in effects] == [2, 0, 0, 2]


def test_each_peer_is_answered_for_itself() -> None:
    versions = Versions("holder-1")

    answers = [versions.other(heard(b"", peer=peer))[0] for peer in ("ann", "bob")]

    assert [answer.to for answer in answers if isinstance(answer, Send)] == ["ann", "bob"]


@pytest.mark.parametrize("version", [0, NEWER])
def test_what_says_that_we_are_not_understood_is_never_answered(version: int) -> None:
    versions = Versions("holder-1")
    body = canonical(Unsupported(versions=(3, 4)))

    first = versions.other(heard(body, version=version))
    again = versions.other(heard(body, version=version))

    assert (first, again) == ([told((3, 4))], [])


def test_two_versions_that_meet_fall_silent() -> None:
    """Each answers the other's first message, and nobody answers the answers."""
    ours = Versions("holder-1")

    answer = ours.other(heard(b"a message of version 7"))[0]
    assert isinstance(answer, Send)
    theirs = seal("holder-1", answer.message, version=answer.version)
    with pytest.raises(OtherVersion) as caught:
        read(theirs)  # as we would if we were told the same
    sealed_for_us = seal("ann", Unsupported(versions=(NEWER,)), version=VERSION)
    sender, message = read(sealed_for_us)

    assert caught.value.version == NEWER
    assert isinstance(message, Unsupported)
    assert ours.unsupported(sender, message) == [told()]


@pytest.mark.parametrize(
    ("versions", "upgrade"),
    [((0,), "upgrade ann"), ((2, 3), "upgrade holder-1"), ((0, 2), "upgrade the older of the two")],
)
def test_the_advice_names_the_side_to_upgrade(versions: tuple[int, ...], upgrade: str) -> None:
    text = advice(Incompatible(actor="holder-1", peer="ann", versions=versions))

    assert text.endswith(upgrade)
    assert ", ".join(map(str, versions)) in text


def test_whatever_another_version_says_is_answered_or_taken_and_never_fails() -> None:
    choose = random.Random(7)
    samples = [canonical(Unsupported(versions=(3,))), canonical(Goodbye()), b"", b"\xc1" * 9]
    for _ in range(3000):
        body = bytearray(choose.choice(samples))
        for _ in range(choose.randint(0, 3)):
            body[choose.randint(0, len(body)) : choose.randint(0, len(body))] = choose.randbytes(2)

        effects = Versions("holder-1").other(heard(bytes(body)))

        assert any(isinstance(effect, Report) for effect in effects)
