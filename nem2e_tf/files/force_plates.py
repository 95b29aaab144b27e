"""Force plates: ground reaction force, centre of pressure and free moment."""

from dataclasses import dataclass
from typing import Any

import numpy as np

MIN_FORCE = 20.0
"""N. A plate with less vertical force counts as unloaded: its centre of pressure would be noise."""

PLATE_TYPES = (2, 3, 4)
"""Force plates as the C3D standard numbers them: 2 six channels, 3 Kistler, 4 to be calibrated."""

NEWTON_METRES_PER_UNIT = {"nmm": 0.001, "n.mm": 0.001, "ncm": 0.01, "nm": 1.0, "n.m": 1.0}
"""By unit, as files name it."""


@dataclass(frozen=True)
class ForcePlate:
    """The signals of a force plate, in OpenSim's axes.

    Args:
        corners: `(4, 3)`, metres.
        force: `(samples, 3)`, N. Of the plate on the foot: y is positive under a foot.
        moment: `(samples, 3)`, N m, about the centre of the corners.
    """

    corners: np.ndarray
    force: np.ndarray
    moment: np.ndarray

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


def read_force_plates(
    groups: Any, platforms: Any, units: list[str], rotation: np.ndarray, scale: float, frames: int
) -> tuple[set[int], tuple[ForcePlate, ...], str]:
    """The force plates of a C3D file, from the output of ezc3d.

    Args:
        groups: the file's parameters, value by name by group.
        platforms: corners, origin, force and moment by plate, as ezc3d gives them: in the
            laboratory's axes, moments about the centre of the plate's surface.
        units: unit of every analog channel.
        rotation: `(3, 3)`, from the laboratory's axes to OpenSim's.
        scale: float. Metres per unit of positions.
        frames: int. Of the markers.

    Returns:
        The analog channels that belong to plates, the plates, and which of them could not be read,
        as the end of a sentence.
    """
    if "FORCE_PLATFORM" not in groups:
        return set(), (), ""
    group = groups["FORCE_PLATFORM"]
    count = int(np.ravel(group["USED"])[0])
    channels = np.asarray(group.get("CHANNEL", []), dtype=int)
    channels = channels[:, :count] - 1 if channels.ndim == 2 else np.zeros((0, 0), dtype=int)
    used = {int(i) for i in np.ravel(channels) if i >= 0}
    types = np.ravel(group["TYPE"]).astype(int)
    plates, unread = [], ""
    for i, platform in enumerate(platforms):
        if types[i] not in PLATE_TYPES:
            read = ", ".join(str(kind) for kind in PLATE_TYPES)
            unread = f": plate {i + 1} is of type {types[i]}; types {read} are supported"
            continue
        corners, force, moment = (platform[key] for key in ("corners", "force", "moment"))
        if types[i] == 2 and units[channels[3, i]].lower() in NEWTON_METRES_PER_UNIT:
            # ezc3d adds force × origin, in the unit of positions, to a moment in its own unit.
            offset = np.cross(force.T, _plate_axes(corners) @ platform["origin"]).T
            moment = (moment - offset) * NEWTON_METRES_PER_UNIT[
                units[channels[3, i]].lower()
            ] / scale + offset
        force, moment = (_subtract_zero_level(group, values, frames) for values in (force, moment))
        force, moment = rotation @ force, rotation @ moment * scale
        if force[1].max(initial=0.0) < -force[1].min(initial=0.0):
            # A foot cannot pull: these forces act on the plate, not on the foot.
            force, moment = -force, -moment
        plates.append(ForcePlate((rotation @ corners * scale).T, force.T, moment.T))
    return used, tuple(plates), unread


def _plate_axes(corners: np.ndarray) -> np.ndarray:
    """Rotation from a plate's own axes to the laboratory's; corners `(3, 4)` at +x+y, -x+y, …"""
    x = corners[:, 0] - corners[:, 1]
    z = np.cross(x, corners[:, 0] - corners[:, 3])
    axes = np.stack([x, np.cross(z, x), z], axis=1)
    return axes / np.linalg.norm(axes, axis=0)


def _subtract_zero_level(group: Any, values: np.ndarray, frames: int) -> np.ndarray:
    """The values minus their mean over the unloaded frames of FORCE_PLATFORM:ZERO, if any."""
    zero = np.ravel(group["ZERO"]).astype(int) if "ZERO" in group else np.zeros(0, int)
    if len(zero) < 2 or not 0 < zero[0] <= zero[1] <= frames:
        return values
    each = values.shape[1] // frames
    return values - values[:, (zero[0] - 1) * each : zero[1] * each].mean(axis=1, keepdims=True)
