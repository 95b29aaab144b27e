"""Marker positions of a motion-capture recording, from a .trc or .c3d file."""

import os

import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files.c3d import read_c3d
from nem2e_tf.files.paths import check_input
from nem2e_tf.files.trc import read_trc


def read_markers(path: str | os.PathLike[str], up: str | None = None) -> pd.DataFrame:
    """Read marker positions from a .trc or .c3d file.

    Args:
        path: str or path. The file.
        up: str or None. For a .c3d: the laboratory's axis that points up, such as `+z`; None
            takes it from the file. A .trc is y-up, as in OpenSim.

    Returns:
        `(frames, markers × 3)` metres, y up, index `time` in seconds, columns a `MultiIndex` of
        marker and axis (`x`, `y`, `z`). NaN where a marker is missing. `frame.attrs` holds
        `path`.

    Raises:
        InputError: neither kind of file, or one that cannot be read.
    """
    path = check_input(path, "marker positions")
    if path.suffix.lower() == ".trc":
        return read_trc(path)
    if path.suffix.lower() == ".c3d":
        return read_c3d(path, up).markers
    raise InputError(f"{path}: not marker positions; expected a name ending in .trc or .c3d")


def visible_markers(markers: pd.DataFrame) -> pd.DataFrame:
    """Which markers have a position in which frame: `(frames, markers)` of bool."""
    return markers.notna().T.groupby(level="marker", sort=False).all().T
