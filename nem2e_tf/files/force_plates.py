"""Force plates: ground reaction force, centre of pressure and free moment."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from nem2e_tf.files.plate_baseline import find_baseline
from nem2e_tf.files.plate_signals import CHANNELS, PlateError, plate_wrench

MIN_FORCE = 20.0
"""N. A plate with less vertical force counts as unloaded: its centre of pressure would be noise."""

CERTAIN_FORCE = 100.0
"""N. With more, the centre of pressure must be on the plate."""

SMALLEST_PATH = 0.001
"""Metres. A centre of pressure that stays nearer to the middle is due to a wrong unit."""


@dataclass(frozen=True)
class ForcePlate:
    """The signals of a force plate, in OpenSim's axes.

    Args:
        corners: `(4, 3)`, metres.
        force: `(samples, 3)`, N. Of the plate on the foot: y is positive under a foot.
        moment: `(samples, 3)`, N m, about the centre of the corners.
        number: the plate's place in the file, from 1.
        notes: what is to be told of it, as ends of sentences about the plate.
    """

    corners: np.ndarray
    force: np.ndarray
    moment: np.ndarray
    number: int = 1
    notes: tuple[str, ...] = ()

    def reactions(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Force, centre of pressure and free moment, each `(samples, 3)`: N, m, N m.

        The centre of pressure is where the line of the force meets the plate's surface: with the
        normal n and the moment M about the centre, r = n × M / (n · F); the rest of M is the
        free moment about n. All are zero below `MIN_FORCE`.
        """
        edges = self.corners[0] - self.corners[1], self.corners[0] - self.corners[3]
        normal = np.cross(*edges)
        normal *= np.sign(normal[1]) / np.linalg.norm(normal)
        normal_force = self.force @ normal
        is_loaded = normal_force >= MIN_FORCE
        force = np.where(is_loaded[:, None], self.force, 0.0)
        arm = np.cross(normal, self.moment) / np.where(is_loaded, normal_force, np.inf)[:, None]
        rest = np.einsum("sa,a->s", self.moment - np.cross(arm, force), normal)
        free = np.where(is_loaded, rest, 0.0)[:, None] * normal
        point = np.where(is_loaded[:, None], arm + self.corners.mean(axis=0), 0.0)
        return force, point, free


def plate_corners(groups: Any) -> list[np.ndarray]:
    """Corners of every plate, `(3, 4)`, in the laboratory's axes and the unit of positions."""
    corners = np.asarray(groups.get("FORCE_PLATFORM", {}).get("CORNERS", []), dtype=float)
    return list(np.moveaxis(corners, 2, 0)) if corners.shape[:2] == (3, 4) else []


def read_force_plates(
    groups: Any,
    voltages: np.ndarray,
    names: list[str],
    units: list[str],
    rotation: np.ndarray,
    scale: float,
    frames: int,
) -> tuple[tuple[ForcePlate, ...], str]:
    """The force plates of a C3D file.

    Args:
        groups: the file's parameters, value by name by group.
        voltages: `(channels, samples)`, all analog channels.
        names: of the channels.
        units: of the channels.
        rotation: `(3, 3)`, from the laboratory's axes to OpenSim's.
        scale: float. Metres per unit of positions.
        frames: int. Of the markers.

    Returns:
        The plates that can be read, and why the others cannot, as the end of a sentence.
    """
    if "FORCE_PLATFORM" not in groups:
        return (), ""
    plates, faults = [], []
    for i in range(plate_count(groups)):
        try:
            plates.append(_read_plate(i, groups, voltages, names, units, rotation, scale, frames))
        except PlateError as error:
            faults.append(f"plate {i + 1} {error}")
        except (KeyError, IndexError, TypeError, ValueError):
            faults.append(f"the FORCE_PLATFORM parameters of plate {i + 1} are damaged")
    return tuple(plates), "".join(f"; {fault}" for fault in faults)


def plate_count(groups: Any) -> int:
    """Plates that a file says it has, which may be more than it describes."""
    try:
        used = int(np.ravel(groups["FORCE_PLATFORM"]["USED"])[0])
        return min(used, np.size(groups["FORCE_PLATFORM"]["TYPE"]))
    except (KeyError, IndexError, TypeError, ValueError):
        return 0


def plate_channels(groups: Any) -> set[int]:
    """The analog channels, from 0, that belong to force plates."""
    try:
        found = np.asarray(groups.get("FORCE_PLATFORM", {}).get("CHANNEL", []), dtype=int)
    except (TypeError, ValueError):
        return set()
    used = found[:, : plate_count(groups)] if found.ndim == 2 else found[:0]
    return {int(channel) - 1 for channel in np.ravel(used) if channel > 0}


def _read_plate(
    i: int,
    groups: Any,
    voltages: np.ndarray,
    names: list[str],
    units: list[str],
    rotation: np.ndarray,
    scale: float,
    frames: int,
) -> ForcePlate:
    group = groups["FORCE_PLATFORM"]
    kind = int(np.ravel(group["TYPE"])[i])
    if kind not in CHANNELS:
        known = ", ".join(map(str, CHANNELS))
        raise PlateError(f"is of type {kind}, which is not supported; types {known} are")
    channels = np.asarray(group["CHANNEL"], dtype=int)[: CHANNELS[kind], i] - 1
    if len(channels) < CHANNELS[kind] or (channels < 0).any() or channels.max() >= len(voltages):
        raise PlateError(f"has not the {CHANNELS[kind]} channels of its type in the file")
    signals = voltages[channels]
    unit, name = [units[c] for c in channels], [names[c] for c in channels]
    bad = ~np.isfinite(signals)
    if bad.any():
        row, sample = (int(place) for place in np.argwhere(bad)[0])
        raise PlateError(f"has no number in channel '{name[row]}' at its sample {sample + 1}")
    corners = plate_corners(groups)[i] * scale
    axes = _plate_axes(corners)
    matrices = np.asarray(group.get("CAL_MATRIX", []), dtype=float)
    if matrices.ndim == 2 and i == 0:
        matrices = matrices[:, :, None]
    calibration = matrices[:, :, i] if matrices.ndim == 3 and matrices.shape[2] > i else None

    origin = np.asarray(group["ORIGIN"], dtype=float)
    origin = origin[:, i] if origin.ndim == 2 else origin

    def wrench(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        force, moment = plate_wrench(kind, values, unit, name, origin, calibration, scale)
        return rotation @ axes @ force, rotation @ axes @ moment

    force, moment = wrench(signals)
    sign = _reaction_sign(force)
    zero = np.ravel(group.get("ZERO", [])).astype(int)
    samples, note = find_baseline(force[1], zero, frames)
    if samples is not None:
        level = signals[:, samples].mean(axis=1, keepdims=True)
        if kind == 1:
            level[3:5] = 0.0  # a centre of pressure has no level
        force, moment = wrench(signals - level)
        if np.abs(force[1]).max(initial=0.0) >= MIN_FORCE and _reaction_sign(force) != sign:
            raise PlateError(
                "is loaded upwards with, and downwards without, the level of the frames that"
                " FORCE_PLATFORM:ZERO names; correct these frames, or set both to 0"
            )
    notes = [note] if note else []
    plate = ForcePlate((rotation @ corners).T, sign * force.T, sign * moment.T, i + 1, tuple(notes))
    fault = _pressure_fault(plate, axes.T @ rotation.T, corners)
    if fault and not all(text.strip() for text in unit):
        raise PlateError(f"{fault}; not all of its channels name a unit")
    if fault:
        notes.append(f"{fault}; check the unit of its moments, ORIGIN and CORNERS")
    return ForcePlate(plate.corners, plate.force, plate.moment, i + 1, tuple(notes))


def _reaction_sign(force: np.ndarray) -> float:
    """-1 where forces `(3, samples)` are those on the plate, as a foot cannot pull; otherwise 1."""
    return -1.0 if force[1].max(initial=0.0) < -force[1].min(initial=0.0) else 1.0


def _plate_axes(corners: np.ndarray) -> np.ndarray:
    """Rotation from a plate's own axes to the laboratory's; corners `(3, 4)` at +x+y, -x+y, …"""
    x = corners[:, 0] - corners[:, 1]
    z = np.cross(x, corners[:, 0] - corners[:, 3])
    if not np.linalg.norm(z) > 0:
        raise PlateError("has corners that span no surface")
    axes = np.stack([x, np.cross(z, x), z], axis=1)
    return axes / np.linalg.norm(axes, axis=0)


def _pressure_fault(plate: ForcePlate, to_plate: np.ndarray, corners: np.ndarray) -> str:
    """What is impossible about the centre of pressure under a load, or an empty text."""
    force, point, _ = plate.reactions()
    is_loaded = force[:, 1] >= CERTAIN_FORCE
    if not is_loaded.any():
        return ""
    places = (point[is_loaded] - plate.corners.mean(axis=0)) @ to_plate.T
    half = [np.linalg.norm(corners[:, 0] - corners[:, other]) / 2 for other in (1, 3)]
    outside = (np.abs(places[:, :2]) > 1.25 * np.array(half)).any(axis=1)
    if outside.mean() > 0.5:
        share = 100 * outside.mean()
        return f"has its centre of pressure beside it in {share:.0f} % of loaded samples"
    if np.abs(places[:, :2]).max() < SMALLEST_PATH:
        return "has a centre of pressure that never leaves its middle"
    return ""
