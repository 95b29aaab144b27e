"""Marker positions of a motion-capture recording, from a .trc or .c3d file."""

import os

import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files.c3d import read_c3d_markers
from nem2e_tf.files.marker_labels import choose_subject, rename_markers
from nem2e_tf.files.paths import check_input
from nem2e_tf.files.trc import read_trc


def read_markers(
    path: str | os.PathLike[str],
    up: str | None = None,
    *,
    prefix: str | None = None,
    names: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Read marker positions from a .trc or .c3d file.

    Args:
        path: str or path. The file.
        up: str or None. For a .c3d: the laboratory's axis that points up, such as `+z`; None
            takes it from the file. A .trc is y-up, as in OpenSim.
        prefix: str or None. The subject, whose marker names have this before a colon; None takes
            the only subject in the file. The subject's prefix is removed, others are kept.
        names: str, path or None. A YAML table of the model's marker names and the recorded ones,
            with or without the prefix.

    Returns:
        `(frames, markers × 3)` metres, y up, index `time` in seconds, columns a `MultiIndex` of
        marker and axis (`x`, `y`, `z`). NaN where a marker is missing. `frame.attrs` holds
        `path`.

    Raises:
        InputError: neither kind of file, one that cannot be read, several subjects and no prefix,
            or a table that does not fit.
    """
    path = check_input(path, "marker positions")
    if path.suffix.lower() == ".trc":
        recorded = read_trc(path)
    elif path.suffix.lower() == ".c3d":
        recorded = read_c3d_markers(path, up)
    else:
        raise InputError(f"{path}: not marker positions; expected a name ending in .trc or .c3d")
    markers = choose_subject(recorded, prefix)
    return markers if names is None else rename_markers(markers, names)


def visible_markers(markers: pd.DataFrame) -> pd.DataFrame:
    """Which markers have a position in which frame: `(frames, markers)` of bool."""
    return markers.notna().T.groupby(level="marker", sort=False).all().T
