"""What a round is: which numbers make sense, and that its id is bound to every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codec import Undecodable, canonical, parse
from protocols.round_config import (
    Roster,
    RoundConfig,
    majority,
    packing_faults,
    threshold_faults,
)

USUAL: dict[str, Any] = {
    "job": "sum",
    "number": 1,
    "suite": "shamir",
    "field": "p61",
    "dimension": 10,
    "fraction_bits": 16,
    "holders": 5,
    "trainers": 7,
    "threshold": 3,
    "faults": 0,
    "vote": True,
    "quorum": 4,
    "minimum": 3,
    "chunk_bytes": 1024,
    "beat_ms": 1000,
    "sealing": "mlkem768-x25519",
    "state": bytes(32),
    "roster": bytes(32),
    "checks": False,
    "norm_bound": 0,
    "packing": 0,
    "seeds": False,
    "parameters": "",
    "slots": 0,
    "buffered": 0,
    "max_staleness": 0,
    "discounted": 0,
    "batches": 0,
    "drawn": 0,
}
SAMPLED: dict[str, Any] = {"trainers": 12, "batches": 3, "drawn": 2}
BUFFERED: dict[str, Any] = {"buffered": 4, "max_staleness": 3, "discounted": 5}
MASKED: dict[str, Any] = {
    "suite": "masked",
    "field": "p31",
    "parameters": "A",
    "slots": 3,
    "chunk_bytes": 16_384,
}
OTHER: dict[str, Any] = {
    "job": "other",
    "number": 2,
    "suite": "shamir",
    "field": "p31",
    "dimension": 11,
    "fraction_bits": 17,
    "holders": 4,
    "trainers": 8,
    "threshold": 4,
    "faults": 1,
    "vote": False,
    "quorum": 5,
    "minimum": 4,
    "chunk_bytes": 1025,
    "beat_ms": 1001,
    "sealing": "x25519",
    "state": b"\x01" + bytes(31),
    "roster": bytes(31) + b"\x01",
    "checks": True,
    "seeds": True,
}


def config(**changes: Any) -> RoundConfig:
    return RoundConfig(**(USUAL | changes))


def parsed(**changes: Any) -> RoundConfig:
    plain = msgspec.to_builtins(config(), builtin_types=(bytes,)) | changes
    return parse(canonical(plain), RoundConfig)


def roster(**changes: Any) -> Roster:
    usual: dict[str, Any] = {
        "federation": "test",
        "coordinator": "coordinator",
        "holders": ("holder-1", "holder-2", "holder-3"),
        "trainers": ("ann", "bob", "cat"),
    }
    return Roster(**(usual | changes))


# --- thresholds -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"threshold": 6}, "threshold 6 is above the 5 holders"),
        ({"threshold": 1}, "lets a single holder open everything"),
        ({"threshold": 2, "vote": False}, "lets two different sums of one round open"),
        ({"threshold": 3, "holders": 6, "vote": False}, "use 4 or more, or vote = true"),
        ({"quorum": 2}, "quorum 2 of 5 holders must lie between 3"),
        ({"quorum": 3, "holders": 6}, "must lie between 4"),
        ({"quorum": 6}, "and 5"),
        ({"minimum": 8}, "minimum 8 is above the 7 trainers"),
        ({"faults": 2}, "faults 2 of 5 holders are too many: a quorum of 4 shares"),
        ({"faults": 2}, "only 3 are sure to vote; use 1 or less, or 7 holders or more"),
        ({"faults": 1, "threshold": 4}, "threshold 4 with faults = 1 needs 6 holders"),
        ({"faults": 1, "threshold": 4}, "there are 5; use 3 or less"),
        (
            {"faults": 1, "quorum": 3},
            r"between 4 \(any two quorums share a holder that is honest\)",
        ),
        ({"faults": 1, "quorum": 5}, r"and 4 \(as 1 may be silent\)"),
        (
            {"faults": 2, "holders": 7, "threshold": 2},
            "lets 2 lying holders open everything; use 3",
        ),
        (
            {"faults": 1, "holders": 6, "vote": False},
            "6 holders, of whom 1 may lie, without the vote step lets two different sums of one "
            "round open; use 4 or more, or vote = true",
        ),
        ({"checks": True, "threshold": 5}, "checks need 6 holders, or threshold 4 or less"),
        ({"checks": True, "vote": False}, "checks need vote = true"),
        ({"parameters": "A"}, "the suite shamir has no parameter set"),
        ({"slots": 1}, "the suite shamir has no parameter set and no slots"),
        (MASKED | {"seeds": True}, "the suite masked sends no seeds, as its shares are short"),
        (MASKED | {"packing": 2}, "packing 2 is only for the suite packed"),
        (MASKED | {"field": "p61"}, "the suite masked shares its secrets over p31"),
        (MASKED | {"parameters": "", "slots": 0}, "needs a parameter set"),
        (MASKED | {"slots": 0}, "0 slots are not between 1 and 16"),
        (MASKED | {"slots": 16, "trainers": 1000}, "use fewer slots or fewer trainers"),
        (MASKED | {"chunk_bytes": 16_383}, "hold no share of the parameter set A; use 16384"),
        (MASKED | {"parameters": "B"}, "hold no share of the parameter set B; use 32768"),
    ],
)
def test_numbers_that_make_no_sense_are_named(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        config(**changes)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"norm_bound": 9, "threshold": 2}, "a norm bound needs checks = true"),
        ({"norm_bound": 9, "threshold": 2, "field": "p31"}, 'a norm bound needs field = "p61"'),
        (
            {"norm_bound": 9, "checks": True},
            "needs n > 2t - 1, as squares .* 6 holders, and there are 5; "
            "use 6 holders or more, or threshold 2 or less",
        ),
        (
            {"norm_bound": 9, "checks": True, "faults": 1},
            "needs n >= 2t - 1 \\+ f, .*threshold 3 and faults 1 6 holders",
        ),
        ({"norm_bound": -1, "checks": True, "threshold": 2}, "norm_bound -1 is not between"),
        (
            {"norm_bound": 9, "checks": True, "threshold": 2, "suite": "packed", "packing": 1},
            'a norm bound needs suite = "shamir", as no length can be checked in shares of packed',
        ),
        (
            {"norm_bound": 2**54 // 76 + 1, "checks": True, "threshold": 2},
            "is not between 0 and 237",
        ),
    ],
)
def test_norm_bounds_that_make_no_sense_are_named(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        config(**changes)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"packing": 1}, "packing 1 is only for the suite packed"),
        ({"suite": "packed"}, 'packing 0 packs nothing; use 1 or more, or suite = "shamir"'),
        (
            {"suite": "packed", "packing": 3},
            "packing 3 with threshold 3 lets every single holder learn a part of each vector: of 3 "
            "shares that open 3 numbers at once, only 3 - 3 may be known without telling anything; "
            "use packing 2 or less, or threshold 4 or more",
        ),
        (
            {
                "suite": "packed",
                "packing": 4,
                "holders": 10,
                "threshold": 5,
                "faults": 2,
                "quorum": 7,
            },
            "with packing 4 and threshold 5 only 1 holders learn nothing: each further one learns "
            "one combination more of every 4 numbers, until 5 know all; 2 that lie would learn a "
            "part; use packing 3 or less, or threshold 6 or more",
        ),
        (
            {"suite": "packed", "packing": 2, "vote": False},
            "two different sums of one round can both be learnt in part; use threshold 4 or more",
        ),
        (
            {"suite": "packed", "packing": 1, "faults": 1, "threshold": 4},
            "threshold 4 with faults = 1 needs 6 holders",
        ),
    ],
)
def test_packing_that_makes_no_sense_is_named_with_the_ramp(
    changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        config(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"minimum": 2},
        {"minimum": 0},
        {"minimum": -3},
        {"threshold": 65},
        {"faults": -1},
        {"faults": 65},
        {"holders": 0},
        {"holders": 65},
        {"trainers": 0},
        {"trainers": 100_001},
        {"dimension": 0},
        {"dimension": 2**32},
        {"fraction_bits": 61},
        {"fraction_bits": -1},
        {"chunk_bytes": 1023},
        {"chunk_bytes": 4 * 2**20 + 1},
        {"beat_ms": 9},
        {"number": -1},
        {"number": 2**53},
        {"state": bytes(31)},
        {"roster": bytes(33)},
        {"suite": "plain"},
        {"field": "p13"},
        {"job": "Sum"},
        MASKED | {"parameters": "C"},
        MASKED | {"slots": 17},
    ],
    ids=str,
)
def test_numbers_out_of_range_never_come_in(changes: dict[str, Any]) -> None:
    with pytest.raises(Undecodable):
        parsed(**changes)


def test_the_smallest_safe_numbers_are_taken() -> None:
    smallest = {"holders": 2, "threshold": 2, "quorum": 2, "trainers": 3, "minimum": 3}

    assert parsed(**smallest) == config(**smallest)
    assert parsed(**smallest, vote=False) == config(**smallest, vote=False)


def sizes(most: int) -> Iterator[dict[str, Any]]:
    """Yield all numbers up to so many holders."""
    for holders in range(1, most + 1):
        upto = range(1, holders + 2)
        for faults, threshold, quorum in product(range(holders + 1), upto, upto):
            for vote in (True, False):
                yield {
                    "holders": holders,
                    "faults": faults,
                    "threshold": threshold,
                    "quorum": quorum,
                    "vote": vote,
                }


def test_whatever_has_no_fault_can_never_open_two_sets() -> None:
    for size in sizes(12):
        if threshold_faults(**size):
            continue
        n, f, t = size["holders"], size["faults"], size["threshold"]

        # Two groups that each suffice share an honest holder, and that stands for one set only.
        enough = size["quorum"] if size["vote"] else t
        assert 2 * enough - n > f, size
        # The liars can't open, and without the silent there are votes and answers enough.
        assert max(2, f + 1) <= t, size
        assert n - f >= (size["quorum"] if size["vote"] else 0), size
        assert n - f >= t + f, size


def test_whatever_keeps_the_inequalities_is_taken() -> None:
    for size in sizes(9):
        n, f, t, q = (size[key] for key in ("holders", "faults", "threshold", "quorum"))
        safe = n - f >= q and 2 * q - n > f if size["vote"] else 2 * t - n > f
        fine = safe and t >= 2 and t > f and n >= t + 2 * f

        assert bool(threshold_faults(**size)) != fine, size


def test_no_group_that_may_lie_or_voted_otherwise_learns_a_part_of_packed_shares() -> None:
    for size in sizes(9):
        if threshold_faults(**size):
            continue
        n, f, t = size["holders"], size["faults"], size["threshold"]
        rest = {"holders": n, "faults": f, "threshold": t, "vote": size["vote"]}
        for packing in range(t + 2):
            nothing = t - packing
            # Of two groups that each learn a part, without votes, one honest holder is in both.
            meet = size["vote"] or 2 * (nothing + 1) - n > f
            fine = packing >= 1 and nothing >= 1 and nothing >= f and meet

            assert bool(packing_faults(**rest, packing=packing)) != fine, (size, packing)
            if fine:
                packed = config(suite="packed", packing=packing, **size)
                assert packed.privacy() == nothing
        # With one secret in a polynomial the rules are those of any threshold.
        assert not packing_faults(**rest, packing=1)


def test_of_shamirs_shares_all_but_one_of_the_threshold_tell_nothing() -> None:
    assert config(threshold=3).privacy() == 2


@given(holders=st.integers(1, 64), faults=st.integers(0, 21))
def test_a_majority_is_the_smallest_quorum_that_meets_every_other(
    holders: int, faults: int
) -> None:
    quorum = majority(holders, faults)

    assert 2 * quorum - holders > faults
    assert 2 * (quorum - 1) - holders <= faults


def test_quorums_and_answers_of_the_usual_sizes() -> None:
    rows = {(3, 0): 2, (5, 1): 4, (7, 2): 5, (10, 3): 7, (20, 6): 14}
    seven = config(holders=7, faults=2, threshold=3, quorum=5)

    assert {size: majority(*size) for size in rows} == rows
    assert (seven.answers_needed(), seven.answers_wanted(), seven.holders_needed()) == (5, 7, 5)
    assert config(faults=1, threshold=3).holders_needed() == 4
    assert config(holders=10, faults=1, threshold=8, quorum=6).holders_needed() == 9


def test_a_round_with_checks_needs_more_than_its_threshold() -> None:
    assert config(holders=3, threshold=2, quorum=2).holders_needed() == 2
    assert config(holders=3, threshold=2, quorum=2, checks=True).holders_needed() == 3


# --- the id ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(OTHER.keys() - {"suite"}))
def test_every_field_changes_the_id_of_the_round(name: str) -> None:
    assert set(USUAL) == set(RoundConfig.__struct_fields__)
    changed = config(**{name: OTHER[name]})

    assert changed.cid() != config().cid()


def test_all_of_a_buffer_is_in_the_bytes_of_a_buffered_round_and_of_no_other() -> None:
    buffered = config(**BUFFERED)

    assert all(name.encode() not in canonical(config()) for name in BUFFERED)
    assert parse(canonical(buffered), RoundConfig) == buffered
    others = [{"buffered": 5}, {"max_staleness": 4}, {"discounted": 6}]
    assert len({config(**(BUFFERED | other)).cid() for other in ({}, *others)}) == 4


def test_batches_are_in_the_bytes_of_rounds_that_ask_a_sample_and_of_no_other() -> None:
    sampled = config(**SAMPLED)

    assert all(word not in canonical(config()) for word in (b"batches", b"drawn"))
    assert parse(canonical(sampled), RoundConfig) == sampled
    others = [{"batches": 4}, {"drawn": 1}]
    assert len({config(**(SAMPLED | other)).cid() for other in ({}, *others)}) == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"drawn": 0}, "drawn 0 must be from 1 to 2, or no batches"),
        ({"drawn": 3}, "drawn 3 must be from 1 to 2, or no batches"),
        ({"batches": 1, "drawn": 1}, "drawn 1 must be from 1 to 0, or no batches"),
        ({"batches": 0}, "only batches are drawn, and there are none"),
        ({"minimum": 5}, "3 batches of 12 trainers are below the minimum of 5 each"),
        (BUFFERED, "rounds that ask a sample can't be buffered"),
    ],
)
def test_a_round_whose_batches_hide_nobody_cannot_be_read(
    changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        config(**(SAMPLED | changes))
    with pytest.raises(Undecodable):
        parsed(**(SAMPLED | changes))


def test_the_suite_is_in_the_bytes_that_the_id_is_made_of() -> None:
    assert b"shamir" in canonical(config())


def test_what_masks_is_in_the_bytes_of_a_masked_round_and_of_no_other() -> None:
    masked = config(**MASKED)

    assert all(word not in canonical(config()) for word in (b"parameters", b"slots"))
    assert parse(canonical(masked), RoundConfig) == masked
    others = [{"parameters": "B", "chunk_bytes": 32_768}, {"slots": 2}, {"chunk_bytes": 32_768}]
    ids = {config(**(MASKED | other)).cid() for other in ({}, *others)}
    assert len(ids) == 4


def test_a_masked_round_knows_what_fits_into_a_coefficient() -> None:
    layout = config(**MASKED).layout()

    assert layout is not None
    assert (layout.parameters.name, layout.slots, layout.trainers) == ("A", 3, 7)
    assert config().layout() is None


def test_rounds_without_checks_have_the_ids_that_they_had_before_there_were_any() -> None:
    assert b"checks" not in canonical(config())
    assert b"checks" in canonical(config(checks=True))


def test_every_norm_bound_has_ids_of_its_own_and_none_is_left_out_of_the_bytes() -> None:
    bound = [config(checks=True, threshold=2, norm_bound=squared) for squared in (0, 1, 2)]

    assert len({one.cid() for one in bound}) == 3
    assert b"norm_bound" not in canonical(bound[0])


def test_a_round_with_a_norm_bound_needs_holders_for_its_squares() -> None:
    bound = {"checks": True, "norm_bound": 9}
    assert config(holders=6, quorum=4, **bound).holders_needed() == 6
    assert config(holders=7, faults=1, quorum=5, **bound).holders_needed() == 6
    assert config(holders=8, faults=2, quorum=6, **bound).holders_needed() == 7
    assert config(threshold=2, **bound).holders_needed() == 4


def test_packing_is_in_the_bytes_of_packed_rounds_only() -> None:
    packed = config(suite="packed", packing=1)

    assert b"packing" not in canonical(config())
    assert b"packing" in canonical(packed)
    assert packed.cid() != config(suite="packed", packing=2).cid()
    assert parse(canonical(packed), RoundConfig) == packed


def test_seeds_are_in_the_bytes_of_rounds_with_seeds_only() -> None:
    assert b"seeds" not in canonical(config())
    assert b"seeds" in canonical(config(seeds=True))


def test_equal_rounds_have_equal_ids() -> None:
    assert parse(canonical(config()), RoundConfig).cid() == config().cid()
    assert len(config().cid()) == 32


# --- the roster -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"federation": "other"},
        {"coordinator": "other"},
        {"holders": ("holder-1", "holder-2")},
        {"holders": ("holder-2", "holder-1", "holder-3")},
        {"trainers": ("ann", "bob", "cat", "dan")},
        {"holders": ("holder-1", "holder-2"), "trainers": ("holder-3", "ann", "bob", "cat")},
    ],
    ids=str,
)
def test_every_change_of_the_roster_changes_its_digest(changes: dict[str, Any]) -> None:
    assert roster(**changes).digest() != roster().digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"holders": ("holder-1", "holder-1")},
        {"trainers": ("ann", "holder-1")},
        {"coordinator": "ann"},
    ],
    ids=str,
)
def test_every_actor_needs_a_name_of_its_own(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a name of its own"):
        roster(**changes)


def test_a_roster_knows_the_role_of_its_names_and_of_no_other() -> None:
    names = ("coordinator", "holder-2", "cat", "mallory", "")

    assert [roster().role(name) for name in names] == [
        "coordinator",
        "holder",
        "trainer",
        None,
        None,
    ]


@pytest.mark.parametrize("name", ["a", "0", "holder-1", "a_b", "a" * 63])
def test_names_of_lower_case_letters_digits_and_dashes_are_taken(name: str) -> None:
    assert parsed(job=name).job == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a" * 64,
        "-a",
        "_a",
        "A",
        "a b",
        "a/b",
        "a.b",
        "ä",
        "a\n",
        "\na",
        "a\n\n",
        "a\x00",
        "a\r",
    ],
    ids=repr,
)
def test_other_names_are_refused_even_with_a_newline_at_the_end(name: str) -> None:
    with pytest.raises(Undecodable):
        parsed(job=name)
