"""Reader of .trc files, the marker positions that motion capture exports for OpenSim."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files.paths import check_input
from nem2e_tf.files.storage import NAN_TEXTS, check_count, check_time

METRES_PER_UNIT = {"mm": 0.001, "cm": 0.01, "dm": 0.1, "m": 1.0}
"""By unit, as messages name it."""

UNIT_NAMES = {
    name: unit
    for unit, prefix in (("mm", "milli"), ("cm", "centi"), ("dm", "deci"), ("m", ""))
    for name in (unit, f"{prefix}meter", f"{prefix}meters", f"{prefix}metre", f"{prefix}metres")
}
"""Unit by name in lower case."""

MAX_BLANK_COORDINATES = 10_000_000
"""Coordinates of a recording of any size on disk; they take 80 MB."""

AXES = ("x", "y", "z")


def read_trc(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a .trc file (Motion Analysis' Track Row Column format, as OpenSim takes it).

    A blank coordinate is a gap; so is a marker at exactly (0, 0, 0), which some programs write
    for a missing marker. Commas may stand in place of tabs, and so may spaces, between which no
    coordinate can be blank. A wrong `NumFrames` gives a note.

    Args:
        path: str or path. The file.

    Returns:
        As `nem2e_tf.files.read_markers`.

    Raises:
        InputError: not a .trc, cut short, an unknown unit, or a value that is not a number.
    """
    path = check_input(path, "marker positions")
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    lines = text.splitlines()
    if not lines or not lines[0].lstrip().startswith("PathFileType"):
        raise InputError(
            f"{path}: the first line has no 'PathFileType'; this is not a .trc file;"
            " export markers as .trc or .c3d"
        )
    if len(lines) < 5 or len(re.split(r"[\t, ]+", lines[3].strip())) < 2:
        raise InputError(f"{path}: no row of marker names; the file is cut short; export it again")
    separator = next((mark for mark in "\t," if mark in lines[3].strip()), None)
    if separator == ",":
        lines[1:3] = [line.replace(",", " ") for line in lines[1:3]]
    # Values may outnumber their keys: units that the header's second line does not name.
    header = dict(zip(lines[1].split(), lines[2].split(), strict=False))
    header = {key.lower(): value for key, value in header.items()}
    named = header.get("units", "").strip()
    unit = UNIT_NAMES.get(named.lower())
    if unit is None:
        raise InputError(f"{path}: its unit is '{named}'; expected {', '.join(METRES_PER_UNIT)}")
    names = [name.strip() for name in lines[3].split(separator)]
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
    rows = [line for line in lines[5:] if line.strip()]
    table = _parse_rows(path, markers, rows, separator)
    check_count(path, header.get("numframes", ""), len(table), "frames", text)
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


def _parse_rows(
    path: Path, markers: list[str], rows: list[str], separator: str | None
) -> np.ndarray:
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
        cells = [cell.strip() for cell in line.split(separator)]
        while cells and not cells[-1]:
            cells.pop()
        if len(cells) > len(labels):
            raise InputError(
                f"{path}: row {row + 1} has more than the coordinates of {len(markers)} markers;"
                " name every marker"
            )
        if separator is None and len(cells) < len(labels):
            raise InputError(
                f"{path}: row {row + 1} has {len(cells)} values between spaces for"
                f" {len(labels)} columns; export it with tabs"
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
