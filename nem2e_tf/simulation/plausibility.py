"""Warnings about joint angles and moments that are too small for a moving person."""

import logging

import numpy as np
import pandas as pd

SMALLEST_ANGLE = 3.2
"""Degrees. No coordinate of a file of radians, up to π, is beyond it."""

SMALLEST_RANGE = 3.0
"""Degrees. The range of the coordinate that moves most; a radian's number is 57 times as small."""

SMALLEST_MOMENT = 0.1
"""N m per kilogram, of ankle and hip. Walking has about 1.5 and 1, a leg in swing 0.3 (hip)."""

log = logging.getLogger(__name__)


def log_implausible(
    angles: pd.DataFrame,
    moments: pd.DataFrame,
    mass: float,
    in_degrees: bool,
    motion_name: str,
    moments_name: str,
) -> None:
    """Warn where units are probably wrong.

    Args:
        angles: `(frames, rotations of the leg)`, radians.
        moments: `(frames, joint moments)`, N m, columns `<coordinate>_moment`.
        mass: float. Of the model, kilograms.
        in_degrees: bool. The file was converted from degrees.
        motion_name: str. The motion's file.
        moments_name: str. The moments' file.
    """
    degrees = pd.DataFrame(np.rad2deg(angles.to_numpy()))
    if in_degrees and not degrees.empty:
        span = float((degrees.max() - degrees.min()).max())
        if span < SMALLEST_RANGE and float(degrees.abs().max().max()) < SMALLEST_ANGLE:
            log.warning(
                "%s: joints hardly move, by %.2f degrees at most; if the angles are radians, the"
                " header must say inDegrees=no",
                motion_name, span,
            )  # fmt: skip
    peaks = moments.filter(regex="^(ankle_angle|hip_flexion).*_moment$").abs().max() / mass
    if len(peaks) and float(peaks.max()) < SMALLEST_MOMENT:
        log.warning(
            "%s: peak ankle and hip moments, up to %.2f N m, are too small for the model's %.0f kg;"
            " N m per kilogram?",
            moments_name, float(peaks.max()) * mass, mass,
        )  # fmt: skip
