"""C3D files: markers, force plates and analog channels, turned to OpenSim's axes (y up)."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files import check_input
from nem2e_tf.markers import METRES, marker_frame

LEAST_FORCE = 20.0
"""N. Under less vertical force a plate counts as empty: its centre of pressure would be noise."""

PLATE_TYPES = (2, 3, 4)
"""Force plates as the C3D standard numbers them: 2 six channels, 3 Kistler, 4 to be calibrated."""

MOMENTS = {"nmm": 0.001, "n.mm": 0.001, "ncm": 0.01, "nm": 1.0, "n.m": 1.0}
"""N m of a unit as files name it."""


@dataclass(frozen=True)
class ForcePlate:
    """A force plate under a walker, in OpenSim's axes.

    Args:
        corners: `(4, 3)`, metres.
        force: `(samples, 3)`, N. What the plate does to the foot: y is positive under a foot.
        moment: `(samples, 3)`, N m, about the centre of the corners.
    """

    corners: np.ndarray
    force: np.ndarray
    moment: np.ndarray

    def reactions(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Force, centre of pressure and free moment, each `(samples, 3)`: N, m, N m.

        The centre of pressure is where the plate's surface meets the line of the force: with the
        normal n and the moment M about the centre, r = n × M / (n · F); what is left of M is
        the free moment about n. All are zero under less than `LEAST_FORCE`.
        """
        edges = self.corners[0] - self.corners[1], self.corners[0] - self.corners[3]
        normal = np.cross(*edges)
        normal *= np.sign(normal[1]) / np.linalg.norm(normal)
        press = self.force @ normal
        on = press >= LEAST_FORCE
        force = np.where(on[:, None], self.force, 0.0)
        arm = np.cross(normal, self.moment) / np.where(on, press, np.inf)[:, None]
        left = np.einsum("sa,a->s", self.moment - np.cross(arm, force), normal)
        free = np.where(on, left, 0.0)[:, None] * normal
        point = np.where(on[:, None], arm + self.corners.mean(axis=0), 0.0)
        return force, point, free


@dataclass(frozen=True)
class C3D:
    """What a C3D file holds.

    Args:
        path: the file.
        markers: as `nem2e_tf.markers.read_markers` gives them.
        plates: force plates, in the file's order.
        analog: `(samples, channels)`, index `time` in seconds; all analog channels that are of no
            force plate, EMG above all, in the file's units.
        units: unit of every column of `analog`, as the file has it.
        unread: why the force plates could not be read; empty if they could.
    """

    path: Path
    markers: pd.DataFrame
    plates: tuple[ForcePlate, ...]
    analog: pd.DataFrame
    units: dict[str, str]
    unread: str = ""

    def ground_reactions(self) -> pd.DataFrame:
        """Ground reaction forces, with the column names that OpenSim's ExternalLoads look for.

        Returns:
            `(samples, plates × 9)`, index `time` in seconds: of plate 1, `ground_force_1_vx`,
            `…vy`, `…vz` in N, `ground_force_1_px` … in m, `ground_torque_1_x` … in N m.

        Raises:
            InputError: no force plate, or one of a kind that is not read.
        """
        if not self.plates:
            raise InputError(f"{self.path}: no force plate to take loads from{self.unread}")
        columns: dict[str, np.ndarray] = {}
        for number, plate in enumerate(self.plates, start=1):
            names = (
                f"ground_force_{number}_v",
                f"ground_force_{number}_p",
                f"ground_torque_{number}_",
            )
            for name, values in zip(names, plate.reactions(), strict=True):
                columns |= {f"{name}{axis}": values[:, i] for i, axis in enumerate("xyz")}
        frame = pd.DataFrame(columns, index=self.analog.index)
        frame.attrs = {"path": str(self.path)}
        return frame


def read_c3d(path: str | os.PathLike[str], up: str | None = None) -> C3D:
    """Read a C3D file (https://www.c3d.org) through ezc3d.

    Axes are turned so that y points up: by POINT:X_SCREEN and POINT:Y_SCREEN, which name the
    laboratory's axes to the right and up on a screen, or by `up`. Where a file says nothing, the
    force plates tell. Marker names lose a prefix (`Subject:`) that all of them have. Time starts
    at the file's first frame number.

    Args:
        path: str or path. The file.
        up: str or None. The laboratory's axis that points up: `x`, `y` or `z`, with a sign or
            without.

    Raises:
        InputError: not a C3D file, damaged, an unknown unit, or no telling which axis is up.
    """
    path = check_input(path, "a C3D file")
    with open(path, "rb") as file:
        head = file.read(512)
    if len(head) < 512 or head[1] != 0x50:
        raise InputError(f"{path}: not a C3D file, or cut short: it has no C3D header")
    content, unread = _open(path)
    groups = content["parameters"]
    unit = _text(groups, "POINT", "UNITS", "mm")
    if unit not in METRES:
        raise InputError(f"{path}: positions are in '{unit}'; expected {', '.join(METRES)}")
    scale = METRES[unit]
    platforms = content["data"].get("platform", [])
    turn = _turn(path, groups, platforms, up)
    header = content["header"]
    rate = float(header["points"]["frame_rate"])
    if rate <= 0:
        raise InputError(f"{path}: its frame rate is {rate:g} a second; the file is damaged")
    first = float(header["points"]["first_frame"]) / rate

    points = content["data"]["points"][:3]
    labels = [str(label) for label in groups["POINT"]["LABELS"]["value"]][: points.shape[1]]
    prefixes = {label.partition(":")[0] for label in labels if ":" in label}
    if len(prefixes) == 1 and all(":" in label for label in labels):
        labels = [label.partition(":")[2] for label in labels]
    positions = np.einsum("ab,bmf->fma", turn, points[:, : len(labels)] * scale)
    time = first + np.arange(points.shape[2]) / rate
    markers = marker_frame(path, time, positions.reshape(len(time), -1), _unique(labels))

    used, plates, unknown = _plates(groups, platforms, turn, scale, len(time))
    voltages = content["data"]["analogs"][0]
    names, units = (_padded(groups, "ANALOG", key, len(voltages)) for key in ("LABELS", "UNITS"))
    names = _unique([name or f"analog_{i + 1}" for i, name in enumerate(names)])
    kept = [i for i in range(len(voltages)) if i not in used]
    per_second = rate * (voltages.shape[1] / max(len(time), 1) if len(voltages) else 1.0)
    analog = pd.DataFrame(
        voltages[kept].T,
        index=pd.Index(first + np.arange(voltages.shape[1]) / per_second, name="time"),
        columns=[names[i] for i in kept],
    )
    analog.attrs = {"path": str(path)}
    return C3D(path, markers, plates, analog, {names[i]: units[i] for i in kept}, unread or unknown)


def _open(path: Path) -> tuple[Any, str]:
    """The file as ezc3d gives it, and why its force plates could not be read."""
    import ezc3d

    unread = ""
    try:
        try:
            return ezc3d.c3d(str(path), extract_forceplat_data=True), unread
        except RuntimeError as error:
            # A kind of plate that ezc3d does not know must not cost the markers.
            unread = f": {' '.join(str(error).split())}"
            return ezc3d.c3d(str(path)), unread
    except Exception as error:  # ezc3d raises whatever C++ threw
        detail = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not a C3D file that can be read: {detail}") from None


def _text(groups: Any, group: str, key: str, default: str) -> str:
    found = groups[group][key]["value"] if group in groups and key in groups[group] else []
    return str(found[0]).strip() if len(found) else default


def _padded(groups: Any, group: str, key: str, count: int) -> list[str]:
    found = groups[group][key]["value"] if group in groups and key in groups[group] else []
    texts = [str(text).strip() for text in found][:count]
    return texts + [""] * (count - len(texts))


def _unique(names: list[str]) -> list[str]:
    """The names, with `_2`, `_3` … after those that are there again."""
    told: dict[str, int] = {}
    unique = []
    for name in names:
        told[name] = told.get(name, 0) + 1
        unique.append(name if told[name] == 1 else f"{name}_{told[name]}")
    return unique


def _axis(name: str) -> np.ndarray | None:
    """Unit vector of an axis by its name, `+X`; None if it is none."""
    letter = name.strip().lower().lstrip("+-")
    if letter not in ("x", "y", "z"):
        return None
    return np.eye(3)["xyz".index(letter)] * (-1.0 if name.strip().startswith("-") else 1.0)


def _turn(path: Path, groups: Any, platforms: Any, up: str | None) -> np.ndarray:
    """Rotation from the laboratory's axes to OpenSim's: forward x, up y."""
    corners = [np.asarray(p["corners"], dtype=float) for p in platforms]
    # Corners are numbered so that a plate's own z, x × y, points into the ground.
    normals = [-np.cross(c[:, 0] - c[:, 1], c[:, 0] - c[:, 3]) for c in corners]
    normal = sum((n / np.linalg.norm(n) for n in normals if np.linalg.norm(n) > 0), np.zeros(3))
    vertical = _axis(_text(groups, "POINT", "Y_SCREEN", ""))
    if up is not None:
        vertical = _axis(up)
        if vertical is None:
            raise InputError(f"the axis that points up is '{up}'; expected x, y, z, -x, -y or -z")
    elif vertical is None and normal.any():
        vertical = np.eye(3)[np.abs(normal).argmax()] * np.sign(normal[np.abs(normal).argmax()])
    elif vertical is None:
        raise InputError(f"{path}: does not say which axis points up; name it with --up, as in +z")
    elif normal.any() and normal @ vertical < 0.7 * np.linalg.norm(normal):
        raise InputError(
            f"{path}: POINT:Y_SCREEN and the corners of the force plates do not agree on which"
            " axis points up; name it with --up, as in +z"
        )
    assert vertical is not None
    forward = _axis(_text(groups, "POINT", "X_SCREEN", ""))
    if forward is None or abs(forward @ vertical) > 0:
        forward = np.roll(np.abs(vertical), 1)
    return np.stack([forward, vertical, np.cross(forward, vertical)])


def _plates(
    groups: Any, platforms: Any, turn: np.ndarray, scale: float, frames: int
) -> tuple[set[int], tuple[ForcePlate, ...], str]:
    """Analog channels that belong to force plates, the plates, and which could not be read."""
    if "FORCE_PLATFORM" not in groups:
        return set(), (), ""
    group = groups["FORCE_PLATFORM"]
    count = int(np.ravel(group["USED"]["value"])[0])
    channels = np.asarray(group["CHANNEL"]["value"] if "CHANNEL" in group else [], dtype=int)
    channels = channels[:, :count] - 1 if channels.ndim == 2 else np.zeros((0, 0), dtype=int)
    used = {int(i) for i in np.ravel(channels) if i >= 0}
    units = _padded(groups, "ANALOG", "UNITS", 1 + max(used, default=0))
    types = np.ravel(group["TYPE"]["value"]).astype(int)
    plates, unread = [], ""
    for i, platform in enumerate(platforms):
        if types[i] not in PLATE_TYPES:
            read = ", ".join(str(kind) for kind in PLATE_TYPES)
            unread = f": plate {i + 1} is of type {types[i]}, and types {read} are read"
            continue
        corners, force, moment = (
            np.asarray(platform[key], dtype=float) for key in ("corners", "force", "moment")
        )
        if types[i] == 2 and units[channels[3, i]].lower() in MOMENTS:
            # ezc3d adds force × origin, in the unit of positions, to a moment in its own unit.
            offset = np.cross(force.T, _frame(corners) @ np.asarray(platform["origin"])).T
            moment = (moment - offset) * MOMENTS[units[channels[3, i]].lower()] / scale + offset
        force, moment = (_zeroed(group, values, frames) for values in (force, moment))
        force, moment = turn @ force, turn @ moment * scale
        if force[1].max(initial=0.0) < -force[1].min(initial=0.0):
            # A foot cannot pull: these are forces on the plate, not on the foot.
            force, moment = -force, -moment
        plates.append(ForcePlate((turn @ corners * scale).T, force.T, moment.T))
    return used, tuple(plates), unread


def _frame(corners: np.ndarray) -> np.ndarray:
    """Rotation from a plate's own axes to the laboratory's; corners `(3, 4)` at +x+y, -x+y, …"""
    x = corners[:, 0] - corners[:, 1]
    z = np.cross(x, corners[:, 0] - corners[:, 3])
    axes = np.stack([x, np.cross(z, x), z], axis=1)
    return axes / np.linalg.norm(axes, axis=0)


def _zeroed(group: Any, values: np.ndarray, frames: int) -> np.ndarray:
    """Less the mean over the frames that FORCE_PLATFORM:ZERO names as unloaded, if it names any."""
    zero = np.ravel(group["ZERO"]["value"]).astype(int) if "ZERO" in group else np.zeros(0, int)
    if len(zero) < 2 or not 0 < zero[0] <= zero[1] <= frames:
        return values
    each = values.shape[1] // frames
    return values - values[:, (zero[0] - 1) * each : zero[1] * each].mean(axis=1, keepdims=True)
