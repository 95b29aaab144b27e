"""Time series: common time ranges, uniform sampling, low-pass filter, resampling."""

import numpy as np
import pandas as pd
from scipy.interpolate import make_interp_spline
from scipy.signal import butter, sosfiltfilt

from nem2e_tf.errors import InputError

RATE = 100.0
"""Hz. Simulated activity and envelopes have this sampling rate."""

LONGEST_GAP = 0.1
"""Seconds without a sample that interpolation may bridge."""

FEWEST_ROWS = 16
"""Rows of the shortest recording that a filter can run over."""


def sampling_rate(frame: pd.DataFrame) -> float:
    """Samples a second, from the median step of the index."""
    return float(1.0 / np.median(np.diff(frame.index)))


def time_grid(start: float, end: float, rate: float = RATE) -> np.ndarray:
    """Multiples of `1 / rate` seconds within `start` to `end`: `(times,)`."""
    first, last = np.ceil(start * rate - 1e-6), np.floor(end * rate + 1e-6)
    return np.arange(first, last + 1) / rate


def resample(frame: pd.DataFrame, times: np.ndarray) -> pd.DataFrame:
    """Values at other times within the recording, by a cubic spline through the samples.

    Args:
        frame: `(rows, columns)`, four rows or more, index `time` in seconds.
        times: `(times,)`, seconds.

    Returns:
        `(times, columns)`.
    """
    if len(times) == len(frame) and np.allclose(times, frame.index, rtol=0, atol=1e-9):
        values = frame.to_numpy()
    else:
        inside = np.clip(times, frame.index[0], frame.index[-1])
        values = make_interp_spline(frame.index.to_numpy(), frame.to_numpy(), k=3)(inside)
    return pd.DataFrame(values, index=pd.Index(times, name="time"), columns=frame.columns)


def resample_to_rate(frame: pd.DataFrame, rate: float, source: str) -> pd.DataFrame:
    """A whole recording resampled to multiples of `1 / rate` seconds; `source` is for messages."""
    check_continuous(frame, source)
    return resample(frame, time_grid(frame.index[0], frame.index[-1], rate))


def check_continuous(frame: pd.DataFrame, source: str) -> None:
    """Raise `InputError` for a recording that is too short or has a gap."""
    if len(frame) < FEWEST_ROWS:
        raise InputError(
            f"{source}: {len(frame)} rows are too few; at least {FEWEST_ROWS} are needed"
        )
    time = frame.index.to_numpy()
    steps = np.diff(time)
    if steps.max() > max(LONGEST_GAP, 1.5 * float(np.median(steps))):
        row = int(steps.argmax())
        raise InputError(
            f"{source}: no sample between {time[row]:g} and {time[row + 1]:g} s; use --start and"
            " --end to stay on one side of the gap"
        )


def low_pass(frame: pd.DataFrame, cutoff: float, source: str) -> pd.DataFrame:
    """Fourth-order Butterworth low-pass without lag, on a uniform clock at the recording's rate.

    A second-order filter runs forwards and backwards, its cut-off raised so that the two passes
    together have -3 dB at `cutoff` (Robertson and Dowling 2003, J Electromyogr Kinesiol 13:569).

    Args:
        frame: `(rows, columns)`, index `time` in seconds.
        cutoff: float. Hz.
        source: str. The recording, for messages.

    Raises:
        InputError: the sampling rate is too low for `cutoff`, the recording is too short to filter,
            or a gap is longer than `LONGEST_GAP`.
    """
    check_continuous(frame, source)
    rate = sampling_rate(frame)
    if rate < 4 * cutoff:
        raise InputError(
            f"{source}: {rate:.3g} rows a second are too few to low-pass at {cutoff:g} Hz;"
            " is its time in seconds?"
        )
    time = frame.index.to_numpy()
    uniform = frame
    if np.ptp(np.diff(time)) > 0.01 / rate:
        count = round((time[-1] - time[0]) * rate) + 1
        uniform = resample(frame, np.linspace(time[0], time[-1], count))
    # 0.8022 = (sqrt(2) - 1) ** (1 / 4): the factor by which two passes of a second-order
    # filter lower its cut-off; for a digital filter it applies to the tangent of the frequency.
    raised = np.arctan(np.tan(np.pi * cutoff / rate) / 0.8022) * rate / np.pi
    sections = butter(2, raised, fs=rate, output="sos")
    padding = min(len(uniform) - 1, int(rate))
    values = sosfiltfilt(sections, uniform.to_numpy(), axis=0, padlen=padding)
    return pd.DataFrame(values, index=uniform.index, columns=uniform.columns)


def common_time_range(
    frames: dict[str, pd.DataFrame], start: float | None, end: float | None
) -> tuple[float, float]:
    """The time range that all recordings cover, narrowed to `start` and `end`.

    Args:
        frames: recordings by name.
        start: float or None. Seconds; None is the latest start of all.
        end: float or None. Seconds; None is the earliest end of all.

    Raises:
        InputError: the recordings are not on one clock, or do not cover the range asked for.
    """
    spans = {name: (float(f.index[0]), float(f.index[-1])) for name, f in frames.items()}
    first, last = max(s for s, _ in spans.values()), min(e for _, e in spans.values())
    coverage = ", ".join(f"{name} covers {s:g}-{e:g} s" for name, (s, e) in spans.items())
    if first >= last:
        raise InputError(f"the recordings have no time in common: {coverage}; synchronise them")
    low = first if start is None else start
    high = last if end is None else end
    if low >= high:
        raise InputError(f"the time range {low:g}-{high:g} s is empty; --start comes before --end")
    tolerance = 1e-6
    if low < first - tolerance or high > last + tolerance:
        raise InputError(f"the time range {low:g}-{high:g} s is outside the recording: {coverage}")
    shifts = [(s - first, e - last) for s, e in spans.values()]
    shifted = max(s for s, _ in shifts) - min(s for s, _ in shifts)
    late = max(e for _, e in shifts) - min(e for _, e in shifts)
    contained = any((s, e) == (first, last) for s, e in spans.values())
    if not contained and min(shifted, late) > 0.25 and (start is None or end is None):
        raise InputError(
            f"the recordings seem to be on different clocks: {coverage}; synchronise them, or name"
            " the common range with --start and --end"
        )
    return low, high
