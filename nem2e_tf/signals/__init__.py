"""Signal processing: filters, EMG envelopes, gait cycles, muscles and scores."""

from nem2e_tf.signals.agreement import Agreement, channels_in_common, score_agreement
from nem2e_tf.signals.bursts import Burst, find_bursts
from nem2e_tf.signals.emg import envelopes, normalise_envelopes
from nem2e_tf.signals.emg_session import output_paths, process_session
from nem2e_tf.signals.filters import (
    FEWEST_ROWS,
    RATE,
    common_time_range,
    low_pass,
    resample,
    resample_to_rate,
    time_grid,
)
from nem2e_tf.signals.gait import (
    PHASES,
    find_steady_strides,
    gait_cycles,
    knee_flexion,
    stride_times,
)
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
    "channels_in_common",
    "combine",
    "common_time_range",
    "envelopes",
    "find_bursts",
    "find_steady_strides",
    "gait_cycles",
    "knee_flexion",
    "low_pass",
    "normalise_envelopes",
    "output_paths",
    "process_session",
    "resample",
    "resample_to_rate",
    "root_mean_square_error",
    "score_agreement",
    "stride_times",
    "time_grid",
]
