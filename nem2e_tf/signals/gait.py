"""Gait cycles: stride times from the knee angle, and time-normalised cycles."""

import numpy as np
import pandas as pd
from scipy.signal import find_peaks

from nem2e_tf.signals.filters import RATE

PHASES = np.linspace(0.0, 1.0, 101)
"""Shares of the gait cycle at which it is reported."""


MIN_FLEXION_RANGE = np.deg2rad(20.0)
"""Range of the knee angle below which there is no gait. In level walking it is some 60 degrees."""

MAX_STRIDE_DEVIATION = 0.25
"""Share of the median length by which a stride of steady gait may be shorter or longer."""


def knee_flexion(knee_angle: pd.Series) -> pd.Series:
    """The knee angle, positive in flexion whatever the sign convention of the model."""
    # A knee flexes further than it extends.
    return knee_angle * np.sign(knee_angle.iloc[int(knee_angle.abs().to_numpy().argmax())])


def find_steady_strides(knee_angle: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Stride times, and which strides are steady gait.

    Args:
        knee_angle: `(frames,)`, radians, index `time` in seconds, at 100 Hz.

    Returns:
        Seconds, `(strides + 1,)`, or none, and bool, `(strides,)`: whether a stride is about as
        long as the others, so that it has no turn or pause in it.
    """
    nothing = np.zeros(0), np.zeros(0, dtype=bool)
    if np.ptp(knee_angle.to_numpy()) < MIN_FLEXION_RANGE:
        return nothing
    starts = stride_times(knee_flexion(knee_angle))
    if len(starts) < 2:
        return nothing
    lengths = np.diff(starts)
    usual = np.median(lengths)
    return starts, np.abs(lengths - usual) <= MAX_STRIDE_DEVIATION * usual


def stride_times(knee_flexion: pd.Series) -> np.ndarray:
    """Times in seconds of the largest knee flexion of every stride.

    This event, in swing, is sharp and needs no force plate.

    Args:
        knee_flexion: `(frames,)`, growing with flexion, index `time` in seconds, at 100 Hz.

    >>> time = np.arange(0.0, 4.0, 0.01)
    >>> knee = pd.Series(1.0 - np.cos(2 * np.pi * time), index=time)  # a stride a second
    >>> stride_times(knee).round(3).tolist()
    [0.5, 1.5, 2.5, 3.5]
    """
    values, time = knee_flexion.to_numpy(), knee_flexion.index.to_numpy()
    high = values.min() + 0.7 * np.ptp(values)
    found, _ = find_peaks(values, height=high, distance=int(0.5 * RATE))
    # A parabola through a peak and its neighbours locates it between frames.
    before, at, after = values[found - 1], values[found], values[found + 1]
    shift = 0.5 * (before - after) / (before - 2.0 * at + after)
    times: np.ndarray = time[found] + shift / RATE
    return times


def gait_cycles(frame: pd.DataFrame, starts: np.ndarray) -> np.ndarray:
    """Time-normalised cycles, each at the same phases: `(strides, 101, columns)`.

    Args:
        frame: `(frames, columns)`, index `time` in seconds.
        starts: `(strides + 1,)`, seconds.
    """
    time = frame.index.to_numpy()
    at = starts[:-1, None] + np.diff(starts)[:, None] * PHASES
    return np.stack([np.interp(at, time, frame[name].to_numpy()) for name in frame], axis=2)
