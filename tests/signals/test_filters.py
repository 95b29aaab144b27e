"""Filtering and resampling against filter theory and polynomials; clocks against sense."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import read_storage
from nem2e_tf.signals.filters import (
    LONGEST_GAP,
    RATE,
    common_time_range,
    low_pass,
    resample,
    resample_to_rate,
    sampling_rate,
    time_grid,
)

Refused = Callable[..., AbstractContextManager[None]]


def sample(function: Callable[[np.ndarray], np.ndarray], times: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"x": function(times)}, index=pd.Index(times, name="time"))


def sine(frequency: float, rate: float, seconds: float = 20.0) -> pd.DataFrame:
    times = np.arange(round(seconds * rate) + 1) / rate
    return sample(lambda t: np.sin(2 * np.pi * frequency * t), times)


def response(filtered: pd.DataFrame, frequency: float) -> complex:
    """Gain and phase of a filtered sine, by projection on its middle 10 s."""
    middle = filtered.loc[5.0:15.0].iloc[:-1]
    turn = np.exp(-2j * np.pi * frequency * middle.index.to_numpy())
    return complex(2j * np.mean(middle["x"].to_numpy() * turn))


def span(start: float, end: float, rate: float = 10.0) -> pd.DataFrame:
    return sample(np.zeros_like, np.linspace(start, end, round((end - start) * rate) + 1))


@pytest.mark.parametrize("rate", [25.0, 60.0, 100.0, 1000.0])
def test_the_gain_at_the_cutoff_is_minus_3_db_and_nothing_lags(rate: float) -> None:
    gain = response(low_pass(sine(6.0, rate), 6.0, "sine"), 6.0)

    assert 20 * np.log10(abs(gain)) == pytest.approx(-3.01, abs=0.02)
    assert np.angle(gain) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("frequency", [1.0, 3.0, 6.0, 9.0, 20.0])
def test_the_gain_is_that_of_a_second_order_butterworth_run_twice(frequency: float) -> None:
    # Analogue theory; at 1000 rows a second a digital filter of 6 Hz differs by less than 1e-3.
    expected = 1.0 / (1.0 + (np.sqrt(2.0) - 1.0) * (frequency / 6.0) ** 4)

    gain = response(low_pass(sine(frequency, 1000.0), 6.0, "sine"), frequency)

    assert gain == pytest.approx(expected, abs=1e-3)


def test_1_hz_passes_a_6_hz_filter() -> None:
    original = sine(1.0, 100.0)
    filtered = low_pass(original, 6.0, "sine")

    pd.testing.assert_index_equal(filtered.index, original.index)
    assert (filtered - original).loc[1.0:19.0].abs().to_numpy().max() < 1e-3


def test_a_constant_stays_itself_up_to_both_ends() -> None:
    constant = sample(lambda t: np.full(t.shape, 3.0), np.arange(200) / 100)

    np.testing.assert_allclose(low_pass(constant, 6.0, "constant"), 3.0, rtol=1e-12)


def test_a_jittered_clock_is_made_uniform_and_filtered() -> None:
    generator = np.random.default_rng(0)
    jitter = generator.uniform(-0.3, 0.3, 1001) / 100
    jitter[[0, -1]] = 0.0
    rough = sample(lambda t: np.sin(2 * np.pi * t), np.arange(1001) / 100 + jitter)

    filtered = low_pass(rough, 6.0, "rough")

    steps = np.diff(filtered.index)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)
    assert (filtered.index[0], filtered.index[-1]) == (0.0, 10.0)
    theory = np.sin(2 * np.pi * filtered.index.to_numpy())
    assert np.abs(filtered["x"] - theory).loc[1.0:9.0].max() < 2e-3


def test_every_column_is_filtered_alone() -> None:
    generator = np.random.default_rng(1)
    both = pd.DataFrame(generator.standard_normal((300, 2)), columns=["a", "b"])
    both.index = pd.Index(np.arange(300) / 100, name="time")

    filtered = low_pass(both, 6.0, "noise")

    assert list(filtered.columns) == ["a", "b"]
    np.testing.assert_allclose(filtered[["b"]], low_pass(both[["b"]], 6.0, "noise"), rtol=1e-12)


def test_the_filter_refuses_what_it_cannot_filter(refused: Refused) -> None:
    with refused("slow.sto", "20 rows a second", "6 Hz"):
        low_pass(sine(1.0, 20.0), 6.0, "slow.sto")
    in_frames = sine(1.0, 1.0, seconds=500.0)
    with refused("frames.sto", "1 rows a second", "in seconds?"):
        low_pass(in_frames, 6.0, "frames.sto")
    with refused("short.sto", "15 rows"):
        low_pass(sine(1.0, 100.0).iloc[:15], 6.0, "short.sto")
    assert len(low_pass(sine(1.0, 100.0).iloc[:16], 6.0, "long enough")) == 16


def test_a_gap_is_refused_with_its_place_when_it_is_too_long_to_bridge(refused: Refused) -> None:
    whole = sine(1.0, 100.0)
    bridged = whole.drop(whole.index[501 : 500 + round(LONGEST_GAP * 100)])
    filtered = low_pass(bridged, 6.0, "bridged")
    assert len(filtered) == len(whole)
    # A cubic over the gap h is off by up to h^4 / 384 * (2 pi)^4 = 4e-4, and little more at ends.
    assert np.abs(filtered["x"] - low_pass(whole, 6.0, "whole")["x"]).max() < 1e-3

    with refused("gap.sto", "no sample between 5 and 5.2 s"):
        low_pass(whole.drop(whole.index[501:520]), 6.0, "gap.sto")


def test_a_real_recording_is_made_slower_at_its_own_times(overground: Path) -> None:
    fast = read_storage(overground / "electromyography.sto")
    assert sampling_rate(fast) == pytest.approx(2000.0)

    slow = resample_to_rate(fast, RATE, "electromyography.sto")

    assert sampling_rate(slow) == pytest.approx(100.0)
    # Every twentieth sample is at a multiple of 10 ms, where a spline goes through its sample.
    np.testing.assert_allclose(slow.to_numpy(), fast.iloc[::20].to_numpy(), atol=1e-9)


def test_changing_the_rate_refuses_gaps_and_scraps(refused: Refused) -> None:
    whole = sine(1.0, 200.0)
    with refused("emg.sto", "no sample between 1 and 2 s"):
        resample_to_rate(whole.drop(whole.index[201:400]), RATE, "emg.sto")
    with refused("emg.sto", "15 rows"):
        resample_to_rate(whole.iloc[:15], RATE, "emg.sto")


def test_resampling_is_exact_on_cubics() -> None:
    generator = np.random.default_rng(2)
    for _ in range(20):
        cubic = np.polynomial.Polynomial(generator.standard_normal(4))
        times = np.sort(generator.uniform(0.0, 2.0, 30))
        new_times = np.linspace(times[0], times[-1], 77)

        found = resample(sample(cubic, times), new_times)

        np.testing.assert_allclose(found["x"], cubic(new_times), atol=1e-9)
        np.testing.assert_array_equal(found.index, new_times)


def test_resampling_at_the_same_times_changes_nothing() -> None:
    noise = sample(lambda t: np.random.default_rng(3).standard_normal(t.shape), time_grid(0.0, 0.5))
    pd.testing.assert_frame_equal(resample(noise, noise.index.to_numpy()), noise)


@pytest.mark.parametrize(
    ("start", "end", "rate", "first", "last", "count"),
    [
        (0.0, 1.0, 100.0, 0.0, 1.0, 101),
        (18.6, 30.0, 100.0, 18.6, 30.0, 1141),
        (0.1 + 0.2, 0.7, 10.0, 0.3, 0.7, 5),
        (0.003, 0.049, 100.0, 0.01, 0.04, 4),
        (-0.25, 0.25, 10.0, -0.2, 0.2, 5),
        (0.001, 0.009, 100.0, 0.0, 0.0, 0),
    ],
)
def test_the_grid_has_the_multiples_within_the_range(
    start: float, end: float, rate: float, first: float, last: float, count: int
) -> None:
    times = time_grid(start, end, rate)

    assert len(times) == count
    if count:
        assert (times[0], times[-1]) == pytest.approx((first, last))
        np.testing.assert_allclose(times * rate, np.round(times * rate), atol=1e-9)


def test_the_common_range_is_what_all_cover() -> None:
    frames = {"ik.sto": span(0.0, 10.0), "id.sto": span(0.1, 9.9)}

    assert common_time_range(frames, None, None) == (0.1, 9.9)
    assert common_time_range(frames, 2.0, None) == (2.0, 9.9)
    assert common_time_range(frames, None, 5.0) == (0.1, 5.0)
    assert common_time_range(frames, 2.0, 5.0) == (2.0, 5.0)


def test_a_recording_within_another_is_on_its_clock() -> None:
    frames = {"ik.sto": span(0.0, 60.0), "emg.sto": span(20.0, 30.0)}

    assert common_time_range(frames, None, None) == (20.0, 30.0)


def test_recordings_trimmed_by_a_few_frames_are_on_one_clock() -> None:
    frames = {"ik.sto": span(0.0, 10.0), "id.sto": span(0.2, 10.2)}

    assert common_time_range(frames, None, None) == (0.2, 10.0)


def test_shifted_recordings_are_on_different_clocks_unless_the_range_is_named(
    refused: Refused,
) -> None:
    frames = {"ik.sto": span(0.0, 60.0), "id.sto": span(10.0, 70.0)}

    for start, end in ((None, None), (20.0, None), (None, 30.0)):
        with refused("different clocks", "ik.sto covers 0-60 s", "id.sto covers 10-70 s"):
            common_time_range(frames, start, end)
    assert common_time_range(frames, 20.0, 30.0) == (20.0, 30.0)


def test_a_range_that_is_not_there_is_refused(refused: Refused) -> None:
    frames = {"ik.sto": span(0.0, 10.0), "id.sto": span(0.0, 9.0)}

    with refused("no time in common", "id.sto covers 100-109 s"):
        common_time_range({**frames, "id.sto": span(100.0, 109.0)}, None, None)
    for start, end in ((-1.0, 5.0), (5.0, 9.5), (20.0, 30.0)):
        with refused(f"{start:g}-{end:g} s", "outside", "id.sto covers 0-9 s"):
            common_time_range(frames, start, end)
    for start, end in ((5.0, 5.0), (6.0, 5.0)):
        with refused(f"{start:g}-{end:g} s", "empty"):
            common_time_range(frames, start, end)
    with refused("empty"):
        common_time_range(frames, 9.5, None)
