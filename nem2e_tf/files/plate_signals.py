"""Force plates' channels as forces and moments: units, and the types of plates.

Source: the C3D file format, FORCE_PLATFORM:TYPE, ORIGIN and CAL_MATRIX (https://www.c3d.org).
"""

import re

import numpy as np

CHANNELS = {1: 6, 2: 6, 3: 8, 4: 6}
"""Channels by type of plate, as the C3D format numbers them: 1 force, centre of pressure and free
moment; 2 force and moment; 3 Kistler's eight forces; 4 six channels to be calibrated."""

NEWTONS = {"n": 1.0, "newton": 1.0, "newtons": 1.0, "kn": 1000.0}
"""By unit, in small letters."""

LENGTHS = {
    "mm": 0.001, "cm": 0.01, "dm": 0.1, "m": 1.0, "metre": 1.0, "metres": 1.0, "meter": 1.0,
    "meters": 1.0, "millimetre": 0.001, "millimetres": 0.001, "millimeter": 0.001,
    "millimeters": 0.001, "centimetre": 0.01, "centimetres": 0.01, "centimeter": 0.01,
    "centimeters": 0.01,
}  # fmt: skip
"""Metres, by unit, in small letters."""

BETWEEN = re.compile(r"[\s.*·•⋅∙×_\-\u00ad\u2010-\u2015\u2212\ufffd]+")
"""What stands between the units of a product; the last is a character of another code page."""

VOLTS = re.compile(r"[munµμ\ufffd]?v(olts?)?|(milli|micro)volts?|bits?|counts?")
"""Units of signals that are to be calibrated."""


class PlateError(ValueError):
    """Why a force plate cannot be read, as the end of a sentence about it."""


def parse_length(unit: str) -> float | None:
    """Metres in a unit of length; None for another text."""
    return LENGTHS.get(unit.strip().lower())


def parse_force(unit: str) -> float | None:
    """Newtons in a unit of force; None for another text."""
    return NEWTONS.get(unit.strip().lower())


def parse_moment(unit: str) -> float | None:
    """Newton metres in a unit of moment, such as `Nmm`, `N-m`, `N·m`, `N m`; None for another."""
    text = BETWEEN.sub("", unit.lower())
    for force, newtons in sorted(NEWTONS.items(), key=lambda item: -len(item[0])):
        for length, metres in LENGTHS.items():
            if text in (force + length, length + force):
                return newtons * metres
    return None


def plate_wrench(
    kind: int,
    signals: np.ndarray,
    units: list[str],
    names: list[str],
    origin: np.ndarray,
    calibration: np.ndarray | None,
    scale: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Force and moment about the centre of a plate's surface, in the plate's own axes.

    Args:
        kind: int. FORCE_PLATFORM:TYPE, 1 to 4.
        signals: `(channels, samples)`, as the file has them.
        units: their units, as ANALOG:UNITS has them. Blank ones are those of the C3D format:
            N, and lengths in the unit of positions.
        names: their names, for messages.
        origin: `(3,)`, FORCE_PLATFORM:ORIGIN in the unit of positions.
        calibration: `(6, 6)`, FORCE_PLATFORM:CAL_MATRIX of this plate, or None.
        scale: float. Metres in the unit of positions.

    Returns:
        `(3, samples)` N and `(3, samples)` N m.

    Raises:
        PlateError: an unknown unit, by name, or no calibration matrix.
    """
    if kind == 4:
        if calibration is None:
            raise PlateError("has no calibration matrix")
        signals = calibration @ signals
        # What comes out has the units of the format, unless the channels name those of forces.
        units = ["" if VOLTS.fullmatch(unit.strip().lower()) else unit for unit in units]
    force_count = 8 if kind == 3 else 3
    factors = []
    for i, (unit, name) in enumerate(zip(units, names, strict=True)):
        if i < force_count:
            factors.append(_convert(parse_force(unit), "force in N or kN", unit, name, 1.0))
        elif kind == 1 and i < 5:
            factors.append(_convert(parse_length(unit), "position in mm or m", unit, name, scale))
        else:
            factors.append(_convert(parse_moment(unit), "moment in Nmm or Nm", unit, name, scale))
    values = signals * np.array(factors)[:, None]
    # Below the surface is where z points to, so the way up from the sensors is negative. Vicon
    # writes all three components with the opposite sign.
    surface = np.array(origin, dtype=float) * scale
    if surface[2] > 0:
        surface = -surface
    if kind == 3:
        return _eight_forces(values, abs(surface[0]), abs(surface[1]), surface[2])
    force = values[:3]
    if kind == 1:
        arm = np.stack([values[3] - surface[0], values[4] - surface[1], np.zeros(values.shape[1])])
        free = np.stack([np.zeros_like(values[5]), np.zeros_like(values[5]), values[5]])
        return force, np.cross(arm, force, axis=0) + free
    return force, values[3:] + np.cross(force, surface[:, None], axis=0)


def _convert(known: float | None, expected: str, unit: str, name: str, blank: float) -> float:
    if known is not None:
        return known
    if not unit.strip():
        return blank
    raise PlateError(f"has channel '{name}' in '{unit}', which is not known; expected a {expected}")


def _eight_forces(
    values: np.ndarray, a: float, b: float, surface: float
) -> tuple[np.ndarray, np.ndarray]:
    """Of Kistler's sensors, at (±a, ±b): x of 1+2 and 3+4, y of 1+4 and 2+3, z of each."""
    x12, x34, y14, y23, z1, z2, z3, z4 = values
    force = np.stack([x12 + x34, y14 + y23, z1 + z2 + z3 + z4])
    moment = np.stack(
        [b * (z1 + z2 - z3 - z4), a * (-z1 + z2 + z3 - z4), b * (x34 - x12) + a * (y14 - y23)]
    )
    return force, moment + np.cross(force, np.array([[0.0], [0.0], [surface]]), axis=0)
