"""Leg models: one or both sides of an OpenSim model, with their coordinates and muscles."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files import check_document, check_input
from nem2e_tf.simulation.posture import Posture

COORDINATES = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle")
"""A leg's coordinates whose moments muscles share, without the side.

Subtalar and metatarsophalangeal joints are left out: they are seldom tracked, and their joint
moments are unreliable.
"""

SIDES: Mapping[str, tuple[str, ...]] = {"r": ("r",), "l": ("l",), "both": ("r", "l")}

LARGEST_MOMENT = 8.0
"""N m a kilogram of body mass. No joint of a leg reaches it in running (hip and ankle about 4)."""

PROBE_STEPS = (-0.5, -0.1, 0.1, 0.5)
"""Radians or metres from the default pose. A coordinate is crossed if they change the length."""


@dataclass(frozen=True)
class LegModel:
    """An OpenSim model with the coordinates and muscles of one side or of both.

    Args:
        path: path. The .osim file.
        model: opensim.Model, initialised.
        state: its SimTK::State.
        side: str. `r`, `l` or `both`.
        coordinates: names of the coordinates whose generalised forces the muscles share.
        muscles: names of the side's muscles that cross at least one of them, in model order.
        rotations: names of all rotational coordinates of the model.
        crossed_coordinates: for each muscle, the names of all coordinates of the model that change
            its length, shared ones or not, in model order.
    """

    path: Path
    model: Any
    state: Any
    side: str
    coordinates: tuple[str, ...]
    muscles: tuple[str, ...]
    rotations: tuple[str, ...]
    crossed_coordinates: Mapping[str, tuple[str, ...]] = field(repr=False)

    @property
    def mass(self) -> float:
        """Body mass in kilograms."""
        return float(self.model.getTotalMass(self.state))

    @property
    def coordinate_names(self) -> list[str]:
        """Every coordinate of the model, the other side and the trunk included."""
        found = self.model.getCoordinateSet()
        return [found.get(i).getName() for i in range(found.getSize())]

    @property
    def generalised_forces(self) -> list[str]:
        """The columns of inverse dynamics that belong to `coordinates`."""
        return [
            f"{name}_{'moment' if name in self.rotations else 'force'}" for name in self.coordinates
        ]

    @property
    def crossings(self) -> np.ndarray:
        """Whether a muscle crosses a shared coordinate: `(coordinates, muscles)` of bool."""
        pairs = [[c in self.crossed_coordinates[m] for m in self.muscles] for c in self.coordinates]
        return np.array(pairs, dtype=bool)

    def restrict_to_forces(self, columns: Iterable[str]) -> "LegModel":
        """The leg with only those coordinates that have a generalised force in `columns`.

        Args:
            columns: names as inverse dynamics writes them, `<coordinate>_moment` or `_force`.
        """
        known = set(columns)
        kept = tuple(
            name
            for name, force in zip(self.coordinates, self.generalised_forces, strict=True)
            if force in known
        )
        muscles = tuple(m for m in self.muscles if set(kept) & set(self.crossed_coordinates[m]))
        if not muscles:
            raise InputError(
                f"{self.path}: none of the generalised forces belongs to a coordinate that a muscle"
                f" of this model crosses; {suggest_name(self.generalised_forces[0], known)}"
            )
        return replace(self, coordinates=kept, muscles=muscles)


def load_leg(
    path: str | os.PathLike[str],
    side: str,
    coordinates: tuple[str, ...] | None = COORDINATES,
) -> LegModel:
    """Read an .osim file and find the coordinates and muscles of one side, or of both.

    A muscle belongs to a side if its name ends in `_<side>` and changing one of the shared
    coordinates changes its length.

    Args:
        path: str or path. The model.
        side: str. `r`, `l` or `both`.
        coordinates: tuple of str or None. Coordinates whose generalised forces the muscles share,
            without the side; None is every coordinate of the model that is neither locked nor
            constrained.

    Raises:
        InputError: not a model that OpenSim reads, or the side is not in it.
    """
    path = Path(path)
    if side not in SIDES:
        raise InputError(f"there is no side '{side}'; {suggest_name(side, SIDES)}")
    model, state = read_model(path)
    import opensim

    found = model.getCoordinateSet()
    every = [found.get(i) for i in range(found.getSize())]
    names = [coordinate.getName() for coordinate in every]
    if coordinates is None:
        shared = tuple(c.getName() for c in every if not c.isConstrained(state))
    else:
        shared = tuple(f"{name}_{letter}" for letter in SIDES[side] for name in coordinates)
    for name in shared:
        if name not in names:
            raise InputError(
                f"{path}: the model has no coordinate '{name}'; {suggest_name(name, names)}"
            )
    crossed = {
        muscle: across
        for muscle, across in _find_crossed(model, SIDES[side]).items()
        if set(across) & set(shared)
    }
    if not crossed:
        endings = " or ".join(f"_{letter}" for letter in SIDES[side])
        raise InputError(
            f"{path}: the model has no muscle on side '{side}' (name ending {endings})"
        )
    rotational = opensim.Coordinate.Rotational
    return LegModel(
        path=path,
        model=model,
        state=model.initializeState(),
        side=side,
        coordinates=shared,
        muscles=tuple(crossed),
        rotations=tuple(c.getName() for c in every if c.getMotionType() == rotational),
        crossed_coordinates=crossed,
    )


def read_model(path: str | os.PathLike[str]) -> tuple[Any, Any]:
    """Read a model anew, so that no other code changes it: opensim.Model and its SimTK::State.

    Raises:
        InputError: not a model that OpenSim reads.
    """
    path = check_input(path, "an OpenSim model")
    if path.suffix.lower() != ".osim":
        raise InputError(f"{path}: not an OpenSim model; expected a name ending in .osim")
    check_document(path, "an OpenSim model", "Model")
    import opensim

    # OpenSim logs each missing bone geometry, and writes a log file into the working folder.
    opensim.Logger.setLevelString("Off")
    opensim.Logger.removeFileSink()
    try:
        model = opensim.Model(str(path))
        state = model.initSystem()
    except RuntimeError as error:
        raise InputError(
            f"{path}: OpenSim cannot read this model: {opensim_reason(error)}"
        ) from None
    return model, state


def opensim_reason(error: RuntimeError) -> str:
    """The line of an OpenSim error that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Simbody's first line says where the error was thrown, the next one why.
    line = next((text for text in lines if text.startswith("Error detected")), "".join(lines[:1]))
    unknown = re.search(r"object type '\{?(.*?)\}?' is not a registered Object", line)
    if unknown:
        return f"it has a '{unknown[1]}', which is not a class of OpenSim; plug-ins are not loaded"
    return re.sub(r"^(std::exception in '.*?'|Error detected by Simbody method \S+): ", "", line)


def _find_crossed(model: Any, letters: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """For each muscle of the sides, the coordinates that change its length."""
    muscles = [model.getMuscles().get(i) for i in range(model.getMuscles().getSize())]
    endings = tuple(f"_{letter}" for letter in letters)
    own = [m for m in muscles if m.getName().endswith(endings) and m.get_appliesForce()]
    crossed: dict[str, list[str]] = {m.getName(): [] for m in own}
    names = Posture(model, ()).names
    posture = Posture(model, names)
    defaults = np.array([model.getCoordinateSet().get(name).getDefaultValue() for name in names])
    for i, name in enumerate(names):
        coordinate = model.getCoordinateSet().get(name)
        if coordinate.isConstrained(posture.state):
            continue
        steps = [
            step
            for step in (0.0, *PROBE_STEPS)
            if step == 0.0
            or coordinate.getRangeMin() <= defaults[i] + step <= coordinate.getRangeMax()
        ]
        poses = np.tile(defaults, (len(steps), 1))
        poses[:, i] += steps
        lengths = []
        for values in posture.complete(poses, np.zeros_like(poses))[0]:
            posture.set_pose(values)
            lengths.append([m.getLength(posture.state) for m in own])
        for muscle, change in zip(own, np.ptp(np.array(lengths), axis=0), strict=True):
            if change > 1e-9:
                crossed[muscle.getName()].append(name)
    return {muscle: tuple(across) for muscle, across in crossed.items()}
