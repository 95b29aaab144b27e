"""C3D files: markers, force plates and analog channels, in OpenSim's axes (y up)."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files.force_plates import ForcePlate, read_force_plates
from nem2e_tf.files.paths import check_input
from nem2e_tf.files.trc import METRES_PER_UNIT, marker_frame


@dataclass(frozen=True)
class C3D:
    """The content of a C3D file.

    Args:
        path: the file.
        markers: as `nem2e_tf.files.read_markers` gives them.
        plates: force plates, in the file's order.
        analog: `(samples, channels)`, index `time` in seconds; all analog channels that do not
            belong to a force plate (EMG above all), in the file's units.
        units: unit of every column of `analog`, as the file has it.
        plate_fault: why the force plates could not be read; empty if they could.
    """

    path: Path
    markers: pd.DataFrame
    plates: tuple[ForcePlate, ...]
    analog: pd.DataFrame
    units: dict[str, str]
    plate_fault: str = ""

    def ground_reactions(self) -> pd.DataFrame:
        """Ground reaction forces, with the column names of OpenSim's ExternalLoads.

        Returns:
            `(samples, plates × 9)`, index `time` in seconds: of plate 1, `ground_force_1_vx`,
            `…vy`, `…vz` in N, `ground_force_1_px` … in m, `ground_torque_1_x` … in N m.

        Raises:
            InputError: no force plate, or one of a type that is not supported.
        """
        if not self.plates:
            raise InputError(f"{self.path}: no force plate that gives loads{self.plate_fault}")
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
    """Read a C3D file (https://www.c3d.org) through ezc3d, in a process of its own.

    Axes are turned so that y points up: by POINT:X_SCREEN and POINT:Y_SCREEN, which name the
    laboratory's axes to the right and up on a screen, or by `up`. Where a file has neither, the
    corners of the force plates decide. A prefix that all marker names have (`Subject:`) is
    removed. Time starts at the file's first frame number.

    Args:
        path: str or path. The file.
        up: str or None. The laboratory's axis that points up: `x`, `y` or `z`, with a sign or
            without.

    Raises:
        InputError: not a C3D file, damaged, an unknown unit, or the vertical axis is unknown.
    """
    path = check_input(path, "a C3D file")
    announced = _announced_frames(path)
    arrays, metadata = _read_in_process(path)
    points, voltages, groups = arrays["points"], arrays["analogs"], metadata["groups"]
    frames = points.shape[2]
    if frames < announced:
        raise InputError(
            f"{path}: cut short: its header announces {announced} frames, the file has {frames};"
            " copy or export it again"
        )
    if frames == 0:
        raise InputError(f"{path}: holds no frames")
    unit = _read_padded_texts(groups, "POINT", "UNITS", 1)[0] or "mm"
    if unit not in METRES_PER_UNIT:
        raise InputError(
            f"{path}: positions are in '{unit}'; expected {', '.join(METRES_PER_UNIT)}"
        )
    scale = METRES_PER_UNIT[unit]
    keys = ("corners", "origin", "force", "moment")
    platforms = [
        {key: arrays[f"platform_{i}_{key}"] for key in keys} for i in range(metadata["platforms"])
    ]
    rotation = _opensim_rotation(path, groups, platforms, up)
    rate = metadata["rate"]
    if not 0 < rate < np.inf:
        raise InputError(f"{path}: its frame rate is {rate:g} a second; the file is damaged")
    first = metadata["first_frame"] / rate

    labels = _read_padded_texts(groups, "POINT", "LABELS", points.shape[1])
    labels = [label or f"marker_{i + 1}" for i, label in enumerate(labels)]
    prefixes = {label.partition(":")[0] for label in labels if ":" in label}
    if len(prefixes) == 1 and all(":" in label for label in labels):
        labels = [label.partition(":")[2] for label in labels]
    positions = np.einsum("ab,bmf->fma", rotation, points * scale)
    time = first + np.arange(points.shape[2]) / rate
    markers = marker_frame(
        path, time, positions.reshape(len(time), 3 * len(labels)), _make_unique(labels)
    )

    names, units = (
        _read_padded_texts(groups, "ANALOG", key, len(voltages)) for key in ("LABELS", "UNITS")
    )
    try:
        plate_channels, plates, plate_fault = read_force_plates(
            groups, platforms, units, rotation, scale, len(time)
        )
    except (KeyError, IndexError, TypeError, ValueError):
        # As with an unknown type of plate, the markers are still read.
        plate_channels, plates, plate_fault = (
            set(),
            (),
            ": its FORCE_PLATFORM parameters are damaged",
        )
    names = _make_unique([name or f"analog_{i + 1}" for i, name in enumerate(names)])
    kept = [i for i in range(len(voltages)) if i not in plate_channels]
    per_second = rate * (voltages.shape[1] / max(len(time), 1) if len(voltages) else 1.0)
    analog = pd.DataFrame(
        voltages[kept].T,
        index=pd.Index(first + np.arange(voltages.shape[1]) / per_second, name="time"),
        columns=[names[i] for i in kept],
    )
    analog.attrs = {"path": str(path)}
    return C3D(
        path,
        markers,
        plates,
        analog,
        {names[i]: units[i] for i in kept},
        metadata["unread"] or plate_fault,
    )


def _announced_frames(path: Path) -> int:
    """Frames by the header, which ezc3d corrects silently; 0 where they exceed its two bytes."""
    with open(path, "rb") as file:
        head = file.read(512)
        if len(head) < 512 or head[1] != 0x50 or head[0] == 0:
            raise InputError(f"{path}: not a C3D file, or cut short: it has no C3D header")
        file.seek((head[0] - 1) * 512)
        processor = file.read(4)[3:]
    order = ">" if processor == bytes([86]) else "<"
    first, last = (int(word) for word in np.frombuffer(head[6:10], dtype=f"{order}u2"))
    return last - first + 1 if 0 < first <= last < 0xFFFF else 0


def _read_in_process(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Run `c3d_process`: arrays by name, and the other values."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "c3d.npz"
        # -P: modules of this folder must not be imported in place of others of the same name.
        reader = str(Path(__file__).with_name("c3d_process.py"))
        done = subprocess.run(
            [sys.executable, "-X", "utf8", "-P", reader, str(path.resolve()), str(result)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise _read_error(path, lines[-1] if lines else "")
        return _load_result(result)


def _load_result(result: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with np.load(result) as arrays:
        found = dict(arrays)
    return found, json.loads(str(found.pop("json")))


def _read_error(path: Path, detail: str) -> InputError:
    ended = "its reader crashed, or took more time or memory than a file of this size needs"
    return InputError(
        f"{path}: not a C3D file that can be read: {detail or ended}; export it again"
    )


def _read_texts(groups: Any, group: str, key: str) -> list[str]:
    """A parameter's texts; beyond 255 they go on in `LABELS2`, `LABELS3`, …"""
    if group not in groups:
        return []
    found: list[str] = []
    for name in (key, *(f"{key}{number}" for number in range(2, 10))):
        if name in groups[group]:
            found += [str(text).strip() for text in np.ravel(groups[group][name])]
    return found


def _read_padded_texts(groups: Any, group: str, key: str, count: int) -> list[str]:
    return (_read_texts(groups, group, key) + [""] * count)[:count]


def _make_unique(names: list[str]) -> list[str]:
    """The names, with `_2`, `_3` … appended to repeated ones."""
    counts: dict[str, int] = {}
    unique = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        unique.append(name if counts[name] == 1 else f"{name}_{counts[name]}")
    return unique


def _axis_vector(name: str) -> np.ndarray | None:
    """Unit vector of an axis by its name, such as `+X`; None for any other text."""
    letter = name.strip().lower().lstrip("+-")
    if letter not in ("x", "y", "z"):
        return None
    return np.eye(3)["xyz".index(letter)] * (-1.0 if name.strip().startswith("-") else 1.0)


def _opensim_rotation(path: Path, groups: Any, platforms: Any, up: str | None) -> np.ndarray:
    """Rotation from the laboratory's axes to OpenSim's: forward x, up y."""
    corners = [platform["corners"] for platform in platforms]
    # Corners are numbered so that a plate's own z, x × y, points into the ground.
    normals = [-np.cross(c[:, 0] - c[:, 1], c[:, 0] - c[:, 3]) for c in corners]
    normal = sum((n / np.linalg.norm(n) for n in normals if np.linalg.norm(n) > 0), np.zeros(3))
    vertical = _axis_vector(_read_padded_texts(groups, "POINT", "Y_SCREEN", 1)[0])
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
    forward = _axis_vector(_read_padded_texts(groups, "POINT", "X_SCREEN", 1)[0])
    if forward is None or abs(forward @ vertical) > 0:
        forward = np.roll(np.abs(vertical), 1)
    return np.stack([forward, vertical, np.cross(forward, vertical)])
