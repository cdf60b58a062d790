"""Where the lines are between sound, garbled and drawn with a wrong width."""

from __future__ import annotations

import math

import numpy as np
import pytest

from protocols.secagg.masked.noise import Noise, Verdict, exceeds


def noise_of(sigma: float, count: int, seed: int = 0) -> Noise:
    values = np.rint(np.random.default_rng(seed).normal(0, sigma, count)).astype(np.int64)
    return Noise(
        count=count, largest=int(np.abs(values).max()), squares=int(np.dot(values, values))
    )


@pytest.mark.parametrize("contributors", [1, 3, 100, 10**6])
def test_twelve_standard_deviations_are_the_line(contributors):
    line = math.isqrt(396**2 * contributors // 25)  # 12 · 6.6 = 396 / 5

    assert not exceeds(line, contributors)
    assert exceeds(line + 1, contributors)
    sound = Noise(count=1, largest=line, squares=0, strays=0)
    assert sound.verdict(contributors) is not Verdict.GARBLED
    assert Noise(count=1, largest=line + 1).verdict(contributors) is Verdict.GARBLED


def test_anything_above_the_slots_is_garbage():
    assert Noise(count=10**6, largest=3, strays=1).verdict(3) is Verdict.GARBLED


@pytest.mark.parametrize("contributors", [3, 100])
@pytest.mark.parametrize(
    ("width", "verdict"),
    [(0.0, "WRONG_WIDTH"), (0.5, "WRONG_WIDTH"), (1.0, "SOUND"), (1.5, "WRONG_WIDTH")],
)
def test_a_width_that_was_not_agreed_is_noticed(contributors, width, verdict):
    noise = noise_of(width * 6.6 * math.sqrt(contributors), 4096)

    assert noise.verdict(contributors) is Verdict[verdict]


def test_one_trainer_of_three_without_noise_is_noticed_in_a_large_block():
    noise = noise_of(6.6 * math.sqrt(2), 65_536)

    assert noise.verdict(2) is Verdict.SOUND
    assert noise.verdict(3) is Verdict.WRONG_WIDTH


def test_a_thousand_sound_blocks_raise_no_alarm():
    for seed in range(1_000):
        assert noise_of(6.6 * math.sqrt(5), 128, seed).verdict(5) is Verdict.SOUND


def test_noises_of_blocks_add_up():
    whole = Noise()
    parts = [noise_of(10, 100, seed) for seed in range(3)]
    for part in parts:
        whole += part

    assert whole.count == 300
    assert whole.largest == max(part.largest for part in parts)
    assert whole.squares == sum(part.squares for part in parts)
    assert (whole + Noise(strays=2)).strays == 2
    assert Noise().verdict(3) is Verdict.SOUND
