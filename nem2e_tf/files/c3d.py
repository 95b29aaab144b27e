"""C3D files: markers, force plates and analog channels, in OpenSim's axes (y up)."""

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files.c3d_content import Content, make_unique, read_content
from nem2e_tf.files.c3d_events import read_events
from nem2e_tf.files.force_plates import ForcePlate, plate_corners, plate_count, read_force_plates
from nem2e_tf.files.marker_labels import choose_subject, find_subjects, marker_names
from nem2e_tf.files.paths import check_input
from nem2e_tf.files.plate_signals import parse_length
from nem2e_tf.files.trc import marker_frame

SMALLEST_EXTENT, LARGEST_EXTENT = 0.05, 30.0
"""Metres, from the lowest to the highest coordinate of all markers in a frame."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class C3D:
    """The content of a C3D file.

    Args:
        path: the file.
        markers: as `nem2e_tf.files.read_markers` gives them. With several subjects in the file,
            their prefixes are kept.
        plates: force plates that can be read, in the file's order.
        analog: `(samples, channels)`, index `time` in seconds; all analog channels that do not
            belong to a force plate (EMG above all), in the file's units. NaN where a channel has
            no number.
        units: unit of every column of `analog`, as the file has it.
        plate_fault: why force plates could not be read; empty if they could.
        events: a row an event: `time` in seconds on the clock of the markers, `side` (`r`, `l` or
            empty), `event` (`foot strike`, `foot off` or empty), `label` as in the file.
    """

    path: Path
    markers: pd.DataFrame
    plates: tuple[ForcePlate, ...]
    analog: pd.DataFrame
    units: dict[str, str]
    plate_fault: str = ""
    events: pd.DataFrame = field(default_factory=pd.DataFrame)

    def ground_reactions(self) -> pd.DataFrame:
        """Ground reaction forces, with the column names of OpenSim's ExternalLoads.

        What is odd about a plate is logged.

        Returns:
            `(samples, plates × 9)`, index `time` in seconds: of plate 1, `ground_force_1_vx`,
            `…vy`, `…vz` in N, `ground_force_1_px` … in m, `ground_torque_1_x` … in N m. A plate
            that cannot be read has no columns; the others keep their numbers. `frame.attrs` holds
            `path`, and `fault`, which says what cannot be read.

        Raises:
            InputError: no force plate, or none that can be read.
        """
        if not self.plates:
            raise InputError(f"{self.path}: no force plate that gives loads{self.plate_fault}")
        if self.plate_fault:
            log.info("%s: loads without every plate%s", self.path, self.plate_fault)
        columns: dict[str, np.ndarray] = {}
        for plate in self.plates:
            for note in plate.notes:
                log.info("%s: plate %d %s", self.path, plate.number, note)
            names = (
                f"ground_force_{plate.number}_v",
                f"ground_force_{plate.number}_p",
                f"ground_torque_{plate.number}_",
            )
            for name, values in zip(names, plate.reactions(), strict=True):
                columns |= {f"{name}{axis}": values[:, i] for i, axis in enumerate("xyz")}
        frame = pd.DataFrame(columns, index=self.analog.index)
        frame.attrs = {"path": str(self.path), "fault": self.plate_fault}
        return frame


def read_c3d(path: str | os.PathLike[str], up: str | None = None) -> C3D:
    """Read a C3D file (https://www.c3d.org) through ezc3d, in a process of its own.

    Axes are turned so that y points up: by POINT:X_SCREEN and POINT:Y_SCREEN, which name the
    laboratory's axes to the right and up on a screen, or by `up`. Where a file has neither, the
    corners of the force plates decide. The subject's prefix of marker names (`Subject:`) is
    removed. Time starts at the file's first frame number.

    Args:
        path: str or path. The file.
        up: str or None. The laboratory's axis that points up: `x`, `y` or `z`, with a sign or
            without.

    Raises:
        InputError: not a C3D file, damaged, an unknown unit, or the vertical axis is unknown.
    """
    content = read_content(check_input(path, "a C3D file"))
    scale = _metres_per_unit(content)
    rotation = _opensim_rotation(content, up)
    analog, units = content.analog()
    names = content.channel_names()
    plates, fault = read_force_plates(
        content.groups,
        content.voltages,
        names,
        content.texts("ANALOG", "UNITS", len(names)),
        rotation,
        scale,
        content.frames,
    )
    markers = _read_markers(content, rotation, scale)
    subjects = find_subjects(marker_names(markers))
    return C3D(
        content.path,
        choose_subject(markers, subjects[0]) if len(subjects) == 1 else markers,
        plates,
        analog,
        units,
        fault,
        read_events(content.groups, content.header_events),
    )


def read_c3d_analog(path: str | os.PathLike[str]) -> pd.DataFrame:
    """The analog channels of a C3D file that belong to no force plate, as `C3D.analog`.

    Markers, axes and the unit of positions are not needed.

    Raises:
        InputError: not a C3D file, or damaged.
    """
    return read_content(check_input(path, "a C3D file")).analog()[0]


def read_c3d_markers(path: str | os.PathLike[str], up: str | None = None) -> pd.DataFrame:
    """Marker positions of a C3D file as `C3D.markers`, but with the recorded names.

    Raises:
        InputError: as `read_c3d`.
    """
    content = read_content(check_input(path, "a C3D file"))
    scale = _metres_per_unit(content)
    return _read_markers(content, _opensim_rotation(content, up), scale)


def _read_markers(content: Content, rotation: np.ndarray, scale: float) -> pd.DataFrame:
    labels = content.texts("POINT", "LABELS", content.points.shape[1])
    labels = make_unique([label or f"marker_{i + 1}" for i, label in enumerate(labels)])
    positions = np.einsum("ab,bmf->fma", rotation, content.points * scale)
    time = (content.first + np.arange(content.frames)) / content.rate
    return marker_frame(content.path, time, positions.reshape(len(time), 3 * len(labels)), labels)


def _metres_per_unit(content: Content) -> float:
    """Metres in a unit of positions. The positions must agree: a person is no hundred metres."""
    path, unit = content.path, content.texts("POINT", "UNITS", 1)[0]
    if not unit and not np.any(content.groups.get("POINT", {}).get("USED", 0)):
        raise InputError(f"{path}: has no markers and no unit of positions (group POINT)")
    scale = parse_length(unit or "mm")
    if scale is None:
        raise InputError(f"{path}: positions are in '{unit}'; expected mm, cm, dm, m")
    points = np.where((content.points == 0).all(axis=0), np.nan, content.points)
    with np.errstate(all="ignore"):
        filled = np.isfinite(points).all(axis=0).sum(axis=0) >= 3
        if not filled.any():
            return scale
        spans = np.nanmax(points[:, :, filled], axis=1) - np.nanmin(points[:, :, filled], axis=1)
    extent = scale * float(np.median(spans.max(axis=0)))
    if SMALLEST_EXTENT <= extent <= LARGEST_EXTENT:
        return scale
    if not unit:
        raise InputError(
            f"{path}: POINT:UNITS is blank, and in mm the markers would be {extent:.3g} m apart;"
            " write the unit into the file"
        )
    log.info(
        "%s: by POINT:UNITS, '%s', the markers are %.3g m apart; check this unit",
        path, unit, extent,
    )  # fmt: skip
    return scale


def _axis_vector(name: str) -> np.ndarray | None:
    """Unit vector of an axis by its name, such as `+X`; None for any other text."""
    letter = name.strip().lower().lstrip("+-")
    if letter not in ("x", "y", "z"):
        return None
    return np.eye(3)["xyz".index(letter)] * (-1.0 if name.strip().startswith("-") else 1.0)


def _opensim_rotation(content: Content, up: str | None) -> np.ndarray:
    """Rotation from the laboratory's axes to OpenSim's: forward x, up y."""
    path, count = content.path, plate_count(content.groups)
    corners = plate_corners(content.groups)[:count]
    # Corners are numbered so that a plate's own z, x × y, points into the ground.
    normals = [-np.cross(c[:, 0] - c[:, 1], c[:, 0] - c[:, 3]) for c in corners]
    normal = sum((n / np.linalg.norm(n) for n in normals if np.linalg.norm(n) > 0), np.zeros(3))
    vertical = _axis_vector(content.texts("POINT", "Y_SCREEN", 1)[0])
    if up is not None:
        vertical = _axis_vector(up)
        if vertical is None:
            raise InputError(f"the axis that points up is '{up}'; expected x, y, z, -x, -y or -z")
    elif vertical is None and normal.any():
        vertical = np.eye(3)[np.abs(normal).argmax()] * np.sign(normal[np.abs(normal).argmax()])
    elif vertical is None:
        raise InputError(
            f"{path}: does not name the axis that points up; name it with --up, as in +z"
        )
    elif normal.any() and normal @ vertical < 0.7 * np.linalg.norm(normal):
        raise InputError(
            f"{path}: POINT:Y_SCREEN and the corners of the force plates do not agree on which"
            " axis points up; name it with --up, as in +z"
        )
    assert vertical is not None
    forward = _axis_vector(content.texts("POINT", "X_SCREEN", 1)[0])
    if forward is None or abs(forward @ vertical) > 0:
        forward = np.roll(np.abs(vertical), 1)
    return np.stack([forward, vertical, np.cross(forward, vertical)])
