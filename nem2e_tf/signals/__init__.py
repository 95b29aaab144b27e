"""Filters, EMG, gait cycles, muscles and scores: tables of samples in, tables out."""

from nem2e_tf.signals.agreement import Agreement, channels_in_common
from nem2e_tf.signals.bursts import Burst
from nem2e_tf.signals.emg import envelopes, normalised
from nem2e_tf.signals.emg_session import outputs, session
from nem2e_tf.signals.filters import (
    FEWEST_ROWS,
    RATE,
    at_rate,
    common_times,
    grid,
    low_pass,
    resample,
)
from nem2e_tf.signals.gait import PHASES, cycles, flexion, steady_strides, strides
from nem2e_tf.signals.metrics import LONGEST_LAG, root_mean_square_error
from nem2e_tf.signals.muscles import MuscleMap, Weights, combine

__all__ = [
    "FEWEST_ROWS",
    "LONGEST_LAG",
    "PHASES",
    "RATE",
    "Agreement",
    "Burst",
    "MuscleMap",
    "Weights",
    "at_rate",
    "channels_in_common",
    "combine",
    "common_times",
    "cycles",
    "envelopes",
    "flexion",
    "grid",
    "low_pass",
    "normalised",
    "outputs",
    "resample",
    "root_mean_square_error",
    "session",
    "steady_strides",
    "strides",
]
