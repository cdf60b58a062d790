"""Who is left out by holders' values: degrees first, then squares, run by run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from fakes.dealt import uniform
from fakes.round_parts import config_of

from protocols.records import Suspect
from protocols.round_config import RoundConfig
from protocols.secagg.coin import Values
from protocols.secagg.field import P61
from protocols.secagg.judging import Status
from protocols.secagg.norm_bound import vanishing
from protocols.secagg.shamir import split
from protocols.secagg.sifting import Sifting

P = P61.modulus
T, N = 3, 7
NAMES = tuple(f"t{number:03}" for number in range(9))
HOLDERS = tuple(f"holder-{place + 1}" for place in range(N))
Lie = Callable[[int, str], int]
Spoil = Callable[[int], int]  # by place: what is added


def config(faults: int = 1, bound: int = 1000) -> RoundConfig:
    return config_of(
        holders=N, threshold=T, faults=faults, checks=True, norm_bound=bound, dimension=4
    )


class Answering:
    """Holders whose values of honest trainers are uniform words of the two codes."""

    def __init__(
        self,
        degrees: Mapping[str, Spoil] | None = None,
        squares: Mapping[str, Spoil] | None = None,
        names: tuple[str, ...] = NAMES,
    ) -> None:
        draw = np.random.default_rng(1)
        self.names = names
        self.values: dict[str, list[list[int]]] = {}
        for name in names:
            secrets = uniform(P61, draw, 2), uniform(P61, draw, T - 1, 2)
            rows = split(P61, *secrets, N)
            masks = [vanishing(P61, uniform(P61, draw, 2 * T - 2), N) for _ in range(2)]
            self.values[name] = [
                [
                    *((int(v) + (degrees or {}).get(name, zero)(place)) % P for v in rows[place]),
                    *((int(m[place]) + (squares or {}).get(name, zero)(place)) % P for m in masks),
                ]
                for place in range(N)
            ]

    def say(self, place: int, first: int, count: int) -> Values:
        total = [0] * 4
        for name in self.names[first : first + count]:
            total = [(a + b) % P for a, b in zip(total, self.values[name][place], strict=True)]
        return tuple(total)

    def to(self, sifting: Sifting, places: range = range(N)) -> None:
        about = sifting.about
        sifting.receive(
            {place: [self.say(place, first, count) for first, count in about] for place in places}
        )


def zero(_place: int) -> int:
    return 0


def loose(place: int) -> int:
    return int((place + 1) ** 6)


def one(_place: int) -> int:
    return 1


def at_first(place: int) -> int:
    return int(place == 0)


def sifted(answering: Answering, **parts: int) -> tuple[Sifting, list[object]]:
    sifting = Sifting(config(**parts), answering.names, HOLDERS)
    asked: list[object] = []
    while not sifting.over and sifting.fault is None:
        asked.append(sifting.about)
        answering.to(sifting)
    return sifting, asked


def too_long(*names: str) -> tuple[Suspect, ...]:
    return tuple(Suspect(trainer=name, disputed=(), too_long=True) for name in names)


def test_honest_values_are_judged_at_once() -> None:
    for faults in (0, 1):
        sifting, asked = sifted(Answering(), faults=faults)

        assert asked == [((0, 9),)]
        assert (sifting.suspects, sifting.status, sifting.fault) == ((), Status.VERIFIED, None)


@pytest.mark.parametrize("spoil", [one, loose])
def test_who_is_too_long_is_found_by_halving(spoil: Spoil) -> None:
    sifting, asked = sifted(Answering(squares={"t004": spoil, "t008": spoil}))

    assert asked[:2] == [((0, 9),), ((0, 5),)]
    assert sifting.suspects == too_long("t004", "t008")
    assert sifting.status is Status.DETECTED


def test_without_a_bound_squares_are_not_looked_at() -> None:
    class Short(Answering):
        def say(self, place: int, first: int, count: int) -> Values:
            return super().say(place, first, count)[:2]

    sifting, asked = sifted(Short(squares={"t004": one}), bound=0)

    assert (sifting.suspects, asked) == ((), [((0, 9),)])


def test_squares_are_asked_for_between_those_whose_shares_are_false() -> None:
    answering = Answering(degrees={"t003": loose, "t008": at_first}, squares={"t006": one})

    sifting, asked = sifted(answering)

    assert ((0, 3), (4, 4)) in asked
    assert sifting.suspects == (
        Suspect(trainer="t003", disputed=()),
        *too_long("t006"),
        Suspect(trainer="t008", disputed=("holder-1",)),
    )


def test_what_was_told_already_is_not_asked_for_again() -> None:
    # The first half fits, so it is the third trainer; and the rest is this very half.
    answering = Answering(degrees={"t002": loose}, squares={"t000": one}, names=NAMES[:3])

    sifting, asked = sifted(answering)

    assert asked == [((0, 3),), ((0, 2),), ((0, 1),)]
    assert [suspect.trainer for suspect in sifting.suspects] == ["t000", "t002"]


def test_lengths_of_all_are_judged_where_who_lied_of_degrees_goes_away_before_it_is_found() -> None:
    answering = Answering(degrees={"t001": at_first}, squares={"t008": one})
    sifting = Sifting(config(), NAMES, HOLDERS)
    answering.to(sifting)

    answering.to(sifting, range(1, N))  # without holder-1 the halves fit, and nobody is found

    assert (sifting.over, sifting.about) == (False, ((0, 9),))
    answering.to(sifting, range(1, N))
    assert sifting.fault is not None


def test_two_long_vectors_on_both_sides_of_who_is_left_out_never_make_up_for_each_other() -> None:
    # As if the third were left out by a holder that has seen the coin: the sum of the squares
    # of the others is zero.
    answering = Answering(
        degrees={"t003": loose}, squares={"t001": one, "t005": lambda _place: P - 1}
    )

    sifting, _ = sifted(answering)

    assert [suspect.trainer for suspect in sifting.suspects] == ["t001", "t003", "t005"]


def test_a_holder_that_does_not_fit_the_squares_of_one_is_in_dispute_with_it() -> None:
    sifting, _ = sifted(Answering(squares={"t002": at_first}))

    assert sifting.suspects == (Suspect(trainer="t002", disputed=("holder-1",)),)
    assert sifting.status is Status.CORRECTED


def test_where_nobody_is_left_no_squares_are_asked_for() -> None:
    sifting, asked = sifted(Answering(degrees=dict.fromkeys(NAMES, loose)))

    assert sifting.over
    assert len(sifting.suspects) == len(NAMES)
    assert asked[-1] != ()


def test_holders_that_are_too_few_to_name_end_it_and_those_that_show_nothing_do_not_count() -> None:
    six = Sifting(config(), NAMES, HOLDERS)
    assert six.need == 6
    Answering().to(six, range(6))
    assert six.over

    long = Sifting(config(), NAMES, HOLDERS)
    Answering(squares={"t001": one}).to(long, range(6))
    assert long.fault == (
        "the vector of some trainer is longer than the bound, and 6 holders can't tell of whom"
    )
    assert Sifting(config(bound=0), NAMES, HOLDERS).need == 5  # the quorum
    assert Sifting(config(faults=0), NAMES, HOLDERS).need == 6


def test_so_many_are_needed_as_the_next_answers_ask_for() -> None:
    sifting, answering = Sifting(config(), NAMES, HOLDERS), Answering(degrees={"t000": loose})
    answering.to(sifting)
    assert sifting.need == 6  # five for the degrees, but the squares are still to come

    bound = Sifting(config(), NAMES, HOLDERS)
    Answering(squares={"t000": one}).to(bound)
    assert bound.need == 7


def test_more_that_do_not_fit_than_are_halved_end_it() -> None:
    names = tuple(f"t{number:04}" for number in range(2048))
    answering = Answering(squares=dict.fromkeys(names, one), names=names)

    sifting, _ = sifted(answering)

    assert sifting.fault is not None
    assert sifting.fault.startswith("the vector of some trainer is longer than the bound, or a ")
