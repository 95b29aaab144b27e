"""One side of an OpenSim model: its coordinates and the muscles that move them."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nem2e_tf.errors import InputError, nearest
from nem2e_tf.files import check_input

COORDINATES = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle")
"""A leg's coordinates whose moments muscles share, without the side.

Subtalar and metatarsophalangeal joints are left out: they are seldom tracked, and inverse dynamics
says little of them.
"""

LARGEST_MOMENT = 8.0
"""N m a kilogram of body mass. No joint of a leg reaches it in running (hip and ankle about 4)."""


@dataclass(frozen=True)
class LegModel:
    """A model, ready to be posed.

    Args:
        path: path. The .osim file.
        model: opensim.Model, initialised.
        state: its SimTK::State.
        side: str. `r` or `l`.
        coordinates: names of the side's coordinates whose moments the muscles share.
        muscles: names of the side's muscles that cross at least one of them, in model order.
        rotations: names of all rotational coordinates of the model.
    """

    path: Path
    model: Any
    state: Any
    side: str
    coordinates: tuple[str, ...]
    muscles: tuple[str, ...]
    rotations: tuple[str, ...]

    @property
    def mass(self) -> float:
        """Body mass in kilograms."""
        return float(self.model.getTotalMass(self.state))

    @property
    def coordinate_names(self) -> list[str]:
        """Every coordinate of the model, the other side and the trunk included."""
        found = self.model.getCoordinateSet()
        return [found.get(i).getName() for i in range(found.getSize())]


def load_leg(
    path: str | os.PathLike[str], side: str, coordinates: tuple[str, ...] = COORDINATES
) -> LegModel:
    """Read an .osim file and find one side's coordinates and muscles.

    A muscle belongs to the side if its name ends in `_<side>` and changing one of the side's
    coordinates changes its length.

    Args:
        path: str or path. The model.
        side: str. `r` or `l`.
        coordinates: tuple of str. Whose moments the muscles share, without the side.

    Raises:
        InputError: not a model that OpenSim reads, or the side is not in it.
    """
    path = check_input(path, "an OpenSim model")
    if path.suffix.lower() != ".osim":
        raise InputError(f"{path}: not an OpenSim model; expected a name ending in .osim")
    import opensim

    # OpenSim reports each missing picture of a bone, and writes a log into the working folder.
    opensim.Logger.setLevelString("Off")
    opensim.Logger.removeFileSink()
    try:
        model = opensim.Model(str(path))
        state = model.initSystem()
    except RuntimeError as error:
        raise InputError(f"{path}: OpenSim cannot read this model: {reason(error)}") from None

    found = model.getCoordinateSet()
    every = [found.get(i) for i in range(found.getSize())]
    names = [coordinate.getName() for coordinate in every]
    wanted = tuple(f"{name}_{side}" for name in coordinates)
    for name in wanted:
        if name not in names:
            raise InputError(
                f"{path}: the model has no coordinate '{name}'; {nearest(name, names)}"
            )
    rotational = opensim.Coordinate.Rotational
    return LegModel(
        path=path,
        model=model,
        state=state,
        side=side,
        coordinates=wanted,
        muscles=_crossing(path, model, state, wanted, side),
        rotations=tuple(c.getName() for c in every if c.getMotionType() == rotational),
    )


def read_model(path: str | os.PathLike[str]) -> Any:
    """A whole opensim.Model of its own, which nothing else poses or loads; raises `InputError`."""
    path = check_input(path, "an OpenSim model")
    import opensim

    opensim.Logger.setLevelString("Off")
    opensim.Logger.removeFileSink()
    try:
        model = opensim.Model(str(path))
        model.initSystem()
    except RuntimeError as error:
        raise InputError(f"{path}: OpenSim cannot read this model: {reason(error)}") from None
    return model


def reason(error: RuntimeError) -> str:
    """The one line of an OpenSim error that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Simbody says first where it was thrown, and on the next line why.
    told = next((line for line in lines if line.startswith("Error detected")), "".join(lines[:1]))
    return re.sub(r"^(std::exception in '.*?'|Error detected by Simbody method \S+): ", "", told)


def _crossing(
    path: Path, model: Any, state: Any, coordinates: tuple[str, ...], side: str
) -> tuple[str, ...]:
    muscles = [model.getMuscles().get(i) for i in range(model.getMuscles().getSize())]
    own = [m for m in muscles if m.getName().endswith(f"_{side}") and m.get_appliesForce()]
    crossing = set()
    for name in coordinates:
        coordinate = model.getCoordinateSet().get(name)
        rest = coordinate.getValue(state)
        lengths = []
        for value in (rest, rest + 0.1 if rest + 0.1 <= coordinate.getRangeMax() else rest - 0.1):
            coordinate.setValue(state, value, False)
            model.realizePosition(state)
            lengths.append([m.getLength(state) for m in own])
        coordinate.setValue(state, rest, False)
        crossing |= {
            m.getName()
            for m, before, after in zip(own, *lengths, strict=True)
            if abs(after - before) > 1e-9
        }
    if not crossing:
        raise InputError(f"{path}: the model has no muscle on side '{side}' (name ending _{side})")
    return tuple(m.getName() for m in own if m.getName() in crossing)
