"""Reader of .trc files, the marker positions that motion capture exports for OpenSim."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files.paths import check_input
from nem2e_tf.files.storage import NAN_TEXTS, check_time, parse_count

METRES_PER_UNIT = {"mm": 0.001, "cm": 0.01, "dm": 0.1, "m": 1.0}
"""By unit, as files name it."""

MAX_BLANK_COORDINATES = 10_000_000
"""Coordinates of a recording of any size on disk; they take 80 MB."""

AXES = ("x", "y", "z")


def read_trc(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a .trc file (Motion Analysis' Track Row Column format, as OpenSim takes it).

    A blank coordinate is a gap; so is a marker at exactly (0, 0, 0), which some programs write
    for a missing marker.

    Args:
        path: str or path. The file.

    Returns:
        As `nem2e_tf.files.read_markers`.

    Raises:
        InputError: not a .trc, cut short, an unknown unit, or a value that is not a number.
    """
    path = check_input(path, "marker positions")
    lines = path.read_bytes().decode("utf-8", errors="replace").splitlines()
    if not lines or not lines[0].lstrip().startswith("PathFileType"):
        raise InputError(
            f"{path}: the first line has no 'PathFileType'; this is not a .trc file;"
            " export markers as .trc or .c3d"
        )
    if len(lines) < 5 or "\t" not in lines[3]:
        raise InputError(
            f"{path}: no tab-separated row of marker names; the file is cut short; export it again"
        )
    # Values may outnumber their keys: units that the header's second line does not name.
    header = dict(zip(lines[1].split(), lines[2].split(), strict=False))
    unit = header.get("Units", "").strip()
    if unit not in METRES_PER_UNIT:
        raise InputError(f"{path}: its unit is '{unit}'; expected {', '.join(METRES_PER_UNIT)}")
    names = [name.strip() for name in lines[3].split("\t")]
    if [name.lower() for name in names[:2]] != ["frame#", "time"]:
        raise InputError(
            f"{path}: its fourth line does not begin with 'Frame#' and 'Time'; export it again"
        )
    markers = [name for name in names[2:] if name]
    if not markers:
        raise InputError(f"{path}: no marker names after 'Time'; export it again")
    twice = next((name for name in markers if markers.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: marker '{twice}' is there twice; rename one")
    table = _parse_rows(path, markers, [line for line in lines[5:] if line.strip()])
    frames = parse_count(header.get("NumFrames", ""))
    if len(table) < frames:
        raise InputError(
            f"{path}: cut short: the header announces {frames} frames, the file has"
            f" {len(table)}; copy or export it again"
        )
    return marker_frame(path, table[:, 1], table[:, 2:] * METRES_PER_UNIT[unit], markers)


def marker_frame(
    path: Path, time: np.ndarray, positions: np.ndarray, markers: list[str]
) -> pd.DataFrame:
    """Marker positions as `nem2e_tf.files.read_markers` gives them.

    Args:
        path: path. The file that they come from.
        time: `(frames,)`, seconds.
        positions: `(frames, markers × 3)`, metres, y up, NaN in a gap.
        markers: list of str.
    """
    check_time(path, time)
    points = positions.reshape(len(time), len(markers), 3)
    missing = np.isnan(points).any(axis=2) | (points == 0).all(axis=2)
    points = np.where(missing[:, :, None], np.nan, points)
    columns = pd.MultiIndex.from_product([markers, AXES], names=["marker", "axis"])
    index = pd.Index(time, name="time")
    frame = pd.DataFrame(points.reshape(len(time), columns.size), index=index, columns=columns)
    frame.attrs = {"path": str(path)}
    return frame


def _parse_rows(path: Path, markers: list[str], rows: list[str]) -> np.ndarray:
    if not rows:
        raise InputError(f"{path}: no rows below the marker names; export it again")
    labels = ["Frame#", "Time", *(f"{name} {axis}" for name in markers for axis in AXES)]
    size = len(rows) * len(labels)
    if size > MAX_BLANK_COORDINATES and size > 4 * sum(map(len, rows)):
        # Blank coordinates may be left out, but a table of almost nothing else might fill memory.
        raise InputError(
            f"{path}: names {len(markers)} markers, and nearly all of their coordinates in its"
            f" {len(rows)} rows are blank; leave out markers that were not recorded"
        )
    values = np.full((len(rows), len(labels)), np.nan)
    for row, line in enumerate(rows):
        cells = [cell.strip() for cell in line.split("\t")]
        while cells and not cells[-1]:
            cells.pop()
        if len(cells) > len(labels):
            raise InputError(
                f"{path}: row {row + 1} has more than the coordinates of {len(markers)} markers;"
                " name every marker"
            )
        # A program may leave out blank coordinates at the end of a row, but not half a marker.
        if row == len(rows) - 1 and len(cells) < len(labels) and len(cells) % 3 != 2:
            raise InputError(
                f"{path}: cut short: its last row ends within a marker's coordinates;"
                " export it again"
            )
        for column, cell in enumerate(cells):
            if cell not in NAN_TEXTS:
                try:
                    # Exactly as OpenSim reads it: pandas may miss the last digit.
                    values[row, column] = float(cell)
                except ValueError:
                    raise InputError(
                        f"{path}: '{labels[column]}', row {row + 1}: '{cell[:30]}' is not a number"
                    ) from None
    without_time = np.flatnonzero(~np.isfinite(values[:, 1]))
    if len(without_time):
        raise InputError(f"{path}: row {without_time[0] + 1} has no time; export it again")
    return values
