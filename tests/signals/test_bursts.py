"""When a muscle is active: on cycles whose bursts are known."""

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.signals import find_steady_strides
from nem2e_tf.signals.bursts import ACTIVE_SHARE, SHORTEST_BURST, Burst, find_bursts

PHASES = np.arange(100)


def bump(centre: float, half: float) -> np.ndarray:
    """A raised cosine around a centre, zero beyond `half` per cent to either side."""
    away = np.abs((PHASES - centre + 50) % 100 - 50)
    return np.where(away < half, 0.5 + 0.5 * np.cos(np.pi * away / half), 0.0)


def crossing(half: float) -> float:
    """How far from its centre a bump falls to the threshold."""
    return half * np.arccos(2 * ACTIVE_SHARE - 1) / np.pi


def test_a_burst_lasts_while_the_curve_is_above_a_fifth_of_its_peak() -> None:
    (burst,) = find_bursts(0.3 * bump(40, 20))
    reach = crossing(20)
    assert burst.onset == np.ceil(40 - reach) and burst.offset == np.floor(40 + reach) + 1
    assert burst.peak == 40


def test_a_burst_runs_over_the_end_of_the_cycle() -> None:
    (burst,) = find_bursts(bump(98, 20))
    assert burst.onset == np.ceil(98 - crossing(20))
    assert burst.offset == np.floor(98 + crossing(20)) + 1 - 100
    assert burst.peak == 98


def test_two_bursts_are_told_apart_in_the_order_of_the_cycle() -> None:
    early, late = find_bursts(bump(20, 10) + 0.5 * bump(70, 10))
    assert (early.peak, late.peak) == (20, 70)
    assert early.offset < late.onset


def test_what_is_shorter_than_a_twentieth_of_the_cycle_does_not_count() -> None:
    cycle = np.zeros(100)
    cycle[10:30] = 1.0
    cycle[15 : 15 + SHORTEST_BURST - 1] = 0.0
    cycle[60 : 60 + SHORTEST_BURST - 1] = 1.0
    assert find_bursts(cycle) == [Burst(10, 30, 10)]
    cycle[60 : 60 + SHORTEST_BURST] = 1.0
    assert find_bursts(cycle) == [Burst(10, 30, 10), Burst(60, 60 + SHORTEST_BURST, 60)]


def test_a_muscle_that_never_rests_is_active_all_the_cycle_and_a_flat_one_never() -> None:
    assert find_bursts(1.0 + 0.1 * bump(33, 20)) == [Burst(0, 100, 33)]
    assert find_bursts(np.full(100, 0.2)) == []


@pytest.mark.parametrize("shift", range(0, 100, 7))
def test_bursts_move_with_the_cycle(shift: int) -> None:
    (still,) = find_bursts(bump(40, 20))
    (moved,) = find_bursts(np.roll(bump(40, 20), shift))
    assert [(x - shift) % 100 for x in (moved.onset, moved.offset, moved.peak)] == [
        still.onset, still.offset, still.peak,
    ]  # fmt: skip


def knee(lengths: list[float], sign: float = -1.0) -> pd.Series:
    """Knee angle, radians at 100 Hz, of strides of some lengths in seconds."""
    parts = [
        0.15 + 0.9 * bump_from(np.arange(0.0, 1.0, 0.01 / length)) for length in [*lengths, 1.0]
    ]
    values = sign * np.concatenate(parts)
    return pd.Series(values, index=pd.Index(np.arange(len(values)) / 100.0, name="time"))


def bump_from(share: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * ((share - 0.5) / 0.1) ** 2)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_strides_are_found_whichever_way_the_model_bends_its_knee(sign: float) -> None:
    starts, steady = find_steady_strides(knee([1.0, 1.0, 1.0], sign))
    np.testing.assert_allclose(starts, [0.5, 1.5, 2.5, 3.5], atol=0.01)
    assert steady.all()


def test_a_stride_with_a_pause_in_it_is_not_steady() -> None:
    _, steady = find_steady_strides(knee([1.0, 1.0, 1.0, 3.0, 1.0, 1.0]))
    assert steady.tolist() == [True, True, False, False, True, True]


def test_somebody_who_stands_makes_no_strides() -> None:
    sway = 0.05 * knee([1.0, 1.0, 1.0])
    starts, steady = find_steady_strides(sway)
    assert len(starts) == len(steady) == 0
