"""Level walking: motion and joint moments of a published average cycle, the same in every stride.

`walking.csv` names the source.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline

from nem2e_tf.cohort.cycles import COLUMNS, MOMENT, walking_table

_FREE_SPEED = 0.429
"""Dimensionless, of `walking.csv`."""


def _free_speed_cycle() -> pd.DataFrame:
    # The transverse hip moment of the table is from another study than the rest.
    columns = [name for name in COLUMNS if name != f"hip_rotation_r{MOMENT}"]
    table = walking_table()[columns]
    free = table[table.index.get_level_values("speed") == _FREE_SPEED]
    return free.droplevel("speed")


def walking_cycle() -> pd.DataFrame:
    """One average gait cycle of level walking at a self-selected speed.

    Returns:
        Frame of 51 rows. Index `cycle`: per cent of the gait cycle, 0 to 100 by 2, from foot
        strike to the next foot strike of the same leg. Columns: coordinates in degrees and
        `<coordinate>_moment`, the internal joint moment in N m per kg of body mass, both with the
        signs of Gait2392.

    Source: Schwartz, Rozumalski, Trost (2008), J Biomech 41:1639-1650, free speed. The subjects
    were children; their plantar flexor moment, 1.2 N m/kg, is at the low end of that of adults.
    """
    return _free_speed_cycle().copy()


def synthetic_walking(
    duration: float = 6.0,
    mass: float = 75.0,
    stride_time: float = 1.1,
    rate: float = 100.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Synthetic level walking of the right leg: the average cycle, repeated without variation.

    The motion is not a recording. Shape and moments do not depend on the stride time, so strides
    far from the usual 1.0-1.2 s are not what a person would do at that cadence.

    Args:
        duration: length in seconds, from the foot strike at time 0, end included.
        mass: of the body in kg; the moments are proportional to it.
        stride_time: from one right foot strike to the next, in seconds.
        rate: samples per second, in Hz.

    Returns:
        motion: index `time` in s, columns hip_flexion_r, hip_adduction_r, hip_rotation_r,
            knee_angle_r and ankle_angle_r in radians.
        moments: the same index, columns `<coordinate>_moment` in N m, positive when they
            drive the coordinate in its positive direction. There is none for hip_rotation_r, which
            the source does not report.

    Both are periodic and twice continuously differentiable (periodic cubic spline).

    Raises:
        ValueError: an argument is not a positive finite number, or less than one sample long.
    """
    arguments = {"duration": duration, "mass": mass, "stride_time": stride_time, "rate": rate}
    for name, value in arguments.items():
        if not (math.isfinite(value) and value > 0.0):
            raise ValueError(f"{name} must be a positive number, not {value!r}")
    # Half a sample of rounding would otherwise drop the last frame of, say, 0.3 s at 100 Hz.
    intervals = math.floor(duration * rate + 1e-6)
    if intervals < 1:
        raise ValueError(f"duration {duration} s is shorter than one sample at {rate} Hz")

    cycle = _free_speed_cycle()
    time = pd.Index(np.arange(intervals + 1) / rate, name="time")
    spline = CubicSpline(cycle.index.to_numpy(), cycle.to_numpy(), bc_type="periodic")
    phase = 100.0 * np.mod(time.to_numpy() / stride_time, 1.0)
    frame = pd.DataFrame(spline(phase), index=time, columns=cycle.columns)

    is_moment = frame.columns.str.endswith(MOMENT)
    motion = frame.loc[:, ~is_moment].apply(np.deg2rad)
    moments = frame.loc[:, is_moment] * mass
    return motion, moments
