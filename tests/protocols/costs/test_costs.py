"""What a round costs: sizes by hand, and that more never takes less."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.costs.choice import WORTH, Cost, Decision, Ruled, decide, size_text, span_text
from protocols.costs.effort import (
    PRODUCT_S,
    adding_s,
    effort_of,
    opening_s,
    protecting_s,
)
from protocols.costs.setting import Setting, Stream
from protocols.costs.traffic import traffic_of
from protocols.round_config import RoundConfig, majority
from protocols.secagg.chunks import bulk_chunk_count, share_chunk_count, share_size
from protocols.secagg.masked.layout import chosen, layouts
from protocols.secagg.suites import SUITES
from protocols.trust.sealing import CLASSICAL

SHAMIR = Setting(
    suite="shamir",
    dimension=1000,
    trainers=10,
    holders=5,
    threshold=3,
    quorum=3,
    field="p31",
    chunk_bytes=256 * 1024,
)


def masked(base: Setting, largest: int = 1000) -> Setting:
    layout = chosen(base.trainers, largest)
    return replace(base, suite="masked", field="p31", layout=layout)


def packed(base: Setting, packing: int = 2) -> Setting:
    return replace(base, suite="packed", packing=packing)


@st.composite
def settings(draw: st.DrawFn) -> Setting:
    """Draw rounds of every suite that have no norm bound."""
    holders = draw(st.integers(3, 20))
    threshold = draw(st.integers(3, holders))
    base = Setting(
        suite="shamir",
        dimension=draw(st.integers(1, 10**7)),
        trainers=draw(st.integers(3, 10**4)),
        holders=holders,
        threshold=threshold,
        quorum=majority(holders),
        field=draw(st.sampled_from(["p31", "p61"])),
        checks=draw(st.booleans()),
        chunk_bytes=draw(st.sampled_from([32, 256, 4096])) * 1024,
        state_bytes=draw(st.integers(0, 10**6)),
    )
    match draw(st.sampled_from(["shamir", "packed", "masked"])):
        case "packed":
            base = packed(base, draw(st.integers(1, threshold - 1)))
        case "masked":
            layout = draw(st.sampled_from(list(layouts(2 * base.trainers))))
            return replace(base, suite="masked", field="p31", layout=layout)
    return replace(base, seeds=draw(st.booleans()))


def figures(setting: Setting) -> dict[str, float]:
    return {**asdict(traffic_of(setting)), **asdict(effort_of(setting))}


# --- by hand ----------------------------------------------------------------------------


def test_a_share_is_as_long_as_the_vector_and_its_salt() -> None:
    assert SHAMIR.share == Stream(4 * 1000 + 32, 1)
    assert SHAMIR.shares == Stream(5 * 4032, 5)
    assert replace(SHAMIR, field="p61").share.payload == 8032


def test_packed_shares_are_shorter_by_the_packing_and_fewer_learn_nothing() -> None:
    assert packed(SHAMIR).share.payload == 4 * 500 + 32
    assert packed(replace(SHAMIR, dimension=1001)).share.payload == 4 * 501 + 32
    assert (SHAMIR.privacy, packed(SHAMIR).privacy) == (2, 1)


def test_seeds_are_32_bytes_a_chunk_for_as_many_holders_as_learn_nothing() -> None:
    seeded = replace(SHAMIR, seeds=True)

    assert seeded.shares == Stream(3 * 4032 + 2 * (32 + 32), 5)
    tiny = replace(seeded, dimension=7)  # 28 bytes are shorter than a seed
    assert tiny.shares == replace(tiny, seeds=False).shares
    # Three chunks: two full ones, and a last one of a single word.
    long = replace(seeded, dimension=2 * 65536 + 1)
    assert long.seeded_share == Stream(32 + 32 + 4 + 32, 3)


def test_a_check_adds_four_words_over_p31_and_two_over_p61() -> None:
    checked = replace(SHAMIR, checks=True)

    assert checked.share == SHAMIR.share + Stream(16, 1)
    over_p61 = replace(checked, field="p61")
    assert over_p61.tail == Stream(16, 1)


def test_under_a_mask_a_holder_gets_the_secret_only() -> None:
    setting = replace(masked(SHAMIR, largest=10), dimension=10**6)
    degree = setting.layout.parameters.degree if setting.layout else 0

    assert setting.share == Stream(4 * degree + 32, 1)
    # Nine slots: three primes of 30 bits for nine values.
    assert setting.bulk.payload == pytest.approx(10**6 * 90 / 8 / 9, rel=0.01)


def test_a_million_values_of_a_thousand_trainers_are_those_of_the_page_on_masks() -> None:
    base = replace(SHAMIR, dimension=10**6, trainers=1000)
    a_3 = next(x for x in layouts(1000) if x.parameters.name == "A" and x.slots == 3)
    setting = replace(base, suite="masked", layout=a_3)

    assert setting.bulk.payload == pytest.approx(3.75e6, rel=1e-3)
    assert setting.share.payload == 16384 + 32
    assert traffic_of(setting).holder_in == pytest.approx(1000 * 18e3, rel=0.03)


def test_traffic_of_a_small_round_by_hand() -> None:
    traffic = traffic_of(replace(SHAMIR, sealing=CLASSICAL))

    # Five boxes: 4032 bytes, 48 of the box, and a signed header of five digests around it.
    box = 4032 + 48 + 345 + 5 * 34
    assert traffic.trainer_up == 5 * box + 155
    # Ten of them; then the opening, the set twice, three votes, the close.
    rest = (440 + 32) + 2 * (155 + 79 * 10) + 3 * 110 + (155 + 42)
    assert traffic.holder_in == 10 * box + rest
    assert traffic.trainer_disk == 5 * (4032 + 4096)
    assert traffic.holder_disk == 10 * (4032 + 4096)


def test_what_the_broker_gets_it_hands_on_and_the_state_to_everybody() -> None:
    for setting in (SHAMIR, packed(SHAMIR), masked(SHAMIR)):
        without, with_state = traffic_of(setting), traffic_of(replace(setting, state_bytes=9000))

        assert without.broker_in == pytest.approx(without.broker_out, rel=0.01)
        assert with_state.broker_in - without.broker_in == 9000
        assert with_state.broker_out - without.broker_out == 10 * 9000


def test_arithmetic_by_hand() -> None:
    product = PRODUCT_S["p31"]

    assert protecting_s(SHAMIR) == pytest.approx(5 * 3 * 1000 * product + 2 * 4000 * 0.2e-9)
    assert opening_s(SHAMIR) == pytest.approx(3 * 1000 * product)
    assert opening_s(packed(SHAMIR)) == opening_s(SHAMIR)
    assert adding_s(packed(SHAMIR)) == pytest.approx(adding_s(SHAMIR) / 2)
    assert adding_s(replace(SHAMIR, trainers=20)) == pytest.approx(2 * adding_s(SHAMIR))


PLAIN, CHECKED = SHAMIR, replace(SHAMIR, checks=True)
LONG = replace(SHAMIR, dimension=200_001)


@pytest.mark.parametrize(
    "setting",
    [
        *(kind(each) for kind in (replace, packed, masked) for each in (PLAIN, CHECKED, LONG)),
        replace(LONG, seeds=True),
        packed(replace(LONG, seeds=True)),
        replace(CHECKED, norm_bound=10**9, field="p61", holders=7, quorum=4),
        replace(CHECKED, norm_bound=10**9, field="p61", holders=7, quorum=4, chunk_bytes=1024),
    ],
)
def test_sizes_are_those_of_the_suites(setting: Setting) -> None:
    layout = setting.layout
    config = RoundConfig(
        job="job",
        number=0,
        suite=setting.suite,
        field=setting.field,
        dimension=setting.dimension,
        fraction_bits=8,
        holders=setting.holders,
        trainers=10,
        threshold=3,
        faults=0,
        vote=True,
        quorum=setting.quorum,
        minimum=3,
        chunk_bytes=setting.chunk_bytes,
        beat_ms=1000,
        sealing=setting.sealing,
        state=bytes(32),
        roster=bytes(32),
        checks=setting.checks,
        norm_bound=setting.norm_bound,
        packing=setting.packing,
        seeds=setting.seeds,
        parameters="" if layout is None else layout.parameters.name,
        slots=0 if layout is None else layout.slots,
    )
    suite = SUITES[setting.suite]

    assert setting.share == Stream(share_size(config), share_chunk_count(config))
    assert setting.answer == Stream(suite.share_bytes(config), suite.chunks(config))
    assert setting.bulk.chunks == bulk_chunk_count(config)
    assert setting.bulk.payload == (suite.bulk.total_bytes(config) if suite.bulk else 0)
    assert setting.privacy == config.privacy()


# --- more never takes less ----------------------------------------------------------------


@given(settings(), st.integers(1, 10**6))
def test_longer_vectors_never_take_less(setting: Setting, more: int) -> None:
    before = figures(setting)
    after = figures(replace(setting, dimension=setting.dimension + more))

    assert [name for name, value in before.items() if after[name] < value] == []


@given(settings(), st.integers(1, 1000))
def test_more_trainers_never_take_less(setting: Setting, more: int) -> None:
    before = figures(setting)
    trainers = setting.trainers + more
    layout = setting.layout
    if layout is not None:  # the same slots hold the sums of twice as many
        trainers = min(trainers, 2 * setting.trainers)
        layout = replace(layout, trainers=trainers)
    after = figures(replace(setting, trainers=trainers, layout=layout))

    assert [name for name, value in before.items() if after[name] < value] == []


@given(settings())
def test_every_figure_is_above_zero_and_seeds_never_make_uploads_longer(setting: Setting) -> None:
    cost = Cost.of(setting)

    assert all(value > 0 for value in figures(setting).values())
    assert cost.seconds > cost.effort.trainer_s
    plain = replace(setting, seeds=False)
    assert cost.traffic.trainer_up <= traffic_of(plain).trainer_up


# --- the choice -----------------------------------------------------------------------------


def test_short_vectors_are_shared_and_long_ones_masked() -> None:
    def suite(dimension: int) -> str:
        base = replace(SHAMIR, dimension=dimension, field="p61")
        return decide([base, masked(base)]).chosen.setting.suite

    assert [suite(d) for d in (10, 300, 100_000, 10**7)] == ["shamir", "shamir", "masked", "masked"]


def test_with_two_holders_more_in_a_polynomial_shares_are_packed_where_masks_are_ruled_out() -> (
    None
):
    base = replace(SHAMIR, holders=10, threshold=8, quorum=6, dimension=10**6)
    possible = [base, packed(base, 2), packed(base, 3)]

    decision = decide(possible, [Ruled("masked", ("no room",))])

    assert decision.chosen.setting.packing == 3
    assert decision.ruled_out[0].reasons == ("no room",)


@given(settings(), st.integers(1, 10**7))
def test_what_assumes_less_is_taken_unless_something_is_clearly_faster(
    setting: Setting, dimension: int
) -> None:
    plain = replace(setting, suite="shamir", packing=0, layout=None, dimension=dimension)
    other = packed(plain)

    decision = decide([plain, other])
    costs = {each.setting.suite: each.seconds for each in decision.possible}

    worth = costs["shamir"] > WORTH * min(costs.values())
    assert decision.chosen.setting.suite == ("packed" if worth else "shamir")
    assert decide([plain, other]) == decision


def test_why_names_what_it_takes_beside_the_next_best() -> None:
    base = replace(SHAMIR, dimension=10**6, field="p61")

    why = decide([base, masked(base)]).why
    alone = decide([base]).why

    assert why.startswith("2.")
    assert "MB from each owner" in why
    assert "where shamir over p61 takes 40.3 MB" in why
    assert alone.endswith("no other suite suits this job")


def test_a_suite_that_is_a_little_slower_but_assumes_less_says_so() -> None:
    base = replace(SHAMIR, dimension=10)

    decision = decide([base, packed(base)])

    assert decision.chosen.setting == base
    assert decision.chosen.seconds > decision.possible[1].seconds
    assert decision.why.endswith("not 1.1 times as fast, and it assumes more")


def test_a_suite_that_somebody_else_chose_is_not_praised() -> None:
    base = replace(SHAMIR, dimension=10**6, field="p61")
    short = replace(SHAMIR, dimension=10)

    slow = Decision(Cost.of(base), (Cost.of(base), Cost.of(masked(base))))
    assumes_more = Decision(Cost.of(masked(short)), (Cost.of(masked(short)), Cost.of(short)))

    assert slow.chosen.seconds > 2 * slow.possible[1].seconds
    assert "assumes more" not in slow.why
    assert "assumes more" not in assumes_more.why


def test_nothing_to_choose_from_is_refused() -> None:
    with pytest.raises(ValueError, match="no suite"):
        decide([])


def test_sizes_and_times_are_written_short() -> None:
    assert [size_text(n) for n in (999, 1000, 3_750_000, 8.05e9, 5e15)] == [
        "999 bytes",
        "1 KB",
        "3.75 MB",
        "8.05 GB",
        "5e+03 TB",
    ]
    assert [span_text(s) for s in (0.0123, 432.1, 86_400.0)] == ["12.3 ms", "432 s", "8.64e+04 s"]
