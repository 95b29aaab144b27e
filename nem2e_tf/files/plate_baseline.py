"""The level of an unloaded force plate, which FORCE_PLATFORM:ZERO says when to measure.

The frames that it names are those of the whole recording, and are not always kept up to date when a
recording is cropped. So the forces in these frames decide whether the plate was unloaded.
"""

import numpy as np

SMALL_LEVEL = 20.0
"""N. A smaller level is that of an amplifier: nobody stands on the plate."""

LARGEST_LEVEL = 50.0
"""N. The largest level without a load that is believed of a plate that nobody steps on."""

LOAD = 100.0
"""N. What a step puts on a plate at least."""


def find_baseline(vertical: np.ndarray, zero: np.ndarray, frames: int) -> tuple[slice | None, str]:
    """The samples whose mean is the level of the unloaded plate, and a remark on them.

    Args:
        vertical: `(samples,)`, N, as recorded; of either sign.
        zero: FORCE_PLATFORM:ZERO, the first and the last frame, from 1.
        frames: int. Of the markers.

    Returns:
        The samples, or None where there are no such frames or the plate is loaded in them; and what
        is to be told of it, as the end of a sentence about the plate, or an empty text.
    """
    if len(zero) < 2 or not 0 < zero[0] <= zero[1]:
        return None, ""
    named = f"frames {zero[0]}-{zero[1]}, which FORCE_PLATFORM:ZERO names"
    if zero[1] > frames:
        return None, (
            f"has no {named} for its level without a load: the file has {frames} frames; no level"
            " is subtracted"
        )
    each = len(vertical) // frames
    by_frame = vertical[: frames * each].reshape(frames, each).mean(axis=1)
    samples = slice((zero[0] - 1) * each, zero[1] * each)
    part = by_frame[zero[0] - 1 : zero[1]]
    level = float(part.mean())
    is_loaded = _is_loaded(by_frame, part, level)
    if is_loaded:
        largest = float(np.abs(part).max())
        return None, (
            f"carries up to {largest:.0f} N in {named} for its level without a load; no level is"
            " subtracted"
        )
    if abs(level) > SMALL_LEVEL:
        return samples, f"has {level:.0f} N without a load in {named}; this is subtracted"
    return samples, ""


def _is_loaded(by_frame: np.ndarray, part: np.ndarray, level: float) -> bool:
    """Whether somebody is on the plate in a part of the frames."""
    if np.abs(part).max() <= SMALL_LEVEL:
        return False
    if np.ptp(part) > SMALL_LEVEL:
        return True
    size = len(part)
    windows = np.lib.stride_tricks.sliding_window_view(by_frame, size)
    is_quiet = np.ptp(windows, axis=1) <= max(SMALL_LEVEL / 4, float(np.ptp(part)))
    nearer = np.abs(windows.mean(axis=1)) < abs(level) - SMALL_LEVEL
    if (is_quiet & nearer).any():
        return True  # the plate is unloaded elsewhere
    above, below = float(by_frame.max()) - level, level - float(by_frame.min())
    if max(above, below) >= LOAD:
        # A load goes one way from the level without a load.
        return min(above, below) > SMALL_LEVEL
    return abs(level) > LARGEST_LEVEL
